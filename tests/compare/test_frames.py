"""Frames: one row per measurement, intervals where there is a standard error, a row for a cell that has none."""

from math import inf, nan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elbo_compare.compare.errors import StoreError
from elbo_compare.compare.judging.frames import (
    load,
    measurement_frame,
    read_frame,
    read_json,
    write_frame,
    write_json,
    write_measurements,
)
from elbo_compare.compare.judging.timings import timing_frame
from elbo_compare.compare.records import CellResult, Measurement, Procedure, Quantity, Status
from elbo_compare.compare.running.account import account, union_s


def test_rows_carry_their_cell_and_their_interval(make_cell):
    mean = Measurement(quantity=Quantity.KL_MEAN, value=2.0, standard_error=0.5, n=100)
    bare = Measurement(quantity=Quantity.ELBO, value=1.0)
    binned = Measurement(quantity=Quantity.KL_HISTOGRAM, value=3.0, least=-inf, largest=7.0)
    cell = make_cell(seed=3)
    frame = measurement_frame([CellResult(cell=cell, status=Status.OK, measurements=(mean, bare, binned))])
    assert list(frame["quantity"]) == ["kl_mean", "elbo", "kl_histogram"]
    assert (frame["key"] == cell.key).all()
    assert frame["low"][0] == pytest.approx(2.0 - 1.9842 * 0.5, abs=1e-4)  # Student's 97.5% quantile, 99 degrees
    assert frame["high"][0] == pytest.approx(2.0 + 1.9842 * 0.5, abs=1e-4)
    assert pd.isna(frame["low"][1])
    assert (frame["least"][2], frame["largest"][2]) == (-inf, 7.0)
    assert frame[["low", "high"]].iloc[2].isna().all()  # a count of draws has no interval


def test_a_cell_without_measurements_still_has_a_row_with_its_reason(make_cell):
    frame = measurement_frame([CellResult(cell=make_cell(), status=Status.CRASHED, reason="signal SIGSEGV")])
    assert len(frame) == 1
    assert (frame["status"][0], frame["reason"][0], frame["quantity"][0]) == ("crashed", "signal SIGSEGV", "")
    assert pd.isna(frame["value"][0])


@pytest.mark.parametrize(("n", "quantile"), [(2, 12.7062), (10, 2.2622), (45_000, 1.9600), (1, 1.9600)])
def test_an_interval_of_few_data_takes_student_s_quantile(make_cell, n, quantile):
    row = Measurement(quantity=Quantity.LOG_PX_MEAN, value=0.0, standard_error=1.0, n=n)
    frame = measurement_frame([CellResult(cell=make_cell(), status=Status.OK, measurements=(row,))])
    assert frame["high"][0] == pytest.approx(quantile, abs=1e-4)  # Abramowitz and Stegun 1964, table 26.10
    assert frame["low"][0] == -frame["high"][0]


def test_frames_are_the_same_in_parquet(tmp_path, make_cell):
    rows = (
        Measurement(quantity=Quantity.ELBO, value=0.1 + 0.2, scale=nan),
        Measurement(quantity=Quantity.KL, value=inf),
    )
    frame = measurement_frame([CellResult(cell=make_cell(), status=Status.OK, measurements=rows)])
    write_frame(tmp_path, "measurements", frame)
    pd.testing.assert_frame_equal(read_frame(tmp_path, "measurements"), frame, check_exact=True, check_dtype=False)
    assert float(pd.read_csv(tmp_path / "measurements.csv")["value"][0]) == 0.1 + 0.2


@pytest.mark.parametrize("in_parts", [False, True])
def test_no_text_of_others_is_a_formula_in_a_judged_csv_and_parquet_has_it_as_it_is(tmp_path, make_cell, in_parts):
    names = ["=1+1", "+cmd", "-2+3", "@SUM(1)", "\tx", "-2.5", "pyro"]
    rows = [Measurement(quantity=Quantity.ELBO, value=-1.0, note=name) for name in names]
    results = [CellResult(cell=make_cell(), status=Status.FAILED, reason=names[0], measurements=tuple(rows))]
    if in_parts:
        write_measurements(tmp_path, results)
    else:
        write_frame(tmp_path, "measurements", measurement_frame(results))
    shown = pd.read_csv(tmp_path / "measurements.csv", keep_default_na=False, dtype=str)
    assert list(shown["note"]) == [f"'{name}" for name in names[:5]] + names[5:]
    assert set(shown["reason"]) == {"'=1+1"}
    assert list(shown["value"]) == ["-1.0"] * 7  # a number is no formula
    assert list(read_frame(tmp_path, "measurements")["note"]) == names


