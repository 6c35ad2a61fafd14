"""The decision table: planned claims first, each with number and interval; what disagrees is called no choice."""

import pandas as pd
import pytest

from elbo_compare.compare.claims import CLAIMS as ALL
from elbo_compare.reports.data import CLAIMS, MEASUREMENTS, TIMINGS, VERDICTS, ReportData, complete
from elbo_compare.reports.sections.choose import CHOICES, build

PLANNED = {
    "claim": "CHOOSE-001",
    "outcome": "agrees",
    "problem": "vae-small",
    "weights": "trained",
    "procedure": "spread",
    "value": 0.7,
    "reference": 1.0,
    "difference": -0.3,
    "low": -0.4,
    "high": -0.2,
    "n": 64,
    "unit": "ratio",
}


def table(*rows):
    data = ReportData(
        measurements=complete(pd.DataFrame(), MEASUREMENTS),
        verdicts=complete(pd.DataFrame([PLANNED | row for row in rows]), VERDICTS),
        claims=complete(pd.DataFrame(), CLAIMS, numeric=frozenset()),
        environment={},
        answer={},
        ledger=pd.DataFrame(),
        timings=complete(pd.DataFrame(), TIMINGS),
        images={},
    )
    (found,) = [block for block in build(data).blocks if getattr(block, "name", "") == "choose"]
    return found.frame[found.frame["see"].str.startswith("CHOOSE")]


def test_every_claim_on_the_choice_has_its_words():
    assert set(CHOICES) == {claim.id for claim in ALL if claim.id.startswith("CHOOSE")}


def test_a_planned_row_has_claim_number_interval_and_pairs():
    (row,) = table({}).to_dict("records")
    assert row["says"] == "analytic KL"
    assert row["number"] == "0.70 [0.60, 0.80] times"
    assert (row["n"], row["where"], row["see"]) == ("64 test data", "vae-small@trained", "CHOOSE-001")


@pytest.mark.parametrize(
    ("outcomes", "says"),
    [
        (("agrees", "inconclusive"), "not decided"),
        (("differs", "differs"), "sampled KL"),
        (("agrees",) * 2, "analytic KL"),
    ],
)
def test_what_not_all_implementations_show_is_not_called_a_choice(outcomes, says):
    (row,) = table(*({"outcome": each, "implementation": f"i{at}"} for at, each in enumerate(outcomes))).to_dict(
        "records"
    )
    assert row["says"] == says
    assert "of 2 implementations" in row["n"]


def test_a_training_s_lead_is_in_nats_and_a_flow_is_called_one():
    lead = {"claim": "CHOOSE-004", "procedure": "fit-pairs", "problem": "linear-iaf-small", "weights": "initial"}
    lead |= {"value": 0.1, "reference": 0.0, "difference": 0.1, "low": 0.08, "high": 0.12, "unit": "nats", "n": 56}
    (row,) = table(lead).to_dict("records")
    assert (row["number"], row["n"]) == ("0.100 [0.080, 0.120] nats", "56 trainings")
    assert row["situation"].startswith("a flow with a closed KL")
