"""A K-sample bound of the whole arguments: z and the decoder's output with an axis of samples, (K, batch, axis)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from elbo_compare.compare.checking import oracle
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.experiment import candidates
from elbo_compare.compare.checking.inputs import Sizes, ordinary
from elbo_compare.compare.checking.k_samples import SAME, Fit, possible, stated
from elbo_compare.compare.checking.likelihoods import DATA_TERMS, DataTerm
from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.compare.checking.objectives import Name
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict
from elbo_compare.compare.checking.roles import Assignment, as_stated
from elbo_compare.compare.checking.source import mentioned
from elbo_compare.suites.bridge.user_arrays import DETACHED, Call, Term, UserArrays, open_arrays
from elbo_compare.suites.contract import Array, DType

WORDS = re.compile(r"iwae|logsumexp|importance|log_?w\b|renyi|k_samples|num_particles|log_mean_exp|logmeanexp")
ROLES = {Role.X, Role.OUTPUT, Role.Z, Role.MEAN, Role.SPREAD}
SIZES = ((5, Sizes(batch=4, latent=3, observed=6)), (2, Sizes(batch=3, latent=4, observed=5)))
CONSTANTS = (0.0, oracle.HALF_LOG_2PI)


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """One call: arrays by role, z and output (K, batch, axis), the others (batch, axis)."""

    inputs: dict[Role, Array]
    term: Term


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How log w is made of the arguments: the likelihood, its constant for each dimension, the spread's form."""

    data: DataTerm
    constant: float
    spread: WrittenAs

    def log_w(self, inputs: dict[Role, Array]) -> tuple[Array, dict[Role, Array]]:
        """(K, batch), and d log w / d argument by role, (K, batch, axis)."""
        k, batch = inputs[Role.Z].shape[:2]
        rows = {
            role: (a if a.ndim == 3 else np.broadcast_to(a, (k, *a.shape))).reshape(k * batch, -1)
            for role, a in inputs.items()
        }
        data = self.data.elements(rows[Role.X], rows[Role.OUTPUT])
        kl = oracle.sampled_kl(rows[Role.Z], rows[Role.MEAN], rows[Role.SPREAD], self.spread)
        value = -data.value.sum(1) - self.constant * data.value.shape[1] - kl.value.sum(1)
        slopes = {**data.gradients, **kl.gradients}
        return value.reshape(k, batch), {role: -g.reshape(k, batch, -1) for role, g in slopes.items()}


def check_k_arguments(
    assignment: Assignment, objective: Name | None, framework: str | None, label: str
) -> CheckResult | None:
    """The bound that a function of x, output, z, mean and spread equals at K samples; None where it is none."""
    signature, callee = assignment.signature, assignment.callee
    words = f"{callee.label.lower()} {mentioned(callee.function)}"
    if {a.role for a in signature.arguments} != ROLES or not WORDS.search(words):
        return None
    for name in candidates(callee, framework)[:1]:
        arrays = open_arrays(name)
        with arrays.seeded(0):
            for weights in _weights(assignment):
                try:
                    calls = [_called(arrays, assignment, weights, *size) for size in SIZES]
                except Exception:  # it takes no axis of samples, or another output
                    continue
                fit = _fitted(assignment, weights, calls)
                if fit is not None:
                    return _result(assignment, weights, fit, calls, objective, label, arrays)
    return None


def _weights(assignment: Assignment) -> Iterator[Weights]:
    output, spread = assignment.signature.find(Role.OUTPUT), assignment.signature.find(Role.SPREAD)
    for data in DATA_TERMS[:3]:
        named = output is None or output.form in (WrittenAs.OUTPUT_UNKNOWN, data.form)
        for form in (as_stated(spread).forms or (spread.form,)) if spread and named else ():
            for constant in CONSTANTS if data.up_to_a_constant else CONSTANTS[:1]:
                yield Weights(data=data, constant=constant, spread=form)


def _called(arrays: UserArrays, assignment: Assignment, weights: Weights, k: int, sizes: Sizes) -> Sampled:
    cases = [ordinary(sizes, weights.data.domain, replicate) for replicate in range(k)]
    first = cases[0]
    inputs = {
        Role.X: first.x,
        Role.MEAN: first.mean,
        Role.SPREAD: oracle.spread_of(first.log_var, weights.spread),
        Role.OUTPUT: np.stack([case.output for case in cases]),
        Role.Z: np.stack([first.mean + np.exp(first.log_var / 2) * (c.z - c.mean) for c in cases]),
    }
    names = {a.name: inputs[a.role] for a in assignment.signature.arguments}
    by = tuple(a.name for a in assignment.signature.arguments if a.role is not Role.X)
    terms = arrays.call(assignment.callee, Call(arrays=names, dtype=DType.FLOAT64, differentiate=by))
    term = next((t for t in terms if t.name.lower() == "loss"), terms[0])
    roles = {a.name: a.role for a in assignment.signature.arguments}
    found = {roles[n]: g for n, g in term.gradients.items()} if term.gradients is not None else None
    return Sampled(inputs=inputs, term=replace(term, gradients=found))


def _fitted(assignment: Assignment, weights: Weights, calls: list[Sampled]) -> Fit | None:
    made = [(weights.log_w(one.inputs)[0], one.term.value) for one in calls]
    for fit in possible(assignment.callee):
        same = [
            np.size(right := fit.value(log_w)) == value.size
            and np.all(np.abs(np.ravel(right) - value.ravel()) <= SAME[DType.FLOAT64] * np.abs(log_w).sum())
            for log_w, value in made
        ]
        if fit.axis == 0 and all(same):
            return fit
    return None


def _result(
    assignment: Assignment,
    weights: Weights,
    fit: Fit,
    calls: list[Sampled],
    objective: Name | None,
    label: str,
    arrays: UserArrays,
) -> CheckResult:
    described = {
        "target": label,
        "kind": "k_sample_bound",
        "parameters": {a.name: a.meaning for a in assignment.signature.arguments},
        "framework": arrays.name,
        "dtype": DType.FLOAT64.value,
        "layout": "z and output (K, batch, axis)",
    }
    cause = _gradient(weights, fit, calls)
    more = {"diagnosis": cause, "verdict": CheckVerdict.WRONG} if cause else stated(assignment.callee, fit, objective)
    return CheckResult(**more, **described)


def _gradient(weights: Weights, fit: Fit, calls: list[Sampled]) -> Diagnosis | None:
    for one in calls:
        log_w, slopes = weights.log_w(one.inputs)
        outer = fit.gradient(log_w)[..., None]
        if one.term.gradients is None and one.term.no_gradient == DETACHED:
            text = f"has the value of {fit.text}, and no gradient"
            return Diagnosis(form=DifferenceForm.GRADIENT, text=text, advice="look for detach or no_grad")
        for role, got in (one.term.gradients or {}).items():
            right = outer * slopes[role]
            right = right if got.ndim == 3 else right.sum(0)
            if not np.allclose(got, right, rtol=1e-8, atol=1e-9 * np.abs(right).max()):
                text = f"has the value of {fit.text}, and another gradient by {role.value}"
                advice = "STL and DReG change it on purpose: their value is no longer differentiated as it stands"
                return Diagnosis(form=DifferenceForm.GRADIENT, text=text, advice=advice)
    return None
