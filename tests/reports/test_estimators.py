"""The sections about estimators and flows: what they select, and that they say no more than was measured."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import synthetic

from elbo_compare.reports.content import Table
from elbo_compare.reports.data import CLAIMS, MEASUREMENTS, TIMINGS, VERDICTS, ReportData, complete
from elbo_compare.reports.sections import distribution, estimators, flows

EMPTY = ReportData(
    measurements=complete(pd.DataFrame(), MEASUREMENTS),
    verdicts=complete(pd.DataFrame(), VERDICTS),
    claims=complete(pd.DataFrame(), CLAIMS),
    environment={},
    answer={},
    ledger=pd.DataFrame(),
    timings=complete(pd.DataFrame(), TIMINGS),
    images={},
)


def data(*rows, **further):
    measured = complete(pd.DataFrame(list(rows)), MEASUREMENTS)
    return replace(EMPTY, measurements=measured, further=further)


def efficiency(estimator, low, value, high, baseline="sampled-kl"):
    row = {"problem": "vae", "weights": "trained", "implementation": "torch-hand", "draws": 5000, "rounds": 12}
    row |= {"estimator": estimator, "baseline": baseline}
    row |= {f"{name}_ratio": 1.0 for name in ("variance", "time")}
    row |= {f"{name}_{end}": 1.0 for name in ("variance", "time") for end in ("low", "high")}
    return row | {"product": value, "product_low": low, "product_high": high}


def drawn(estimator):
    at = synthetic.cell("gradient", estimator=estimator)
    return synthetic.row(at, "gradient_variance", 2.0, part="mean", n=100, standard_error=0.1)


@pytest.mark.parametrize(
    ("ends", "named"), [((0.2, 0.5, 0.9), True), ((0.2, 0.5, 1.1), False), ((1.1, 2.0, 3.0), False)]
)
def test_an_estimator_buys_more_only_where_its_interval_lies_below_one(ends, named):
    frame = pd.DataFrame([efficiency("stl", *ends)]).assign(case="vae@trained")
    assert ("below one lie stl over sampled-kl" in estimators.best(frame)) is named
    assert ("none buys more" in estimators.best(frame)) is not named


def test_a_variance_of_zero_counts_although_it_has_no_interval():
    frame = pd.DataFrame([efficiency("stl", np.nan, 0.0, np.nan)]).assign(case="vae@trained")
    assert "below one lie stl over sampled-kl (0, in 1 of 1 implementations)" in estimators.best(frame)


def test_the_section_is_absent_where_only_the_two_core_estimators_were_drawn():
    section = estimators.build(data(drawn("sampled-kl"), drawn("analytic-kl")))
    assert "Not measured" in section.blocks[0].text


def test_what_was_not_timed_is_said_not_to_be_measured():
    texts = [getattr(block, "text", "") for block in estimators.build(data(drawn("stl"))).blocks]
    assert any(text.startswith("Variance times time: not measured") for text in texts)


def test_the_signal_to_noise_ratio_is_drawn_over_the_number_of_particles():
    rows = [drawn("iwae-5")]
    for particles in (1, 5, 20):
        for family in ("iwae", "dreg"):
            at = synthetic.cell("gradient", estimator=f"{family}-{particles}")
            rows.append(synthetic.row(at, "gradient_snr", particles**-0.5, part="mean", standard_error=0.01))
    names = [getattr(block, "name", "") for block in estimators.build(data(*rows)).blocks]
    assert "signal-to-noise" in names


def test_the_signal_to_noise_ratio_of_estimators_without_particles_is_no_curve():
    at = synthetic.cell("gradient", estimator="stl")
    rows = drawn("stl"), synthetic.row(at, "gradient_snr", 0.5, part="mean", standard_error=0.01)
    texts = [getattr(block, "text", "") for block in estimators.build(data(*rows)).blocks]
    assert "Signal-to-noise over K: not measured." in texts


def test_flows_are_those_of_flow_problems_only():
    plain = synthetic.row(synthetic.cell(problem="vae-small"), "kl", 3.0, reference=3.0, scale=10.0)
    assert "Not measured" in flows.build(data(plain)).blocks[0].text
    flow = synthetic.row(synthetic.cell(problem="householder-small"), "kl", 3.0, reference=3.0, scale=10.0)
    tables = [block for block in flows.build(data(plain, flow)).blocks if getattr(block, "name", "")]
    assert [list(table.frame["problem"]) for table in tables] == [["householder-small"]]


def test_how_many_implementations_were_timed_stands_beside_those_that_gain():
    rows = [efficiency("stl", 0.2, 0.5, 0.9), efficiency("stl", 0.8, 1.1, 1.3) | {"implementation": "pyro"}]
    text = estimators.best(pd.DataFrame(rows).assign(case="vae@trained"))
    assert "stl over sampled-kl (0.5, in 1 of 2 implementations)" in text


def test_an_estimator_is_ranked_beside_the_baseline_that_it_was_held_against():
    rows = [efficiency("dreg-5", 0.01, 0.07, 0.1, baseline="iwae-5"), efficiency("stl", 0.1, 0.2, 0.3)]
    text = estimators.best(pd.DataFrame(rows).assign(case="vae@trained"))
    assert "dreg-5 over iwae-5 (0.07" in text
    assert "stl over sampled-kl (0.2" in text


def test_the_section_on_the_sampled_kl_draws_and_lists_no_other_estimator():
    def kl(estimator, value):
        at = synthetic.cell("draw", estimator=estimator)
        return synthetic.row(at, "kl_mean", value, reference=1.0, scale=1.0, n=100, standard_error=0.1)

    other = distribution.build(data(kl("k2", 3.0)))
    assert "Not measured" in other.blocks[0].text
    both = distribution.build(data(kl("sampled-kl", 1.0), kl("k2", 3.0)))
    tables = [block for block in both.blocks if isinstance(block, Table)]
    assert {name for table in tables for name in table.frame["estimator"]} == {"sampled-kl"}
