"""Likelihoods of data on 256 levels: the mass that a Gaussian or a logistic puts between the two edges of a level.

log P(x | m, s) = log(F((x + h - m) / s) - F((x - h - m) / s)), F the distribution function, and at the first and last
level log F((x + h - m) / s) and log(1 - F((x - h - m) / s)), so that all levels add up to 1 (Ho et al. 2020, arXiv
2006.11239, eq. 13; Kingma et al. 2016, arXiv 1606.04934, with a logistic and without the two ends). F of a Gaussian is
mostly its approximation by a tanh (Page 1977, doi 10.2307/2346872). Found by value, judged by value and gradient.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from scipy.special import erf

from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.experiment import Experiment, Observation
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.inputs import ORDINARY, Trial
from elbo_compare.compare.checking.judging import Subject
from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.compare.checking.oracle import log_var_of, log_var_slope
from elbo_compare.compare.checking.readings import Reduction, reduced, reductions
from elbo_compare.suites.bridge.user_arrays import DETACHED
from elbo_compare.suites.complex_step import STEP
from elbo_compare.suites.contract import Array, DType

EXACT = {DType.FLOAT64: 1e-8, DType.FLOAT32: 1e-3}  # nats: a level has a mass of 1e-3, known to 1e-16 or 6e-8
LARGEST_GUARD = 1e-6
FAR = {"logistic": 8.0}  # scales from x at which a level of 0.6 scales still has a mass above LARGEST_GUARD
FAR_OF_A_GAUSSIAN = 3.5
BEYOND = ((-4.0, -3.0), (-0.5, 1.0))  # logarithms of narrower and broader scales
OF_A_DENSITY, OF_A_DECODER = (Role.Z, Role.MEAN, Role.SPREAD), (Role.X, Role.OUTPUT, Role.OUTPUT_SPREAD)
TAIL, INSIDE = "tail", "inside"
EDGE = "the mass of the first and last level is that of a whole tail, log F and log(1 - F)"


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Where data of 256 levels live: their first and last one, and the edges around x."""

    name: str
    first: float
    last: float
    edges: Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True, kw_only=True)
