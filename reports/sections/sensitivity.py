"""Which planted mistakes the claims catch: the matrix mutant x claim of `compare mutants`."""

from elbo_compare.reports.content import Block, Column, Frame, Kind, Prose, Section, Table, not_measured
from elbo_compare.reports.data import ReportData

ANCHOR, TITLE = "sensitivity", "What the claims can catch"
SIGNS = {"differs": "✗", "agrees": "·", "not meant for it": "–", "inconclusive": "?"}


def build(data: ReportData) -> Section:
    """Every mutant with the claims that caught it, every claim with what only it catches, and the matrix of both."""
    rows, claims = data.further.get("sensitivity"), data.further.get("sensitivity-claims")
    if rows is None or claims is None:
        why = "this run's claims were not judged on the mutants; `compare mutants -o DIR`, then `compare report DIR`."
        return not_measured(ANCHOR, TITLE, why)
    planted, legitimate = rows[~rows["legitimate"]], rows[rows["legitimate"]]
    blocks: tuple[Block, ...] = (
        Prose(text=_tally(planted, legitimate)),
        _mutants(
            "mutants", planted, f"{planted['variant'].nunique()} planted mistakes and the claims that caught each."
        ),
        _mutants("variants", legitimate, "Legitimate variants: recognised, and no claim meant for them fails them."),
        _claims(claims),
        _matrix(rows, 400),
    )
    return Section(anchor=ANCHOR, title=TITLE, blocks=blocks)


def _tally(planted: Frame, legitimate: Frame) -> str:
    caught = planted[planted["outcome"] == "differs"]["variant"].nunique()
    failed = legitimate[legitimate["outcome"] == "differs"]["variant"].nunique()
    return (
        f"The claims that judge the libraries were turned on wrong implementations: {caught} of "
        f"{planted['variant'].nunique()} mutants were caught, by value or by gradient; {failed} of "
        f"{legitimate['variant'].nunique()} legitimate variants were failed."
    )


def _mutants(name: str, rows: Frame, caption: str) -> Table:
    about = rows.drop_duplicates("variant").set_index("variant")[["title", "flag", "kind", "seen"]]
    red = rows[rows["outcome"] == "differs"].groupby("variant")["claim"].agg(", ".join).rename("caught")
    spared = rows[rows["outcome"] == "not meant for it"].groupby("variant")["claim"].agg(", ".join).rename("spared")
    frame = about.join(red).join(spared).fillna("").reset_index()
    last = (
        Column(header="caught by", source="caught")
        if name == "mutants"
        else Column(header="not judged by", source="spared")
    )
    return Table(
        name=name,
        beside="sensitivity",
        caption=caption,
        frame=frame,
        columns=(
            Column(header="ID", source="variant", kind=Kind.CODE),
            Column(header="what is written", source="title"),
            Column(header="flag", source="flag"),
            Column(header="of", source="kind"),
            Column(header="seen in", source="seen"),
            last,
        ),
        limit=400,
        folded=True,
    )


def _claims(claims: Frame) -> Table:
    return Table(
        name="sensitivity-claims",
        beside="sensitivity-claims",
        caption="Every claim: how many mutants it catches, how many no weaker claim catches, or why it is kept.",
        frame=claims,
        columns=(
            Column(header="claim", source="claim", link=True),
            Column(header="strength", source="strength"),
            Column(header="catches", source="catches", kind=Kind.COUNT),
            Column(header="that no weaker claim catches", source="alone", kind=Kind.COUNT),
            Column(header="kept because", source="kept"),
        ),
        limit=100,
        folded=True,
    )


def _matrix(rows: Frame, limit: int) -> Table:
    signs = rows.assign(sign=rows["outcome"].map(SIGNS))
    frame = signs.pivot_table(index="variant", columns="claim", values="sign", aggfunc="first", fill_value="")
    order = [claim for claim in dict.fromkeys(rows["claim"]) if claim in frame.columns]
    frame = frame[order].reset_index()
    return Table(
        name="sensitivity-matrix",
        beside="sensitivity",
        caption=(
            "The matrix: ✗ the claim caught the mutant, · it did not, – not meant for that variant, ? inconclusive, "
            "empty: does not apply."
        ),
        frame=frame,
        columns=(
            Column(header="ID", source="variant", kind=Kind.CODE),
            *(Column(header=claim, source=claim) for claim in order),
        ),
        limit=limit,
        folded=True,
    )
