"""The README's answer is what the newest published standard report says."""

import json
import re

import pandas as pd
import pytest

from elbo_compare import load
from elbo_compare.reports.readme import ARCHITECTURE, CELL, PUBLISHED, README, architecture, block, newest, updated
from elbo_compare.reports.sections.summary import counted


def test_the_readme_shows_the_published_answer():
    readme = README.read_text("utf-8")
    assert updated(readme, block(newest())) == readme, "run: python -m elbo_compare.reports.readme"


def test_the_walk_of_one_verdict_is_the_newest_published_one():
    text = ARCHITECTURE.read_text("utf-8")
    assert architecture(text, newest()) == text, "run: python -m elbo_compare.reports.readme"
    verdicts = load(newest()).verdicts
    (row,) = verdicts[(verdicts["claim"] == "KL-002") & (verdicts["label"] == CELL)].to_dict("records")
    assert CELL in text
    assert f"| {row['value']} | {row['reference']} |" in text
    assert abs(row["value"] - row["reference"]) < row["tolerance"]


def test_counts_that_differ_are_added_up():
    """128, 132 and 140 comparisons: the same thing less what the answer leaves out, in both libraries together."""
    rows = [("MATCH-001", "vae", "float64"), ("MATCH-001", "laplace-small", "float64"), ("MATCH-002", "vae", "float32")]
    frame = pd.DataFrame(rows, columns=["claim", "problem", "dtype"]).assign(outcome="agrees")
    told = counted(pd.concat([frame, frame.assign(outcome="not run")]))
    assert "MATCH-001 has 2 verdicts, 1 of them with a Laplace prior" in told
    assert "the answer counts the other 1; MATCH-002 has 1 verdicts, 0 of them" in told
    assert told.endswith("Of what is counted 1 are in float64, both libraries together.")
    verdicts = pd.read_parquet(newest() / "verdicts.parquet")
    (compared,) = re.findall(r"\((\d+) of \1 comparisons each\)", README.read_text("utf-8"))
    assert f"the answer counts the other {compared}." in counted(verdicts)
    assert counted(verdicts) in README.read_text("utf-8")
    assert counted(verdicts.iloc[:0]) == ""


def test_the_published_report_is_whole():
    folder = newest()
    answer = json.loads((folder / "answer.json").read_text("utf-8"))
    assert answer["standing"] == "agrees"
    assert set(answer["cells"]) == {"ok"}
    assert (folder / "report" / "evidence.html").stat().st_size > 100_000


def test_a_readme_without_markers_is_refused():
    with pytest.raises(ValueError, match="no lines"):
        updated("# elbo-compare\n", "answer")


def test_no_report_is_said():
    with pytest.raises(FileNotFoundError, match="No published standard report for cuda"):
        newest(PUBLISHED / "false-alarms", "cuda")
