"""The README's answer is what the newest published standard report says."""

import json

import pytest

from elbo_compare.reports.readme import PUBLISHED, README, block, newest, updated


def test_the_readme_shows_the_published_answer():
    readme = README.read_text("utf-8")
    assert updated(readme, block(newest())) == readme, "run: python -m elbo_compare.reports.readme"


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
