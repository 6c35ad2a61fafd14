"""FIT under a protocol, with the oracle as the implementation: what is asked of a session, and what rows come of it."""

from dataclasses import replace

import numpy as np
import pytest

from elbo_compare.compare.procedures.fit import fit
from elbo_compare.compare.procedures.fitted import keeps_the_sampled_kl, oracle_elbo
from elbo_compare.compare.procedures.schedule import checkpoints, minibatches
from elbo_compare.compare.procedures.task import InvalidResultError, Task
from elbo_compare.compare.records import Cell, Procedure, Quantity
from elbo_compare.suites import datasets, problems, protocol
from elbo_compare.suites.contract import Device, DType
from elbo_compare.suites.estimators import ESTIMATORS
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle

STEPS = 40


class Recorded:
    """The oracle's session, which remembers how it was asked to train; `change` may break what it returns."""

    def __init__(self, session, change=lambda fit: fit):
        self.session, self.change, self.asked = session, change, None

    def fit(self, params, training):
        self.asked = training
        return self.change(self.session.fit(params, training))

    def __getattr__(self, name):
        return getattr(self.session, name)


@pytest.fixture
def train(monkeypatch):
    def run(name="short", change=lambda fit: fit, steps=STEPS, estimator="sampled-kl", **fields):
        quick = {"likelihood_data": 2, "likelihood_draws": 20} | fields
        monkeypatch.setitem(protocol.PROTOCOLS, name, replace(protocol.PROTOCOLS[name], **quick))
        of = Cell(
            problem="vae-small",
            weights="initial",
            dataset="digits",
            implementation="torch-hand",
            estimator=estimator,
            procedure=Procedure.FIT,
            dtype="float64",
            device="cpu",
            seed=0,
            size=steps,
            protocol=name,
        )
        problem, chosen = problems.load(of.problem, of.weights), ESTIMATORS[estimator]
        session = Recorded(NumpyOracle().prepare(problem, chosen, Device.CPU, DType.FLOAT64), change)
        task = Task(cell=of, session=session, problem=problem, estimator=chosen, dataset=datasets.load("digits"))
        return task, session, *fit(task)

    return run


def values(rows, quantity):
    return {row.index: row.value for row in rows if row.quantity is quantity}


def test_the_authors_settings_reach_the_session(train):
    _, session, _, _ = train()
    asked = session.asked
    assert asked.learning_rate == 5e-4 and asked.batches.shape == (STEPS, 100)
    assert asked.batches.max() < 1350  # the last tenth of 1,500 rows is for validation
    np.testing.assert_array_equal(asked.kl_weights, protocol.warm_up(STEPS, 65))
    np.testing.assert_array_equal(asked.x, datasets.grey("digits")[:1350])
    assert isinstance(asked.binarise, int) and set(checkpoints(STEPS)) <= set(asked.checkpoints)


def test_a_static_protocol_asks_for_no_binarisation(train):
    _, session, _, _ = train("static", warm_up_epochs=0)
    assert session.asked.asked == {"checkpoints", "stop"}
    np.testing.assert_array_equal(session.asked.x, datasets.load("digits").train[:1350])


def test_rows_of_a_run(train):
    task, _, rows, images = train()
    validation = values(rows, Quantity.VALIDATION_ELBO)
    assert list(validation) == [0, 10, 13, 20, 26, 30, 39, 40]
    assert validation[40] > validation[0]
    assert list(values(rows, Quantity.TRAIN_ELBO)) == [0, 13, 26, 39]  # by epoch
    assert set(values(rows, Quantity.HELDOUT_ELBO)) == {0, 10, 20, 30, 40}
    (best,) = values(rows, Quantity.LOG_PX_MEAN)
    assert best == max(validation, key=lambda step: validation[step])
    assert set(images) == {"reconstructions", "samples"}
    start = oracle_elbo(task, task.problem.params, task.dataset.train[1350:], "validation", 1)
    assert validation[0] == start.mean()


def test_training_stops_early_and_keeps_the_best_weights(train, monkeypatch):
    """A validation ELBO that falls after step 13: with a patience of one epoch the run ends at step 30 of 40."""
    from elbo_compare.compare.procedures import fitted

    scores = iter([-50.0, -45.0, -40.0, -41.0, -42.0, -43.0, -44.0, -45.0])
    right = fitted.oracle_elbo
    monkeypatch.setattr(
        fitted,
        "oracle_elbo",
        lambda task, w, x, purpose, n: (
            np.array([next(scores)]) if purpose == "validation" else right(task, w, x, purpose, n)
        ),
    )
    _, _, rows, _ = train(warm_up_epochs=0, patience_epochs=1)
    assert list(values(rows, Quantity.VALIDATION_ELBO)) == [0, 10, 13, 20, 26, 30]
    assert list(values(rows, Quantity.LOG_PX_MEAN)) == [13]
    assert set(values(rows, Quantity.HELDOUT_ELBO)) == {0, 10, 13, 20, 30}


def test_without_log_weights_there_is_no_likelihood(train):
    _, _, rows, _ = train(estimator="analytic-kl", steps=13)
    assert not values(rows, Quantity.LOG_PX_MEAN) and values(rows, Quantity.VALIDATION_ELBO)


def test_a_session_that_never_asks_stop_is_found_out(train):
    def deaf(fitted):
        return replace(fitted, elbo=fitted.elbo[:-1])

    with pytest.raises(InvalidResultError, match="39 training ELBOs of 40 steps, but `stop` was last asked after 40"):
        train(change=deaf)


def test_held_out_elbo_of_a_flow_is_the_mean_of_its_draws(train):
    """The oracle's value at shared noise has the mean of the oracle's own draws: 6 standard errors of both."""
    problem, estimator = problems.load("householder-small", "initial"), ESTIMATORS["sampled-kl"]
    session = NumpyOracle().prepare(problem, estimator, Device.CPU, DType.FLOAT64)
    task, *_ = train(steps=13)
    task = replace(task, problem=problem, session=session)
    x = np.repeat(task.dataset.test[:1], 2_000, axis=0)
    shared = oracle_elbo(task, problem.params, x, "heldout", 1)
    own = session.draw(problem.params, x[:1], 2_000, 1, 500).elbo
    error = np.hypot(shared.std(), own.std()) / np.sqrt(2_000)
    assert abs(shared.mean() - own.mean()) < 6 * error


@pytest.mark.parametrize(
    ("name", "keeps"),
    [("vae-small", True), ("householder-small", True), ("linear-iaf-small", False), ("mixture-small", False)],
)
def test_the_sampled_kl_s_variance_is_shown_only_where_it_is_that_of_the_heads(name, keeps):
    assert keeps_the_sampled_kl(problems.load(name, "initial")) is keeps


def test_minibatches_of_fewer_rows_stay_within_them(train):
    task, *_ = train(steps=13)
    assert minibatches(task, 30, 250).max() < 250
    assert minibatches(task, 30).max() >= 1350
