"""Bounds of several samples from their log weights: which of the known ones a function of `log_w` (K, batch) is.

log w_k = log p(x, z_k) - log q(z_k|x). IWAE: log (1/K) sum_k w_k, Burda et al. 2016 (arXiv 1509.00519), eq. 8; Renyi:
log (1/K) sum_k w_k^(1 - alpha) / (1 - alpha), Li and Turner 2016 (arXiv 1602.02311), eq. 7; ELBO: the mean of log w_k.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.experiment import candidates
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.objectives import SOURCES, Name
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict
from elbo_compare.suites import complex_step
from elbo_compare.suites.bridge.user_arrays import DETACHED, Call, Term, UserArrays, open_arrays
from elbo_compare.suites.contract import Array, DType

LOG_WEIGHTS = re.compile(r"log_?(w|ws|weights?|iw|iws|importance_weights?|ratios?)|lw|lws", re.IGNORECASE)
LOSS_NAME = re.compile(r"loss|neg|objective|minus|nll", re.IGNORECASE)
SIZES = ((5, 4), (7, 3), (2, 6))
SAME = {DType.FLOAT64: 1e-9, DType.FLOAT32: 2e-5}  # relative to the largest log weight
FAR = {DType.FLOAT64: -2000.0, DType.FLOAT32: -200.0}  # exp of it is 0: a bound of logarithms has no trouble there
AXES = ("the first axis", "the second axis")
REDUCED: dict[str, Callable[[Array], Array]] = {
    "one value per datum": lambda a: a,
    "averaged over the batch": lambda a: np.asarray(a.mean()),
    "summed over the batch": lambda a: np.asarray(a.sum()),
}


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A function of log weights along one axis. objective: "" for a mistake, which `advice` mends."""

    text: str
    value: Callable[[Array, int], Array]
    objective: str = ""
    advice: str = ""
    gradient: Callable[[Array, int], Array] | None = None  # the value whose gradient it has, where that is another


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A bound that a term equals. sign: +1 for the bound itself, -1 for a loss."""

    bound: Bound
    axis: int
    reduced: str
    sign: int

    def value(self, log_w: Array) -> Array:
        """What the term should be."""
        return self.sign * REDUCED[self.reduced](np.asarray(self.bound.value(log_w, self.axis)))

    def gradient(self, log_w: Array) -> Array:
        """d sum(term) / d log_w, by complex step."""
        formula = self.bound.gradient or self.bound.value
        return self.sign * complex_step.gradient(
            lambda log_w: REDUCED[self.reduced](np.asarray(formula(log_w, self.axis))), "log_w", log_w=log_w
        )

    @property
    def text(self) -> str:
        """`-(logsumexp_k log w - log K), K along the first axis, averaged over the batch`."""
        return f"{'-' if self.sign < 0 else ''}({self.bound.text}), K along {AXES[self.axis]}, {self.reduced}"


def _iwae(log_w: Array, axis: int) -> Array:
    return complex_step.logsumexp(log_w, axis) - np.log(log_w.shape[axis])


def _surrogate(log_w: Array, axis: int) -> Array:
    weights = np.exp(np.real(log_w) - np.expand_dims(complex_step.logsumexp(np.real(log_w), axis), axis))
    return (weights * log_w).sum(axis)


def _renyi(alpha: float) -> Callable[[Array, int], Array]:
    return lambda log_w, axis: _iwae((1 - alpha) * log_w, axis) / (1 - alpha)


BOUNDS = (
    Bound(text="mean_k log w", value=lambda log_w, axis: log_w.mean(axis), objective="elbo"),
    Bound(text="logsumexp_k log w - log K", value=_iwae, objective=Name.IWAE),
    Bound(
        text="sum_k w_k log w_k, the normalised weights detached: the IWAE's gradient",
        value=_surrogate,
        objective=Name.IWAE,
    ),
    Bound(
        text="logsumexp_k log w",
        value=complex_step.logsumexp,
        advice="subtract log K: the weights are averaged, not added",
    ),
    Bound(
        text="logsumexp_k log w + log K",
        value=lambda log_w, axis: complex_step.logsumexp(log_w, axis) + np.log(log_w.shape[axis]),
        advice="subtract log K, and do not add it",
    ),
    Bound(
        text="sum_k log w",
        value=lambda log_w, axis: log_w.sum(axis),
        advice="average over the samples, and do not add them",
    ),
    Bound(
        text="log of the mean weight over samples and batch together",
        value=lambda log_w, axis: complex_step.logsumexp(log_w.reshape(-1), 0) - np.log(log_w.size),
        advice="take logsumexp over the samples alone, then the mean over the batch",
    ),
    Bound(
        text="mean_k w",
        value=lambda log_w, axis: np.exp(log_w).mean(axis),
        advice="take the logarithm: logsumexp_k log w - log K",
    ),
)


def log_weights_of(callee: Callee) -> str:
    """The one required parameter of a function of log weights, "" where it takes something else too."""
    required = [p.name for p in callee.parameters if p.required and p.name not in callee.constants]
    return required[0] if len(required) == 1 and LOG_WEIGHTS.fullmatch(required[0]) else ""


def check_bound(callee: Callee, name: str, objective: Name | None, framework: str | None, label: str) -> CheckResult:
    """Judge a function of log weights. Raises FunctionError where it can't be called."""
    arrays, dtype = _opened(callee, name, framework)
    described = {
        "target": label,
        "kind": "k_sample_bound",
        "parameters": {name: "log weights"},
        "framework": arrays.name,
        "dtype": dtype.value,
    }
    with arrays.seeded(0):
        fits = [fit for fit in possible(callee) if _equal(arrays, callee, name, dtype, fit)]
        if not fits:
            text = f"{callee.label} is none of the bounds of log weights that are known here (ELBO, IWAE, Renyi)."
            return CheckResult(verdict=CheckVerdict.NOT_JUDGED, message=text, **described)
        fit = fits[0]
        cause = _cause(arrays, callee, name, dtype, fit)
    if cause is not None:
        return CheckResult(verdict=CheckVerdict.WRONG, diagnosis=cause, **described)
    return CheckResult(**stated(callee, fit, objective), **described)


