"""Variance times time over a baseline's: which estimators are compared, and the interval of the product."""

import math

import pytest

from elbo_compare.compare.judging.efficiency import baseline_of, efficiencies, efficiency_frame
from elbo_compare.compare.records import Cell, CellResult, Measurement, Procedure, Quantity, Status


def cell(procedure, estimator, implementation="torch-hand", **more):
    content = {
        "problem": "vae-small",
        "weights": "trained",
        "dataset": "digits",
        "dtype": "float64",
        "device": "cpu",
        "seed": 0,
        "size": 100,
    }
    content |= {"procedure": procedure, "estimator": estimator, "implementation": implementation} | more
    return Cell(**content)


def gradients(estimator, value, error, **more):
    rows = [
        Measurement(quantity=Quantity.GRADIENT_VARIANCE, part=part, value=value / 2, standard_error=error, n=5000)
        for part in ("mean", "log_var")
    ]
    return CellResult(cell=cell(Procedure.GRADIENT, estimator, **more), status=Status.OK, measurements=tuple(rows))


def steps(estimator, seconds, **more):
    rows = [
        Measurement(quantity=Quantity.STEADY_STEP_S, value=value, index=i, unit="s") for i, value in enumerate(seconds)
    ]
    return CellResult(cell=cell(Procedure.TIME, estimator, **more), status=Status.OK, measurements=tuple(rows))


def both(estimator, value, seconds, error=0.01, **more):
    return [gradients(estimator, value, error, **more), steps(estimator, seconds, **more)]


@pytest.mark.parametrize(
    ("name", "baseline"),
    [
        ("stl", "sampled-kl"),
        ("antithetic", "sampled-kl"),
        ("analytic-kl", "sampled-kl"),
        ("k2", None),
        ("dreg-20", "iwae-20"),
        ("renyi-half", None),
    ],
)
def test_only_estimators_of_the_same_gradient_are_compared(name, baseline):
    assert baseline_of(name) == baseline


def test_half_the_variance_at_twice_the_time_buys_nothing():
    rounds = [1.0, 1.1, 0.9, 1.2, 1.0, 1.05, 0.95, 1.0, 1.0, 1.0, 1.0, 1.0]
    results = both("sampled-kl", 4.0, rounds) + both("antithetic", 2.0, [2 * value for value in rounds])
    (row,) = efficiencies(results)
    assert (row.variance_ratio, row.time_ratio, row.product) == pytest.approx((0.5, 2.0, 1.0))
    assert row.product_low < 1 < row.product_high
    assert (row.draws, row.rounds) == (5000, 12)


def test_a_round_that_slows_both_cancels():
    slow = [1.0, 9.0, 1.0, 1.0, 7.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    (row,) = efficiencies(both("sampled-kl", 4.0, slow) + both("stl", 4.0, [3 * value for value in slow]))
    assert (row.time_low, row.time_high) == pytest.approx((3.0, 3.0))


def test_a_variance_of_zero_has_the_ratio_zero_and_no_interval():
    (row,) = efficiencies(both("sampled-kl", 4.0, [1.0] * 12) + both("stl", 0.0, [1.0] * 12))
    assert row.product == 0.0
    assert math.isnan(row.product_high)


def test_another_implementation_is_no_baseline_and_nothing_timed_gives_no_row():
    results = both("sampled-kl", 4.0, [1.0] * 12, implementation="pyro") + both("stl", 1.0, [1.0] * 12)
    assert efficiencies(results) == []
    assert efficiencies([gradients("sampled-kl", 4.0, 0.01), gradients("stl", 1.0, 0.01)]) == []
    assert "product_low" in efficiency_frame([]).columns
