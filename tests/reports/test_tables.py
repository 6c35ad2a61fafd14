"""Tables: the files hold what the frame held; the text forms show what the page shows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elbo_compare.reports.content import Column, Kind, Table
from elbo_compare.reports.tables import cells, to_latex, to_markdown, worst_outcome, write_frame, write_table


def table(frame, **fields):
    columns = (
        Column(header="name", source="name"),
        Column(header="value [95%]", source="value", kind=Kind.INTERVAL),
        Column(header="outcome", source="outcome", kind=Kind.OUTCOME),
    )
    return Table(name="example", caption="A caption", frame=frame, columns=columns, **fields)


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "name": ["<script>alert(1)</script>", "a|b", r"\input{x}", '=1+1,"quoted"\n'],
            "value": [1 / 3, -1e-300, np.nan, 12345.678901234567],
            "low": [0.3, np.nan, np.nan, 12345.0],
            "high": [0.4, np.nan, np.nan, 12346.0],
            "outcome": ["agrees 3", "differs 1 · agrees 2", "not run 1", "inconclusive 1"],
        }
    )


def test_csv_and_parquet_give_back_every_value(tmp_path, frame):
    write_table(tmp_path, table(frame))
    for read in (pd.read_csv(tmp_path / "example.csv"), pd.read_parquet(tmp_path / "example.parquet")):
        assert [name.removeprefix("'") for name in read["name"]] == list(frame["name"])  # the CSV marks a formula
        np.testing.assert_array_equal(read["value"], frame["value"])


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_csv_keeps_every_float64(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("csv")
    write_frame(folder, "numbers", pd.DataFrame({"value": values}))
    read = (folder / "numbers.csv").read_text("utf-8").splitlines()[1:]
    assert [float(text) for text in read] == values


def test_mixed_and_missing_text_reaches_parquet(tmp_path):
    write_frame(tmp_path, "mixed", pd.DataFrame({"value": ["a", 1, None, 2.5]}))
    assert list(pd.read_parquet(tmp_path / "mixed.parquet")["value"]) == ["a", "1", "", "2.5"]


def test_markdown_has_one_line_per_row_and_one_cell_per_column(frame):
    lines = to_markdown(table(frame)).splitlines()
    assert len(lines) == 2 + len(frame)
    bars = [line.replace(r"\|", "").count("|") for line in lines]
    assert bars == [4] * len(lines)


def test_latex_rows_have_the_declared_columns_and_no_foreign_command(frame):
    text = to_latex(table(frame))
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 1 + len(frame)
    assert all(row.replace(r"\&", "").count("&") == 2 for row in rows)
    assert r"\input{" not in text
    assert r"\textbackslash{}input\{x\}" in text


def test_only_the_first_rows_are_shown_and_all_are_in_the_file(tmp_path, frame):
    short = table(frame, limit=2)
    write_table(tmp_path, short)
    assert len(list(cells(short))) == 2
    assert len(pd.read_csv(tmp_path / "example.csv")) == len(frame)


def test_an_outcome_is_told_by_word_and_sign_and_marked_by_its_worst(frame):
    outcome = [row[2] for row in cells(table(frame))]
    assert [cell.text[0] for cell in outcome] == ["✓", "✗", "○", "?"]
    assert [cell.css.split()[1] for cell in outcome] == ["agrees", "differs", "not-run", "inconclusive"]
    assert worst_outcome("") == ""


def test_a_registered_deviation_has_no_tick_beside_what_agrees(frame):
    frame["outcome"] = ["as registered 2 · agrees 5", "differs 1 · as registered 2", "as registered 1", "agrees 9"]
    outcome = [row[2] for row in cells(table(frame))]
    assert [cell.text[0] for cell in outcome] == ["a", "✗", "a", "✓"]


def test_a_text_column_that_is_empty_throughout_is_not_shown(frame):
    frame["name"] = ["a", "b", "c", "d"]
    frame["note"] = ""
    with_note = Table(
        name="example",
        caption="",
        frame=frame,
        columns=(Column(header="name", source="name"), Column(header="note", source="note")),
    )
    assert to_markdown(with_note).splitlines()[0] == "| name |"


def test_a_text_that_a_spreadsheet_would_evaluate_is_told_as_text_in_the_csv_alone(tmp_path):
    texts = ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "-0.5", "+3e-7", "a=b", ""]
    write_frame(tmp_path, "formulas", pd.DataFrame({"=name": texts, "value": [-1.0] * len(texts)}))
    csv = pd.read_csv(tmp_path / "formulas.csv", keep_default_na=False, dtype=str)
    assert list(csv.columns) == ["'=name", "value"]
    assert list(csv["'=name"]) == ["'=1+1", "'+cmd", "'-2+3", "'@SUM(A1)", "-0.5", "+3e-7", "a=b", ""]
    assert list(csv["value"]) == ["-1.0"] * len(texts)
    assert list(pd.read_parquet(tmp_path / "formulas.parquet")["=name"]) == texts
