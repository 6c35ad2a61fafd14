"""The decision table: planned claims first, each with number and interval; what disagrees is called no choice."""

import pandas as pd
import pytest
import synthetic

from elbo_compare.compare.claims import CLAIMS as ALL
from elbo_compare.reports.content import Table
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


def blocks(*rows, measurements=(), further=None):
    data = ReportData(
        measurements=complete(pd.DataFrame(measurements), MEASUREMENTS),
        verdicts=complete(pd.DataFrame([PLANNED | row for row in rows]), VERDICTS),
        claims=complete(pd.DataFrame({"id": [claim.id for claim in ALL]}), CLAIMS, numeric=frozenset()),
        environment={},
        answer={},
        ledger=pd.DataFrame(),
        timings=complete(pd.DataFrame(), TIMINGS),
        images={},
        further=further or {},
    )
    return {block.name: block for block in build(data).blocks if isinstance(block, Table)}


def table(*rows):
    found = blocks(*rows)["choose"]
    assert found.whole
    return found.frame[found.frame["see"].str.startswith("CHOOSE")]


def test_every_claim_on_the_choice_has_its_words():
    assert set(CHOICES) == {claim.id for claim in ALL if claim.id.startswith("CHOOSE")}


def test_a_planned_row_has_claim_number_interval_and_pairs():
    (row,) = table({}).to_dict("records")
    assert row["says"] == "analytic KL"
    assert row["number"] == "0.70 [0.60, 0.80] times at vae-small@trained"
    assert (row["n"], row["see"]) == ("64 test data", "CHOOSE-001")


def test_a_situation_is_one_row_with_a_line_for_each_model():
    (row,) = table({}, {"problem": "vae", "value": 0.8}).to_dict("records")
    assert row["number"] == "0.70 [0.60, 0.80] times at vae-small@trained;\n0.80 [0.60, 0.80] times at vae@trained"
    assert row["says"] == "analytic KL"
    (row,) = table({}, {"problem": "vae", "outcome": "differs"}).to_dict("records")
    assert row["says"] == "depends on the model"
    assert [line.rsplit(": ")[1] for line in row["number"].split(";\n")] == ["analytic KL", "sampled KL"]


def test_a_lead_that_no_verdict_stands_behind_is_called_not_judged():
    """MNIST's trainings in `standard` are too few pairs; only the model whose pairs were judged is a choice."""
    fits = [
        synthetic.row(synthetic.cell("fit", problem=problem, estimator=name), "heldout_elbo", value, index=300)
        for problem in ("vae", "vae-small")
        for name, value in (("sampled-kl", -102.0), ("analytic-kl", -100.0))
    ]
    judged = {"claim": "CHOOSE-004", "procedure": "fit-pairs", "weights": "initial", "unit": "nats", "reference": 0.0}
    rows = blocks(judged, measurements=fits)["choose"].frame
    (told,) = rows[rows["says"].str.startswith("not judged")].to_dict("records")
    assert "at vae" in told["number"]
    assert told["number"].startswith("2 nats") or told["number"].startswith("2.0 nats")
    assert (told["n"], told["see"]) == ("1 pairs", "")
    assert "`choose` plans CHOOSE-004" in told["says"]
    assert len(blocks(judged, measurements=fits)["choose-described"].frame) == 2


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
    assert row["number"].split(": ")[0].endswith("(of 2)")


def test_a_training_s_lead_is_in_nats_and_a_flow_is_called_one():
    lead = {"claim": "CHOOSE-004", "procedure": "fit-pairs", "problem": "linear-iaf-small", "weights": "initial"}
    lead |= {"value": 0.1, "reference": 0.0, "difference": 0.1, "low": 0.08, "high": 0.12, "unit": "nats", "n": 56}
    (row,) = table(lead).to_dict("records")
    assert (row["number"], row["n"]) == ("0.100 [0.080, 0.120] nats at linear-iaf-small@initial", "56 trainings")
    assert row["situation"].startswith("a flow with a closed KL")


def spread(estimator, values, implementation="torch-hand", quantity="gradient_spread", weights="trained"):
    at = synthetic.cell("spread", estimator=estimator, implementation=implementation, weights=weights)
    return [synthetic.row(at, quantity, value, index=index) for index, value in enumerate(values)]


def test_a_batch_s_ratio_is_that_of_the_sums_over_its_data():
    """1 + 1 + 4 over 4 + 4 + 4; least without the noisy datum, most without a quiet one."""
    rows = [*spread("analytic-kl", (1.0, 1.0, 4.0)), *spread("sampled-kl", (4.0,) * 3)]
    for name in ("pyro", "numpyro"):  # the middle one of three is shown
        factor = {"pyro": 0.1, "numpyro": 10.0}[name]
        rows += [*spread("analytic-kl", (factor,) * 3, name), *spread("sampled-kl", (1.0,) * 3, name)]
    frame = blocks({}, measurements=rows)["choose"].frame
    (row,) = frame[frame["situation"] == "small or large batch"].to_dict("records")
    assert (row["number"], row["says"]) == ("0.500 [0.250, 0.625] times at vae@trained", "analytic KL")
    assert (row["wanted"], row["n"], row["see"]) == ("a quiet gradient", "3 test data", "UNIT-002")


def test_where_models_disagree_each_batch_says_its_own():
    rows = [*spread("analytic-kl", (3.0, 3.0)), *spread("sampled-kl", (1.0, 1.0))]
    rows += [
        *spread("analytic-kl", (1.0, 5.0), weights="initial"),
        *spread("sampled-kl", (4.0, 4.0), weights="initial"),
    ]
    frame = blocks({}, measurements=rows)["choose"].frame
    (row,) = frame[frame["situation"] == "small or large batch"].to_dict("records")
    assert row["says"] == "depends on the model"
    assert [line.rpartition(": ")[2] for line in row["number"].split(";\n")] == ["sampled KL", "not decided"]


def test_a_finding_on_discrete_latents_says_how_many_numbers_show_it_and_how_exact_they_are():
    finding = {"id": "FIND-PYRO-021", "title": "loses a dependence", "harm": "0.096 where it is 0.192"}
    case = {"findings": "FIND-PYRO-021", "measured": 0.5, "registered": 0.5, "tolerance": 1e-12}
    others = [case, case | {"measured": 0.5 + 3e-13}, case | {"findings": "FIND-PYRO-002", "measured": 9.0}]
    exact = (
        "averages are exact sums over z, and each draw is within 3e−13 of its closed form (1e−12 allowed for rounding)"
    )
    for frame, n, told in (
        (pd.DataFrame(others), "2 draws at fixed seeds", exact),
        (pd.DataFrame(), "not measured", ""),
    ):
        rows = blocks({}, further={"findings": pd.DataFrame([finding]), "semantics": frame})["choose"].frame
        (row,) = rows[rows["situation"] == "discrete latents"].to_dict("records")
        assert row["n"].startswith(n)
        assert row["number"].startswith(finding["harm"])
        assert row["number"].endswith(told)
        assert row["see"] == "FIND-PYRO-021"


def test_every_row_of_the_decision_has_a_claim_or_a_finding():
    known = {claim.id for claim in ALL}
    for row in blocks({}, measurements=spread("analytic-kl", (1.0,)) + spread("sampled-kl", (2.0,)))[
        "choose"
    ].frame.to_dict("records"):
        if not row["says"].startswith("not measured") and row["n"] != "not measured in this run":
            assert row["see"] in known, row
