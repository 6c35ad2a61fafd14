"""Readings of a returned term: which quantity, in which parametrisation, how weighed and reduced; its right value.

A term is right if it equals the float64 oracle under one reading, to within rounding, at every input.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from elbo_compare.compare.checking import oracle
from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.guards import Guard, after_a_sigmoid, guarded_data, guarded_kl
from elbo_compare.compare.checking.inputs import Inputs
from elbo_compare.compare.checking.likelihoods import DataTerm
from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.compare.checking.oracle import Elements
from elbo_compare.suites.bridge.user_arrays import Term
from elbo_compare.suites.contract import Array, DType, Likelihood

UNIT_ROUNDOFF = {DType.FLOAT64: 2.0**-53, DType.FLOAT32: 2.0**-24}


class Quantity(StrEnum):
    """What a term may be."""

    NEGATIVE_ELBO = "negative ELBO"
    RECONSTRUCTION = "reconstruction term"
    KL = "KL"
    LOG_Q = "log density log q(z)"
    LOG_PRIOR = "log density log p(z)"


class Reduction(StrEnum):
    """How a term combines the data of a batch."""

    NONE = "none: one value per datum"
    ELEMENTS = "none: one value per datum and dimension"
    SUM = "sum over the batch"
    MEAN = "mean over the batch"


# The powers of batch, latent and observed that a reduction brings.
REDUCED_UNITS = {
    Reduction.SUM: (0, 0, 0),
    Reduction.MEAN: (-1, 0, 0),
    Reduction.NONE: (0, 0, 0),
    Reduction.ELEMENTS: (0, 0, 0),
}


class Floor(StrEnum):
    """What a KL may be changed into by design; `level` is the number in it."""

    NONE = "the KL"
    DIMENSION = "max(KL, level) in every latent dimension"
    DIMENSION_MEAN = "max(batch mean of the KL, level) in every latent dimension"
    GROUP = "max(KL, level) of a datum"
    GROUP_MEAN = "max(batch mean of the KL, level)"
    CAPACITY = "|KL - level| of a datum"
    CAPACITY_MEAN = "|batch mean of the KL - level|"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """sign * scale * (weight * data term + constant * observed + kl_weight * floor(KL)).

    joint: the second Gaussian is a second latent, each against N(0, I), and no prior. relative: the first is the
    change from the second, in the mean and by a factor in sigma.
    sampled: the KL is log q(z) - log p(z) at the given z, else analytic. data: the family of the reconstruction term
    (None for a KL); given: the reconstruction loss comes in as a number. prior: the form of the second spread, None
    where p is N(0, I).
    """

    quantity: Quantity
    sampled: bool
    sign: int = 1
    data: DataTerm | None = None
    given: bool = False
    spread: WrittenAs = WrittenAs.LOG_VAR
    prior: WrittenAs | None = None
    joint: bool = False
    relative: bool = False
    weight: float = 1.0
    constant: float = 0.0
    kl_weight: float = 1.0
    floor: Floor = Floor.NONE
    level: float = 0.0
    scale: float = 1.0
    guard: Guard | None = None
    mixture: bool = False  # the prior is the even mixture of the Gaussians that the prior's arrays are rows of
    fixed: tuple[float, float] | None = None  # mean and variance of a Gaussian prior that is not N(0, 1)

    @property
    def prior_text(self) -> str:
        """`N(0, I)`, `N(0, 4 I)`, `p`."""
        if self.prior is not None:
            return "p"
        return "N({:g}, {:g} I)".format(*self.fixed) if self.fixed else "N(0, I)"

    @property
    def output(self) -> WrittenAs:
        """The form that the output is taken for."""
        return self.data.form if self.data else WrittenAs.PLAIN

    @property
    def likelihood(self) -> Likelihood | None:
        """The catalogue's word for p(x|z); None where the catalogue has none."""
        if self.data is None:
            return Likelihood.NONE
        if self.data.spread is not None:
            return None
        return {"bernoulli": Likelihood.BERNOULLI, "normal": Likelihood.NORMAL}.get(self.data.likelihood)

    @property
    def title(self) -> str:
        """In words: `the negative ELBO (Bernoulli likelihood of probabilities, analytic KL)`."""
        sign = "minus " if self.sign < 0 and self.quantity is not Quantity.NEGATIVE_ELBO else ""
        name = "the ELBO" if self.sign < 0 and self.quantity is Quantity.NEGATIVE_ELBO else f"the {self.quantity}"
        kl = ("sampled KL" if self.sampled else "analytic KL") + (
            " to the given prior" if self.prior and not self.joint else " of two latents" if self.joint else ""
        )
        if self.quantity is Quantity.KL:
            return f"{sign}the {kl}"
        data = self.data.name if self.data else "the given reconstruction loss"
        if self.quantity is Quantity.NEGATIVE_ELBO:
            return f"{sign}{name} ({data}, {kl})"
        return f"{sign}{name}" + (f" ({data})" if self.quantity is Quantity.RECONSTRUCTION else "")

    @property
    def has_data(self) -> bool:
        """Whether a reconstruction term belongs to it."""
        return self.quantity in (Quantity.NEGATIVE_ELBO, Quantity.RECONSTRUCTION)

    @property
    def has_kl(self) -> bool:
        """Whether a KL belongs to it."""
        return self.quantity in (Quantity.NEGATIVE_ELBO, Quantity.KL)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a reading expects. value, scale: (batch,), or 0-d where the batch is combined inside (a floor on its mean);
    elements: (batch, axis) or None; `additions`: how many elements one datum adds up."""

    value: Array
    scale: Array
    elements: oracle.Elements | None
    gradients: Mapping[Role, Array]
    gradient_scales: Mapping[Role, Array]
    additions: int


def kl_elements(reading: Reading, inputs: Inputs) -> Elements:
    """The KL of a reading by element."""
    q = (inputs[Role.MEAN], inputs[Role.SPREAD], reading.spread)
    if reading.joint and reading.fixed is not None and reading.prior is not None:
        second = (inputs[Role.PRIOR_MEAN], inputs[Role.PRIOR_SPREAD], reading.prior)
        first, other = (_to_a_constant(one, reading.fixed) for one in (q, second))
        return oracle.together(first, oracle.of_prior(other))
    if reading.prior is None and reading.fixed is not None:
        other = (np.full_like(q[0], reading.fixed[0]), np.full_like(q[0], reading.fixed[1]), WrittenAs.VAR)
        return (
            oracle.sampled_kl_to(inputs[Role.Z], *q, *other) if reading.sampled else oracle.analytic_kl_to(*q, *other)
        )
    if reading.prior is None:
        part = oracle.sampled_kl(inputs[Role.Z], *q) if reading.sampled else oracle.analytic_kl(*q)
        return _guarded(reading, inputs, part)
    p = (inputs[Role.PRIOR_MEAN], inputs[Role.PRIOR_SPREAD], reading.prior)
    if reading.mixture:
        return oracle.sampled_kl_to_mixture(inputs[Role.Z], *q, *p[:2])
    if reading.relative:
        return oracle.residual_kl(*q, *p[1:])
    if reading.joint:
        return oracle.together(oracle.analytic_kl(*q), oracle.of_prior(oracle.analytic_kl(*p)))
    part = oracle.sampled_kl_to(inputs[Role.Z], *q, *p) if reading.sampled else oracle.analytic_kl_to(*q, *p)
    return _guarded(reading, inputs, part)


def _to_a_constant(q: tuple[Array, Array, WrittenAs], fixed: tuple[float, float]) -> Elements:
    """KL(q || N(m, v)) of a prior that is no argument: it has no gradient of its own."""
    mean, variance = (np.full_like(q[0], number) for number in fixed)
    part = oracle.analytic_kl_to(*q, mean, variance, WrittenAs.VAR)
    own = (Role.MEAN, Role.SPREAD)
    gradients, scales = ({role: of[role] for role in own} for of in (part.gradients, part.gradient_scales))
    return replace(part, gradients=gradients, gradient_scales=scales)


def _guarded(reading: Reading, inputs: Inputs, part: Elements) -> Elements:
    """The KL with the guard of q's spread."""
    guard, mean, spread = reading.guard, inputs[Role.MEAN], inputs[Role.SPREAD]
    if guard is None or guard.spread is None:
        return part
    plain = replace(reading, guard=None, spread=WrittenAs.LOG_VAR)

    def again(log_var: Array) -> Elements:
        return kl_elements(plain, {**inputs, Role.MEAN: mean, Role.SPREAD: log_var})

    log_var, slope = (f(spread, reading.spread) for f in (oracle.log_var_of, oracle.log_var_slope))
    return guarded_kl(part, log_var, slope, guard, None if reading.sampled else again)