def stated(callee: Callee, fit: Fit, objective: Name | None) -> dict[str, Any]:
    """The fields of the verdict on a bound whose gradient is right and that is no mistake in itself."""
    if not fit.bound.objective:
        return {"verdict": CheckVerdict.WRONG, "diagnosis": _mistake(fit)}
    if fit.bound.objective == "elbo":
        return {"verdict": CheckVerdict.RIGHT, "equation": f"{'-' if fit.sign < 0 else ''}ELBO = {fit.text}"}
    known = Name(fit.bound.objective)
    declared = f"--objective {known}" if objective is known else ""
    if known is Name.RENYI:
        declared = declared or "its argument alpha"
    text = f"{fit.text}: {SOURCES[known]}"
    if declared:
        more = {"equation": text, "notes": (f"declared by {declared}",), "declared_by": declared}
        return {"verdict": CheckVerdict.BY_DESIGN, "objective": known.value, **more}
    cause = Diagnosis(
        form=DifferenceForm.OBJECTIVE,
        text=f"is not the ELBO but a tighter bound: {text}",
        advice=f"if it is meant: --objective {known}",
    )
    return {"verdict": CheckVerdict.OTHER_OBJECTIVE, "objective": known.value, "diagnosis": cause}


def _mistake(fit: Fit) -> Diagnosis:
    return Diagnosis(form=DifferenceForm.FORMULA, text=f"equals {fit.text}", advice=fit.bound.advice)


def possible(callee: Callee) -> Iterator[Fit]:
    """Every bound along either axis, in every reduction and sign."""
    alphas = [value for key, value in callee.scalars.items() if "alpha" in key.lower() and value != 1.0]
    renyi = [
        Bound(text=f"Renyi bound, alpha = {alpha:g}", value=_renyi(alpha), objective=Name.RENYI) for alpha in alphas
    ]
    for bound, axis, reduced, sign in product((*BOUNDS, *renyi), (0, 1), REDUCED, (-1, 1)):
        yield Fit(bound=bound, axis=axis, reduced=reduced, sign=sign)


def _opened(callee: Callee, name: str, framework: str | None) -> tuple[UserArrays, DType]:
    first: Exception | None = None
    for each in candidates(callee, framework):
        arrays = open_arrays(each)
        for dtype in (DType.FLOAT64, DType.FLOAT32):
            try:
                with arrays.seeded(0):
                    _term(arrays, callee, name, dtype, np.zeros(SIZES[0]))
            except Exception as error:  # whatever the function raises, the next framework may suit it
                first = first or error
                continue
            return arrays, dtype
    raise FunctionError(f"{callee.label} can't be called on log weights of shape {SIZES[0]}: {first}")


def _term(arrays: UserArrays, callee: Callee, name: str, dtype: DType, log_w: Array) -> Term:
    """What would be minimised: the term called loss, else the first."""
    call = Call(arrays={name: log_w}, dtype=dtype, differentiate=(name,))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        terms = arrays.call(callee, call)
    if not terms:
        raise FunctionError(f"{callee.label} returned no floating-point number or array.")
    return next((term for term in terms if term.name.lower() == "loss"), terms[0])


def _log_weights(size: tuple[int, int], shift: float = -5.0) -> Array:
    return shift + 2 * np.random.default_rng(size).normal(size=size).astype("float32").astype(float)


def _equal(arrays: UserArrays, callee: Callee, name: str, dtype: DType, fit: Fit) -> bool:
    for size in SIZES:
        log_w = _log_weights(size)
        value, right = _term(arrays, callee, name, dtype, log_w).value, fit.value(log_w)
        scale = np.abs(log_w).sum()
        if value.size != right.size or not np.all(np.abs(value.ravel() - right.ravel()) <= SAME[dtype] * scale):
            return False
    return True


def _cause(arrays: UserArrays, callee: Callee, name: str, dtype: DType, fit: Fit) -> Diagnosis | None:
    """A mistake, a wrong sign, a gradient that is another one, or no number where weights are small."""
    if not fit.bound.objective:
        return _mistake(fit)
    if fit.sign > 0 and LOSS_NAME.search(callee.label):
        text = f"equals {fit.text}: a bound, which is maximised"
        return Diagnosis(form=DifferenceForm.LINEAR, text=text, advice="its sign is flipped: minimise minus the bound")
    log_w = _log_weights(SIZES[0])
    term = _term(arrays, callee, name, dtype, log_w)
    cut_off = term.gradients is None and term.no_gradient == DETACHED
    right = fit.gradient(log_w)
    if cut_off or (term.gradients is not None and not np.allclose(term.gradients[name], right, atol=SAME[dtype] * 10)):
        text = f"has the value of {fit.text}, and {'no gradient' if cut_off else 'another gradient'}"
        return Diagnosis(form=DifferenceForm.GRADIENT, text=text, advice="look for detach, stop_gradient or no_grad")
    far = _term(arrays, callee, name, dtype, _log_weights(SIZES[0], FAR[dtype])).value
    if not np.isfinite(far).all():
        text = f"is right where it does not underflow: no number in {dtype} at log w = {FAR[dtype]:g}"
        return Diagnosis(form=DifferenceForm.LIMIT, text=text, advice="use logsumexp, and never exp of a log weight")
    return None