class Mass:
    """One likelihood: F and its name, the levels, and a number that is added inside the logarithm."""

    family: str
    cdf: Callable[[Any], Any]
    levels: Levels
    guard: float = 0.0

    def log(self, x: Array, mean: Any, log_var: Any, end: int = 0) -> Any:
        """By element, complex-safe; end: -1 at the first level, 1 at the last, if they have a whole tail."""
        low, high = ((edge - mean) * np.exp(-log_var / 2) for edge in self.levels.edges(x))
        below = 0.0 if end < 0 else self.cdf(low)
        return np.log((1.0 if end > 0 else self.cdf(high)) - below + self.guard)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A term taken for such a likelihood: by which argument and form its scale comes, its sign and reduction."""

    position: int
    role: Role
    form: WrittenAs
    mass: Mass
    sign: int
    reduction: Reduction

    def _parts(self, one: Observation) -> tuple[Array, Array, Array]:
        roles = OF_A_DENSITY if self.role is Role.SPREAD else OF_A_DECODER
        x, mean, spread = (one.inputs[role] for role in roles)
        return x, mean, spread

    def same_value(self, one: Observation, end: int = 0) -> bool:
        """Whether the value of a call is that of the likelihood, to what its rounding leaves of a level's mass."""
        x, mean, spread = self._parts(one)
        right = self.sign * np.real(self.mass.log(x, mean, log_var_of(spread, self.form), end))
        right = right.ravel() if self.reduction is Reduction.ELEMENTS else reduced(right.sum(1), self.reduction)
        got = one.terms[self.position].value
        allowed = self._allowed(one) * max(x.size // np.size(right), 1)
        return got.size == np.size(right) and bool(np.all(np.abs(got.ravel() - np.ravel(right)) <= allowed))

    def gradients_off(self, one: Observation) -> list[Role]:
        """By which of its two arguments the gradient is another one."""
        x, mean, spread = self._parts(one)
        log_var = log_var_of(spread, self.form)
        mean_role = Role.MEAN if self.role is Role.SPREAD else Role.OUTPUT
        slopes = {
            mean_role: np.imag(self.mass.log(x, mean + 1j * STEP, log_var)) / STEP,
            self.role: np.imag(self.mass.log(x, mean, log_var + 1j * STEP)) / STEP * log_var_slope(spread, self.form),
        }
        factor = self.sign / (one.batch if self.reduction is Reduction.MEAN else 1)
        gradients = one.terms[self.position].gradients or {}
        largest = {role: np.abs(factor * slope).max() for role, slope in slopes.items()}
        return [
            role
            for role, slope in slopes.items()
            if role in gradients
            and np.abs(gradients[role] - factor * slope).max() > 20 * self._allowed(one) * largest[role]
        ]

    def _allowed(self, one: Observation) -> float:
        single = one.terms[self.position].dtype == "float32"
        return EXACT[DType.FLOAT32 if single else one.dtype]

    @property
    def text(self) -> str:
        """In words."""
        over = "" if self.reduction is Reduction.NONE else f", {self.reduction.value.removeprefix('none: ')}"
        minus = "-" if self.sign < 0 else ""
        return f"{minus}log P(x | mean, scale), a discretised {self.mass.family}, {self.mass.levels.name}{over}"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a term is, in words; `diagnosis`: what is off in it."""

    text: str
    notes: tuple[str, ...]
    diagnosis: Diagnosis | None = None
    unsure: str = ""  # why it is not judged


def _tanh(t: Any) -> Any:
    return 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (t + 0.044715 * t**3)))


def _normal(t: Any) -> Any:
    return 0.5 * (1 + erf(t / np.sqrt(2)))


def _logistic(t: Any) -> Any:
    return 1 / (1 + np.exp(-t))


FAMILIES = {"Gaussian": _normal, "Gaussian by the tanh approximation": _tanh, "logistic": _logistic}
LEVELS = (
    Levels(name="256 levels in [-1, 1]", first=-1.0, last=1.0, edges=lambda x: (x - 1 / 255, x + 1 / 255)),
    Levels(name="256 levels in [0, 1]", first=0.0, last=1.0, edges=lambda x: (x - 0.5 / 255, x + 0.5 / 255)),
    Levels(
        name="256 levels in [0, 1), each from its lower edge",
        first=0.0,
        last=255 / 256,
        edges=lambda x: (np.floor(x * 256) / 256, np.floor(x * 256) / 256 + 1 / 256),
    ),
)


def discretised(subject: Subject) -> Found | None:
    """The likelihood of levels that the term equals; None where it is none."""
    signature = subject.signature
    roles = {argument.role for argument in signature.arguments}
    of_density, of_decoder = set(OF_A_DENSITY) <= roles, set(OF_A_DECODER) <= roles
    if of_density is of_decoder or len(roles - {Role.KEY}) > 3:  # nothing stands beside it
        return None
    role = Role.SPREAD if of_density else Role.OUTPUT_SPREAD
    argument = signature.find(role)
    for form in dict.fromkeys((argument.form, *argument.forms)) if argument else ():
        arguments = tuple(replace(a, form=form) if a.role is role else a for a in signature.arguments)
        experiment = replace(subject.experiment, signature=replace(signature, arguments=arguments))
        try:
            with np.errstate(all="ignore"):
                found = _found(experiment, subject, role, form)
        except FunctionError:
            continue
        if found is not None:
            return found
    return None


def _found(experiment: Experiment, subject: Subject, role: Role, form: WrittenAs) -> Found | None:
    guards = (0.0, *(n for n in subject.numbers if 0 < n <= LARGEST_GUARD))
    for levels in LEVELS:
        calls = _calls(experiment, levels)
        allowed = reductions(calls[0].terms[subject.position].value, calls[0])
        for guard, (family, cdf), sign, reduction in product(guards, FAMILIES.items(), (1, -1), allowed):
            mass = Mass(family=family, cdf=cdf, levels=levels, guard=guard)
            of = {"position": subject.position, "role": role, "form": form}
            taken = Taken(**of, mass=mass, sign=sign, reduction=reduction)
            if all(map(taken.same_value, calls)):
                return _judged(experiment, taken, calls)
    return None


def _judged(experiment: Experiment, taken: Taken, calls: Sequence[Observation]) -> Found:
    mass = taken.mass
    ends = [_end(experiment, taken, end) for end in (-1, 1)]
    notes = ["a likelihood of levels (Ho et al. 2020, arXiv 2006.11239, eq. 13), judged at scales from 0.05 to 0.6"]
    notes += [f"{mass.guard:g} is added inside the logarithm"] if mass.guard else []
    if mass.cdf is _tanh:
        notes.append(f"its tanh costs up to {_cost(mass):.2g} nats a dimension within three scales of the mean")
    if ends == [INSIDE, INSIDE]:
        notes.append("both ends are levels like the others: the mass beyond them is lost")
    off = _off_at(taken, ends) or _off_in_slope(taken, calls)
    return Found(text=taken.text, notes=tuple(notes), diagnosis=off, unsure="" if off else _held(experiment, taken))


def _held(experiment: Experiment, taken: Taken) -> str:
    """That it is another function further from the mean, or at other scales: a clamp; "" where it is not. In float32
    the mass of a far level is not known well enough."""
    first = experiment.observe(_case(experiment, taken.mass.levels, 0, None), differentiate=False)
    if first.terms[taken.position].dtype == "float32" or experiment.dtype is DType.FLOAT32:
        return ""
    far = FAR.get(taken.mass.family, FAR_OF_A_GAUSSIAN)
    wheres = (("far from the mean", (-1.0, -0.5), far), *(("at other scales", scales, 1.0) for scales in BEYOND))
    for where, scales, off in wheres:
        case = _case(experiment, taken.mass.levels, 0, None, scales=scales, off=off)
        if not taken.same_value(experiment.observe(case, differentiate=False)):
            return f"equals {taken.text} at scales from 0.05 to 0.6 near the mean, and is another function {where}"
    return ""


def _off_at(taken: Taken, ends: Sequence[str]) -> Diagnosis | None:
    wrong = [name for name, what in zip(("first", "last"), ends, strict=True) if not what]
    wrong = wrong or ([] if len(set(ends)) == 1 else ["first" if ends[0] == INSIDE else "last"])
    if not wrong:
        return None
    text = f"equals {taken.text} but at its {' and its '.join(wrong)} level, where it is no whole tail"
    return Diagnosis(form=DifferenceForm.EXTREME, text=text, advice=EDGE)


def _off_in_slope(taken: Taken, calls: Sequence[Observation]) -> Diagnosis | None:
    cut_off = calls[0].terms[taken.position].no_gradient == DETACHED
    off = [role.value for role in taken.gradients_off(calls[0])]
    if not (cut_off or off):
        return None
    what = (
        "no gradient: it is cut off from every input" if cut_off else f"only its gradient is off, by {', '.join(off)}"
    )
    advice = "look for detach, stop_gradient, .data or no_grad"
    return Diagnosis(form=DifferenceForm.GRADIENT, text=f"has the value of {taken.text}; {what}", advice=advice)


def _end(experiment: Experiment, taken: Taken, end: int) -> str:
    """What the first (-1) or the last (1) level has; "" for neither a whole tail nor a mass like the others."""
    levels = taken.mass.levels
    calls = _calls(experiment, levels, levels.first if end < 0 else levels.last)
    for name, side in ((TAIL, end), (INSIDE, 0)):
        if all(taken.same_value(one, side) for one in calls):
            return name
    return ""


def _cost(mass: Mass) -> float:
    """The largest difference from the exact Gaussian's logarithm, at levels of a fortieth of a scale."""
    mean, scale = np.zeros((1, 1)), 0.3
    x = np.linspace(-3 * scale, 3 * scale, 121)[None]
    exact = replace(mass, cdf=_normal)
    return float(np.abs(mass.log(x, mean, 2 * np.log(scale)) - exact.log(x, mean, 2 * np.log(scale))).max())


def _calls(experiment: Experiment, levels: Levels, at: float | None = None) -> tuple[Observation, ...]:
    """Calls at two sizes; at: the level of every x, else any between the first and the last."""
    return tuple(experiment.observe(_case(experiment, levels, size, at)) for size in range(2))


def _case(
    experiment: Experiment,
    levels: Levels,
    size: int,
    at: float | None,
    *,
    scales: tuple[float, float] = (-3, -0.5),
    off: float = 2,
) -> Trial:
    case, rng = experiment.ordinary(ORDINARY[size]), np.random.default_rng((size, 256))
    changed: dict[str, Array] = {}
    for x, mean, log_var in (("z", "mean", "log_var"), ("x", "output", "output_log_var")):
        shape = getattr(case, x).shape
        between = rng.integers(8, 248, size=shape) / (255 if levels.last == 1 else 256)
        between = 2 * between - 1 if levels.first < 0 else between
        spread = np.exp(rng.uniform(*scales, size=shape))
        changed[x] = between if at is None else np.full(shape, at)
        # Two scales from x at most, so that no level's mass is so small that a clamp holds it up.
        changed |= {mean: changed[x] + spread * rng.uniform(-off, off, size=shape), log_var: 2 * np.log(spread)}
    return replace(case, label="levels", **changed)
