"""Functions that draw inside: noticed by calling them again, and judged in expectation, in value and gradient.

One call gets one datum repeated over `ROWS` rows, so that its result, whatever its reduction, is a mean of that many
draws (or fewer, where the function shares its noise between rows: that is a claim of its own). Calls are independent,
and an equivalence test is made on their means.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from elbo_compare.compare.checking import oracle
from elbo_compare.compare.checking.claims import ClaimVerdict
from elbo_compare.compare.checking.experiment import Experiment, Observation
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.inputs import ORDINARY, Trial, prior
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.readings import (
    UNIT_ROUNDOFF,
    Quantity,
    Reading,
    Reduction,
    Target,
    farthest,
    reductions,
    target,
    value_distance,
)
from elbo_compare.compare.records import Outcome
from elbo_compare.compare.statistics import MEAN_MARGIN, ErrorBudget, equivalence, two_sided_z
from elbo_compare.suites.contract import Array

ROWS = 512
CALLS = 120  # 61,000 draws for each datum: an exact mean agrees with a margin of 0.05 sd at the levels of `ErrorBudget`
ROUNDS = 4  # of CALLS each, where a test is undecided (an estimator of larger variance than log q - log p)
SUSPICIOUS = 16.0  # a variance of calls this many times that of log q - log p: rows may share their noise
DOMINATED = 24.0  # square of one call's deviation over the variance: beyond 4.9 standard deviations in a few hundred
# calls, each a mean of `ROWS` draws, the estimator's own variance may be infinite
CONSISTENT = 5.0  # standard errors between two means that are called the same; identification, not judgement
TESTS_PER_TERM = 12  # three data, each a value and the gradients by mean, spread and output


@dataclass(kw_only=True)
class Sample:
    """The calls at one datum: for every term and call, its value and gradients per row as returned."""

    observation: Observation
    values: list[list[Array]] = field(default_factory=list)
    gradients: list[dict[Role, list[Array]]] = field(default_factory=list)

    def add(self, observation: Observation) -> None:
        """Keep one more call."""
        for position, term in enumerate(observation.terms):
            if position == len(self.values):
                self.values.append([])
                self.gradients.append({})
            if not np.isfinite(term.value).all():
                raise FunctionError(f"The result is {'NaN' if np.isnan(term.value).any() else 'infinite'}.")
            self.values[position].append(term.value)
            for role, gradient in (term.gradients or {}).items():
                self.gradients[position].setdefault(role, []).append(gradient.sum(0) if gradient.ndim else gradient)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over calls with its standard error, beside what is right and the margin allowed.

    `dominated`: one call makes up so much of the variance that the standard error can't be relied on (k3 has an
    infinite variance wherever sigma^2 <= 1/2).
    """

    mean: float
    standard_error: float
    right: float
    margin: float
    where: str
    dominated: bool

    @property
    def difference(self) -> float:
        """mean - right."""
        return self.mean - self.right


def tiled(case: Trial, rows: int = ROWS) -> Trial:
    """The first datum of a case, `rows` times."""
    first = case.rows(slice(0, 1))
    arrays = {name: np.repeat(a, rows, 0) for name, a in vars(first).items() if isinstance(a, np.ndarray) and a.ndim}
    return replace(first, label="ordinary, one datum repeated", **arrays)


def sample(experiment: Experiment) -> list[Sample]:
    """`CALLS` calls at each of three data."""
    samples = []
    for sizes in ORDINARY:
        case = tiled(experiment.ordinary(sizes))
        first = experiment.observe(case)
        taken = Sample(observation=first)
        taken.add(first)
        samples.append(taken)
        extend(experiment, taken, case, CALLS - 1)
    return samples


def extend(experiment: Experiment, taken: Sample, case: Trial, calls: int) -> None:
    """More calls at one datum."""
    for _ in range(calls):
        taken.add(experiment.observe(case))


def per_row(values: Sequence[Array], reduction: Reduction) -> Array:
    """One number for each call: the mean over its rows of a datum's value."""
    if reduction is Reduction.MEAN:
        return np.array([value.item() for value in values])
    return np.array([value.sum() / ROWS for value in values])


