"""What a loss is made of that no formula fits: which part is recognised, and whether the rest is a term of its own.

The data side (x, output) and the latent side (z, mean, spread) are told apart by value: where
f(d, k) - f(d, k0) - f(d0, k) + f(d0, k0) is zero everywhere, f is a sum of both, and each is compared alone. A rest
that depends on other arguments than the KL's is a separate term, which is not judged; one that depends on the KL's own
arguments is a mistaken KL.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from elbo_compare.compare.checking.by_design import accepted
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import GUARDED, Law
from elbo_compare.compare.checking.identify import candidate_readings
from elbo_compare.compare.checking.inputs import ORDINARY, Inputs, Trial, neutral
from elbo_compare.compare.checking.judging import Subject
from elbo_compare.compare.checking.mistaken_data import INNER, cross_entropy_parts, told
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.oracle import analytic_kl, log_density
from elbo_compare.compare.checking.proportions import Told
from elbo_compare.compare.checking.readings import Quantity, Reading, kl_elements
from elbo_compare.compare.checking.sides import (
    Probes,
    allowed_for,
    cases_of,
    changes,
    column_of,
    constant,
    mixed_probes,
    observed_at,
    separable,
    value_at,
    weights_of,
    with_data_of,
)
from elbo_compare.compare.checking.source import mentioned
from elbo_compare.suites.contract import Array

HAVE_GUARDS = ("bernoulli", "poisson")  # whose logarithm people guard: recognised to a guard's size
CONSTANT = "a constant that no gradient sees: keep or drop the normalisers of both densities alike"
ENTROPY = "-(x log p + (1 - x) log(1 - p)), summed over the dimensions, is the cross-entropy"
DATA_ROLES = (Role.X, Role.OUTPUT, Role.OUTPUT_SPREAD, Role.DATA_TERM)
# Terms that join the data of a batch on purpose, by the names in the source: covariances, kernels, a batch's posterior.
JOINING = re.compile(
    r"cov|mmd|kernel|\bdip|\btc\b|total_corr|matmul|logsumexp|contrast|orthog|whiten|decorr|sinkhorn|aggregat|moment"
    r"|diag|cdist|gram|hsic|corrcoef|roll|perm"
)

# Terms that no reading holds, by the names in the source: said to be not judged, never wrong as a KL.
BEYOND = {
    "a maximum mean discrepancy (InfoVAE, Zhao et al. 2019, arXiv 1706.02262)": r"mmd|kernel",
    "a total-correlation term (beta-TCVAE, Chen et al. 2018, arXiv 1802.04942)": r"total_corr|\btc\b|tc_loss|dwkl",
    "a K-sample bound (IWAE, Burda et al. 2016, arXiv 1509.00519)": r"iwae|logsumexp|log_w\b",
    "an adversarial term": r"discriminator|adversarial|critic",
}


class Outcome(StrEnum):
    """What follows from the parts."""

    SEPARATE = "a separate term beside what is recognised"
    MISTAKEN = "a mistaken part"


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What was recognised and what was not, in words; `advice`: what to do."""

    outcome: Outcome
    text: str
    advice: str = ""

    @property
    def diagnosis(self) -> Diagnosis:
        """The cause of a mistaken part."""
        return Diagnosis(form=DifferenceForm.TERMS, text=self.text, advice=self.advice)


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """One side: a weight times a known quantity. `reading` is the KL's."""

    weight: Law
    text: str
    reading: Reading | None = None


def known_beyond(subject: Subject) -> str:
    """The term that no reading holds, by the function's own name and the names in its body; "" where there is none."""
    words = f"{subject.signature.name.lower()} {mentioned(subject.callee.function)}"
    return next((name for name, pattern in BEYOND.items() if re.search(pattern, words)), "")


def joining(label: str, function: Callable[..., object]) -> str:
    """A term that compares the data of a batch with each other, by the names in the source; "" where there is none."""
    words = f"{label.lower()} {mentioned(function)}"
    return next((name for name, pattern in list(BEYOND.items())[:2] if re.search(pattern, words)), "")


def parts_of(subject: Subject) -> Parts | None:
    """The parts of a term that is no sum of known ones; None where its two sides can't be told apart."""
    if subject.signature.find(Role.MEAN) is None or subject.signature.find(Role.SPREAD) is None:
        return None
    try:
        with np.errstate(all="ignore"):
            return _parts(subject)
    except FunctionError:
        return None


