"""Flows: why the questioned line samples although its KL has a closed form, and where the log-determinant matters."""

from elbo_compare.reports.content import Block, Column, Frame, Kind, Prose, Section, Table, not_measured
from elbo_compare.reports.data import UNIT_ROUNDOFF, ReportData, by_implementation, case, model, short_case
from elbo_compare.reports.sections.summary import outcome_text

TITLE = "Volume-preserving flows: why the questioned line samples"
LINEAR = ("householder", "linear-iaf", "convex-linear-iaf")
OTHERS = ("planar", "iaf")
WHY = (
    "Given x the Householder and the linear inverse-autoregressive flow are linear maps F with |det F| = 1, so that "
    "q(z|x) = N(F μ, F Σ F′) is a Gaussian with full covariance, and its KL to N(0, I) has a closed form: the plain "
    "VAE's for Householder, draw by draw, as |H z| = |z|; (tr L Σ L′ + |L μ|² − D − log |Σ|)/2 for the linear IAF. "
    "No line has to sample it. The questioned line samples all the same because it then serves any flow and any prior "
    "without a change: it needs log q of the sample before the flow, log p of the sample after it, and the "
    "log-determinant, which is 0 for a volume-preserving flow. Under a mixture or VampPrior, a planar or an inverse-"
    "autoregressive flow there is no closed form, and for the last two leaving out the log-determinant is a mistake."
)


def build(data: ReportData) -> Section:
    """The reason in words, the claims' outcomes, and KL by flow: closed form, deterministic points, own draws."""
    rows = data.quantity("kl", "kl_mean", "flow_kl_deterministic")
    rows = rows[rows["problem"].str.removesuffix("-small").isin((*LINEAR, *OTHERS))]
    if rows.empty:
        return not_measured("flows", TITLE, "no cell ran a model with a flow; the profile standard has such cells.")
    blocks: list[Block] = [Prose(text=WHY), Prose(text=_outcomes(data))]
    same, mean = rows[rows["quantity"] != "kl_mean"], rows[rows["quantity"] == "kl_mean"]
    if len(same):
        blocks.append(_same_noise(same))
    if len(mean):
        blocks.append(_own_draws(mean))
    return Section(anchor="flows", title=TITLE, blocks=tuple(blocks))


def on_flows(data: ReportData) -> Frame:
    """The verdicts on the claims about flows."""
    known = data.verdicts.columns("claim")["claim"].unique()
    return data.judged(*(claim for claim in known if claim.startswith("FLOW-")), columns=["claim", "outcome", "label"])


def _outcomes(data: ReportData) -> str:
    verdicts = on_flows(data)
    if verdicts.empty:
        return "The claims about flows were not judged in this run."
    parts = [f"{claim}: {outcome_text(rows['outcome'])}" for claim, rows in verdicts.groupby("claim")]
    return "The claims about flows, held in this run: " + "; ".join(parts) + "."


def _same_noise(rows: Frame) -> Table:
    rows = by_implementation(rows)
    unit = rows["dtype"].map(UNIT_ROUNDOFF)
    rows = rows.assign(model=model(rows), difference=(rows["value"] - rows["reference"]).abs())
    rows = rows.assign(roundings=rows["difference"] / (unit * rows["scale"]))
    what = {"kl": "KL term at the same noise", "flow_kl_deterministic": "mean over ±√D e_i, against the closed form"}
    rows = rows.assign(what=rows["quantity"].map(what)).sort_values(["model", "what"], kind="stable")
    return Table(
        name="flow-same-noise",
        beside="measurements",
        caption=(
            "KL term with a flow, nats per datum: log q of the sample before the flow − log p of the sample after it "
            "(− log-determinant), against the float64 oracle at the same noise, and, for the linear flows, averaged "
            "over 2 D points that integrate every quadratic exactly, against the closed form. One rounding is the unit "
            "roundoff times the sum of absolute terms; 16 are allowed."
        ),
        frame=rows,
        columns=(
            Column(header="model", source="model", kind=Kind.CODE),
            Column(header="what", source="what"),
            Column(header="implementation", source="implementation"),
            Column(header="estimator", source="estimator"),
            Column(header="dtype", source="dtype"),
            Column(header="value, nats", source="value", kind=Kind.NUMBER, digits=7),
            Column(header="reference, nats", source="reference", kind=Kind.NUMBER, digits=7),
            Column(header="difference, nats", source="difference", kind=Kind.NUMBER, digits=2),
            Column(header="roundings", source="roundings", kind=Kind.NUMBER, digits=2),
        ),
        limit=120,
        folded=True,
    )


def _own_draws(rows: Frame) -> Table:
    rows = by_implementation(rows)
    rows = rows.assign(case=case(rows).map(short_case)).sort_values("case", kind="stable")
    return Table(
        name="flow-own-draws",
        beside="measurements",
        caption=(
            "Mean of the KL term's own draws at one datum with its 95% interval, nats, beside the closed form (linear "
            "flows; a dash: there is none)."
        ),
        frame=rows,
        columns=(
            Column(header="case", source="case", kind=Kind.CODE),
            Column(header="implementation", source="implementation"),
            Column(header="estimator", source="estimator"),
            Column(header="n draws", source="n", kind=Kind.COUNT),
            Column(header="mean [95%], nats", source="value", kind=Kind.INTERVAL),
            Column(header="closed form, nats", source="reference", kind=Kind.NUMBER, digits=7),
        ),
    )