def data_elements(reading: Reading, data: DataTerm, inputs: Inputs) -> Elements:
    """The reconstruction term of a reading by element, with its guard."""
    guard = reading.guard
    if guard is not None and guard.saturates:
        return after_a_sigmoid(guard, data.of(inputs), inputs[Role.X], inputs[Role.OUTPUT])
    if guard is not None and (guard.ones or guard.zeros):
        return guarded_data(guard, data.likelihood)(inputs[Role.X], inputs[Role.OUTPUT])
    return data.of(inputs)


def target(reading: Reading, inputs: Inputs, reduction: Reduction | None = None) -> Target:
    """The oracle's value, rounding scale and gradients under a reading (reduction: for a loss that comes in as a
    number, which is added once, whatever the batch)."""
    parts: list[tuple[float, Elements]] = []
    given = np.asarray(inputs.get(Role.DATA_TERM, 0.0))
    if reading.has_data and reading.data is not None:
        parts.append((reading.weight, data_elements(reading, reading.data, inputs)))
    if reading.has_kl:
        parts.append((reading.kl_weight, kl_elements(reading, inputs)))
    if reading.quantity is Quantity.LOG_Q:
        parts.append((1.0, oracle.log_density(inputs[Role.Z], inputs[Role.MEAN], inputs[Role.SPREAD], reading.spread)))
    if reading.quantity is Quantity.LOG_PRIOR:
        parts.append((1.0, oracle.log_prior(inputs[Role.Z])))
    factor = reading.sign * reading.scale
    gradients = {role: np.zeros_like(array) for role, array in inputs.items() if role is not Role.X}
    scales = {role: np.zeros_like(array) for role, array in gradients.items()}
    value, scale = 0.0, 0.0
    for weight, part in parts:
        is_kl = reading.has_kl and part is parts[-1][1]
        total, slope = floored(reading, part.value) if is_kl else (part.value.sum(1), np.ones(()))
        value = value + factor * weight * total
        scale = scale + np.abs(factor * weight) * (part.scale.sum(1) if np.ndim(total) else part.scale.sum())
        gradients |= {role: factor * weight * slope * g for role, g in part.gradients.items()}
        scales |= {role: np.abs(factor * weight) * g for role, g in part.gradient_scales.items()}
    value, scale = np.asarray(value), np.asarray(scale)
    if reading.has_data:
        width = inputs[Role.X].shape[1] if Role.X in inputs else 1
        value, scale = value + factor * reading.constant * width, scale + np.abs(factor) * abs(reading.constant) * width
    if reading.quantity in (Quantity.LOG_Q, Quantity.LOG_PRIOR):
        width = inputs[Role.Z].shape[1]
        value, scale = value + factor * reading.constant * width, scale + abs(reading.constant) * width
    if reading.given and reading.has_data:
        rows = len(inputs[Role.MEAN]) if reduction is Reduction.SUM else 1
        value, scale = value + factor * given / rows, scale + np.abs(factor * given) / rows
        slope = factor * (len(inputs[Role.MEAN]) / rows)
        gradients[Role.DATA_TERM], scales[Role.DATA_TERM] = np.asarray(slope), np.asarray(abs(slope))
    alone = len(parts) == 1 and reading.floor is Floor.NONE and not reading.given
    return Target(
        value=value,
        scale=scale,
        elements=_scaled(parts[0][1], factor * parts[0][0], factor * reading.constant) if alone else None,
        gradients=gradients,
        gradient_scales=scales,
        additions=sum(part.value.shape[1] for _, part in parts),
    )


