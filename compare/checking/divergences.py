"""Quantities of a Gaussian that are no KL to N(0, I), by value: an entropy, a cross entropy, another divergence.

A function of these is said to be what it is; it is wrong as a KL only where its name promises one.
"""

import re
from collections.abc import Callable

import numpy as np

from elbo_compare.compare.checking import oracle
from elbo_compare.compare.checking.by_design import accepted
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.identify import candidate_readings
from elbo_compare.compare.checking.inputs import Inputs
from elbo_compare.compare.checking.judging import Subject
from elbo_compare.compare.checking.names import Role, WrittenAs, promises_kl
from elbo_compare.compare.checking.readings import Quantity
from elbo_compare.compare.checking.sides import probes_of, weights_of
from elbo_compare.compare.checking.signature import FunctionKind
from elbo_compare.suites.contract import Array

# A name that promises a KL or a loss; one that promises something else.
PROMISES = re.compile(r"loss|elbo|regular|weight|bound|objective|latent_?(cost|term)|penalt")
ANOTHER = re.compile(
    r"entropy|wasser|w2|hellinger|jeffrey|symm|renyi|r.nyi|bhatta|jensen|js_?d|fisher|mmd|energy|distance|frechet"
    r"|mutual|variance$|snr|confidence|interval"
)


def _jeffreys(mean: Array, log_var: Array) -> Array:
    return (mean**2 + np.exp(log_var) - 1 - log_var) / 2 + ((mean**2 + 1) * np.exp(-log_var) - 1 + log_var) / 2


def _bhattacharyya(mean: Array, log_var: Array) -> Array:
    return mean**2 / (1 + np.exp(log_var)) / 4 + (np.log1p(np.exp(log_var)) - log_var / 2) / 2


KNOWN: dict[str, Callable[[Array, Array], Array]] = {
    "the entropy of q": lambda mean, log_var: log_var / 2,
    "the cross entropy -E_q[log p(z)]": lambda mean, log_var: (mean**2 + np.exp(log_var)) / 2,
    "the squared 2-Wasserstein distance to N(0, I)": lambda mean, log_var: mean**2 + (np.exp(log_var / 2) - 1) ** 2,
    "Jeffreys' divergence, KL(q || p) + KL(p || q)": _jeffreys,
    "the Bhattacharyya distance to N(0, I) (Renyi, order 1/2)": _bhattacharyya,
}


def no_kl(subject: Subject) -> str:
    """What a function of q is that does not promise a KL, in words; "" where it promises one, or nothing is told."""
    label = subject.signature.name.lower()
    if subject.options.kind is not None or subject.signature.kind is not FunctionKind.ANALYTIC_KL:
        return ""
    if promises_kl(label) or PROMISES.search(label) or subject.signature.find(Role.PRIOR_MEAN):
        return ""
    how = f"--kind {FunctionKind.ANALYTIC_KL} judges it as a KL"
    name = recognised(subject)
    if name:
        return f"it is {name}, no KL; {how}"
    return f"its name promises no KL, and its value is none: not judged; {how}" if ANOTHER.search(label) else ""


def recognised(subject: Subject) -> str:
    """`2 x the entropy of q`: which known quantity it equals, up to a constant; "" where none."""
    try:
        probes = probes_of(subject)
    except FunctionError:
        return ""
    for reading in candidate_readings(subject.signature, (Quantity.KL,)):
        if accepted(subject, reading):
            for name, formula in KNOWN.items():
                with np.errstate(all="ignore"):
                    laws = weights_of(subject, probes, [_column(formula, reading.spread)])
                if laws:
                    weight = laws[0].text
                    return name if weight == "1" else f"{weight} x {name}"
    return ""


def _column(formula: Callable[[Array, Array], Array], form: WrittenAs) -> Callable[[Inputs], Array]:
    return lambda inputs: formula(inputs[Role.MEAN], oracle.log_var_of(inputs[Role.SPREAD], form))
