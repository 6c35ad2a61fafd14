"""FIT_PATH: training on everybody's noise, step by step beside the oracle. FIT: training on own random numbers."""

import numpy as np
from numpy.typing import NDArray

from elbo_compare.compare.procedures import fitted, trained
from elbo_compare.compare.procedures.evaluate import distance
from elbo_compare.compare.procedures.meter import ORACLE, span
from elbo_compare.compare.procedures.replicas import fit_together
from elbo_compare.compare.procedures.schedule import BATCH, LEARNING_RATE, checkpoints, minibatches
from elbo_compare.compare.procedures.shared import shared
from elbo_compare.compare.procedures.task import Task, require_array, require_dtype, require_params
from elbo_compare.compare.records import Measurement, Quantity
from elbo_compare.suites.contract import Array, Fit, Training
from elbo_compare.suites.numpy_oracle.reference import PathReference, path_reference
from elbo_compare.suites.protocol import PROTOCOLS


def fit_path(task: Task) -> list[Measurement]:
    """ELBO of every step and distance of the final weights, from the same weights, batches and noise for everybody."""
    steps = task.cell.size
    batches = minibatches(task, steps)
    shape = (steps, 1, batches.shape[1], task.problem.latent)
    noise = task.generator("noise").standard_normal(shape)
    theirs = _fit(task, batches, noise, ())
    with span(ORACLE):
        oracle = _oracle_path(task, batches, noise)
    return _path_elbo(theirs, oracle) + _path_distance(theirs, oracle)


def fit(task: Task) -> tuple[list[Measurement], dict[str, list[list[int]]]]:
    """Rows about the weights at five checkpoints, each step's training ELBO, and images decoded at the last weights.

    Where the cell names a protocol: as `trained.train_under` has it.
    """
    if task.cell.protocol:
        return trained.train_under(task, PROTOCOLS[task.cell.protocol])
    steps = task.cell.size
    kept = checkpoints(steps)
    theirs = _fit(task, minibatches(task, steps), None, kept)
    rows = [
        Measurement(quantity=Quantity.TRAIN_ELBO, value=float(value), index=step, n=BATCH)
        for step, value in enumerate(theirs.elbo)
    ]
    for step in kept:
        weights = require_params(f"checkpoint {step}", theirs.checkpoints.get(step, {}), task.problem.params)
        with span(ORACLE):
            rows += fitted.describe(task, weights, step)
    with span(ORACLE):
        images = fitted.images(task, require_params("the weights", theirs.params, task.problem.params))
    return rows, images


def _fit(task: Task, batches: NDArray[np.integer], noise: Array | None, kept: tuple[int, ...]) -> Fit:
    theirs = fit_together(task, kept) if noise is None else None
    asked = Training(
        x=task.dataset.train,
        batches=batches,
        learning_rate=LEARNING_RATE,
        seed=task.cell.random_seed("fit"),
        noise=noise,
        checkpoints=kept,
    )
    theirs = theirs or task.session.fit(task.problem.params, asked)
    require_dtype("the training", theirs.dtype, task)
    require_array("the training ELBO", theirs.elbo, (len(batches),))
    require_params("the weights", theirs.params, task.problem.params)
    return theirs


def _oracle_path(task: Task, batches: NDArray[np.integer], noise: Array) -> PathReference:
    """The oracle's path from the same weights, batches and noise: one for all implementations, dtypes and devices."""

    def compute() -> dict[str, Array]:
        path = path_reference(
            task.problem, task.estimator, task.problem.params, task.dataset.train, batches, noise, LEARNING_RATE
        )
        arrays = {"elbo": path.elbo, "elbo_divergence": path.elbo_divergence}
        arrays |= {f"params:{name}": value for name, value in path.params.items()}
        return arrays | {f"divergence:{name}": np.array(value) for name, value in path.param_divergence.items()}

    found = shared(f"path {task.estimator.name} {task.cell.shared_seed('noise')} {task.cell.size}", compute)
    return PathReference(
        elbo=found["elbo"],
        params={name: found[f"params:{name}"] for name in task.problem.params},
        elbo_divergence=found["elbo_divergence"],
        param_divergence={name: float(found[f"divergence:{name}"]) for name in task.problem.params},
    )


def _path_elbo(theirs: Fit, oracle: PathReference) -> list[Measurement]:
    """One row per step. The scale is at least one unit in the last place of the value: in the first steps the oracle's
    perturbed runs may round to the very same number, and no two programs can be held to less than that."""
    columns = zip(theirs.elbo, oracle.elbo, oracle.elbo_divergence, strict=True)
    return [
        Measurement(
            quantity=Quantity.PATH_ELBO,
            value=float(value),
            index=step,
            n=BATCH,
            reference=float(exact),
            scale=float(max(scale, np.spacing(abs(exact)))),
        )
        for step, (value, exact, scale) in enumerate(columns)
    ]


def _path_distance(theirs: Fit, oracle: PathReference) -> list[Measurement]:
    return [
        Measurement(
            quantity=Quantity.PATH_DISTANCE,
            part=name,
            value=distance(theirs.params, oracle.params, name),
            unit="1",
            n=int(np.size(exact)),
            reference=float(np.linalg.norm(exact)),
            scale=float(oracle.param_divergence[name]),
        )
        for name, exact in oracle.params.items()
    ]
