"""Why a loss in float64 is its formula, but not to float64's rounding: float32 inside, or a small epsilon or clamp.

Only what is found in the run, or what fits the difference at every probe, excuses one: a number that is near is not
right.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.models.objective import Found
from elbo_compare.compare.checking.models.parts import AFAR
from elbo_compare.compare.checking.models.probing import Probed
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.readings import Reduction, reduced, rounding_steps, target
from elbo_compare.suites.bridge.program import Run
from elbo_compare.suites.contract import Array

NARROW = ("float32", "float16", "bfloat16")
SECOND_ORDER = 1e-2  # of the difference: what an epsilon's own square leaves of its first order
LARGEST = 1e-3  # an epsilon beyond is no guard
CLAMPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12)


@dataclass(frozen=True, kw_only=True)
class Rough:
    """Why it is not exact, in words ("" where sigma, read back from the tape, has lost those digits); narrow: float32
    is in it, and that rounding is allowed; left, allowed: nats that are not explained, and what may be left of them."""

    text: str
    narrow: bool = False
    left: float = 0.0
    allowed: float = 0.0


def roughness(probed: Probed, found: Found) -> Rough | None:
    """What explains the difference; None where nothing known does."""
    place = narrowed(probed.probes[0].run)
    if place:
        return Rough(text=f"judged to float32's rounding: {place}", narrow=True)
    differences, rounding = _differences(found)
    if np.all(np.abs(differences) <= rounding):
        return _rough("", differences, differences, rounding)
    if probed.packed:  # the guards below are those of one output
        return None
    observations = found.observations
    for text, columns in _epsilons(observations):
        fitted = np.array([[_reduced(found, column) for column in each] for each in columns])
        if not np.isfinite(fitted).all() or not (size := np.abs(fitted).max(0)).all():
            continue
        weights = np.linalg.lstsq(fitted / size, differences, rcond=None)[0] / size
        if _explains(differences - fitted @ weights, differences, rounding) and np.abs(weights).max() < LARGEST:
            words = f"{text} with an epsilon of about {np.abs(weights).max():.1g}"
            return _rough(words, differences - fitted @ weights, differences, rounding)
    for edge, changes in _clamps(observations):
        sign = _reduced_signs(found)
        expected = np.array([sign * _reduced(found, each) for each in changes])
        if _explains(differences - expected, differences, rounding):
            return _rough(
                f"a clamp of probabilities at {edge:.0e} is reached", differences - expected, differences, rounding
            )
    return None


def _rough(text: str, left: Array, differences: Array, rounding: Array) -> Rough:
    allowed = SECOND_ORDER * np.abs(differences).max() * bool(text) + rounding
    worst = int(np.argmax(np.abs(left) / allowed))
    return Rough(text=text, left=float(np.abs(left[worst])), allowed=float(allowed[worst]))


def narrowed(run: Run) -> str:
    """`float in vae.py:12 makes float32`: the first operation that makes float32 of float64, or that takes a float32
    number (`torch.tensor(5).float()`) among float64 ones; "" where there is none."""
    kinds = [str(getattr(each, "dtype", "")).rpartition(".")[2] for each in run.arrays]
    for step in run.steps:
        wide, narrow = ([any(kinds[n] in names for n in side) for side in (step.reads, step.makes)]
                        for names in (("float64",), NARROW))  # fmt: skip
        where = f"{step.op} in {step.place}" if step.place else step.op
        if wide[0] and narrow[1]:
            return f"{where} makes float32"
        if wide[0] and narrow[0] and wide[1]:
            return f"{where} takes float32"
    return ""


def _differences(found: Found) -> tuple[Array, Array]:
    """Loss less formula at each probe, and what rounding allows of it."""
    one, rows = found.identified, []
    for each in found.observations:
        right = target(one.reading, each.inputs, one.reduction)
        steps = rounding_steps(right.additions * each.batch) * 2.0**-53
        value = np.sum(each.terms[0].value) - np.sum(reduced(right.value, one.reduction))
        mean, sigma = each.inputs[Role.MEAN], each.inputs[Role.SPREAD]
        lost = 4 * 2.0**-53 * (sigma + np.abs(mean) / AFAR)  # of sigma, by which z afar from its mean is divided
        reread = np.sum(np.abs(right.gradients[Role.SPREAD]) * lost)
        rows.append((float(value), float(steps * np.sum(reduced(right.scale, one.reduction)) + reread)))
    differences, rounding = np.array(rows).T
    return differences, rounding


def _reduced(found: Found, per_datum: Array) -> float:
    return float(per_datum.mean() if found.identified.reduction is Reduction.MEAN else per_datum.sum())


def _reduced_signs(found: Found) -> float:
    reading = found.identified.reading
    return reading.sign * reading.scale * reading.weight


def _explains(left: Array, differences: Array, rounding: Array) -> bool:
    return bool(np.all(np.abs(left) <= SECOND_ORDER * np.abs(differences).max() + rounding))


def _probabilities(one: Observation) -> Array:
    output = one.inputs[Role.OUTPUT]
    if output.min() >= 0.0 and output.max() <= 1.0:
        return output
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-output))


def _epsilons(observations: tuple[Observation, ...]) -> Iterator[tuple[str, list[list[Array]]]]:
    """(words, by probe its first-order columns, (batch,) each), likeliest first."""
    with np.errstate(all="ignore"):
        pixels = [(one.inputs[Role.X], _probabilities(one)) for one in observations]
        lit = [(x / p).sum(1) for x, p in pixels]
        dark = [((1 - x) / (1 - p)).sum(1) for x, p in pixels]
        sigmas = [one.inputs[Role.SPREAD] for one in observations]
        noises = [(one.inputs[Role.Z] - one.inputs[Role.MEAN]) / one.inputs[Role.SPREAD] for one in observations]
        yield "log(p + e)", [[a + b] for a, b in zip(lit, dark, strict=True)]
        yield "log(p + e) and log(1 - p + e)", [[a, b] for a, b in zip(lit, dark, strict=True)]
        yield "log(sigma^2 + e)", [[(s**-2.0).sum(1)] for s in sigmas]
        yield "log(sigma + e)", [[(1 / s).sum(1)] for s in sigmas]
        yield "sigma + e in one of sampler and KL", [[(s - 1 / s).sum(1)] for s in sigmas]
        yield "sigma^2 + e in the KL", [[(1 - s**-2.0).sum(1)] for s in sigmas]
        yield (
            "sigma^2 + e in log q",
            [[(e**2 / s**2).sum(1), (s**-2.0).sum(1)] for e, s in zip(noises, sigmas, strict=True)],
        )
        both = [[a + b, (s**-2.0).sum(1)] for a, b, s in zip(lit, dark, sigmas, strict=True)]
        yield "log(p + e) and log(sigma^2 + e)", both


def _clamps(observations: tuple[Observation, ...]) -> Iterator[tuple[float, list[Array]]]:
    """(edge, by probe the change of the cross entropy of each datum)."""
    for edge in CLAMPS:
        changes = []
        for one in observations:
            x, p = one.inputs[Role.X], _probabilities(one)
            inside = np.clip(p, edge, 1 - edge)
            with np.errstate(all="ignore"):
                changes.append(_cross_entropy(x, inside) - _cross_entropy(x, p))
        if any(np.any(each) for each in changes) and all(np.isfinite(each).all() for each in changes):
            yield edge, changes


def _cross_entropy(x: Array, p: Array) -> Array:
    return -(x * np.log(p) + (1 - x) * np.log1p(-p)).sum(1)
