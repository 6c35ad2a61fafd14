"""The section on test log-likelihoods: measured, beside published values, with the difference of the data in words."""

import numpy as np
import pandas as pd
from synthetic import cell, row

from elbo_compare.compare.judging.published import quoted_frame
from elbo_compare.reports.content import Prose, Table
from elbo_compare.reports.data import MEASUREMENTS, ReportData, complete, labels
from elbo_compare.reports.sections import likelihood

FIT = {"problem": "householder", "weights": "initial", "protocol": "static"}


def fitted(seed, value, **fields):
    of = cell("fit", seed=seed, dataset="mnist-5k", **(FIT | fields))
    return row(of, "log_px_mean", value, index=3600, n=1000, standard_error=0.9, scale=0.02, note="5000 draws at each")


def data(rows, **further):
    return ReportData(
        measurements=complete(pd.DataFrame(rows), MEASUREMENTS),
        verdicts=pd.DataFrame(),
        claims=pd.DataFrame(),
        environment={},
        answer={},
        ledger=pd.DataFrame(),
        timings=pd.DataFrame(),
        images={},
        further=further,
    )


def published(value):
    fields = {
        "name": "VAE+HF",
        "problem": "householder",
        "dataset": "static-mnist",
        "paper": "a paper",
        "table": "table 1",
    }
    return pd.DataFrame([fields | {"value": value}])


def tables(section):
    return {block.name: block for block in section.blocks if isinstance(block, Table)}


def text(section):
    return " ".join(block.text for block in section.blocks if isinstance(block, Prose))


def test_without_estimates_the_section_says_so():
    (block,) = likelihood.build(data([row(cell("draw"), "elbo_mean", -1.0)])).blocks
    assert isinstance(block, Prose) and block.text.startswith("Not measured")


def test_seeds_are_one_line_with_their_range_beside_the_published_value():
    section = likelihood.build(data([fitted(0, -90.0), fitted(1, -92.0)], published_values=published(-88.0)))
    (line,) = tables(section)["likelihood-published"].frame.to_dict("records")
    assert (line["value"], line["low"], line["high"], line["seeds"]) == (-91.0, -92.0, -90.0, 2)
    assert (line["published"], line["row"], line["paper"]) == ("-88.00 (table 1)", "VAE+HF", "a paper")


def test_a_value_that_was_not_verified_is_left_out_and_said_so():
    section = likelihood.build(data([fitted(0, -90.0)], published_values=published(np.nan)))
    assert tables(section)["likelihood-published"].frame["published"].tolist() == ["not verified"]
    assert "not verified" in text(section)


def test_the_report_says_plainly_that_the_data_differ():
    shipped = text(likelihood.build(data([fitted(0, -90.0)])))
    assert "The data differ" in shipped and "5,000 digits" in shipped and "not comparable" in shipped
    theirs = text(likelihood.build(data([fitted(0, -90.0) | {"dataset": "static-mnist"}])))
    assert "The data differ" not in theirs and "of those files" in theirs


def test_quoted_values_stand_apart_and_are_said_to_be_second_hand():
    section = likelihood.build(data([fitted(0, -90.0)], published_quoted=quoted_frame()))
    table = tables(section)["likelihood-quoted"]
    assert table.caption.startswith("Second-hand") and "Not read in the papers' own tables" in table.caption
    lines = {line["name"]: line for line in table.frame.to_dict("records")}
    assert (lines["IWAE, K = 5"]["nll"], lines["IWAE, K = 5"]["reached"]) == ("87.6", "87.85 (0.01)")
    assert "not to be held against" in text(section)
    assert "likelihood-quoted" not in tables(likelihood.build(data([fitted(0, -90.0)])))


def test_every_quoted_value_names_its_table_and_who_quotes_it():
    frame = quoted_frame()
    assert frame["table"].str.contains(r"arXiv \d{4}\.\d{5}\), table \d").all()
    assert frame["quoted_by"].str.startswith("model card huggingface.co/").all()


def test_the_two_lines_are_shown_with_their_effect():
    lines = pd.DataFrame(
        [{"mutant": "MUT-169", "read_in": "a file", "what": "a shift", "value": 2.3, "standard_error": 0.0, "n": 1}]
    )
    section = likelihood.build(data([fitted(0, -90.0)], published_lines=lines))
    assert tables(section)["likelihood-lines"].frame["value"].tolist() == [2.3]


def test_estimates_without_training_stand_apart_with_their_exact_value():
    of = cell("likelihood", problem="linear-gaussian", protocol="")
    section = likelihood.build(data([row(of, "log_px_mean", -7.2, reference=-7.3, n=10, note="50000 draws at each")]))
    assert set(tables(section)) == {"likelihood"}


def test_a_label_ends_with_the_data_of_files_and_the_protocol():
    frame = pd.DataFrame([cell("fit", **FIT, dataset="static-mnist", seed=2), cell("fit", dataset="mnist-5k")])
    assert labels(frame).tolist() == [
        "householder@initial/torch-hand/sampled-kl/fit/float64/cpu/seed2/static-mnist/static",
        "vae@trained/torch-hand/sampled-kl/fit/float64/cpu",
    ]