def _parts(subject: Subject) -> Parts | None:
    has_data = any(subject.signature.find(role) for role in DATA_ROLES)
    if has_data and not separable(subject):
        return None
    latents = mixed_probes(subject, lambda first, other: with_data_of(first, other))
    kl = _kl(subject, latents)
    observed = mixed_probes(subject, lambda first, other: with_data_of(other, first)) if has_data else {}
    data = _data(subject, observed) if has_data else None
    if kl is not None and (data is not None or not has_data):
        beside = f" and the {data.text}, weight {data.weight.text}" if data else ""
        text = (
            f"contains {kl.text}, weight {kl.weight.text}{beside}; what is left is a constant or below a guard's size"
        )
        return _mistaken_kl(subject, kl) or Parts(outcome=Outcome.MISTAKEN, text=text, advice=CONSTANT)
    if kl is not None:
        return _mistaken_kl(subject, kl) or _mistaken_data(subject, kl, observed) or _beside_a_kl(subject, kl)
    if constant(subject, latents):
        text = f"depends on neither {_names(subject, Role.MEAN, Role.SPREAD)}: there is no KL in it"
        return Parts(outcome=Outcome.MISTAKEN, text=text, advice="the KL is missing: add it to what is minimised")
    known = f"{data.text}, weight {data.weight.text}" if data else ""
    separate = _separate(subject, latents)
    if separate:
        return Parts(outcome=Outcome.SEPARATE, text="; ".join(part for part in (known, separate) if part))
    if data is None and has_data:
        return None
    beside = f"its reconstruction term is right ({known}); " if known else ""
    names = _names(subject, Role.Z, Role.MEAN, Role.SPREAD)
    return Parts(
        outcome=Outcome.MISTAKEN,
        text=f"{beside}what is left, of {names}, is no KL to N(0, I)" if known else "",
        advice="0.5 * sum(mean^2 + sigma^2 - 1 - log sigma^2) over the latents is",
    )


def _mistaken_kl(subject: Subject, kl: Recognised) -> Parts | None:
    """A KL that is there with a weight or a spread that it should not have."""
    reading, weight = kl.reading, kl.weight
    if weight.factor < 0:
        text = f"contains {weight.text} x {kl.text}"
        return Parts(outcome=Outcome.MISTAKEN, text=text, advice="the KL's sign is flipped")
    if weight.powers[1]:
        text = f"contains {kl.text} with the weight {weight.text}"
        return Parts(outcome=Outcome.MISTAKEN, text=text, advice="sum the KL over the latent dimensions")
    if reading is not None and not accepted(subject, reading):
        argument = subject.signature.find(Role.SPREAD)
        name = argument.name if argument else "spread"
        text = f"contains {kl.text} if {name} is taken for {reading.spread.value}"
        return Parts(outcome=Outcome.MISTAKEN, text=text, advice=f"convert {name}, rename it, or pass --map")
    return None


def _mistaken_data(subject: Subject, kl: Recognised, observed: Probes) -> Parts | None:
    """A cross-entropy with a part mistaken, or right for outputs near 1/2 alone."""
    if subject.signature.find(Role.OUTPUT) is None or subject.signature.find(Role.OUTPUT_SPREAD) is not None:
        return None
    beside = f"its KL is right (weight {kl.weight.text})"
    names = [*cross_entropy_parts(observed[next(iter(observed))][0].inputs, logits=False)]
    for logits in (False, True):
        columns = [_part(name, logits=logits) for name in names]
        laws = weights_of(subject, observed, columns, zero=True)
        if laws:
            mistake, text = told(dict(zip(names, laws, strict=True)), binary=subject.told is Told.BINARY)
            outcome = Outcome.MISTAKEN if mistake else Outcome.SEPARATE
            return Parts(outcome=outcome, text=f"{beside}; {text}", advice=ENTROPY)
    half = _half(subject)
    if half:
        return Parts(outcome=Outcome.MISTAKEN, text=f"{beside}; {half}", advice=ENTROPY)
    inner = mixed_probes(subject, lambda first, other: with_data_of(_inner(other), first))
    near = _data(subject, inner)
    if near is None:
        return None
    text = f"{beside}; its reconstruction term is the {near.text} for outputs between 0.3 and 0.7 alone"
    return Parts(outcome=Outcome.MISTAKEN, text=text, advice="look for a clamp or a threshold of the output")


