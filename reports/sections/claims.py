"""Every claim by its permanent ID: statement, derivation, source, tolerance, outcomes, worst case."""

from elbo_compare.reports.content import Block, ClaimCard, Column, Frame, Kind, Prose, Section, Table, not_measured
from elbo_compare.reports.data import ReportData, by_implementation
from elbo_compare.reports.sections.summary import outcome_text, share
from elbo_compare.reports.tables import HOLDS

TITLE = "The claims"


LIMITS = (
    Column(header="tolerance", source="tolerance", kind=Kind.NUMBER, digits=3),
    Column(header="share", source="share", kind=Kind.NUMBER, digits=2),
)


def build(data: ReportData) -> Section:
    """One card per claim, in the catalogue's order."""
    if data.claims.empty:
        return not_measured("claims", TITLE, "no claim was handed over.")
    if data.addresses is not None:
        first = str(data.claims["id"].iloc[0])
        return Section(anchor="claims", title=TITLE, blocks=(Prose(text=f"Each claim has a page: {first} and so on."),))
    cards: list[Block] = [_card(claim, data.judged(claim["id"])) for claim in data.claims.to_dict("records")]
    return Section(anchor="claims", title=TITLE, blocks=tuple(cards))


def _card(claim: dict, verdicts: Frame) -> ClaimCard:
    fields = (
        ("Derivation", claim["derivation"]),
        ("Source", claim["source"]),
        ("Tolerance", claim["tolerance"]),
        ("Why that tolerance", claim["reason"]),
    )
    return ClaimCard(
        id=claim["id"],
        statement=claim["statement"],
        strength=f"{claim['family']} · {claim['strength']}" if claim["family"] else claim["strength"],
        outcome=outcome_text(verdicts["outcome"]) if len(verdicts) else "",
        fields=tuple((name, text) for name, text in fields if text),
        table=_worst(claim["id"], verdicts),
    )


def _beyond(verdicts: Frame) -> bool:
    """Whether a verdict agrees with a difference beyond its tolerance: the claim wants things apart, or on one side."""
    return bool(((verdicts["difference"].abs() > verdicts["tolerance"]) & (verdicts["outcome"] == "agrees")).any())


def _worst(claim: str, verdicts: Frame) -> Table:
    """By implementation: counts of outcomes and the verdict nearest to (or furthest past) its tolerance."""
    rank = (
        verdicts["outcome"].map({"differs": 4.0, "inconclusive": 3.0, "as registered": 2.0, "agrees": 1.0}).fillna(0.0)
    )
    rows = verdicts.assign(share=share(verdicts), rank=rank).sort_values(
        ["rank", "share"], ascending=False, kind="stable"
    )
    worst = rows.drop_duplicates("implementation").assign(counts="")
    counts = verdicts.groupby("implementation", sort=False)["outcome"].agg(outcome_text)
    worst["counts"] = worst["implementation"].map(counts)
    if inequality := _beyond(verdicts):
        worst["counts"] = worst["counts"].str.replace("agrees", HOLDS)
    return Table(
        name=f"claim-{claim}",
        caption="Outcomes by implementation, and the worst case of each.",
        frame=by_implementation(worst),
        columns=(
            Column(header="implementation", source="implementation"),
            Column(header="outcome", source="counts", kind=Kind.OUTCOME),
            Column(header="difference [interval]", source="difference", kind=Kind.INTERVAL, digits=3),
            *(() if inequality else LIMITS),
            Column(header="unit", source="unit"),
            Column(header="n", source="n", kind=Kind.COUNT),
            Column(header="worst case", source="label", kind=Kind.CODE),
            Column(header="against", source="other", kind=Kind.CODE),
            Column(header="why", source="reason"),
        ),
        limit=20,
    )
