"""The oracle's reference for one cell's inputs: computed once for all implementations of a run where it is costly."""

from collections.abc import Mapping

import numpy as np

from elbo_compare.compare.procedures.meter import ORACLE, span
from elbo_compare.compare.procedures.shared import shared
from elbo_compare.compare.procedures.task import Task
from elbo_compare.suites.contract import Array, DType, Evaluation, Reduction
from elbo_compare.suites.numpy_oracle.directions import Direction, vector_of
from elbo_compare.suites.numpy_oracle.gradients import derived_by_hand
from elbo_compare.suites.numpy_oracle.reference import Reference, reference

TERMS = ("elbo", "kl", "log_likelihood", "log_q", "log_prior")


def ask_oracle(task: Task, x: Array, noise: Array) -> Reference:
    """The oracle at the same inputs, rounded to the cell's dtype."""
    with span(ORACLE):
        return reference(task.problem, task.estimator, task.problem.params, x, noise, task.dtype)


def ask_oracle_once(task: Task, x: Array, noise: Array) -> Reference:
    """As `ask_oracle` at the inputs that every implementation of this cell gets: the batch and the shared noise.

    Directional derivatives take an evaluation for every parameter, which the workers of a run need not repeat.
    """
    if derived_by_hand(task.problem, task.estimator):
        return ask_oracle(task, x, noise)
    with span(ORACLE):
        return _unpacked(task, shared(_name(task), lambda: _packed(ask_oracle(task, x, noise))))


def _name(task: Task) -> str:
    cell = task.cell
    place = (cell.problem, cell.weights, cell.dataset, cell.procedure, cell.seed, cell.size, cell.datum)
    return f"oracle {place} {cell.estimator} {cell.dtype}"


def _packed(found: Reference) -> dict[str, Array]:
    along = found.directions
    return {
        "mean": found.mean,
        "log_var": found.log_var,
        "terms": np.array([getattr(found.evaluation, name) for name in TERMS]),
        "scales": np.array([found.scales[name] for name in TERMS]),
        "directions": np.array([(each.derivative, each.scale) for each in along.values()]).reshape(-1, 2),
    }


def _unpacked(task: Task, arrays: Mapping[str, Array]) -> Reference:
    terms = dict(zip(TERMS, map(float, arrays["terms"]), strict=True))
    numbers = zip(task.problem.params.items(), arrays["directions"], strict=True)
    return Reference(
        evaluation=Evaluation(
            **terms,
            log_likelihood_derived=False,
            gradients={},
            raw_loss=-terms["elbo"],
            raw_sign=-1,
            raw_reduction=Reduction.MEAN,
            dtype=DType.FLOAT64,
        ),
        mean=arrays["mean"],
        log_var=arrays["log_var"],
        scales=dict(zip(TERMS, map(float, arrays["scales"]), strict=True)),
        gradient_scales={},
        directions={
            name: Direction(vector=vector_of(name, value.shape), derivative=float(derivative), scale=float(scale))
            for (name, value), (derivative, scale) in numbers
        },
    )
