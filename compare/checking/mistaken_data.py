"""A reconstruction term that no family fits: a cross-entropy with a part mistaken, or right in part alone."""

import numpy as np

from elbo_compare.compare.checking.fitting import Law
from elbo_compare.compare.checking.inputs import Inputs
from elbo_compare.compare.checking.names import Role
from elbo_compare.suites.contract import Array

ONES, ZEROS = "x log p", "(1 - x) log(1 - p)"
SMALL = 1e-6  # of the largest weight: below it a part is not there
INNER = 0.4  # outputs within 0.5 +- 0.2: where a coarse clamp does not act


def cross_entropy_parts(inputs: Inputs, *, logits: bool) -> dict[str, Array]:
    """(batch, observed) of every product of x or 1 - x with a logarithm or a probability, right and wrong ones."""
    x, output = inputs[Role.X], inputs[Role.OUTPUT]
    p = 1 / (1 + np.exp(-output)) if logits else output
    log_p, log_rest = np.log(p), np.log1p(-p)
    return {
        ONES: x * log_p,
        ZEROS: (1 - x) * log_rest,
        "x log(1 - p)": x * log_rest,
        "(1 - x) log p": (1 - x) * log_p,
        "x p": x * p,
        "(1 - x)(1 - p)": (1 - x) * (1 - p),
        "x": x,
    }


def told(weights: dict[str, Law], *, binary: bool) -> tuple[bool, str]:
    """(whether it is a mistake, in words) of the weights that a term has; both right parts with one weight are none.

    binary: x is said to be pixels; else x log p alone may be a multinomial's.
    """
    largest = max(abs(law.factor) for law in weights.values())
    there = {name: law for name, law in weights.items() if abs(law.factor) > SMALL * largest}
    text = " ".join(f"{law.factor:+.4g} {name}" for name, law in there.items()).removeprefix("+")
    ones, zeros = there.get(ONES), there.get(ZEROS)
    if set(there) == {ONES} and ones is not None and ones.factor < 0 and not binary:
        return False, f"the rest is {text}, a multinomial's if the output sums to one"
    if ones is None or zeros is None or ones.factor >= 0 or zeros.factor >= 0:
        return True, f"its reconstruction term is {text}, where {ONES} and {ZEROS} have one weight"
    if set(there) == {ONES, ZEROS}:
        return False, f"the rest is a cross-entropy whose ones and zeros weigh apart, {text}"
    return False, f"the rest is {text}, a cross-entropy and a term of its own"
