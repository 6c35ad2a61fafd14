"""Procedures, with the oracle as the implementation: right rows for a right session, and a planted change is seen."""

from dataclasses import replace
from itertools import pairwise
from math import inf, isnan, sqrt

import numpy as np
import pytest

from elbo_compare.compare.procedures.draw import BINS, draw
from elbo_compare.compare.procedures.evaluate import evaluate
from elbo_compare.compare.procedures.fit import fit, fit_path
from elbo_compare.compare.procedures.gradient import gradient, signal_to_noise
from elbo_compare.compare.procedures.schedule import CHECKPOINTS, checkpoints, minibatches
from elbo_compare.compare.procedures.shared import FOLDER, shared
from elbo_compare.compare.procedures.task import InvalidResultError, Task, require_array
from elbo_compare.compare.records import Procedure, Quantity
from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, Draws, DType, Reduction
from elbo_compare.suites.estimators import CORE_ESTIMATORS, ESTIMATORS
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle

HALF_LOG_TWO_PI = 0.9189385332046727


class Changed:
    """The oracle's session with one verb's result changed."""

    def __init__(self, session, verb, change):
        self.session, self.verb, self.change = session, verb, change

    def __getattr__(self, name):
        method = getattr(self.session, name)
        if name != self.verb:
            return method
        return lambda *args, **kwargs: self.change(method(*args, **kwargs))


@pytest.fixture
def make_task(make_cell):
    def make(verb="", change=None, **fields):
        cell = make_cell(**fields)
        cell = replace(cell, dataset=problems.DATASET[cell.problem])
        problem, estimator = problems.load(cell.problem, cell.weights), ESTIMATORS[cell.estimator]
        session = NumpyOracle().prepare(problem, estimator, Device.CPU, DType.FLOAT64)
        return Task(
            cell=cell,
            session=Changed(session, verb, change),  # type: ignore[arg-type]
            problem=problem,
            estimator=estimator,
            dataset=datasets.load(cell.dataset),
        )

    return make


def only(rows, quantity, part=""):
    found = [row for row in rows if row.quantity is quantity and row.part.startswith(part)]
    assert len(found) == 1, (quantity, len(found))
    return found[0]


@pytest.mark.parametrize("estimator", sorted(CORE_ESTIMATORS))
@pytest.mark.parametrize(
    ("problem", "weights"), [("gaussian-kl", "40-mixed"), ("linear-gaussian", "generic"), ("vae-small", "initial")]
)
def test_the_oracle_held_against_itself_differs_by_rounding_only(make_task, problem, weights, estimator):
    rows = evaluate(make_task(problem=problem, weights=weights, estimator=estimator, size=7))
    for row in (row for row in rows if row.quantity is not Quantity.LOG_EVIDENCE):
        difference = row.value if row.quantity is Quantity.GRADIENT_DISTANCE else row.value - row.reference
        # 16 unit roundoffs of the sum of absolute terms: see the claims' reason for this factor.
        assert abs(difference) <= 16 * 2**-53 * row.scale, row
    quantities = {row.quantity for row in rows}
    assert (Quantity.LOG_LIKELIHOOD in quantities) == (problem != "gaussian-kl")
    assert (Quantity.ELBO_DETERMINISTIC in quantities) == (problem == "linear-gaussian")
    names = {row.part for row in rows if row.quantity is Quantity.GRADIENT_DISTANCE}
    assert names == set(problems.load(problem, weights).params)


def test_ragged_sub_batches_with_the_wrong_reduction_are_seen(make_task):
    def as_sum(evaluation):  # claims a sum over the batch, returns a mean
        return replace(evaluation, raw_reduction=Reduction.SUM)

    rows = evaluate(make_task("evaluate", as_sum, problem="linear-gaussian", weights="generic", size=7))
    split, raw = only(rows, Quantity.RAW_LOSS_SPLIT), only(rows, Quantity.RAW_LOSS)
    assert abs(split.value - split.reference) > 1
    assert raw.reference == pytest.approx(7 * raw.value)


