"""Trainings of several cells in one program, where the implementation can: each cell still has a result of its own."""

from dataclasses import replace

from elbo_compare.compare.procedures.schedule import LEARNING_RATE, minibatches
from elbo_compare.compare.procedures.task import Task
from elbo_compare.suites.contract import Fit, ReplicaSession, Training


def fit_together(task: Task, kept: tuple[int, ...]) -> Fit | None:
    """The cell's training with own random numbers, out of one program for its siblings and itself.

    None where the cell has no siblings or the session no `fit_replicas`: then it trains alone. The first of the
    siblings that a worker meets trains all of them, planned or not, so that no number depends on which cells a run
    has; the others find their own in `task.fits`, which holds one program's at a time.
    """
    cell = task.cell
    if not cell.replicas or not hasattr(task.session, "fit_replicas"):
        return None
    if cell.key not in task.fits:
        task.fits.clear()
        siblings = cell.siblings
        trainings = tuple(
            Training(
                x=task.dataset.train,
                batches=minibatches(replace(task, cell=sibling), cell.size),
                learning_rate=LEARNING_RATE,
                seed=sibling.random_seed("fit"),
                checkpoints=kept,
            )
            for sibling in siblings
        )
        session: ReplicaSession = task.session  # type: ignore[assignment]  # as looked at above
        fits = session.fit_replicas(task.problem.params, trainings)
        task.fits.update(zip((sibling.key for sibling in siblings), fits, strict=True))
    return task.fits.pop(cell.key)
