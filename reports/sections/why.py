"""Why the questioned line is right: from KL(q||p) to the line, constant by constant, and where it is not."""

from elbo_compare.reports.content import Block, Code, Column, Frame, Kind, Prose, Section, Table
from elbo_compare.reports.data import ReportData
from elbo_compare.reports.sections.flows import WHY
from elbo_compare.reports.sections.opening import negative
from elbo_compare.reports.sections.summary import COUNTED, SAME_NOISE, counted, outcome_text

TITLE = "Why: from KL(q‖p) to the line"
STEPS = """\
KL(q(z|x) ‖ p(z)) = E_q[ log q(z|x) − log p(z) ]

log q(z|x) = − ½ Σ_d [ log σ_d² + (z_d − μ_d)²/σ_d² ]  − D/2 log 2π
log p(z)   = − ½ Σ_d   z_d²                            − D/2 log 2π
                                                         ^^^^^^^^^^ the same number in both

log q(z|x) − log p(z) = ½ Σ_d [ z_d² − log σ_d² − (z_d − μ_d)²/σ_d² ]        z = μ + σ ε

  its mean      ½ Σ_d [ μ_d² + σ_d² − 1 − log σ_d² ]
  its variance    Σ_d [ μ_d² σ_d² + (σ_d² − 1)²/2 ]"""
LINE = """\
log_p_z = -0.5 * sum(z**2)
log_q_z = -0.5 * sum(log_var + (z - mean)**2 / exp(log_var))
KL = -(log_p_z - log_q_z)"""
WHOSE = "Is this the questioned code?"
CODE = "CODE"  # the question that measures how these models differ from the authors' code
CLAIMS = {
    "KL-002": "the line, at one sample",
    "KL-003": "with the constants written out",
    "KL-004": "its mean over own draws",
    "KL-005": "its variance over own draws",
    "CONST-001": "which constant each term lacks",
    "CONST-002": "that KL and ELBO lack none",
    "MATCH-001": "Pyro's Trace_ELBO at the same noise",
    "MATCH-002": "NumPyro's Trace_ELBO at the same noise",
    "MATCH-004": "what TraceMeanField_ELBO has instead",
}


def build(data: ReportData) -> Section:
    """The derivation, the claims that measured each step, negative values, sampling, harm, the question's sources."""
    blocks: list[Block] = [
        Prose(text="The questioned line, as it is written in hand-written VAEs:"),
        Code(text=LINE, label="The questioned line"),
        Prose(
            text="log_Normal is the log density of a normal; nothing here is lognormal. Both densities lack the same "
            "D/2 log 2π, D the latent dimension, and the line subtracts one from the other:"
        ),
        Code(text=STEPS, label="Constant by constant"),
        Prose(
            text="It is the KL part of the one-sample estimator L^A of Kingma and Welling 2014 (arXiv 1312.6114), "
            "eq. 6: unbiased, and equal to the ELBO objects' own term at the same z. Eq. 7, L^B, puts the mean (the "
            "analytic KL, their appendix B) in its place."
        ),
        Prose(text=_below_zero(data), lead="Negative values."),
        Prose(text=WHY, lead="Why anyone samples."),
        Prose(text=_harm(data), lead="When the constant does harm."),
        _whose(data.further.get("questions_answers")),
        _measured(data),
        *_sources(data.further.get("questions_answers")),
    ]
    return Section(anchor="why", title=TITLE, blocks=tuple(blocks))


def _whose(answers: Frame | None) -> Prose:
    """Where the line stands, and what the question CODE measured of the differences to that code."""
    text = (
        "The line stands in the authors' public code of volume-preserving-flow "
        "VAEs, jmtomczak/vae_vpflows (Tomczak and Welling 2016, arXiv 1611.09630; 2017, arXiv 1706.02326). It was "
        "read there and written anew here. "
    )
    if answers is None or not (answers["id"] == CODE).any():
        return Prose(text=text + "How the two differ was not measured in this run.", lead=WHOSE)
    told = str(answers.set_index("id").loc[CODE, "answer"])
    return Prose(text=f"{text}{told} Claims: {CODE}-001 to {CODE}-009.", lead=WHOSE)


def _below_zero(data: ReportData) -> str:
    text = (
        "KL(q‖p) is never negative; one draw of the line may be, and is right all the same. Its standard deviation "
        "does not shrink with the KL: near the prior a draw is negative about as often as not. "
    )
    found = negative(data)
    if found is None:
        return text + "No draws were kept in this run."
    share, n, name = found
    return text + f"At {name} at least {100 * share:.3g}% of {n:,} draws of all implementations are below 0."


def _harm(data: ReportData) -> str:
    offset = next((each for each in data.answer.get("numbers") or () if "log q" in str(each.get("label"))), None)
    if offset is None or offset.get("value") is None:
        number = "how many nats log q alone is off by was not measured in this run"
    else:
        detail = f" ({offset['detail']})" if offset.get("detail") else ""
        number = f"log q alone is off by {float(offset['value']):.4g} nats in the case measured{detail}"
    return (
        "Wherever one of the two densities stands alone or beside one that kept its "
        f"constant. {number[0].upper()}{number[1:]}. An entropy, a density that is reported, a likelihood of learned "
        "scale, a prior whose normaliser is another (Laplace, generalised normal) or holds what is learned: there the "
        "value, and with a learned scale the gradient, is wrong. NORM-001 to NORM-003 list each case with its number."
    )


def _measured(data: ReportData) -> Table:
    known = data.claims.drop_duplicates("id").set_index("id")["statement"] if len(data.claims) else {}
    rows: Frame = data.claims.iloc[:0][["id"]].assign(step="", outcome="", statement="")
    for claim, step in CLAIMS.items():
        if claim not in known:
            continue
        mine = data.judged(claim, columns=["outcome"])
        outcome = outcome_text(mine["outcome"]) if len(mine) else ""
        rows.loc[len(rows)] = [claim, step, outcome, known[claim]]
    return Table(
        name="why-claims",
        caption=(
            "Each step's claim and what its cells came to in this run; a dash: not measured. "
            + counted(data.judged(*SAME_NOISE, columns=COUNTED))
        ),
        frame=rows,
        columns=(
            Column(header="claim", source="id", link=True),
            Column(header="step", source="step"),
            Column(header="outcome", source="outcome", kind=Kind.OUTCOME),
            Column(header="statement", source="statement"),
        ),
        whole=True,
    )


def _sources(answers: Frame | None) -> list[Block]:
    if answers is None or answers.empty:
        return [Prose(text="Neighbouring questions: not measured in this run.", absent=True)]
    around = [
        Prose(text=f"{row['answer']} Source: {row['source']}.", lead=f"{row['title'].rstrip('?')}?")
        for row in answers.to_dict("records")
        if row["id"] != CODE
    ]
    return [Prose(text="What stands around the question, and what was measured of it:"), *around]