def single(taken: Sample, reading: Reading) -> Target:
    """The right value and gradients of the one datum."""
    inputs = {role: array[:1] if array.ndim else array for role, array in taken.observation.inputs.items()}
    return target(reading, inputs)


def estimate_value(taken: Sample, position: int, reading: Reading, reduction: Reduction) -> Estimate:
    """The expected value at one datum. Margin: `MEAN_MARGIN` standard deviations of one draw of log q - log p."""
    calls = per_row(taken.values[position], reduction)
    right = single(taken, reading)
    rounding = 100 * UNIT_ROUNDOFF[taken.observation.dtype] * float(right.scale[0])
    margin = rounding if reading.quantity is Quantity.RECONSTRUCTION else MEAN_MARGIN * deviation(taken, reading)
    return _estimate(calls, float(right.value[0]), max(margin, rounding), _where(taken))


def estimate_gradient(
    taken: Sample, position: int, reading: Reading, reduction: Reduction, role: Role
) -> Estimate | None:
    """The expected gradient at one datum along (1, .., 1) / sqrt(n); None where the term has none."""
    found = taken.gradients[position].get(role)
    if not found:
        return None
    right = single(taken, reading)
    along = 1 / math.sqrt(right.gradients[role].shape[1])
    scale = 1.0 if reduction is Reduction.MEAN else 1 / ROWS
    calls = np.array([gradient.sum() * along * scale for gradient in found])
    rounding = 100 * UNIT_ROUNDOFF[taken.observation.dtype] * float(right.gradient_scales[role].sum())
    no_noise = role is Role.OUTPUT or reading.quantity is Quantity.RECONSTRUCTION
    margin = 0.0 if no_noise else MEAN_MARGIN * gradient_deviation(taken, reading, role)
    exact = float(right.gradients[role].sum()) * along
    return _estimate(calls, exact, max(margin, rounding), f"{_where(taken)}, by {role.value}")


def deviation(taken: Sample, reading: Reading) -> float:
    """sqrt(sum mean^2 sigma^2 + (sigma^2 - 1)^2 / 2): of one draw of log q - log p."""
    mean, variance = _moments(taken, reading)
    return float(np.sqrt((mean**2 * variance + (variance - 1) ** 2 / 2).sum()))


def gradient_deviation(taken: Sample, reading: Reading, role: Role) -> float:
    """Of the pathwise gradient of one draw along (1, .., 1) / sqrt(n): by mean sigma^2, by log_var (mean^2 sigma^2 + 2
    sigma^4) / 4 are its variances in one dimension."""
    mean, variance = _moments(taken, reading)
    if role is Role.MEAN:
        return float(np.sqrt(variance.mean()))
    slope = oracle.log_var_slope(taken.observation.inputs[Role.SPREAD][:1], reading.spread)
    return float(np.sqrt((slope**2 * (mean**2 * variance + 2 * variance**2) / 4).mean()))


def _moments(taken: Sample, reading: Reading) -> tuple[Array, Array]:
    inputs = taken.observation.inputs
    return inputs[Role.MEAN][:1], np.exp(oracle.log_var_of(inputs[Role.SPREAD][:1], reading.spread))


def _where(taken: Sample) -> str:
    return f"{taken.observation.inputs[Role.MEAN].shape[1]} latents"


def _estimate(calls: Array, right: float, margin: float, where: str) -> Estimate:
    error = float(calls.std(ddof=1)) / math.sqrt(len(calls))
    squares = (calls - calls.mean()) ** 2
    return Estimate(
        mean=float(calls.mean()),
        standard_error=error,
        right=right,
        margin=margin,
        where=where,
        dominated=bool(squares.max() > DOMINATED * squares.sum() / len(calls)),
    )


