"""log p(x) by importance sampling: the running estimate, its error, and the procedure where log p(x) is known."""

from dataclasses import replace
from math import isnan, log, sqrt

import numpy as np
import pytest
from scipy.special import logsumexp

from elbo_compare.compare.claims import by_id
from elbo_compare.compare.judging.judge import judge
from elbo_compare.compare.procedures.draw import draw
from elbo_compare.compare.procedures.likelihood import after_training, likelihood
from elbo_compare.compare.procedures.log_weights import LogMeanExp
from elbo_compare.compare.procedures.task import InvalidResultError, Task
from elbo_compare.compare.records import Cell, CellResult, Outcome, Procedure, Quantity, Status
from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, Draws, DType
from elbo_compare.suites.estimators import ESTIMATORS, SAMPLED_KL
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle

LINEAR = {"problem": "linear-gaussian", "dataset": "linear-gaussian"}


def cell(**fields) -> Cell:
    plain = {
        "implementation": "torch-hand",
        "estimator": "sampled-kl",
        "procedure": Procedure.LIKELIHOOD,
        "dtype": "float64",
        "device": "cpu",
        "seed": 0,
        "weights": "generic",
    }
    return Cell(**(plain | LINEAR | fields))


def task(of: Cell, session=None) -> Task:
    problem, estimator = problems.load(of.problem, of.weights), ESTIMATORS[of.estimator]
    oracle = NumpyOracle().prepare(problem, estimator, Device.CPU, DType.FLOAT64)
    dataset = datasets.load(of.dataset)
    return Task(cell=of, session=session or oracle, problem=problem, estimator=estimator, dataset=dataset)


class Counting:
    """The oracle's session, which remembers how many draws it was asked for at once, and adds a constant."""

    def __init__(self, of: Cell, shift: float = 0.0):
        self.inner, self.shift, self.asked = task(of).session, shift, []

    def draw(self, params, x, n, seed, chunk):
        self.asked.append((n, seed))
        found = self.inner.draw(params, x, n, seed, chunk)
        return Draws(elbo=found.elbo + self.shift, kl=found.kl, dtype=found.dtype)


class Rounded(Counting):
    """The same in float32."""

    def draw(self, params, x, n, seed, chunk):
        found = super().draw(params, x, n, seed, chunk)
        elbo, kl = (array.astype(np.float32).astype(np.float64) for array in (found.elbo, found.kl))
        return Draws(elbo=elbo, kl=kl, dtype=DType.FLOAT32)


def judged(identifier: str, of: Cell, rows) -> Outcome:
    result = CellResult(cell=of, status=Status.OK, measurements=tuple(rows))
    (verdict,) = judge([result], claims=[by_id(identifier)])
    return verdict.outcome


def only(rows, quantity):
    (found,) = [row for row in rows if row.quantity is quantity]
    return found


@pytest.mark.parametrize("blocks", [(5_000,), (1, 4_999), (2_500, 2_500), (4_000, 999, 1)])
def test_blocks_make_no_difference(blocks):
    """Relative to float64 rounding: sums of 5,000 terms in another order, 5,000 x 2^-53 = 6e-13."""
    log_weights = np.random.default_rng(1).normal(-900.0, 4.0, 5_000)
    running = LogMeanExp()
    for part in np.split(log_weights, np.cumsum(blocks)[:-1]):
        running.add(part)
    assert running.n == 5_000
    assert running.value == pytest.approx(logsumexp(log_weights) - log(5_000), rel=6e-13)
    assert running.mean_log == pytest.approx(log_weights.mean(), rel=6e-13)
    weights = np.exp(log_weights - log_weights.max())
    assert running.relative_deviation == pytest.approx(weights.std(ddof=1) / weights.mean(), rel=1e-9)


def test_weights_that_would_overflow_or_underflow_are_no_trouble():
    running = LogMeanExp()
    for value in (-2_000.0, 1_500.0, -3_000.0):
        running.add(np.array([value]))
    assert running.value == pytest.approx(1_500.0 - log(3))


def test_one_draw_has_no_error_estimate():
    running = LogMeanExp()
    running.add(np.array([-3.0]))
    assert running.value == -3.0
    assert isnan(running.standard_error)


