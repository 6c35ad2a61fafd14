"""Which mutant a drawing function imitates: the one whose own means and mean gradients, over draws of ours, agree."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from elbo_compare.compare.checking import drawing, equals, oracle
from elbo_compare.compare.checking.drawing import CONSISTENT, Estimate, Sample
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.readings import Reading, Reduction
from elbo_compare.compare.checking.signature import FunctionKind
from elbo_compare.suites.contract import Likelihood
from elbo_compare.suites.mutants import catalogue, correct
from elbo_compare.suites.mutants.variant import Kind, Variant

IMITATED_DRAWS = 10_000
IMITATED_DATA = 2  # the data of few latents: imitation of every variant at 40 latents would cost seconds


def imitated(samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction) -> Variant | None:
    """The mutant whose own mean value and gradients, over draws of ours, are nearest and consistent with all means."""
    sampled = replace(reading, sampled=True)
    kinds = [kind for kind, _ in equals.kinds_of(sampled, FunctionKind.SAMPLED_KL) if kind is not Kind.ANALYTIC_KL]
    for kind in (Kind.SAMPLER, *kinds):  # it draws: a wrong sampler is likelier than a term that is wrong elsewhere
        fitting = [variant for variant in catalogue.of_kind(kind) if equals.fits(kind, variant, reading)]
        if reading.prior is not None or reading.likelihood is None:
            continue
        with np.errstate(all="ignore"):
            ranked = [(_worst(samples, position, reading, reduction, kind, variant), variant) for variant in fitting]
        worst, nearest = min(ranked, key=lambda pair: pair[0], default=(np.inf, None))
        if worst <= CONSISTENT:
            return nearest
    return None


def _worst(
    samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction, kind: Kind, variant: Variant
) -> float:
    """Standard errors between the function's means and the variant's; infinite where the variant's are the right ones
    too, as far as its draws tell: then it explains nothing."""
    worst, told = 0.0, False
    for taken in samples[:IMITATED_DATA]:
        disagreement, apart = _disagreement(taken, position, reading, reduction, kind, variant)
        worst, told = max(worst, disagreement), told or apart > CONSISTENT
        if worst > CONSISTENT:
            break
    return worst if told else np.inf


def _disagreement(
    taken: Sample, position: int, reading: Reading, reduction: Reduction, kind: Kind, variant: Variant
) -> tuple[float, float]:
    """Standard errors between the function's means and the variant's, and between the variant's and the right ones."""
    estimates: dict[Any, Estimate | None] = {None: drawing.estimate_value(taken, position, reading, reduction)}
    for role in (Role.MEAN, Role.SPREAD):
        estimates[role] = drawing.estimate_gradient(taken, position, reading, reduction, role)
    worst, apart = 0.0, 0.0
    for role, estimate in estimates.items():
        if estimate is None:
            continue
        own = imitate(taken, reading, kind, variant, role)
        if own is None:
            return np.inf, 0.0
        own_error = own.std(ddof=1) / np.sqrt(len(own)) + 1e-9 * abs(estimate.right) + 1e-300
        apart = max(apart, abs(own.mean() - estimate.right) / own_error)
        error = np.hypot(estimate.standard_error, own.std(ddof=1) / np.sqrt(len(own))) + 1e-9 * abs(estimate.mean)
        worst = max(worst, abs(estimate.mean - own.mean()) / max(error, 1e-300))
        if not worst <= CONSISTENT:
            return np.inf, apart
    return worst, apart


def imitate(taken: Sample, reading: Reading, kind: Kind, variant: Variant, role: Role | None) -> np.ndarray | None:
    """A variant's values over our draws (role None), or its derivatives along (1, .., 1) / sqrt(n) by complex step."""
    inputs = {key: array[:1] if array.ndim else array for key, array in taken.observation.inputs.items()}
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
