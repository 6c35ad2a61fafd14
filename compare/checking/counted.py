"""Likelihoods of counts with a dispersion of their own, `theta`: said to be what they are, not judged of a function.

Of a whole model they are recognised by value (`counts`), where each of their arrays is seen; a function alone does not
say whether its theta is a dispersion, its logarithm or another parameter.
"""

import re

from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.source import mentioned

DISPERSION = re.compile(r"^(log_?)?(theta|disp(ersion)?|inverse_dispersion|total_count|px_r|r)$")


def of_counts(callee: Callee) -> str:
    """That it is such a likelihood, by its gamma functions and its dispersion; "" where it is none."""
    named = [p.name for p in callee.parameters if DISPERSION.search(p.name.lower())]
    gammas = re.search(r"\b(lgamma|gammaln|betaln)\b", mentioned(callee.function))
    if not named or not gammas:
        return ""
    text = (
        f"{callee.label}: a likelihood of counts by its {gammas.group(0)} and {named[0]}, a negative binomial's perhaps"
    )
    return f"{text}: not judged of a function alone (of a whole model it is)"