def decide(
    name: str, statement: str, estimates: Sequence[Estimate], calls: int, tests: int, *, heavy: bool = False
) -> ClaimVerdict:
    """Equivalence tests on several data as one claim: it differs where one does, and agrees where all do.

    heavy: one call dominates somewhere, so that no standard error of this estimator can be relied on to differ.

    The standard error comes from `calls` means, so that Student's quantile with f = calls - 1 belongs to it:
    z + (z^3 + z) / (4 f) + (5 z^5 + 16 z^3 + 3 z) / (96 f^2) (Abramowitz and Stegun 26.7.5).
    """
    level = ErrorBudget(tests=tests).per_test
    z = two_sided_z(level)
    student = 1 + (z**2 + 1) / (4 * (calls - 1)) + (5 * z**4 + 16 * z**2 + 3) / (96 * (calls - 1) ** 2)
    outcomes = [
        Outcome.INCONCLUSIVE
        if (e.dominated or heavy) and abs(e.difference) > e.margin
        else equivalence(e.difference, e.standard_error * student, e.margin, level).outcome
        for e in estimates
    ]
    order = (Outcome.DIFFERS, Outcome.INCONCLUSIVE, Outcome.AGREES)
    outcome = next(candidate for candidate in order if candidate in outcomes)
    shown = [estimate for estimate, got in zip(estimates, outcomes, strict=True) if got is outcome]
    worst = max(shown, key=lambda estimate: abs(estimate.difference) / estimate.margin)
    note = f"{calls} calls of {ROWS} rows; standard error {worst.standard_error:.2g}"
    note += "; one call dominates: its variance may be infinite" if worst.dominated else ""
    return ClaimVerdict(
        name=name,
        statement=statement,
        outcome=outcome,
        difference=abs(worst.difference),
        tolerance=worst.margin,
        where=worst.where,
        note=note,
    )


def shared_noise(
    experiment: Experiment, samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction
) -> bool | None:
    """Whether the rows of one call share their noise, told by equal rows of the value, or of a scalar's gradient.

    A scalar without a gradient tells by its variance, unless that is large for some other reason: None.
    """
    if samples[0].values[position][0].size > 1:
        rows = [np.stack([value.reshape(ROWS, -1) for value in taken.values[position]]) for taken in samples]
        return any(np.ptp(one, axis=1).max() == 0 and np.ptp(one[:, 0]) > 0 for one in rows)
    case = tiled(experiment.ordinary(ORDINARY[0]))
    calls = [experiment.observe(case).terms[position].gradients for _ in range(2)]
    if calls[0] is not None and calls[1] is not None:
        for role in (Role.MEAN, Role.SPREAD):
            first, second = calls[0][role], calls[1][role]
            if np.any(first != second):  # it depends on the noise
                return bool(np.ptp(first, axis=0).max() == 0)
    taken = samples[0]
    variance = per_row(taken.values[position], reduction).var(ddof=1)
    return None if variance > SUSPICIOUS * deviation(taken, reading) ** 2 / ROWS else False


def judge_prior(experiment: Experiment, position: int, reading: Reading, reduction: Reduction) -> ClaimVerdict:
    """q = p: log q - log p is 0 at every z, so that no draw matters and the claim is pointwise.

    A value that varies there belongs to another estimator, whose mean alone is judged.
    """
    observations = [experiment.observe(prior(experiment.ordinary(ORDINARY[0]))) for _ in range(3)]
    roundoff = 4 * UNIT_ROUNDOFF[experiment.dtype]  # z is drawn inside: its size is not in the oracle's scale
    terms = [one.terms[position] for one in observations]
    distance = farthest(
        [value_distance(reading, reduction, term, one, roundoff) for term, one in zip(terms, observations, strict=True)]
    )
    varies = distance.ratio > 1 and any(np.any(term.value != terms[0].value) for term in terms)
    wrong = Outcome.NOT_RUN if varies else Outcome.DIFFERS
    return ClaimVerdict(
        name="q = p",
        statement="where q = p the KL is 0 whatever is drawn",
        outcome=Outcome.AGREES if distance.ratio <= 1 else wrong,
        difference=distance.difference,
        tolerance=distance.tolerance,
        where=distance.where,
        note="it varies there: another estimator than log q - log p" if varies else "",
    )


def widen(experiment: Experiment, samples: list[Sample]) -> bool:
    """A round of further calls at every datum; False where all `ROUNDS` are made."""
    if len(samples[0].values[0]) >= ROUNDS * CALLS:
        return False
    for taken, sizes in zip(samples, ORDINARY, strict=True):
        extend(experiment, taken, tiled(experiment.ordinary(sizes)), CALLS)
    return True


def shapes(taken: Sample, position: int) -> tuple[Reduction, ...]:
    """The reductions that the term's shape allows."""
    return reductions(taken.values[position][0], taken.observation)
