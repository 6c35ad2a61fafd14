"""FIT under a protocol: warm-up, binarisation, early stopping on validation rows; then log p(x) of test rows."""

import numpy as np

from elbo_compare.compare.procedures import fitted
from elbo_compare.compare.procedures.likelihood import after_training
from elbo_compare.compare.procedures.meter import ORACLE, span
from elbo_compare.compare.procedures.schedule import BATCH, LEARNING_RATE, checkpoints, minibatches, steps_per_epoch
from elbo_compare.compare.procedures.task import InvalidResultError, Task, require_array, require_dtype, require_params
from elbo_compare.compare.records import Measurement, Quantity
from elbo_compare.suites import datasets
from elbo_compare.suites.contract import Array, Fit, Params, Training
from elbo_compare.suites.estimators import SAMPLED_KL
from elbo_compare.suites.protocol import EarlyStopping, Protocol, check_steps

LOOKS = 25  # at the validation ELBO, about, in one run: each keeps a copy of the weights
VALIDATION_NOISES = 1  # draws of shared noise per validation row

Trained = tuple[list[Measurement], dict[str, list[list[int]]]]


def train_under(task: Task, protocol: Protocol) -> Trained:
    """TRAIN_ELBO by epoch, VALIDATION_ELBO, rows about checkpoints and the best look, LOG_PX_MEAN; and images.

    The weights of the best validation ELBO are the run's result: images and log p(x) are theirs.
    """
    train, validation = datasets.split(task.dataset)
    stopping = _stopping(task, protocol, train, validation)
    theirs = _fit(task, protocol, train, stopping)
    best, step = stopping.best_weights, stopping.best_step
    rows = _epochs(theirs.elbo, steps_per_epoch(len(train)))
    rows += [
        Measurement(quantity=Quantity.VALIDATION_ELBO, value=score, index=at, n=len(validation))
        for at, score in stopping.scores.items()
    ]
    with span(ORACLE):
        for at, weights in (_looked_at(task, theirs) | {step: best}).items():
            rows += fitted.describe(task, weights, at)
        images = fitted.images(task, best)
    if task.estimator.name == SAMPLED_KL.name:  # the only one whose draws are log weights
        rows.append(after_training(task, best, step, protocol.likelihood_data, protocol.likelihood_draws))
    return rows, images


def _epochs(elbo: Array, per_epoch: int) -> list[Measurement]:
    """The mean training ELBO of each epoch: a run of 100,000 steps would else leave as many rows."""
    return [
        Measurement(quantity=Quantity.TRAIN_ELBO, value=float(part.mean()), index=start, n=BATCH * len(part))
        for start in range(0, len(elbo), per_epoch)
        if len(part := np.asarray(elbo[start : start + per_epoch], np.float64))
    ]


def _stopping(task: Task, protocol: Protocol, train: Array, validation: Array) -> EarlyStopping:
    per_epoch = steps_per_epoch(len(train))

    def score(weights: Params) -> float:
        with span(ORACLE):
            checked = require_params("the weights", weights, task.problem.params)
            return float(np.mean(fitted.oracle_elbo(task, checked, validation, "validation", VALIDATION_NOISES)))

    return EarlyStopping(
        score=score,
        patience=round(protocol.patience_epochs * per_epoch),
        warm_up=round(protocol.warm_up_epochs * per_epoch),
    )


def _fit(task: Task, protocol: Protocol, train: Array, stopping: EarlyStopping) -> Fit:
    """The session's training, with what the protocol asks for."""
    steps, per_epoch = task.cell.size, steps_per_epoch(len(train))
    looks = tuple(sorted({*checkpoints(steps), *check_steps(steps, per_epoch, LOOKS)}))
    asked = Training(
        x=datasets.grey(task.dataset.name)[: len(train)] if protocol.dynamic else train,
        batches=minibatches(task, steps, len(train)),
        learning_rate=LEARNING_RATE,
        seed=task.cell.random_seed("fit"),
        checkpoints=looks,
        kl_weights=protocol.kl_weights(steps, per_epoch),
        binarise=task.cell.shared_seed("binarise") if protocol.dynamic else None,
        stop=stopping,
    )
    theirs = task.session.fit(task.problem.params, asked)
    require_dtype("the training", theirs.dtype, task)
    done = int(np.size(theirs.elbo))
    require_array("the training ELBO", theirs.elbo, (done,))
    if stopping.best_step < 0 or max(stopping.scores) != done:
        raise InvalidResultError(
            f"{done} training ELBOs of {steps} steps, but `stop` was last asked after {max(stopping.scores, default=0)}"
        )
    return theirs


def _looked_at(task: Task, theirs: Fit) -> dict[int, Params]:
    """The weights at the checkpoints that were reached."""
    kept = [step for step in checkpoints(task.cell.size) if step in theirs.checkpoints]
    return {step: require_params(f"checkpoint {step}", theirs.checkpoints[step], task.problem.params) for step in kept}