def test_arrays_of_a_frame_are_written_as_they_are_beside_what_is_guarded(tmp_path):
    frame = pd.DataFrame({"image": [np.zeros(2), np.ones(2)], "note": ["=1", "pyro"]})
    write_frame(tmp_path, "images", frame)
    assert list(pd.read_csv(tmp_path / "images.csv")["note"]) == ["'=1", "pyro"]
    assert [list(each) for each in read_frame(tmp_path, "images")["image"]] == [[0.0, 0.0], [1.0, 1.0]]


def test_json_is_strict_and_says_null_for_what_is_not_finite(tmp_path):
    write_json(tmp_path, "answer", {"a": [nan, 1.5, {"b": inf}]})
    assert "".join((tmp_path / "answer.json").read_text().split()) == '{"a":[null,1.5,{"b":null}]}'


@pytest.mark.parametrize("altered", ["answer.json", "verdicts.parquet"])
def test_a_file_altered_after_judging_is_refused_and_named(tmp_path, altered):
    write_json(tmp_path, "answer", {"sentence": "No."})
    write_frame(tmp_path, "verdicts", pd.DataFrame({"outcome": ["differs"]}))
    assert read_json(tmp_path, "answer")["sentence"] == "No."
    if altered == "answer.json":
        (tmp_path / altered).write_text('{"sentence": "Yes."}')
    else:
        pd.DataFrame({"outcome": ["agrees"]}).to_parquet(tmp_path / altered)
    with pytest.raises(StoreError, match=f"{altered} is not what judging wrote: run `compare judge"):
        read_json(tmp_path, "answer")
        read_frame(tmp_path, "verdicts")


@pytest.mark.parametrize("content", ["[]", "{", "\0"])
def test_a_seal_that_is_none_is_named(tmp_path, content):
    write_frame(tmp_path, "verdicts", pd.DataFrame({"outcome": ["differs"]}))
    (tmp_path / "seal.json").write_text(content)
    with pytest.raises(StoreError, match=r"seal\.json"):
        read_frame(tmp_path, "verdicts")


def test_a_folder_of_a_version_without_seals_is_read(tmp_path):
    write_frame(tmp_path, "ledger", pd.DataFrame({"outcome": ["differs"]}))
    (tmp_path / "seal.json").unlink()
    assert list(read_frame(tmp_path, "ledger")["outcome"]) == ["differs"]


def test_a_folder_that_was_not_judged_is_refused(tmp_path):
    with pytest.raises(StoreError, match="holds no results"):
        load(tmp_path)


def test_ratios_pair_the_rounds_and_are_one_for_the_baseline(make_cell):
    def timed(implementation, factor, rounds):
        cell = make_cell(implementation=implementation, procedure=Procedure.TIME)
        rows = [
            Measurement(quantity=Quantity.STEADY_STEP_S, value=factor * (1 + index), index=index, unit="s")
            for index in rounds
        ]
        return CellResult(cell=cell, status=Status.OK, measurements=tuple(rows))

    # A machine that gets slower from round to round: the ratio is 3 in every round all the same.
    frame = timing_frame([timed("torch-hand", 0.1, range(8)), timed("pyro", 0.3, range(2, 8))])
    ratio = dict(zip(frame["implementation"], frame["ratio"], strict=True))
    assert ratio["torch-hand"] == 1.0
    assert ratio["pyro"] == pytest.approx(3.0, rel=1e-12)
    assert frame["steady_step_s"][0] == pytest.approx(0.45)  # the middle of 0.1 .. 0.8
    assert frame["compile_s"].isna().all()


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted), max_size=8))
def test_a_union_counts_each_second_once(pairs):
    covered = {second for low, high in pairs for second in range(low, high)}
    assert union_s((float(low), float(high)) for low, high in pairs) == len(covered)


def test_the_account_adds_up():
    spans = [("import", 0.0, 2.0), ("call", 1.0, 4.0), ("oracle", 3.0, 6.0), ("call", 8.0, 9.0)]
    total = account(spans, 10.0)
    assert (total.measured_s, total.oracle_s, total.harness_s) == (5.0, 2.0, 3.0)
    assert total.harness_share == 0.3
