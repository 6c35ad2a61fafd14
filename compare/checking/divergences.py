"""Quantities of a Gaussian that are no KL to N(0, I), by value: an entropy, a cross entropy, another divergence.

A function of these is said to be what it is; it is wrong as a KL only where its name promises one.
"""

import re
from collections.abc import Callable

import numpy as np

from elbo_compare.compare.checking import oracle
from elbo_compare.compare.checking.by_design import accepted
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.identify import candidate_readings
from elbo_compare.compare.checking.inputs import Inputs
from elbo_compare.compare.checking.judging import Subject
from elbo_compare.compare.checking.names import Role, WrittenAs, promises_kl, read_name, words_of
from elbo_compare.compare.checking.readings import Quantity, Reading
from elbo_compare.compare.checking.sides import probes_of, weights_of
from elbo_compare.compare.checking.signature import FunctionKind
from elbo_compare.compare.checking.source import mentioned
from elbo_compare.suites.contract import Array

# A name that promises a KL or a loss; one that promises something else.
PROMISES = re.compile(r"loss|elbo|regular|weight|bound|objective|latent_?(cost|term)|penalt")
ANOTHER = re.compile(
    r"entropy|wasser|w2|hellinger|jeffrey|sym(m|_|kl)|renyi|r.nyi|bhatta|jensen|js_?d|jeffreys|fisher|mmd|energy"
    r"|distance|dist$|frechet|(^|_)fid|mutual|variance$|snr|confidence|interval|(^|_)skl|(^|_)jsd?(_|$)|rever[st]"
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


# Families whose KLs and densities are none of a Gaussian, by the function's name or what its body calls.
FAMILIES = re.compile(
    r"laplace|dirichlet|poisson|bernoulli|categorical|discrete|gumbel|vmf|mises|student|cauchy|logistic|weibull|kumaraswamy|uniform"
    r"|exponential|wishart|lorentz|poincare|hyperbolic|(^|_)gamma|gamma(_|$)|(^|_)beta_?(kl|dist)|kl_?beta|multinomial|concrete"
)
GAMMA_FUNCTIONS = re.compile(r"\b(digamma|lgamma|gammaln|betaln|multigammaln|polygamma|ive?|i0e?|i1e?|bessel\w*)\b")
Pair = Callable[[Array, Array, Array, Array], Array]


def _first_from_second(mean: Array, log_var: Array, other: Array, other_log_var: Array) -> Array:
    ratio = np.exp(log_var - other_log_var) + (mean - other) ** 2 * np.exp(-other_log_var)
    return (ratio - 1 + other_log_var - log_var) / 2


def _two_bhattacharyya(mean: Array, log_var: Array, other: Array, other_log_var: Array) -> Array:
    both = (np.exp(log_var) + np.exp(other_log_var)) / 2
    return (mean - other) ** 2 / both / 8 + (np.log(both) - (log_var + other_log_var) / 2) / 2


PAIRS: dict[str, Pair] = {
    "Jeffreys' divergence, KL(q || p) + KL(p || q)": lambda m, v, o, w: (
        _first_from_second(m, v, o, w) + _first_from_second(o, w, m, v)
    ),
    "the squared 2-Wasserstein distance": lambda m, v, o, w: (m - o) ** 2 + (np.exp(v / 2) - np.exp(w / 2)) ** 2,
    "the Bhattacharyya distance (Renyi, order 1/2)": _two_bhattacharyya,
    "the squared distance of the means": lambda m, v, o, w: (m - o) ** 2 + 0.0 * v,
}


def no_kl(subject: Subject) -> str:
    """What a function of q is that does not promise a KL, in words; "" where it promises one, or nothing is told."""
    label = subject.signature.name.lower()
    label = re.sub(r"_?dist(ance)?$", "", label) if promises_kl(label) else label  # of a KL: no other distance
    if subject.options.kind is not None or subject.signature.kind is not FunctionKind.ANALYTIC_KL:
        return ""
    pair = subject.signature.find(Role.PRIOR_MEAN) is not None and subject.signature.find(Role.PRIOR_SPREAD) is not None
    other = _another_family(subject)
    if other:
        return f"{other}, and no KL of Gaussians: not judged"
    promised = bool(promises_kl(label) or PROMISES.search(label))
    if promised and not (pair and ANOTHER.search(label)):
        return ""
    how = f"--kind {FunctionKind.ANALYTIC_KL} judges it as a KL"
    name = recognised(subject)
    if name:
        return f"it is {name}, no KL; {how}"
    return f"its name promises no KL, and its value is none: not judged; {how}" if ANOTHER.search(label) else ""


def _another_family(subject: Subject) -> str:
    """What says that another family than the Gaussian is meant."""
    named = FAMILIES.search(subject.signature.name.lower())
    called = GAMMA_FUNCTIONS.search(mentioned(subject.callee.function))
    return (
        f"its name says {named.group(0).strip('_')}" if named else f"its body calls {called.group(0)}" if called else ""
    )


def exchanged(subject: Subject) -> Diagnosis | None:
    """KL(p || q) where KL(q || p) is called for: the first Gaussian and the second exchanged."""
    if subject.signature.find(Role.PRIOR_MEAN) is None or subject.signature.find(Role.PRIOR_SPREAD) is None:
        return None
    try:
        probes = probes_of(subject)
    except FunctionError:
        return None
    for reading in candidate_readings(subject.signature, (Quantity.KL,)):
        if reading.prior is not None and accepted(subject, reading) and not (reading.joint or reading.relative):
            column = _of_two(lambda m, v, o, w: _first_from_second(o, w, m, v), reading.spread, reading.prior)
            with np.errstate(all="ignore"):
                laws = weights_of(subject, probes, [column])
            if laws:
                weight = "" if laws[0].text == "1" else f"{laws[0].text} x "
                text = f"is {weight}KL(p || q): the two Gaussians are exchanged"
                advice = "KL(q || p) is log(s_p / s_q) + (s_q^2 + (mean_q - mean_p)^2) / (2 s_p^2) - 1/2"
                return Diagnosis(form=DifferenceForm.FORMULA, text=text, advice=advice)
    return None


def promises_a_loss(subject: Subject) -> bool:
    """Whether its name, --kind, or arguments of a q and a p say that a KL or a loss is meant."""
    label, roles = subject.signature.name.lower(), {argument.role for argument in subject.signature.arguments}
    two = Role.PRIOR_MEAN in roles
    if subject.options.kind is not None or (promises_kl(label) and not two):
        return True
    z = subject.signature.find(Role.Z)
    pair = read_name(z.name) if z else None
    if pair is not None and pair[0] is Role.X:  # data in z's place: a likelihood of another kind beside a KL
        return bool(promises_kl(label))
    named = {"p", "q"} <= {word for argument in subject.signature.arguments for word in words_of(argument.name)}
    whole = {Role.X, Role.OUTPUT, Role.MEAN, Role.SPREAD} <= roles and not two
    said = promises_kl(label) or PROMISES.search(label) or re.search(r"vae|criterion", label) or named or whole
    return bool(said) and not ANOTHER.search(label)


def recognised(subject: Subject) -> str:
    """`2 x the entropy of q`: which known quantity it equals, up to a constant; "" where none."""
    try:
        probes = probes_of(subject)
    except FunctionError:
        return ""
    for reading in candidate_readings(subject.signature, (Quantity.KL,)):
        if accepted(subject, reading) and not (reading.joint or reading.relative):
            for name, column in _columns(reading).items():
                with np.errstate(all="ignore"):
                    laws = weights_of(subject, probes, [column])
                if laws:
                    weight = laws[0].text
                    return name if weight == "1" else f"{weight} x {name}"
    return ""


def _columns(reading: Reading) -> dict[str, Callable[[Inputs], Array]]:
    """The known quantities of one Gaussian, or of two."""
    if reading.prior is None:
        return {name: _column(formula, reading.spread) for name, formula in KNOWN.items()}
    return {name: _of_two(formula, reading.spread, reading.prior) for name, formula in PAIRS.items()}


def _of_two(formula: Pair, form: WrittenAs, other: WrittenAs) -> Callable[[Inputs], Array]:
    return lambda inputs: formula(
        inputs[Role.MEAN],
        oracle.log_var_of(inputs[Role.SPREAD], form),
        inputs[Role.PRIOR_MEAN],
        oracle.log_var_of(inputs[Role.PRIOR_SPREAD], other),
    )


def _column(formula: Callable[[Array, Array], Array], form: WrittenAs) -> Callable[[Inputs], Array]:
    return lambda inputs: formula(inputs[Role.MEAN], oracle.log_var_of(inputs[Role.SPREAD], form))