def _half(subject: Subject) -> str:
    """A cross-entropy that is right where x is 0 (or 1) and another function where x is 1 (or 0); "" otherwise."""
    weighed = []
    for x in (0.0, 1.0):

        def at(first: Trial, other: Trial, x: float = x) -> Trial:
            return with_data_of(replace(other, x=np.full_like(other.x, x)), first)

        found = _data(subject, mixed_probes(subject, at), ("bernoulli",))
        weighed.append(found.weight if found else None)
    zeros, ones = weighed
    if zeros is None and subject.told is not Told.BINARY and constant(subject, mixed_probes(subject, _at_zeros)):
        return ""  # nothing of the output where x is 0: a multinomial's, whatever it is divided by
    if (zeros is None) is (ones is None):
        return ""
    right, wrong = ("0", "1") if zeros else ("1", "0")
    text = f"its reconstruction term is the Bernoulli cross-entropy where x = {right}, weight {(zeros or ones).text}"  # type: ignore[union-attr]
    return f"{text}, and another function of the output where x = {wrong}"


def _at_zeros(first: Trial, other: Trial) -> Trial:
    return with_data_of(replace(other, x=np.zeros_like(other.x)), first)


def _inner(case: Trial) -> Trial:
    return replace(case, output=0.5 + INNER * (case.output - 0.5))


def _part(name: str, *, logits: bool) -> Callable[[Inputs], Array]:
    return lambda inputs: cross_entropy_parts(inputs, logits=logits)[name]


def _beside_a_kl(subject: Subject, kl: Recognised) -> Parts:
    """The KL is there; the data side is none of the known ones."""
    weight = kl.weight
    asked = subject.options.likelihood
    if asked:
        text = (
            f"{kl.text} is in it, weight {weight.text}; its reconstruction term is no {asked} one, which was asked for"
        )
        return Parts(outcome=Outcome.MISTAKEN, text=text, advice="leave --likelihood out to have it found by value")
    rest = _names(subject, Role.X, Role.OUTPUT, Role.OUTPUT_SPREAD, Role.DATA_TERM)
    return Parts(
        outcome=Outcome.SEPARATE,
        text=f"{kl.text} is in it, weight {weight.text}; the rest, a term of {rest}, is no likelihood known here",
    )


def _names(subject: Subject, *roles: Role) -> str:
    found = [argument.name for role in roles if (argument := subject.signature.find(role))]
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def _kl_of(reading: Reading) -> Callable[[Inputs], Array]:
    return lambda inputs: kl_elements(reading, inputs).value


def _kl(subject: Subject, probes: Probes) -> Recognised | None:
    readings = candidate_readings(subject.signature, (Quantity.KL,))
    for reading in sorted(readings, key=lambda each: not accepted(subject, each)):
        laws = weights_of(subject, probes, [_kl_of(reading)])
        if laws:
            name = "KL(q || p)" if reading.prior else "KL(q || N(0, I))"
            name = "log q(z) - log p(z)" if reading.sampled else name
            return Recognised(weight=laws[0], text=name, reading=reading)
    return None


def _data(subject: Subject, probes: Probes, among: Sequence[str] = ()) -> Recognised | None:
    readings = candidate_readings(subject.signature, (Quantity.RECONSTRUCTION,), subject.options.likelihood)
    for allowed in (0.0, GUARDED):
        for reading in readings:
            term = reading.data
            if among and term is not None and term.likelihood not in among:
                continue
            if term is not None and (not allowed or term.likelihood in HAVE_GUARDS):
                column = [lambda inputs, term=term: term.of(inputs).value]
                laws = weights_of(subject, probes, column, allowed=allowed)
                if laws and laws[0].factor > 0:
                    return Recognised(weight=laws[0], text=term.name)
    return None


def _separate(subject: Subject, latents: Probes) -> str:
    """What is recognised on the latent side, and the term that stands beside it; "" where nothing is."""
    if subject.signature.find(Role.PRIOR_SPREAD):
        found = _two_latents(subject, latents)
        if found:
            return found
    if subject.signature.find(Role.Z):
        found = _beside_z(subject, latents)
        if found:
            return found
    if JOINING.search(f"{subject.signature.name.lower()} {mentioned(subject.callee.function)}") and _joins(subject):
        return "a term that joins the data of a batch (no KL of one datum) is not known here"
    return ""