def test_a_dropped_constant_shows_in_log_q_by_its_size(make_task):
    def dropped(evaluation):
        return replace(evaluation, log_q=evaluation.log_q + 2 * HALF_LOG_TWO_PI)

    row = only(evaluate(make_task("evaluate", dropped)), Quantity.LOG_Q)
    assert row.value - row.reference == pytest.approx(2 * HALF_LOG_TWO_PI, rel=1e-12)


def test_a_gradient_off_by_one_percent_is_at_that_distance(make_task):
    def scaled(evaluation):
        return replace(evaluation, gradients={k: 1.01 * v for k, v in evaluation.gradients.items()})

    row = only(evaluate(make_task("evaluate", scaled)), Quantity.GRADIENT_DISTANCE, "encoder.mean.bias")
    assert row.value == pytest.approx(0.01 * row.reference, rel=1e-9)


def test_everybody_gets_the_same_noise_and_each_batch_its_own(make_task):
    first, second = make_task(), make_task(implementation="pyro", estimator="analytic-kl", dtype="float32")
    same = [task.generator("noise").standard_normal(3).tolist() for task in (first, second)]
    assert same[0] == same[1]
    assert make_task(seed=1).generator("noise").standard_normal(3).tolist() != same[0]


def test_draws_have_the_exact_mean_and_variance_within_six_standard_errors(make_task):
    task = make_task(procedure=Procedure.DRAW, problem="linear-gaussian", weights="generic", size=40_000, chunk=5000)
    rows = draw(task)
    for quantity in (Quantity.ELBO_MEAN, Quantity.KL_MEAN, Quantity.ELBO_VARIANCE, Quantity.KL_VARIANCE):
        row = only(rows, quantity)
        # A right sampler is outside with probability 2e-9 per row.
        assert abs(row.value - row.reference) < 6 * row.standard_error, row
        assert row.n == 40_000
    assert only(rows, Quantity.LOG_EVIDENCE).value > only(rows, Quantity.ELBO_MEAN).reference


def test_draws_that_spread_five_percent_too_wide_are_seen(make_task):
    def wider(draws):
        return replace(draws, kl=draws.kl.mean() + 1.05 * (draws.kl - draws.kl.mean()))

    fields = {"procedure": Procedure.DRAW, "weights": "40-typical", "size": 40_000, "chunk": 5000}
    row = only(draw(make_task("draw", wider, **fields)), Quantity.KL_VARIANCE)
    assert row.value - row.reference > 6 * row.standard_error


def test_the_histogram_holds_every_draw_once_in_adjoining_bins(make_task):
    rows = draw(make_task(procedure=Procedure.DRAW, size=5000, chunk=1000))
    bins = [row for row in rows if row.quantity is Quantity.KL_HISTOGRAM]
    assert sum(row.value for row in bins) == 5000
    assert [row.index for row in bins] == list(range(BINS + 2))
    assert (bins[0].least, bins[-1].largest) == (-inf, inf)
    assert all(left.largest == right.least for left, right in pairwise(bins))
    mean = only(rows, Quantity.KL_MEAN)
    centre, sd = mean.reference, mean.scale
    assert bins[1].least == pytest.approx(centre - 6 * sd)
    assert bins[-2].largest == pytest.approx(centre + 6 * sd)


@pytest.mark.parametrize(("weights", "estimator"), [("2-wide", "analytic-kl"), ("40-equal", "sampled-kl")])
def test_where_the_variance_is_zero_the_largest_deviation_is_measured(make_task, weights, estimator):
    fields = {"procedure": Procedure.DRAW, "weights": weights, "estimator": estimator, "size": 1000, "chunk": 100}
    right = only(draw(make_task(**fields)), Quantity.KL_DEVIATION)
    assert right.value <= 16 * 2**-53 * right.scale

    def one_wrong(draws):
        return replace(draws, kl=np.where(np.arange(1000) == 500, draws.kl + 1e-6, draws.kl))

    wrong = only(draw(make_task("draw", one_wrong, **fields)), Quantity.KL_DEVIATION)
    assert wrong.value == pytest.approx(1e-6, rel=1e-3)
    assert wrong.value > 16 * 2**-53 * wrong.scale


