"""The verdict on a function that draws inside: which reading its means fit, the claims, and what they equal if none."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from elbo_compare.compare.checking import drawing, equals, oracle
from elbo_compare.compare.checking.claims import Claim
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.drawing import Estimate, Sample
from elbo_compare.compare.checking.experiment import Experiment
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.inputs import ORDINARY
from elbo_compare.compare.checking.linear import EXPONENTS
from elbo_compare.compare.checking.readings import Reading, Reduction, readings
from elbo_compare.compare.checking.result import TermResult
from elbo_compare.compare.checking.signature import FunctionKind, Role
from elbo_compare.compare.records import Outcome
from elbo_compare.suites.contract import Likelihood
from elbo_compare.suites.mutants import catalogue, correct
from elbo_compare.suites.mutants.variant import Kind, Variant

IMITATED_DRAWS = 10_000
IMITATED_DATA = 2  # the data of few latents: imitation of every variant at 40 latents would cost seconds
CONSISTENT = 5.0  # standard errors between two means that are called the same; identification, not judgement
FACTORS = (1.0, -1.0, 0.5, 2.0)


def judge_drawing(experiment: Experiment, likelihood: Likelihood | None) -> list[TermResult]:
    """Judge every term that the function returns in expectation."""
    samples = drawing.sample(experiment)
    names = [term.name for term in samples[0].observation.terms]
    tests = drawing.TESTS_PER_TERM * len(names)
    while True:
        alone = len(names) == 1
        results = [_judge(experiment, samples, i, name, alone, likelihood, tests) for i, name in enumerate(names)]
        undecided = any(not result.right and result.diagnosis is None for result in results)
        if not undecided or not drawing.widen(experiment, samples):
            return results


def _judge(
    experiment: Experiment,
    samples: Sequence[Sample],
    position: int,
    name: str,
    alone: bool,
    likelihood: Likelihood | None,
    tests: int,
) -> TermResult:
    allowed = drawing.shapes(samples[0], position)
    candidates = readings(experiment.signature, likelihood, name, alone)
    if not allowed or not candidates:
        shape = samples[0].values[position][0].shape
        if alone:
            raise FunctionError(f"{experiment.signature.name} returned shape {shape} for {drawing.ROWS} rows.")
        return TermResult(name=name, read_as="", reduction="", right=True, note=f"shape {shape}: no loss term")
    pairs = [(reading, reduction) for reading in candidates for reduction in allowed]
    reading, reduction = min(pairs, key=lambda pair: _misfit(samples, position, *pair))
    claims = _claims(experiment, samples, position, reading, reduction, tests)
    right = all(claim.outcome in (Outcome.AGREES, Outcome.NOT_RUN) for claim in claims)
    differs = any(claim.outcome is Outcome.DIFFERS for claim in claims)
    return TermResult(
        name=name,
        read_as=f"{reading.title}, in expectation",
        reduction=reduction.value,
        right=right,
        claims=claims,
        diagnosis=_diagnose(samples, position, reading, reduction, claims) if differs else None,
    )


def _values(samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction) -> list[Estimate]:
    return [drawing.estimate_value(taken, position, reading, reduction) for taken in samples]


def _misfit(samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction) -> float:
    """|log(mean / right)|: a wrong term is still nearest to the reduction that gives its order of magnitude."""
    estimates = _values(samples, position, reading, reduction)
    ratios = np.array([e.mean / e.right if e.right else np.inf for e in estimates])
    with np.errstate(all="ignore"):
        return float(np.nan_to_num(np.abs(np.log(np.abs(ratios))), nan=np.inf).max() + np.sum(ratios < 0))


def _claims(
    experiment: Experiment,
    samples: Sequence[Sample],
    position: int,
    reading: Reading,
    reduction: Reduction,
    tests: int,
) -> tuple[Claim, ...]:
    calls = len(samples[0].values[position])
    values = _values(samples, position, reading, reduction)
    gradients = _gradients(samples, position, reading, reduction)
    statement = "the mean over its own draws is the exact value (equivalence, margin 0.05 sd of one draw)"
    claims = [drawing.decide("expectation", statement, values, calls, tests)]
    statement = "the mean gradient over its own draws is the exact gradient (equivalence, margin 0.05 sd)"
    if gradients:
        claims.append(drawing.decide("mean gradient", statement, gradients, calls, tests))
    else:
        reason = experiment.observe(experiment.ordinary(ORDINARY[0])).terms[position].no_gradient
        outcome = Outcome.DIFFERS if "cut off" in reason else Outcome.NOT_RUN
        claims.append(Claim(name="mean gradient", statement=statement, outcome=outcome, note=reason))
    claims.append(_own_noise(experiment, samples, position, reading, reduction))
    claims.append(drawing.judge_prior(experiment, position, reading, reduction))
    return tuple(claims)


def _own_noise(
    experiment: Experiment,
    samples: Sequence[Sample],
    position: int,
    reading: Reading,
    reduction: Reduction,
) -> Claim:
    statement = "every datum of a batch gets its own noise"
    shared = drawing.shared_noise(experiment, samples, position, reading, reduction)
    if shared is None:
        note = "the variance of the batch is far above that of log q - log p: shared noise, or another estimator"
        return Claim(name="own noise", statement=statement, outcome=Outcome.NOT_RUN, note=note)
    outcome = Outcome.DIFFERS if shared else Outcome.AGREES
    return Claim(
        name="own noise", statement=statement, outcome=outcome, note="one noise for the whole batch" if shared else ""
    )


def _gradients(samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction) -> list[Estimate]:
    return [
        estimate
        for taken in samples
        for role in (Role.MEAN, Role.SPREAD, Role.OUTPUT)
        if (estimate := drawing.estimate_gradient(taken, position, reading, reduction, role))
    ]


def _diagnose(
    samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction, claims: Sequence[Claim]
) -> Diagnosis:
    failed = {claim.name for claim in claims if claim.outcome is Outcome.DIFFERS}
    if failed == {"own noise"}:
        return Diagnosis(
            form=DifferenceForm.EXPECTATION,
            text="has the right mean, but draws one noise for the whole batch",
            advice="draw noise of the shape of the mean: shared noise leaves the batch mean as noisy as one datum",
        )
    if "expectation" in failed and (law := _law(samples, position, reading, reduction)):
        return law
    variant = _imitated(samples, position, reading, reduction)
    if variant:
        text = f"agrees in expectation, in value and gradient, with {variant.title}"
        return Diagnosis(form=DifferenceForm.MUTANT, id=variant.id, text=text, seen=variant.seen, advice=variant.advice)
    values = _values(samples, position, reading, reduction)
    if "expectation" in failed:
        off = ", ".join(f"{e.difference:+.3g} nats at {e.where} (right: {e.right:.4g})" for e in values)
        return Diagnosis(form=DifferenceForm.EXPECTATION, text=f"has another mean: {off}")
    return _gradient_diagnosis(_gradients(samples, position, reading, reduction), failed)


def _gradient_diagnosis(gradients: Sequence[Estimate], failed: set[str]) -> Diagnosis:
    if "mean gradient" not in failed:
        text = f"has the right mean and fails {' and '.join(sorted(failed))}"
        return Diagnosis(form=DifferenceForm.EXPECTATION, text=text)
    off = [e for e in gradients if abs(e.difference) > e.margin]
    zero = [e for e in off if abs(e.mean) <= CONSISTENT * e.standard_error + e.margin]
    what = "is zero" if off and len(zero) == len(off) else "is another one"
    where = ", ".join(f"{e.where}: {e.mean:.3g} for {e.right:.3g}" for e in off)
    return Diagnosis(
        form=DifferenceForm.GRADIENT,
        text=f"has the right mean value, but its mean gradient {what} ({where or 'no gradient'})",
        advice="look for sample() where rsample() is meant, detach, stop_gradient or no_grad",
    )


def _law(samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction) -> Diagnosis | None:
    """The mean is the right value times a simple factor and powers of the sizes of the axes."""
    estimates = _values(samples, position, reading, reduction)
    for powers in EXPONENTS:
        for factor in FACTORS:
            if not any(powers) and factor == 1:
                continue
            laws = [factor * _power(taken, powers) for taken in samples]
            if all(
                abs(e.mean - law * e.right) <= CONSISTENT * e.standard_error + abs(law) * e.margin * 1e-6
                for e, law in zip(estimates, laws, strict=True)
            ):
                axes = "".join(
                    f" {'/' if power < 0 else 'x'} {axis}"
                    for axis, power in zip(("batch", "latent", "observed"), powers, strict=True)
                    if power
                )
                sign = "its sign is flipped" if factor == -1 and not axes else "sum over the dimensions of a datum"
                text = f"has {factor:g}{axes} times the right mean"
                return Diagnosis(form=DifferenceForm.EXPECTATION, text=text, advice=sign)
    return None


def _power(taken: Sample, powers: tuple[int, ...]) -> float:
    inputs = taken.observation.inputs
    observed = inputs[Role.X].shape[1] if Role.X in inputs else 1
    sizes = (drawing.ROWS, inputs[Role.MEAN].shape[1], observed)
    return float(np.prod([float(size) ** power for size, power in zip(sizes, powers, strict=True)]))


def _imitated(samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction) -> Variant | None:
    """The mutant whose own mean value and gradients, over draws of ours, are nearest and consistent with all means."""
    sampled = replace(reading, sampled=True)
    kinds = [kind for kind, _ in equals.kinds_of(sampled, FunctionKind.SAMPLED_KL) if kind is not Kind.ANALYTIC_KL]
    for kind in (Kind.SAMPLER, *kinds):  # it draws: a wrong sampler is likelier than a term that is wrong elsewhere
        fitting = [variant for variant in catalogue.of_kind(kind) if equals.fits(kind, variant, reading)]
        with np.errstate(all="ignore"):
            ranked = [(_worst(samples, position, reading, reduction, kind, variant), variant) for variant in fitting]
        worst, nearest = min(ranked, key=lambda pair: pair[0], default=(np.inf, None))
        if worst <= CONSISTENT:
            return nearest
    return None


def _worst(
    samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction, kind: Kind, variant: Variant
) -> float:
    worst = 0.0
    for taken in samples[:IMITATED_DATA]:
        worst = max(worst, _disagreement(taken, position, reading, reduction, kind, variant))
        if worst > CONSISTENT:
            break
    return worst


def _disagreement(
    taken: Sample, position: int, reading: Reading, reduction: Reduction, kind: Kind, variant: Variant
) -> float:
    """Standard errors between the function's means and the variant's."""
    estimates: dict[Any, Estimate | None] = {None: drawing.estimate_value(taken, position, reading, reduction)}
    for role in (Role.MEAN, Role.SPREAD):
        estimates[role] = drawing.estimate_gradient(taken, position, reading, reduction, role)
    worst = 0.0
    for role, estimate in estimates.items():
        if estimate is None:
            continue
        own = imitate(taken, reading, kind, variant, role)
        if own is None:
            return np.inf
        error = np.hypot(estimate.standard_error, own.std(ddof=1) / np.sqrt(len(own))) + 1e-9 * abs(estimate.mean)
        worst = max(worst, abs(estimate.mean - own.mean()) / max(error, 1e-300))
        if not worst <= CONSISTENT:
            return np.inf
    return worst


def imitate(taken: Sample, reading: Reading, kind: Kind, variant: Variant, role: Role | None) -> np.ndarray | None:
    """A variant's values over our draws (role None), or its derivatives along (1, .., 1) / sqrt(n) by complex step."""
    inputs = {key: array[:1] for key, array in taken.observation.inputs.items()}
    whole = Kind.NEGATIVE_ELBO if Role.X in inputs else Kind.ANALYTIC_KL
    arguments = equals.arguments_of(whole, replace(reading, sampled=False), inputs)
    spread, mean = inputs[Role.SPREAD].astype(complex), arguments["mean"].astype(complex)
    step, along = 1e-30, 1 / np.sqrt(mean.shape[1])
    if role is Role.MEAN:
        mean = mean + 1j * step * along
    log_var = oracle.log_var_of(spread, reading.spread)
    if role is Role.SPREAD:
        slope = oracle.log_var_slope(inputs[Role.SPREAD], reading.spread)
        log_var = log_var + 1j * step * along * slope
    noise = np.random.default_rng(7).normal(size=(IMITATED_DRAWS, mean.shape[1]))
    mean, log_var = np.repeat(mean, len(noise), 0), np.repeat(log_var, len(noise), 0)
    draw = variant.function if kind is Kind.SAMPLER else correct.sampler
    z = draw(mean, log_var, noise)
    result = _whole(variant, kind, reading, arguments, z, mean, log_var)
    if np.ndim(result) == 0 or len(result) != len(noise):
        return None
    return np.real(result) if role is None else np.imag(result) / step


def _whole(
    variant: Variant, kind: Kind, reading: Reading, arguments: dict[str, Any], z: Any, mean: Any, log_var: Any
) -> Any:
    if "x" not in arguments:
        return (correct.sampled_kl if kind is Kind.SAMPLER else variant.function)(z, mean, log_var)
    x, logits = (np.repeat(arguments[name], len(z), 0) for name in ("x", "logits"))
    if kind is Kind.SAMPLER:
        normal = reading.likelihood is Likelihood.NORMAL
        data = correct.normal_log_likelihood if normal else correct.bernoulli_log_likelihood
        return reading.sign * (correct.sampled_kl(z, mean, log_var) - data(x, logits))
    sign = reading.sign if kind is Kind.NEGATIVE_ELBO else -reading.sign
    return sign * variant.function(x, logits, z, mean, log_var)
