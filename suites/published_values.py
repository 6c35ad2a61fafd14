"""Test log-likelihoods that the papers report for the models here, to hold measured ones against.

A value stands here only with the table that it was read in. Those of arXiv 1611.09630 and 1706.02326 could not be
looked up when this was written, and numbers from memory are none: the rows are kept with `value` None, so that a report
says which comparison is still open.
"""

from dataclasses import dataclass

TOMCZAK_2016 = "Tomczak and Welling 2016 (arXiv 1611.09630)"
TOMCZAK_2017 = "Tomczak and Welling 2017 (arXiv 1706.02326)"


@dataclass(frozen=True, kw_only=True)
class PublishedValue:
    """One row of a paper's table. `value`: log p(x) of the test set, nats per datum; `table`: where it was read; both
    empty where nobody has read it there. `problem`: our name for the model; `dataset`: our name for the data."""

    name: str
    problem: str
    dataset: str
    paper: str
    table: str = ""
    value: float | None = None


PUBLISHED = (
    PublishedValue(name="VAE", problem="vae", dataset="static-mnist", paper=TOMCZAK_2017),
    PublishedValue(name="VAE+HF (T=10)", problem="householder", dataset="static-mnist", paper=TOMCZAK_2016),
    PublishedValue(name="VAE+linIAF", problem="linear-iaf", dataset="static-mnist", paper=TOMCZAK_2017),
    PublishedValue(name="VAE+ccLinIAF (K=5)", problem="convex-linear-iaf", dataset="static-mnist", paper=TOMCZAK_2017),
)