def test_ties_are_rows_of_their_own_block(make_task):
    def tied(draws):
        blocks = draws.elbo.reshape(-1, 100)
        return replace(draws, ties=np.stack([blocks.mean(axis=1), blocks.mean(axis=1) + 0.25], axis=1))

    rows = draw(make_task("draw", tied, procedure=Procedure.DRAW, size=400, chunk=100))
    ties = [row for row in rows if row.quantity is Quantity.TIE]
    assert [row.index for row in ties] == [0, 1, 2, 3]
    assert all(row.reference - row.value == pytest.approx(0.25) for row in ties)
    assert all(row.n == 100 and row.scale >= abs(row.value) for row in ties)


def test_gradient_draws_have_the_exact_moments_within_six_standard_errors(make_task):
    rows = gradient(make_task(procedure=Procedure.GRADIENT, weights="2-mixed", size=40_000, chunk=5000))
    assert {(row.quantity, row.part) for row in rows} == {
        (quantity, head)
        for quantity in (Quantity.GRADIENT_VARIANCE, Quantity.GRADIENT_PROJECTION, Quantity.GRADIENT_SNR)
        for head in ("mean", "log_var")
    }
    for row in (row for row in rows if row.quantity is not Quantity.GRADIENT_SNR):
        assert abs(row.value - row.reference) < 6 * row.standard_error, row


def test_the_signal_to_noise_ratio_and_its_error_are_those_of_normal_draws():
    """|mean| / sd of each component, averaged; the delta-method error is the spread over repetitions within 20%."""
    rng, mean, sd = np.random.default_rng(0), np.array([0.5, -2.0]), np.array([1.0, 0.5])
    shared_noise = rng.standard_normal((300, 1000, 1))  # components move together
    draws = mean + sd * (0.6 * rng.standard_normal((300, 1000, 2)) + 0.8 * shared_noise)
    values, errors = np.array([signal_to_noise(each) for each in draws]).T
    assert values.mean() == pytest.approx((0.5 + 4.0) / 2, rel=0.01)
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.2)
    assert all(isnan(number) for number in signal_to_noise(np.ones((10, 2))))


