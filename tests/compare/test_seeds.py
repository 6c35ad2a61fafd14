"""Trainings over seeds: the interval is Student's, differences are paired by seed, failed runs are left out."""

from dataclasses import replace
from math import isnan

import pytest

from elbo_compare.compare.judging.seeds import mean_interval, seed_frame
from elbo_compare.compare.records import CellResult, Measurement, Procedure, Quantity, Status


def trained(cell, value):
    rows = [
        Measurement(quantity=Quantity.HELDOUT_ELBO, value=-500.0, index=0),
        Measurement(quantity=Quantity.HELDOUT_ELBO, value=value, index=30),
    ]
    return CellResult(cell=cell, status=Status.OK, measurements=tuple(rows))


def test_the_interval_is_student_s():
    # Table value: t(0.975, 3) = 3.182446; the standard error of 1, 2, 3, 4 is sqrt(5/3) / 2.
    mean, low, high = mean_interval([1.0, 2.0, 3.0, 4.0])
    assert mean == 2.5
    assert high - mean == pytest.approx(3.182446 * (5 / 3) ** 0.5 / 2, rel=1e-6)
    assert mean - low == pytest.approx(high - mean)
    assert isnan(mean_interval([1.0])[1])


def test_differences_are_paired_by_seed_and_failed_runs_are_left_out(make_cell):
    base = make_cell(procedure=Procedure.FIT, implementation="torch-hand", replicas=4)
    library = make_cell(procedure=Procedure.FIT, implementation="pyro")
    results = [trained(replace(base, seed=seed), -100.0 - seed) for seed in range(4)]
    results += [trained(replace(library, seed=seed), -99.0 - seed) for seed in range(3)]
    results.append(CellResult(cell=replace(library, seed=3), status=Status.FAILED, reason="planted"))
    frame = seed_frame(results).set_index("implementation")
    assert frame.loc["torch-hand", ["seeds", "value", "steps", "pairs"]].tolist() == [4, -101.5, 30, 0]
    # The seeds spread by 1 nat, yet the paired difference is exact: its interval has no width.
    assert frame.loc["pyro", ["seeds", "pairs", "difference"]].tolist() == [3, 3, 1.0]
    assert frame.loc["pyro", "difference_high"] == pytest.approx(1.0)


def test_a_single_run_has_no_interval_over_seeds(make_cell):
    assert seed_frame([trained(make_cell(procedure=Procedure.FIT), -100.0)]).empty
