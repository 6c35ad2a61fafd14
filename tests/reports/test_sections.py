"""What sections select from frames: which variance is lower, where the order turns, shares, tolerances, commands."""

import shlex
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import synthetic

from elbo_compare.reports.data import MEASUREMENTS, complete, estimators_in_order, joined, labels, measured, preferred
from elbo_compare.reports.rows import Held
from elbo_compare.reports.sections import agreement
from elbo_compare.reports.sections.closing import reproduce
from elbo_compare.reports.sections.summary import outcome_text, share
from elbo_compare.reports.sections.training import _tolerance
from elbo_compare.reports.sections.variance import pairs, turns


def variances(sampled, analytic, half):
    rows = []
    for estimator, value in (("sampled-kl", sampled), ("analytic-kl", analytic)):
        at = synthetic.cell("draw", estimator=estimator)
        rows.append(synthetic.row(at, "elbo_variance", value, n=100) | {"low": value - half, "high": value + half})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("sampled", "analytic", "half", "lower"),
    [(1.0, 2.0, 0.4, "sampled-kl"), (2.0, 1.0, 0.4, "analytic-kl"), (1.0, 2.0, 0.6, "not separated")],
)
def test_one_variance_is_called_lower_only_where_the_intervals_lie_apart(sampled, analytic, half, lower):
    assert list(pairs(variances(sampled, analytic, half))["lower"]) == [lower]


def fitted(sampled, analytic):
    at = synthetic.cell("fit")
    both = (("sampled-kl", sampled), ("analytic-kl", analytic))
    steps = [(part, 10 * i, value) for part, values in both for i, value in enumerate(values)]
    return pd.DataFrame(
        synthetic.row(at, "fitted_elbo_variance", value, part=part, index=step) for part, step, value in steps
    )


def test_the_turn_is_named_by_the_checkpoints_around_it():
    found = turns(fitted([1, 1, 5, 5], [2, 2, 2, 2])).iloc[0]
    assert (found["start"], found["end"], found["turn"]) == ("sampled-kl", "analytic-kl", "10 to 20")


def test_an_order_that_stays_is_said_not_to_turn():
    assert turns(fitted([1, 1], [2, 2])).iloc[0]["turn"] == "does not turn"


def verdict(claim, outcome, difference, tolerance):
    return {"claim": claim, "outcome": outcome, "difference": difference, "tolerance": tolerance}


def test_shares_are_of_bounds_only():
    frame = pd.DataFrame(
        [
            verdict("A", "agrees", -0.5, 1.0),
            verdict("A", "differs", 3.0, 1.0),
            verdict("B", "agrees", 9.0, 1.0),  # an inequality: agrees although far beyond
            verdict("B", "agrees", 0.1, 1.0),
            verdict("C", "differs", 0.1, 0.0),
            verdict("D", "agrees", 0.0, 0.0),
        ]
    )
    np.testing.assert_array_equal(share(frame), [0.5, 3.0, np.nan, np.nan, np.inf, np.nan])


def test_outcomes_are_counted_worst_first():
    text = outcome_text(pd.Series(["agrees", "not run", "agrees", "differs", "inconclusive"]))
    words = [part.split("\N{NO-BREAK SPACE}") for part in text.split(" · ")]
    assert words == [["differs", "1"], ["inconclusive", "1"], ["not run", "1"], ["agrees", "2"]]


def test_the_tolerance_along_a_path_passes_through_the_judged_one():
    at = synthetic.cell("fit-path")
    scale = 1e-14 * np.arange(1.0, 6.0)
    path = pd.DataFrame(synthetic.row(at, "path_elbo", 0.0, index=i, scale=s) for i, s in enumerate(scale))
    judged = pd.DataFrame([{"key": at["key"], "part": "step 3", "tolerance": 100 * scale[3]}])
    (curve,) = _tolerance(path, judged)
    np.testing.assert_allclose(curve.y[~np.isnan(curve.y)], 100 * scale, rtol=1e-15)


