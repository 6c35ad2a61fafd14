"""`compare why CLAIM CELL DIR`: both numbers, the tolerance, the seed, the command; errors in one line."""

import sys

import pytest
from claim_rows import altered, cell, drawn, evaluated
from folders import write_folder

from elbo_compare.compare.citing.why import why
from elbo_compare.compare.cli import main
from elbo_compare.compare.errors import UsageError
from elbo_compare.compare.records import Procedure, Quantity

HAND, PYRO = cell(), cell(implementation="pyro")
DRAWN = cell(implementation="pyro", problem="gaussian-kl", weights="2-typical", procedure=Procedure.DRAW, size=50_000)


@pytest.fixture
def folder(tmp_path):
    wrong = altered(evaluated(PYRO, dropped=False), Quantity.KL, shift=1e-6)
    return write_folder(tmp_path / "run", [evaluated(HAND), wrong, drawn(DRAWN)])


def _fields(text):
    lines = text.split("\n\n")[0].splitlines()[1:]
    return {line[:12].strip(): line[12:] for line in lines if line[:12].strip()}


def test_both_numbers_the_tolerance_and_its_reason_are_printed(folder):
    import pandas as pd

    text = why("KL-002", PYRO.key, folder)
    verdicts = pd.read_parquet(folder / "verdicts.parquet")
    row = verdicts[(verdicts["claim"] == "KL-002") & (verdicts["key"] == PYRO.key)].iloc[0]
    assert text.startswith(f"KL-002 differs on {PYRO.label} (key {PYRO.key})")
    told = _fields(text)
    assert float(told["Value"].split()[0]) == row["value"]
    assert float(told["Reference"].split()[0]) == row["reference"]
    assert float(told["Tolerance"].split()[0]) == row["tolerance"]
    assert "times what is allowed" in told["Difference"]
    assert told["Scale"].split(":")[0] == "120.0"
    assert told["Why that"]
    assert told["n"] == str(row["n"])
    assert told["Seed"].startswith("0; ")
    assert "pyro-ppl 1.9.2, torch 2.13.0" in text
    assert told["Again"].startswith("compare run")
    assert f"-k {PYRO.label}" in told["Again"]


def test_a_sampled_verdict_has_its_interval_n_and_level(folder):
    told = _fields(why("KL-004", DRAWN.label, folder))
    assert told["n"] == "50,000"
    low, high = told["Interval"].split("]")[0].strip("[").split(", ")
    assert float(low) < float(high)
    assert "1e-06 / 2,000" in told["Interval"]
    assert "the standard deviation of one draw" in told["Scale"]


def test_a_pair_is_measured_again_with_its_partner(folder):
    text = why("MATCH-001", PYRO.key, folder)
    again = _fields(text)["Again"]
    assert PYRO.label in again
    assert HAND.label in again


def test_a_cell_is_found_by_the_beginning_of_its_key_and_by_a_part_of_its_label(folder):
    assert why("KL-002", PYRO.key[:7], folder) == why("KL-002", "/pyro/", folder) == why("kl-002", PYRO.label, folder)


@pytest.mark.parametrize(
    ("claim", "wanted", "message"),
    [
        ("KL-0002", "pyro", r"No ID 'KL-0002'\. Did you mean 'KL-002'"),
        ("NORM-003", "pyro", r"NORM-003 is not judged on cells: `compare cite NORM-003`"),
        ("KL-002", "no-such-cell", r"No cell 'no-such-cell' among those that KL-002 is judged on"),
        ("KL-002", "vae", r"2 cells of KL-002 match 'vae': .*pyro.*torch-hand.*Give a key"),
        ("FLOW-001", "pyro", r"holds no verdict on FLOW-001"),
    ],
)
def test_what_can_not_be_shown_is_one_helpful_line(folder, claim, wanted, message):
    with pytest.raises(UsageError, match=message) as refused:
        why(claim, wanted, folder)
    assert "\n" not in str(refused.value)


def test_the_command_prints_it_and_a_folder_of_nothing_ends_with_2(folder, tmp_path, monkeypatch, capsys):
    for place, code in ((folder, 0), (tmp_path / "none", 2)):
        monkeypatch.setattr(sys, "argv", ["compare", "why", "KL-002", PYRO.key, str(place)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert (ended.value.code or 0) == code
        assert ("KL-002 differs" in captured.out) == (code == 0)
        assert captured.err.count("\n") == (code == 2)
