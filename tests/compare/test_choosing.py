"""What stands behind the choice of an estimator: variances datum by datum, trainings that differ in nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from elbo_compare.compare.procedures import fit_pairs as fit_pairs_module
from elbo_compare.compare.procedures.fit_pairs import DATA, fit_pairs
from elbo_compare.compare.procedures.spread import spread
from elbo_compare.compare.procedures.task import Task
from elbo_compare.compare.records import Cell, Procedure, Quantity
from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType, Fit
from elbo_compare.suites.estimators import ESTIMATORS
from elbo_compare.suites.exact.expected import expected
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle
from elbo_compare.suites.numpy_oracle.vae import encode


def task(procedure: Procedure, estimator: str, problem: str, weights: str, size: int, data: int) -> Task:
    of = Cell(
        problem=problem,
        weights=weights,
        dataset=problems.DATASET[problem],
        implementation="numpy-oracle",
        estimator=estimator,
        procedure=procedure,
        dtype="float64",
        device="cpu",
        seed=0,
        size=size,
        data=data,
    )
    loaded, named = problems.load(problem, weights), ESTIMATORS[estimator]
    session = NumpyOracle().prepare(loaded, named, Device.CPU, DType.FLOAT64)
    return Task(cell=of, session=session, problem=loaded, estimator=named, dataset=datasets.load(of.dataset))


def values(rows, quantity):
    return {row.index: row.value for row in rows if row.quantity is quantity}


@pytest.mark.parametrize("estimator", ["sampled-kl", "analytic-kl"])
def test_a_spread_is_the_variance_that_theory_gives_at_each_datum(estimator):
    """Five standard errors of a variance from 20,000 draws: of a normal 1%, here at most 2.5%."""
    given = task(Procedure.SPREAD, estimator, "linear-gaussian", "generic", 20_000, 3)
    rows = spread(given)
    assert [row.index for row in rows] == [0, 0, 1, 1, 2, 2]
    for datum in range(3):
        x = given.rows(datum, 1)
        exact = expected(given.problem, given.estimator, x, *encode(given.problem.params, given.problem, x)[:2])
        value, gradient = (values(rows, each)[datum] for each in (Quantity.ELBO_SPREAD, Quantity.GRADIENT_SPREAD))
        assert value == pytest.approx(float(exact.elbo_variance), rel=0.12)
        assert gradient == pytest.approx(sum(map(float, exact.gradient_variance.values())), rel=0.12)


class Recorded:
    """A session that keeps what it was asked to train, and trains nothing."""

    def __init__(self, session):
        self.session, self.asked = session, []

    def __getattr__(self, name):
        if name == "fit_replicas":
            raise AttributeError(name)
        return getattr(self.session, name)

    def fit(self, params, training):
        self.asked.append(training)
        return Fit(elbo=np.zeros(len(training.batches)), params=params, checkpoints={}, dtype=DType.FLOAT64)


def test_two_estimators_train_on_the_same_batches_and_noise_and_are_held_to_one_ruler():
    asked, found = [], []
    for estimator in ("sampled-kl", "analytic-kl"):
        given = task(Procedure.FIT_PAIRS, estimator, "vae-small", "initial", 4, 3)
        session = Recorded(given.session)
        found.append(fit_pairs(replace(given, session=session)))  # type: ignore[arg-type]
        asked.append(session.asked)
    for mine, other in zip(*asked, strict=True):
        assert np.array_equal(mine.batches, other.batches)
        assert np.array_equal(mine.noise, other.noise)
    first, second, _ = asked[0]
    assert not np.array_equal(first.batches, second.batches)
    assert not np.array_equal(first.noise, second.noise)
    # Nothing was trained: whatever is not the estimator's own must be equal to the last digit.
    assert values(found[0], Quantity.PAIR_ELBO) == values(found[1], Quantity.PAIR_ELBO)
    assert len(values(found[0], Quantity.PAIR_ELBO)) == 3
    spreads = [row for row in found[0] if row.quantity is Quantity.GRADIENT_SPREAD]
    assert {row.note for row in spreads} == {f"{DATA} data"}
    assert values(found[0], Quantity.GRADIENT_SPREAD) != values(found[1], Quantity.GRADIENT_SPREAD)


class Counted:
    """A session that trains nothing, and counts which way it was asked and what had been measured by then."""

    def __init__(self, session):
        self.session, self.asked = session, []

    def __getattr__(self, name):
        return getattr(self.session, name)

    def fit(self, params, training):
        self.asked.append("fit")
        return Fit(elbo=np.zeros(len(training.batches)), params=params, checkpoints={}, dtype=DType.FLOAT64)

    def fit_replicas(self, params, trainings):
        self.asked.append("fit_replicas")
        return tuple(self.fit(params, each) for each in trainings)


def test_trainings_of_a_large_model_are_made_one_after_another_and_small_ones_side_by_side(monkeypatch):
    """Else the noise of eighty trainings of MNIST would lie in memory at once."""
    given, made = task(Procedure.FIT_PAIRS, "analytic-kl", "vae-small", "initial", 2, 2), []
    session = Counted(given.session)
    training = fit_pairs_module._training
    monkeypatch.setattr(fit_pairs_module, "_training", lambda *of: made.append(len(session.asked)) or training(*of))
    fit_pairs(replace(given, session=session))  # type: ignore[arg-type]
    assert (session.asked, made) == (["fit_replicas", "fit", "fit"], [0, 0])
    session.asked.clear()
    made.clear()
    monkeypatch.setattr(fit_pairs_module, "STACKED", 100)
    fit_pairs(replace(given, session=session))  # type: ignore[arg-type]
    assert (session.asked, made) == (["fit", "fit"], [0, 1])
    assert problem_size("vae-small") < 100_000 < problem_size("vae")


def problem_size(name):
    return sum(each.size for each in problems.load(name, "initial").params.values())


def test_a_session_that_trains_replicas_gives_the_same_pairs_in_the_same_order():
    torch = pytest.importorskip("torch")
    from elbo_compare.suites.registry import load

    given = task(Procedure.FIT_PAIRS, "analytic-kl", "vae-small", "initial", 3, 2)
    session = load("torch-hand").prepare(given.problem, given.estimator, Device.CPU, DType.FLOAT64)
    together = values(fit_pairs(replace(given, session=session)), Quantity.PAIR_ELBO)
    alone = values(fit_pairs(given), Quantity.PAIR_ELBO)
    assert torch.get_default_dtype() == torch.float32
    assert together == pytest.approx(alone, rel=1e-9)  # three steps of rounding