def _two_latents(subject: Subject, latents: Probes) -> str:
    """Two KLs to N(0, I), each with a weight of its own."""
    for reading in candidate_readings(subject.signature, (Quantity.KL,)):
        if reading.joint and accepted(subject, reading) and reading.prior is not None:
            other, form = reading.prior, reading.spread

            def first(inputs: Inputs, form: object = form) -> Array:
                return analytic_kl(inputs[Role.MEAN], inputs[Role.SPREAD], form).value  # type: ignore[arg-type]

            def second(inputs: Inputs, other: object = other) -> Array:
                return analytic_kl(inputs[Role.PRIOR_MEAN], inputs[Role.PRIOR_SPREAD], other).value  # type: ignore[arg-type]

            laws = weights_of(subject, latents, [first, second])
            if laws and all(law.factor > 0 for law in laws):
                weighed = f"{laws[0].text} x KL(q1 || N(0, I)) + {laws[1].text} x KL(q2 || N(0, I))"
                return f"{weighed}: two latents, weighed apart"
    return ""


def _beside_z(subject: Subject, latents: Probes) -> str:
    """An analytic KL beside a term of z; or log q(z) beside another prior than N(0, I)."""

    def still(first: Trial, other: Trial) -> Trial:
        return replace(with_data_of(first, other), z=first.z)

    probes = mixed_probes(subject, still)
    name = _names(subject, Role.Z)
    for reading in candidate_readings(subject.signature, (Quantity.KL,)):
        if not accepted(subject, reading) or reading.prior is not None:
            continue
        q = reading.spread
        if not reading.sampled:
            laws = weights_of(subject, probes, [_kl_of(reading)])
            if laws and laws[0].factor > 0 and not laws[0].powers[1]:
                return (
                    f"KL(q || N(0, I)) is in it, weight {laws[0].text}; the rest, a term of {name}, is not known here"
                )
            continue

        def log_q(inputs: Inputs, q: object = q) -> Array:
            return log_density(inputs[Role.Z], inputs[Role.MEAN], inputs[Role.SPREAD], q).value  # type: ignore[arg-type]

        laws = weights_of(subject, latents, [log_q, lambda inputs: inputs[Role.Z] ** 2], zero=True)
        if laws and laws[0].factor > 0:
            return ""  # another weight of z^2: a mistaken log p(z)
        laws = weights_of(subject, probes, [log_q])
        if laws and laws[0].factor > 0 and not laws[0].powers[1] and _of_z_alone(subject, log_q, laws[0]):
            rest = f"the rest, a term of {name} (another prior?), is unknown here"
            return f"log q(z) is in it, weight {laws[0].text}; {rest}"
    return ""


def _of_z_alone(subject: Subject, log_q: Callable[[Inputs], Array], weight: Law) -> bool:
    """Whether the value without log q is the same at another mean and spread, at another z too."""
    for size, cases in cases_of(subject).items():
        key = (size.batch, size.latent, size.observed)
        for z in cases[1:3]:
            group = [observed_at(subject, replace(with_data_of(cases[0], case), z=z.z)) for case in cases[:4]]
            left = np.concatenate(changes(subject, group)) - weight.at(key) * column_of(subject, group, log_q)
            scale = max(np.abs(one.terms[subject.position].value).max() for one in group)
            if np.abs(left).max() > allowed_for(subject) * scale * 100:
                return False
    return True


def _joins(subject: Subject) -> bool:
    """Whether a batch is neither the sum nor the mean of its parts."""
    if not subject.experiment.shapes.splits:
        return False
    case = neutral(subject.experiment.sizes(ORDINARY[1]), 0)
    cut = len(case.mean) // 2
    whole, one, other = (
        value_at(subject, part) for part in (case, case.rows(slice(0, cut)), case.rows(slice(cut, None)))
    )
    if whole.size > 1:
        return whole.size != one.size + other.size or bool(
            np.abs(np.concatenate([one, other]) - whole).max() > allowed_for(subject) * np.abs(whole).max()
        )
    rows = len(case.mean)
    total, mean = one + other, (cut * one + (rows - cut) * other) / rows
    return all(np.abs(whole - each).max() > allowed_for(subject) * np.abs(whole).max() for each in (total, mean))
