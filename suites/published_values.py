"""Test log-likelihoods that the papers report for the models here, to hold measured ones against.

A value stands here only with the table that it was read in. Those of arXiv 1611.09630 and 1706.02326 could not be
looked up when this was written, and numbers from memory are none: the rows are kept with `value` None, so that a report
says which comparison is still open. `QUOTED` are numbers that somebody else quotes from such tables, beside what they
reached themselves: they are cited as that.
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


@dataclass(frozen=True, kw_only=True)
class QuotedValue:
    """A table's value as another party quotes it, and what that party reached. `nll`, `reached`: -log p(x) of the test
    set, nats per datum; `deviation`: as they give it, over evaluations of one trained model. `draws` at each datum."""

    name: str
    table: str
    nll: float
    reached: float
    deviation: float
    draws: int
    trained: str
    quoted_by: str


_CARD = "model card huggingface.co/clementchadebec/reproduced_"
_BURDA = "Burda et al. 2016 (arXiv 1509.00519), table 1"
_TANH = "two layers of 200 tanh units, 50 latent dimensions, 3,280 epochs"  # examples/scripts/reproducibility/iwae.py
_RELU = "one layer of 400 rectified units"  # the same folder's vae.py of an early commit; the epochs are not in it

# Read in the model cards themselves on 2026-11-30, and where said in the scripts of clementchadebec/benchmark_VAE.
QUOTED = (
    QuotedValue(
        name="VAE",
        table="Rezende and Mohamed 2015 (arXiv 1505.05770), table 1",
        nll=89.9,
        reached=89.78,
        deviation=0.01,
        draws=200,
        trained=_RELU,
        quoted_by=_CARD + "vae",
    ),
    QuotedValue(
        name="IWAE, K = 5",
        table=_BURDA,
        nll=87.6,
        reached=87.85,
        deviation=0.01,
        draws=5_000,
        trained="not said; their script is of K = 50",
        quoted_by=_CARD + "iwae",
    ),
    QuotedValue(
        name="IWAE, K = 50",
        table=_BURDA,
        nll=87.1,
        reached=86.82,
        deviation=0.01,
        draws=5_000,
        trained=_TANH,
        quoted_by=_CARD + "iwae",
    ),
    QuotedValue(
        name="VampPrior, 500 components",
        table="Tomczak and Welling 2018 (arXiv 1705.07120), table 1",
        nll=85.57,
        reached=85.79,
        deviation=0.0,
        draws=5_000,
        trained="not looked up",
        quoted_by=_CARD + "vamp",
    ),
)