def _scaled(part: Elements, factor: float, constant: float) -> Elements:
    return replace(part, value=factor * part.value + constant, scale=abs(factor) * part.scale + abs(constant))


def floored(reading: Reading, kl: Array) -> tuple[Array, Array]:
    """(value (batch,), or 0-d where the batch is averaged first; d sum(value) / d element) under a floor or a capacity.

    A 0-d value stands for the same number in every datum, so that the batch mean of the values is right.
    """
    level = reading.level
    if reading.floor is Floor.DIMENSION:
        return np.maximum(kl, level).sum(1), (kl > level).astype(float)
    if reading.floor is Floor.DIMENSION_MEAN:
        mean = kl.mean(0)
        return np.maximum(mean, level).sum(), np.broadcast_to(mean > level, kl.shape).astype(float)
    by_datum = kl.sum(1)
    if reading.floor is Floor.GROUP:
        return np.maximum(by_datum, level), np.broadcast_to((by_datum > level)[:, None], kl.shape).astype(float)
    if reading.floor is Floor.GROUP_MEAN:
        above = by_datum.mean() > level
        return np.maximum(by_datum.mean(), level), np.full_like(kl, above)
    if reading.floor is Floor.CAPACITY:
        gap = by_datum - level
        return np.abs(gap), np.broadcast_to(np.sign(gap)[:, None], kl.shape)
    if reading.floor is Floor.CAPACITY_MEAN:
        gap = by_datum.mean() - level
        return np.abs(gap), np.full_like(kl, np.sign(gap))
    return by_datum, np.ones(())