def test_no_judged_step_draws_no_tolerance():
    path = pd.DataFrame([synthetic.row(synthetic.cell("fit-path"), "path_elbo", 0.0, scale=1.0)])
    other = pd.DataFrame([{"key": "another", "part": "step 0", "tolerance": 1.0}])
    assert _tolerance(path, other) == []


def test_the_questions_estimators_come_first_and_numbers_are_numbers():
    names = ["stl", "iwae-20", "analytic-kl", "iwae-5", "sampled-kl", "renyi-minus-1", "iwae-5"]
    assert estimators_in_order(names) == [
        *("sampled-kl", "analytic-kl", "iwae-5", "iwae-20", "renyi-minus-1", "stl"),
    ]


def test_other_estimators_share_one_panel_of_their_worst():
    frame = synthetic.measurements().query("procedure == 'evaluate' and estimator == 'sampled-kl'")
    others = [frame.assign(estimator=name, value=frame["value"] + shift) for name, shift in (("stl", 1e-9), ("k2", 0))]
    worst = agreement.worst_differences(complete(pd.concat([frame, *others]), MEASUREMENTS))
    shown = agreement.shown_marks(worst)
    drawn = shown[shown["panel"] == agreement.OTHERS].set_index(agreement.MARK)["relative"]
    most = worst[worst["estimator"] != "sampled-kl"].groupby(agreement.MARK)["relative"].max()
    assert drawn.index.is_unique
    assert drawn.sort_index().equals(most.sort_index())


def test_runs_are_joined_in_order_and_kept_apart():
    frame = pd.DataFrame({"key": ["b", "a", "b", "a"], "index": [2.0, 1.0, 1.0, 2.0], "value": [1.0, 2.0, 3.0, 4.0]})
    line = joined(frame)
    np.testing.assert_array_equal(line["value"], [3.0, 1.0, np.nan, 2.0, 4.0, np.nan])


def test_a_label_is_read_as_the_plan_writes_it():
    cell = synthetic.cell("draw", seed=3)
    assert list(labels(pd.DataFrame([cell]))) == ["vae@trained/torch-hand/sampled-kl/draw/float64/cpu/seed3"]


def test_the_questioned_model_is_drawn_first_and_its_first_datum_before_others():
    names = ["gaussian-kl@2, datum 0, float64, cpu", "vae@a, datum 1, float64, cpu", "vae@a, datum 0, float64, cpu"]
    assert preferred(names) == [names[2], names[0], names[1]]


def test_a_command_for_a_hostile_label_stays_one_argument():
    hostile = synthetic.cell(implementation="x; rm -rf ~ $(id)")

    rows = Held(pd.DataFrame([hostile]))
    data = SimpleNamespace(measurements=rows, environment={"command": "compare all"}, once=False)
    table = reproduce(data).blocks[-1]
    words = shlex.split(table.frame["command"].iloc[0])
    assert words[:3] == ["compare", "all", "-k"]
    assert words[3] == labels(pd.DataFrame([hostile])).iloc[0]
    assert words[4] == "-o"


def test_frames_of_an_earlier_version_are_shown_as_todays():
    """There the ends of a bin stood in `low` and `high`; an interval stays where it was."""
    at = synthetic.cell("draw")
    rows = [synthetic.row(at, name, 3.0, n=9) | {"low": 1.0, "high": 2.0} for name in ("kl_histogram", "kl_mean")]
    old = measured(pd.DataFrame(rows))
    assert old[["least", "largest"]].to_numpy()[0].tolist() == [1.0, 2.0]
    assert old[["low", "high"]].to_numpy()[1].tolist() == [1.0, 2.0]
    assert old[["low", "high"]].iloc[0].isna().all() and old[["least", "largest"]].iloc[1].isna().all()
    today = measured(old)
    pd.testing.assert_frame_equal(today, old)