def test_the_delta_method_s_error_is_the_spread_of_estimates():
    """400 independent estimates: their standard deviation is known to 1 / sqrt(2 x 399) = 3.5%; five times that."""
    log_weights = np.random.default_rng(2).normal(0.0, 0.7, (400, 2_000))
    values, errors = [], []
    for row in log_weights:
        running = LogMeanExp()
        running.add(row)
        values.append(running.value)
        errors.append(running.standard_error)
    assert np.std(values, ddof=1) == pytest.approx(np.mean(errors), rel=5 * 0.035)


def test_the_estimate_is_log_px_where_that_is_known():
    of = cell(size=30_000, data=10, chunk=10_000)
    rows = likelihood(task(of))
    mean = only(rows, Quantity.LOG_PX_MEAN)
    data = [row for row in rows if row.quantity is Quantity.LOG_PX]
    assert len(data) == 10
    # Each is off by less than six of its own standard errors, and never below the ELBO of the same draws.
    assert all(abs(row.value - row.reference) < 6 * row.standard_error for row in data)
    elbos = [row for row in rows if row.quantity is Quantity.LOG_WEIGHT_MEAN]
    assert all(row.value > elbo.value for row, elbo in zip(data, elbos, strict=True))
    assert mean.scale == pytest.approx(sqrt(sum(row.standard_error**2 for row in data)) / 10)
    assert judged("LIK-001", of, rows) is Outcome.AGREES


@pytest.mark.parametrize("wrong", [log(10.0), -log(10.0), 0.5 * log(2 * np.pi)])
def test_a_shift_of_the_log_weights_is_caught(wrong):
    for identifier, of in (
        ("LIK-001", cell(size=5_000, data=10)),
        ("LIK-002", cell(weights="posterior", size=500, data=3)),
    ):
        rows = likelihood(task(of, Counting(of, shift=wrong)))
        assert judged(identifier, of, rows) is Outcome.DIFFERS


def test_at_the_exact_posterior_every_draw_is_log_px():
    of = cell(weights="posterior", size=500, data=3)
    rows = likelihood(task(of))
    assert [row.index for row in rows if row.quantity is Quantity.LOG_WEIGHT_DEVIATION] == [0, 1, 2]
    assert judged("LIK-002", of, rows) is Outcome.AGREES


@pytest.mark.parametrize(("shift", "outcome"), [(0.0, Outcome.AGREES), (1e-3, Outcome.DIFFERS)])
def test_in_float32_the_posterior_s_weights_are_held_to_log_px_one_by_one(shift, outcome):
    """Rounded to float32, q(z|x) is the posterior to 1e-7: its variance is none that roundings let be seen."""
    of = cell(weights="posterior", size=20, data=2, dtype="float32")
    rows = likelihood(task(of, Rounded(of, shift)))
    assert judged("LIK-002", of, rows) is outcome
    drawn = replace(of, procedure=Procedure.DRAW)
    rows = draw(task(drawn, Rounded(of, shift)))
    assert judged("LG-004", drawn, rows) is outcome
    assert judged("ORD-001", drawn, rows) is outcome
    assert not any(row.quantity is Quantity.ELBO_MEAN for row in rows)  # whose margin would be of digits nobody has


def test_draws_are_asked_for_in_blocks_with_a_seed_each():
    of = cell(size=1_100, data=2, chunk=500)
    session = Counting(of)
    likelihood(task(of, session))
    assert [n for n, _ in session.asked] == [500, 500, 100] * 2
    assert len({seed for _, seed in session.asked}) == 6


def test_an_estimator_without_log_weights_is_refused():
    of = cell(estimator="analytic-kl", size=100, data=1)
    with pytest.raises(InvalidResultError, match="analytic-kl draws no log weights"):
        likelihood(task(of))


def test_after_training_counts_no_more_data_than_there_are():
    of = replace(cell(size=10), problem="vae-small", weights="trained", dataset="digits", procedure=Procedure.FIT)
    given = task(of)
    few = replace(given, dataset=replace(given.dataset, test=given.dataset.test[:3]))
    row = after_training(few, given.problem.params, 7, data=50, draws=40)
    assert (row.quantity, row.index, row.n, row.note) == (Quantity.LOG_PX_MEAN, 7, 3, "40 draws at each")
    assert isnan(row.reference)
    assert SAMPLED_KL.name == of.estimator