@dataclass(frozen=True, kw_only=True)
class Distance:
    """The largest difference from the right value in units of its tolerance, and where it is."""

    difference: float = 0.0
    tolerance: float = math.inf
    where: str = ""

    @property
    def ratio(self) -> float:
        """difference / tolerance; infinite where the value is no number."""
        if not math.isfinite(self.difference):
            return math.inf
        return self.difference / self.tolerance if self.tolerance else (math.inf if self.difference else 0.0)


IMPOSSIBLE = Distance(difference=math.inf, tolerance=1.0, where="the shape")


def farthest(distances: Iterator[Distance] | list[Distance]) -> Distance:
    """The one with the largest ratio."""
    return max(distances, key=lambda distance: distance.ratio, default=Distance())


def rounding_steps(additions: int) -> float:
    """How many roundoffs of the absolute terms a correct implementation may be off: 16 + 4 sqrt(additions).

    Four operations, each wrong by up to four roundoffs (exp and log of a framework), make one element; the errors of n
    additions in any order grow like sqrt(n) (Higham 2002, section 4.2, statistical estimate), times four for the tail.
    """
    return 16 + 4 * math.sqrt(additions)


def reductions(value: Array, observation: Observation) -> tuple[Reduction, ...]:
    """The reductions that a returned shape allows; none where the shape is wrong."""
    rows = observation.batch
    if value.shape in {(), (1,), (1, 1)}:
        return (Reduction.SUM, Reduction.MEAN) if rows > 1 else tuple(Reduction)
    if value.shape in {(rows,), (rows, 1), (1, rows)}:
        return (Reduction.NONE,)
    widths = [array.shape[1] for array in observation.inputs.values() if array.ndim]
    return (Reduction.ELEMENTS,) if len(value) == rows and value.size in {rows * width for width in widths} else ()


def reduced(value: Array, reduction: Reduction) -> Array:
    """(batch,) values reduced."""
    if reduction is Reduction.SUM:
        return value.sum()
    return value.mean() if reduction is Reduction.MEAN else value


def value_distance(
    reading: Reading, reduction: Reduction, term: Term, observation: Observation, roundoff: float
) -> Distance:
    """How far a term is from a reading under a reduction; tolerance: steps * roundoff * sum of absolute terms."""
    right = target(reading, observation.inputs, reduction)
    additions = right.additions * (observation.batch if reduction in (Reduction.SUM, Reduction.MEAN) else 1)
    if reduction is Reduction.ELEMENTS:
        if right.elements is None or right.elements.value.size != term.value.size:
            return IMPOSSIBLE
        expected, scale, additions = right.elements.value, right.elements.scale, 1
    else:
        expected, scale = reduced(right.value, reduction), reduced(right.scale, reduction)
    if np.size(expected) != term.value.size:
        return IMPOSSIBLE
    difference = np.abs(term.value.reshape(np.shape(expected)) - expected)
    return _worst(difference, rounding_steps(additions) * roundoff * scale, observation.label)


def gradient_distance(
    reading: Reading, reduction: Reduction, term: Term, observation: Observation, roundoff: float, role: Role
) -> Distance:
    """The same for d sum(term) / d argument; the tolerance is normwise, that of the argument's largest gradient."""
    if term.gradients is None:
        return IMPOSSIBLE
    right, factor = target(reading, observation.inputs, reduction), 1.0
    if reduction is Reduction.MEAN:
        factor = 1 / observation.batch
    difference = np.abs(term.gradients[role] - factor * right.gradients[role])
    tolerance = rounding_steps(1) * roundoff * factor * np.max(right.gradient_scales[role]) * np.ones(difference.shape)
    return _worst(difference, tolerance, f"{observation.label}, by {role.value}")


def _worst(difference: Array, tolerance: Array, where: str) -> Distance:
    difference, tolerance = np.atleast_1d(difference).ravel(), np.atleast_1d(tolerance).ravel()
    with np.errstate(all="ignore"):
        ratio = np.where(np.isfinite(difference), difference / tolerance, np.inf)
    ratio = np.where((difference == 0) & (tolerance == 0), 0.0, ratio)
    worst = int(np.argmax(ratio))
    return Distance(difference=float(difference[worst]), tolerance=float(tolerance[worst]), where=where)