def test_minibatches_are_epochs_in_an_order_that_everybody_shares(make_task):
    task = make_task(procedure=Procedure.FIT, problem="vae-small", weights="initial", size=31)
    batches = minibatches(task, 31)
    rows = len(task.dataset.train)
    assert batches.shape == (31, 100)
    assert sorted(batches[: rows // 100].ravel()) == list(range(rows))
    other = make_task(procedure=Procedure.FIT, problem="vae-small", weights="initial", size=31, implementation="pyro")
    assert (minibatches(other, 31) == batches).all()


def test_the_oracle_s_path_is_its_own_and_a_larger_step_leaves_it(make_task):
    fields = {"procedure": Procedure.FIT_PATH, "problem": "vae-small", "weights": "initial", "size": 6}
    for row in fit_path(make_task(**fields)):
        assert (row.value if row.quantity is Quantity.PATH_DISTANCE else row.value - row.reference) == 0
        assert row.scale > 0

    def further(done):
        return replace(done, params={name: value + 1e-9 for name, value in done.params.items()})

    rows = fit_path(make_task("fit", further, **fields))
    distances = [row for row in rows if row.quantity is Quantity.PATH_DISTANCE]
    assert all(row.value == pytest.approx(1e-9 * sqrt(row.n), rel=1e-3) for row in distances)
    assert all(row.value > 100 * row.scale for row in distances)


def test_training_is_described_at_five_checkpoints_and_improves(make_task):
    assert checkpoints(8) == (0, 2, 4, 6, 8)
    assert len(checkpoints(1000)) == CHECKPOINTS
    assert checkpoints(1) == (0, 1)
    rows, images = fit(make_task(procedure=Procedure.FIT, problem="vae-small", weights="initial", size=40))
    heldout = {row.index: row for row in rows if row.quantity is Quantity.HELDOUT_ELBO}
    assert sorted(heldout) == [0, 10, 20, 30, 40]
    assert heldout[40].value > heldout[0].value + 6 * heldout[0].standard_error
    assert len([row for row in rows if row.quantity is Quantity.TRAIN_ELBO]) == 40
    for quantity in (Quantity.FITTED_ELBO_VARIANCE, Quantity.FITTED_GRADIENT_VARIANCE):
        parts = {(row.index, row.part) for row in rows if row.quantity is quantity}
        assert parts == {(step, name) for step in heldout for name in CORE_ESTIMATORS}
    assert {name: (len(grid), len(grid[0])) for name, grid in images.items()} == {
        "reconstructions": (16, 80),
        "samples": (8, 80),
    }
    assert all(0 <= value <= 255 for grid in images.values() for row in grid for value in row)


def test_held_out_values_of_both_estimators_agree_in_expectation(make_task):
    fields = {"procedure": Procedure.FIT, "problem": "vae-small", "weights": "trained", "size": 1}
    found = {}
    for name in CORE_ESTIMATORS:
        rows, _ = fit(make_task(estimator=name, **fields))
        found[name] = next(row for row in rows if row.quantity is Quantity.HELDOUT_ELBO)
    first, second = found.values()
    # They share data and noise and differ by sampled minus analytic KL, whose mean is zero.
    assert first.value != second.value
    assert abs(first.value - second.value) < 6 * max(first.standard_error, second.standard_error)


@pytest.mark.parametrize(
    ("draws", "message"),
    [
        (lambda d: replace(d, kl=d.kl[:-1]), r"the KL draws has shape \(999,\), not \(1000,\)"),
        (lambda d: replace(d, elbo=d.elbo[:, None]), r"the ELBO draws has shape \(1000, 1\)"),
        (lambda d: replace(d, kl=np.where(d.kl > d.kl.mean(), inf, d.kl)), "values that are not finite"),
        (lambda d: replace(d, dtype=DType.FLOAT32), "was computed in float32, not in float64"),
        (lambda d: Draws(elbo=d.elbo, kl=d.kl, dtype=d.dtype, ties=np.zeros((2, 3))), "the ties has shape"),
        (lambda d: replace(d, kl=["a"] * 1000), "must be an array of numbers, not list"),
    ],
)
def test_draws_of_a_wrong_shape_dtype_or_value_are_refused_with_what_arrived(
    make_task, draws, message, unchecked_shapes
):
    with pytest.raises(InvalidResultError, match=message):
        draw(make_task("draw", draws, procedure=Procedure.DRAW, size=1000, chunk=100))


def test_unknown_references_stay_unknown(make_task):
    rows = draw(make_task(procedure=Procedure.DRAW, problem="vae-small", weights="trained", size=1000, chunk=500))
    assert isnan(only(rows, Quantity.ELBO_MEAN).reference)
    assert not isnan(only(rows, Quantity.KL_MEAN).reference)
    assert require_array("x", np.zeros(2), (2,)).dtype == np.float64


def test_what_workers_share_is_computed_once_and_read_back_bit_for_bit(tmp_path, monkeypatch):
    calls = []

    def compute():
        calls.append(1)
        return {"a:b": np.array([0.1, -inf]), "scalar": np.array(1 / 3)}

    monkeypatch.setenv(FOLDER, str(tmp_path))
    first, second = shared("one", compute), shared("one", compute)
    assert len(calls) == 1
    assert all((first[name] == second[name]).all() for name in ("a:b", "scalar"))
    shared("two", compute)
    monkeypatch.delenv(FOLDER)
    shared("one", compute)
    assert len(calls) == 3
    assert len(list(tmp_path.iterdir())) == 2


def test_a_shared_path_gives_the_rows_of_an_unshared_one(make_task, tmp_path, monkeypatch):
    fields = {"procedure": Procedure.FIT_PATH, "problem": "vae-small", "weights": "initial", "size": 4}
    alone = fit_path(make_task(**fields))
    monkeypatch.setenv(FOLDER, str(tmp_path))
    for _ in range(2):
        assert repr(fit_path(make_task(**fields))) == repr(alone)
    fit_path(make_task(**fields | {"estimator": "analytic-kl"}))
    assert len(list(tmp_path.iterdir())) == 2
