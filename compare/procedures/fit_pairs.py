"""FIT_PAIRS: trainings on noise that the estimators share, so that those of two estimators differ in nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean

from elbo_compare.compare.procedures.fitted import oracle_elbo
from elbo_compare.compare.procedures.meter import ORACLE, span
from elbo_compare.compare.procedures.schedule import LEARNING_RATE, minibatches
from elbo_compare.compare.procedures.spread import spread_at
from elbo_compare.compare.procedures.task import Task, require_dtype, require_params
from elbo_compare.compare.records import Measurement, Quantity
from elbo_compare.suites.contract import Fit, Params, ReplicaSession, Training
from elbo_compare.suites.estimators import ANALYTIC_KL

NOISES = 4  # draws of shared noise per held-out datum
DATA, DRAWS = 6, 100  # test rows over which a training's variances are averaged, and own draws at each
# Weights of a model up to which trainings step side by side: beyond, their stacked state fits into no cache, and one
# after another they take no longer and hold one training's noise in memory instead of all of it.
STACKED = 100_000


def fit_pairs(task: Task) -> list[Measurement]:
    """For `cell.data` trainings of `cell.size` steps, by their number: PAIR_ELBO, ELBO_SPREAD and GRADIENT_SPREAD.

    Training i has rows, order and noise that follow from i alone. What it is worth is measured by one ruler: the ELBO
    with the analytic KL, by the float64 oracle, at held-out data and noise that are everybody's.
    """
    rows = []
    for index, theirs in enumerate(_fits(task)):
        require_dtype("the training", theirs.dtype, task)
        weights = require_params("the weights", theirs.params, task.problem.params)
        with span(ORACLE):
            found = oracle_elbo(replace(task, estimator=ANALYTIC_KL), weights, task.dataset.test, "heldout", NOISES)
        rows.append(Measurement(quantity=Quantity.PAIR_ELBO, value=float(found.mean()), index=index, n=len(found)))
        rows += _spread(task, weights, index)
    return rows


def _spread(task: Task, weights: Params, index: int) -> list[Measurement]:
    """Both variances at the weights that a training ended with, each the mean over the first few test rows."""
    found = [spread_at(task, weights, datum, DRAWS) for datum in range(DATA)]
    return [
        replace(rows[0], value=fmean(row.value for row in rows), index=index, n=DATA * DRAWS, note=f"{DATA} data")
        for rows in zip(*found, strict=True)
    ]


def _fits(task: Task) -> Iterator[Fit]:
    """Every training's end, in order; one after another where nothing is won by stacking them."""
    trainings = (_training(task, index) for index in range(task.cell.data))
    if hasattr(task.session, "fit_replicas") and sum(each.size for each in task.problem.params.values()) <= STACKED:
        session: ReplicaSession = task.session  # type: ignore[assignment]  # as looked at above
        yield from session.fit_replicas(task.problem.params, tuple(trainings))
    else:
        for each in trainings:
            yield task.session.fit(task.problem.params, each)


def _training(task: Task, index: int) -> Training:
    """The training of this number: everybody's batches and noise."""
    of = replace(task, cell=replace(task.cell, seed=task.cell.seed + index))
    batches = minibatches(of, task.cell.size)
    shape = (len(batches), task.estimator.noise_rows, batches.shape[1], task.problem.latent)
    return Training(
        x=task.dataset.train,
        batches=batches,
        learning_rate=LEARNING_RATE,
        seed=of.cell.random_seed("fit"),
        noise=of.generator("noise").standard_normal(shape),
    )
