"""What numbers and outcomes are called: a claim that things are apart, a finding that is still there, a floor."""

import re

import numpy as np
import pandas as pd
import pytest
import synthetic

from elbo_compare.reports.bench.page import _missed as missed
from elbo_compare.reports.bench.sections.steps import in_common, steps
from elbo_compare.reports.content import Kind, Prose
from elbo_compare.reports.data import MEASUREMENTS, ReportData, complete
from elbo_compare.reports.page import first_screen
from elbo_compare.reports.readme import newest
from elbo_compare.reports.sections.claims import build as claims
from elbo_compare.reports.sections.estimators import _curves, _falls, _floor
from elbo_compare.reports.sections.findings import build as findings
from elbo_compare.reports.sections.findings import kind_of
from elbo_compare.reports.sections.gallery import chosen
from elbo_compare.reports.sections.questions import _joined, _rows
from elbo_compare.reports.sections.questions import build as questions
from elbo_compare.reports.sections.runtime import build as runtime
from elbo_compare.reports.sections.summary import _matrix
from elbo_compare.reports.sections.training import _curve, trained_from
from elbo_compare.reports.tables import cells, state, wanted, worst_outcome


def data(**frames):
    empty = {name: pd.DataFrame() for name in ("verdicts", "claims", "ledger", "timings")}
    given = {"measurements": complete(pd.DataFrame(), MEASUREMENTS)} | empty | frames
    return ReportData(environment={}, images={}, **{"answer": {}, "further": {}} | given)


def texts(table):
    return [" | ".join(cell.text for cell in row) for row in cells(table)]


# --- a claim that two things are apart


def question_rows(rule):
    row = {"claim": "NORM-003", "case": "mixture", "group": "", "quantity": "wrong", "outcome": "agrees", "at": np.nan}
    row |= {"value": 0.07, "low": 0.06, "high": 0.08, "reference": 0.0, "tolerance": 1e-3, "n": 1, "unit": "1"}
    return pd.DataFrame([row | {"rule": rule, "reason": ""}])


def test_a_claim_that_things_are_apart_never_agrees_beside_two_numbers():
    (line,) = texts(_rows("NORM", question_rows("beyond")))
    assert "agrees" not in line
    assert "holds, as stated" in line
    assert "further away than 0.001" in line
    (line,) = texts(_rows("NORM", question_rows("rounding")))
    assert "✓\N{NO-BREAK SPACE}agrees" in line
    assert "±\N{NO-BREAK SPACE}0.001" in line


def test_the_sign_of_what_holds_as_stated_is_that_of_agreement():
    assert worst_outcome("holds, as stated 6") == "agrees"
    assert wanted("ratio-above", 0.0) == "above the reference"


def test_a_questions_outcomes_are_counted_by_what_they_want():
    frame = pd.DataFrame({"rule": ["rounding", "beyond"], "outcomes": ["agrees\N{NO-BREAK SPACE}64", "agrees 6"]})
    assert _joined(frame, "agrees 70") == "agrees\N{NO-BREAK SPACE}64 · holds, as stated 6"


def test_a_card_of_an_inequality_shows_no_tolerance_and_no_share():
    verdicts = synthetic.verdicts(("pyro",), 1).assign(outcome="agrees", difference=0.4, tolerance=1e-13)
    frame = synthetic.claims(1)
    (card,) = claims(data(verdicts=verdicts, claims=frame)).blocks
    assert [column.header for column in card.table.columns if column.header in ("tolerance", "share")] == []
    assert "holds, as stated" in texts(card.table)[0]
    (card,) = claims(data(verdicts=verdicts.assign(difference=1e-14), claims=frame)).blocks
    assert "agrees" in texts(card.table)[0]


# --- findings


def register(outcome="agrees"):
    finding = dict.fromkeys(("documentation", "happens", "workaround", "workaround_verdict", "versions", "since"), "x")
    finding |= dict.fromkeys(("upstream", "routes", "reason", "program"), "")
    finding |= {"id": "FIND-PYRO-001", "library": "pyro", "status": "open", "title": "t", "harm": "h"}
    finding |= {"outcome": outcome, "measured_error": 1.0, "cases": "SEM-1"}
    rows = [("raises", 0.0, 1.0), ("loss", 2.0, 2.5)]
    case = {"case": "SEM-1", "library": "pyro", "statement": "s", "formula": "f", "title": "t", "right": False}
    case |= {"sampled": False, "tolerance": 1e-9, "findings": "FIND-PYRO-001", "reason": "", "registered": 0.0}
    semantics = pd.DataFrame(
        [case | {"quantity": q, "measured": m, "oracle": o, "outcome": outcome} for q, m, o in rows]
    )
    return {"findings": pd.DataFrame([finding]), "semantics": semantics}


