"""Which claims hold, by implementation; then every verdict that does not agree."""

import numpy as np
import pandas as pd

from elbo_compare.reports.content import Column, Frame, Kind, Section, Table, Values, not_measured
from elbo_compare.reports.data import ReportData, by_implementation
from elbo_compare.reports.figures import ordered
from elbo_compare.reports.tables import OUTCOMES

TITLE = "Verdicts by claim"
COMPARED = ["outcome", "difference", "tolerance"]  # what `share` looks at, beside the claim
COUNTED = ["claim", "outcome", "problem", "dtype"]  # what `counted` does
LISTED = {  # outcomes whose verdicts are listed, and how the list calls them
    "differs": "differs",
    "inconclusive": "stayed inconclusive",
    "as registered": "is not what its claim states, but what a finding of the register says",
}
SAME_NOISE = ("MATCH-001", "MATCH-002")  # the hand-written line against each library's term


def build(data: ReportData) -> Section:
    """Counts of outcomes by claim x implementation, and the list of what differs or stayed open."""
    if data.verdicts.empty:
        return not_measured("verdicts", TITLE, "the results were not judged; run: compare judge DIR.")
    blocks = [_matrix(data)]
    blocks += [_listing(data, outcome) for outcome in LISTED if _any(data, outcome)]
    return Section(anchor="verdicts", title=TITLE, blocks=tuple(blocks))


def _any(data: ReportData, outcome: str) -> bool:
    return not data.verdicts.of("outcome", [outcome], ["claim"]).empty


def outcome_text(outcomes: Values) -> str:
    """`differs 1 · agrees 11`, worst first."""
    counts = outcomes.value_counts()
    words = [*OUTCOMES, *(word for word in counts.index if word not in OUTCOMES)]
    return " · ".join(f"{word}\N{NO-BREAK SPACE}{counts[word]:,}" for word in words if word in counts.index)


def _matrix(data: ReportData) -> Table:
    told, worst = {}, {}
    for claim in data.verdicts.columns("claim")["claim"].unique():
        verdicts = data.judged(claim, columns=["claim", "implementation", *COMPARED])
        told[claim] = verdicts.groupby("implementation", sort=False)["outcome"].agg(outcome_text)
        worst[claim] = share(verdicts).max()
    text = pd.DataFrame(told).T.fillna("")
    names = ordered(text.columns)
    names.sort(
        key=lambda name: (text[name] == "").sum() > len(text) / 2
    )  # on a phone the first columns are all one sees
    known = data.claims.drop_duplicates("id").set_index("id")
    order = [claim for claim in known.index if claim in text.index]
    text = text.loc[[*order, *sorted(set(text.index) - set(order))], names]
    frame = text.rename(columns=lambda name: f"outcome: {name}").rename_axis("claim").reset_index()
    frame.insert(1, "statement", frame["claim"].map(known["statement"]).fillna(""))
    frame["worst"] = frame["claim"].map(worst)
    return Table(
        name="verdict-summary",
        caption=(
            "Number of verdicts by outcome. ✓ every verdict agrees, ✗ at least one differs, ? at least one stayed "
            "inconclusive, ○ at least one cell was not run. Last column: the worst |difference| as a share of its "
            "tolerance or margin; none for a claim that is an inequality. A dash: the claim does not apply there."
        ),
        frame=frame,
        columns=(
            Column(header="claim", source="claim", link=True),
            *(Column(header=name, source=f"outcome: {name}", kind=Kind.OUTCOME) for name in names),
            Column(header="worst share of tolerance", source="worst", kind=Kind.NUMBER, digits=2),
            Column(header="statement", source="statement"),
        ),
        limit=400,
    )


def share(verdicts: Frame) -> Values:
    """|difference| / tolerance of every verdict; nan throughout a claim that is no bound on |difference|.

    Such a claim (an inequality, or that two things differ) agrees with a difference beyond its tolerance.
    """
    difference, tolerance = verdicts["difference"].abs(), verdicts["tolerance"]
    ratio = (difference / tolerance.where(tolerance > 0)).mask((tolerance == 0) & (difference > 0), np.inf)
    return ratio.mask(apart(verdicts, ratio))


def apart(verdicts: Frame, ratio: Values) -> Values:
    """Whether a verdict's claim is such a one, from the ratios of all of its verdicts."""
    beyond = (ratio > 1) & (verdicts["outcome"] == "agrees")
    return beyond.groupby(verdicts["claim"]).transform("max").astype(bool)


def counted(verdicts: Frame) -> str:
    """Why the same comparison at the same noise stands there with several counts: one sentence that adds them up; ""
    where nothing was compared."""
    rows = verdicts[verdicts["claim"].isin(SAME_NOISE) & (verdicts["outcome"] != "not run")]
    if rows.empty:
        return ""
    laplace = rows["problem"].str.startswith("laplace")
    double = int((~laplace & (rows["dtype"] == "float64")).sum())
    alike: dict[tuple[int, int], list[str]] = {}
    for claim, mine in rows.groupby("claim", sort=True):
        alike.setdefault((len(mine), int(laplace[mine.index].sum())), []).append(str(claim))
    parts = [_added_up(claims, many, out) for (many, out), claims in alike.items()]
    return f"{'; '.join(parts)}. Of what is counted {double:,} are in float64, both libraries together."


def _added_up(claims: list[str], many: int, out: int) -> str:
    have, each = ("have", " each") if len(claims) > 1 else ("has", "")
    return (
        f"{' and '.join(claims)} {have} {many:,} verdicts{each}, {out:,} of them with a Laplace prior, where nobody "
        f"drops the constant; the answer counts the other {many - out:,}"
    )


def verdict_columns(with_claim: bool = True) -> tuple[Column, ...]:
    """The columns in which single verdicts are listed."""
    claim = (Column(header="claim", source="claim", link=True),) if with_claim else ()
    return (
        *claim,
        Column(header="cell", source="label", kind=Kind.CODE),
        Column(header="against", source="other", kind=Kind.CODE),
        Column(header="part", source="part", kind=Kind.CODE),
        Column(header="value", source="value", kind=Kind.NUMBER, digits=6),
        Column(header="reference", source="reference", kind=Kind.NUMBER, digits=6),
        Column(header="difference [interval]", source="difference", kind=Kind.INTERVAL),
        Column(header="tolerance", source="tolerance", kind=Kind.NUMBER),
        Column(header="unit", source="unit"),
        Column(header="n", source="n", kind=Kind.COUNT),
        Column(header="why", source="reason"),
    )


def _listing(data: ReportData, outcome: str) -> Table:
    rows = by_implementation(data.verdicts.of("outcome", [outcome]))
    return Table(
        name=f"verdicts-{outcome.replace(' ', '-')}",
        caption=f"Every verdict that {LISTED[outcome]}: {len(rows):,}.",
        frame=rows,
        columns=verdict_columns(),
        limit=40,
    )