@pytest.mark.parametrize(("outcome", "word"), [("agrees", "reproduced"), ("differs", "no longer seen")])
def test_a_bug_that_is_still_there_is_reproduced_and_never_green(outcome, word):
    _, table, card, *_ = findings(data(further=register(outcome))).blocks
    assert card.outcome == word
    assert all(column.kind is not Kind.OUTCOME for column in (*table.columns, *card.table.columns))
    assert word in texts(table)[0]
    assert outcome not in texts(table)[0]


def test_a_finding_whose_workaround_alone_has_changed_is_still_there():
    reason = "it reproduces, but its workaround no longer gives the right number"
    assert state("differs", reason) == "reproduced, but its workaround no longer gives the right number"


def test_a_flag_is_a_yes_or_no_and_no_nats():
    _, table, *_ = findings(data(further=register())).blocks
    assert "SEM-1 raises | flag | no | yes" in texts(table)[0]
    assert (kind_of("latents", 2.0, 4.0), kind_of("JitTrace_ELBO", 8.0, 0.0)) == ("count", "count")
    assert (kind_of("Trace_ELBO_new", 0.9, 5.4), kind_of("mean_field", 1.0, 2.0)) == ("number", "number")


# --- signal-to-noise


def snr(values, half, n=2000):
    rows = []
    for particles, value in values.items():
        at = synthetic.cell("gradient", estimator=f"dreg-{particles}", problem="vae-small")
        rows.append(
            synthetic.row(at, "gradient_snr", value, part="mean", n=n) | {"low": value - half, "high": value + half}
        )
        rows.append(synthetic.row(at, "gradient_variance", 1.0, part="mean", n=n, standard_error=(500 / n) ** 0.5))
    frame = complete(pd.DataFrame(rows), MEASUREMENTS)
    ratios = frame[frame["quantity"] == "gradient_snr"].assign(
        family="doubly reparameterised",
        case="vae-small@trained",
        particles=lambda of: of["estimator"].str[5:].astype(float),
    )
    return data(measurements=frame), ratios


def test_a_falling_signal_to_noise_ratio_is_said_with_the_weight_of_its_tails():
    told = _falls(*snr({20: 0.87, 80: 0.41}, 0.1))
    assert "0.87 at K = 20, 0.41 at K = 80 (tails 500 and 500)" in told
    assert "falls nowhere" in _falls(*snr({20: 0.87, 80: 0.80}, 0.1))
    assert "falls nowhere" in _falls(*snr({20: 0.4, 80: 0.9}, 0.1))


def test_the_noise_floor_is_drawn():
    _, rows = snr({20: 0.87, 80: 0.41}, 0.1)
    np.testing.assert_allclose(_floor(rows).y, 2000**-0.5)
    assert len(_curves(rows)) == 1


# --- the bench's ceilings, training, images, the first tile


def test_shares_of_two_frameworks_are_of_one_ceiling():
    steps = pd.DataFrame({"setting": ["a", "a"], "form": ["t", "j"], "flops": [1e9, 1e9], "step_s": [0.01, 0.005]})
    rates = pd.DataFrame(
        [
            {"setting": "a", "framework": name, "precision": "full", "products": products, "rate": rate}
            for name, products, rate in (("torch", "square", 2e11), ("jax", "square", 4e11), ("jax", "model", 9e11))
        ]
    )
    np.testing.assert_allclose(in_common(steps, rates)["common"], [0.25, 0.5])


STEP = {
    "form": "jax-hand scan",
    "kind": "by hand",
    "setting": "batch 100",
    "status": "ok",
    "reason": "",
    "step_s": 0.01,
}


@pytest.mark.parametrize("name", ["share", "common", "model_share"])
def test_a_share_above_one_has_its_sentence(name):
    columns = ("share", "common", "model_share", "step_s_low", "step_s_high", "peak_bytes", "growth_bytes", "bytes")
    ends = tuple(f"{each}_{end}" for each in ("share", "ratio") for end in ("low", "high"))
    row = dict.fromkeys((*columns, *ends, "ratio"), 0.5) | STEP
    said = [each for each in steps(pd.DataFrame([row | {name: 1.39}])).blocks if isinstance(each, Prose)]
    assert [(each.lead, each.text.partition(" of ")[0]) for each in said] == [
        ("A share above 1.", "1.39 (jax-hand scan, batch 100)")
    ]
    assert not [each for each in steps(pd.DataFrame([row])).blocks if isinstance(each, Prose)]


def test_training_is_named_by_where_it_starts_and_drawn_as_one_line_of_all_seeds():
    at = synthetic.cell("fit", weights="initial")
    rows = pd.DataFrame(
        synthetic.row(at | {"seed": seed}, "heldout_elbo", -60.0 + seed, index=step)
        for seed in (0, 2)
        for step in (0, 9)
    )
    line = _curve(rows, ["torch-hand"])
    assert (line.y.tolist(), line.low.tolist(), line.high.tolist()) == ([-59.0] * 2, [-60.0] * 2, [-58.0] * 2)
    assert trained_from(rows).iloc[0] == "vae, from initial weights"


def test_one_picture_of_each_model_and_kind_is_shown_the_largest_first():
    small, large = [[0]] * 8, [[0]] * 56
    images = {"vae-small, samples: a": small, "vae-small, samples: b": small, "vae, samples: b": large}
    assert chosen(images) == ["vae, samples: b", "vae-small, samples: a"]


def test_the_first_tile_counts_roundings_and_says_what_n_counts():
    tile = {"label": "worst", "value": 0.2857, "unit": "roundings", "tolerance": 16, "n": 140, "counted": "comparisons"}
    (shown,) = first_screen(data(answer={"numbers": [tile]}, verdicts=synthetic.verdicts())).numbers
    assert (shown.value, shown.unit, shown.bounds) == ("0.29", "roundings", "of 16 allowed · n = 140 comparisons")


CLAIM = synthetic.claims(1)


def test_implementations_that_most_claims_are_not_about_stand_last():
    """On a phone the first columns of the matrix are all one sees: no dashes there."""
    few = synthetic.verdicts(("numpy-oracle",), 1).head(1)
    many = pd.concat([few.assign(implementation="pyro", claim=f"KL-{i:03d}") for i in range(9)])
    columns = [column.header for column in _matrix(data(verdicts=pd.concat([few, many]), claims=CLAIM)).columns]
    assert columns[:3] == ["claim", "pyro", "numpy-oracle"]


@pytest.mark.parametrize("measured", [True, False])
def test_a_pointer_to_the_sweep_says_where_it_was_not_measured(measured):
    names = ("questions", "questions_answers", "questions_claims")
    frames = {name: pd.read_parquet(newest() / f"{name}.parquet") for name in names}
    frames["questions_answers"] = frames["questions_answers"][lambda rows: rows["id"] == "UNI"]
    frames |= {"semantics_pairs": frames["questions"]} if measured else {}
    told = [text for block in questions(data(further=frames)).blocks for _, text in getattr(block, "fields", ())]
    assert any("the sweep in" in text for text in told)
    assert any("It was not measured in this run" in text for text in told) is not measured


def test_a_missed_target_is_told_with_its_interval():
    row = {"target": "share", "value": 0.72, "low": 0.64, "high": 0.74, "wanted": "≥ 75%", "by": "jax"}
    assert missed(row) == "Missed: share is 0.720 [0.640, 0.740]; wanted ≥ 75% (jax)."
    older = {name: value for name, value in row.items() if name not in ("low", "high")}
    assert missed(older) == "Missed: share is 0.7200; wanted ≥ 75% (jax)."


def test_the_reference_of_a_ratio_has_no_interval():
    rows = synthetic.timings(("torch-hand", "pyro"))
    (table,) = [block for block in runtime(data(timings=rows)).blocks if hasattr(block, "frame")]
    told = {row.split(" | ")[0]: row for row in texts(table)}
    assert " | 1.0" not in told["torch-hand"].replace("[", "")
    assert re.search(r" \| [\d.]+ \[[\d., ]+\] \| ", told["pyro"])
