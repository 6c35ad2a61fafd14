"""Where the libraries depart from their documentation or from each other, the most harmful first; IDs are anchors."""

import numpy as np

from elbo_compare.reports.content import (
    Block,
    ClaimCard,
    Code,
    Column,
    Frame,
    Kind,
    Prose,
    Section,
    Table,
    not_measured,
)
from elbo_compare.reports.data import ReportData
from elbo_compare.reports.formats import number
from elbo_compare.reports.tables import state

ANCHOR, TITLE = "findings", "Findings about the libraries"
ABSENT = (
    "this run did not contain the semantics suite. `compare run semantics -o DIR` adds it to a run's folder; the "
    "profiles standard and full contain it."
)
INTRODUCTION = (
    "A finding is a behaviour of a library's ELBO objects that its documentation does not promise or that its peer "
    "does not share, reproduced by a small program with a closed form. Reproduced: this version still shows it; no "
    "longer seen: it has changed. The order is by harm: numbers that are wrong "
    "in silence first, open before by design, the larger error first. Losses are in nats for the whole small model, "
    "with the library's sign (loss = −ELBO)."
)


REGISTERED = {"agrees": "as registered", "differs": "changed"}  # of a case
FLAGS = ("raises", "warns", "finite", "differentiable", "has_gradient", "and_grads", "same", "repeats", "is_float32")
COUNTS = ("latents", "runs")


def build(data: ReportData) -> Section:
    """The register as a table, one card per finding with its program, every case, and the sweep over pairs."""
    findings, semantics = data.further.get("findings"), data.further.get("semantics")
    if findings is None or semantics is None or findings.empty:
        return not_measured(ANCHOR, TITLE, ABSENT)
    blocks: list[Block] = [Prose(text=INTRODUCTION), _register(findings, semantics)]
    for finding in findings.to_dict("records") if data.addresses is None else ():  # else each has a page of its own
        blocks.append(_card(finding, semantics))
        if finding["program"]:
            label = f"A program that shows {finding['id']} ({finding['cases'].split(', ')[0]})"
            blocks.append(Code(text=finding["program"].rstrip(), label=label, folded=True))
    blocks += [_cases(semantics, data.addresses is None), *_described(data.further.get("semantics_described"))]
    blocks.append(_pairs(data.further.get("semantics_pairs")))
    return Section(anchor=ANCHOR, title=TITLE, blocks=tuple(blocks))


def kind_of(quantity: str, *values: float) -> str:
    """What a case's number is: a flag (1: yes), a count, or a number in nats or its gradient."""
    if quantity.endswith(FLAGS):
        return "flag"
    whole = all(value == int(value) for value in values if np.isfinite(value))
    return "count" if quantity in COUNTS or ("_ELBO" in quantity and whole) else "number"


def largest(finding: dict, semantics: Frame) -> dict[str, object]:
    """The case's row where the library is furthest from the oracle, each number in the words of its kind."""
    rows = semantics[
        semantics["case"].isin(finding["cases"].split(", ")) & (semantics["library"] == finding["library"])
    ]
    rows = rows[rows["quantity"] != ""]
    if rows.empty:
        return {"shown": "", "kind": "", "gives": "", "right": ""}
    apart = (rows["measured"] - rows["oracle"]).abs().fillna(np.inf).mask(rows["measured"] == rows["oracle"], 0.0)
    row = rows.loc[apart.idxmax()]
    kind = kind_of(str(row["quantity"]), float(row["measured"]), float(row["oracle"]))
    words = [_valued(float(row[name]), kind) for name in ("measured", "oracle")]
    return {"shown": f"{row['case']} {row['quantity']}", "kind": kind, "gives": words[0], "right": words[1]}


def _valued(value: float, kind: str) -> str:
    if kind == "flag":
        return {0.0: "no", 1.0: "yes"}.get(value, number(value))
    return "nan" if np.isnan(value) else number(value)


def _register(findings: Frame, semantics: Frame) -> Table:
    worst = [largest(finding, semantics) for finding in findings.to_dict("records")]
    states = [state(*each) for each in zip(findings["outcome"], findings["reason"], strict=True)]
    shown = findings.assign(state=states, **{n: [each[n] for each in worst] for n in worst[0]})
    return Table(
        name="findings",
        beside="findings",
        caption=(
            f"{len(findings)} findings, sorted by harm. Number: the one of its cases that is furthest from the oracle, "
            "what the library gives and what would be right; a flag is a yes or no, a count has no unit, all others "
            "are nats or a gradient of nats."
        ),
        frame=shown,
        columns=(
            Column(header="finding", source="id", link=True),
            Column(header="title", source="title"),
            Column(header="harm", source="harm"),
            Column(header="state", source="state"),
            Column(header="library", source="library"),
            Column(header="status", source="status"),
            Column(header="number", source="shown", kind=Kind.CODE),
            Column(header="it is a", source="kind"),
            Column(header="the library gives", source="gives"),
            Column(header="right", source="right"),
            Column(header="with", source="versions"),
        ),
        limit=200,
    )


def _card(finding: dict, semantics: Frame) -> ClaimCard:
    fields = (
        ("Documented", finding["documentation"]),
        ("Happens", finding["happens"]),
        ("Harm", finding["harm"]),
        ("Workaround", f"{finding['workaround']} ({finding['workaround_verdict']})"),
        ("Versions", finding["versions"]),
        ("Since", finding["since"] or "not known"),
        ("Upstream", finding["upstream"] or "no report known"),
        ("Confirmed by", finding["routes"]),
        ("Verdict", finding["reason"]),
    )
    return ClaimCard(
        id=finding["id"],
        statement=finding["title"],
        strength=f"{finding['library']} · {finding['status']}",
        outcome=state(finding["outcome"], finding["reason"]),
        fields=tuple((name, text) for name, text in fields if text),
        table=_numbers(finding, semantics),
    )


def _numbers(finding: dict, semantics: Frame) -> Table:
    """The measured numbers of the finding's cases, in both libraries where both have the case."""
    rows = semantics[semantics["case"].isin(finding["cases"].split(", "))]
    return Table(
        name=f"finding-{finding['id']}",
        caption="Measured, registered and right, by case and library.",
        frame=rows.assign(told=rows["outcome"].map(state)),
        columns=(
            Column(header="case", source="case", kind=Kind.CODE),
            Column(header="oracle's statement", source="statement"),
            Column(header="library", source="library"),
            Column(header="it computes", source="formula"),
            *_number_columns(),
        ),
        limit=60,
    )


def _number_columns() -> tuple[Column, ...]:
    return (
        Column(header="quantity", source="quantity", kind=Kind.CODE),
        Column(header="measured", source="measured", kind=Kind.NUMBER, digits=6),
        Column(header="registered", source="registered", kind=Kind.NUMBER, digits=6),
        Column(header="oracle", source="oracle", kind=Kind.NUMBER, digits=6),
        Column(header="allowed", source="tolerance", kind=Kind.NUMBER, digits=2),
        Column(header="state", source="told"),
    )


def _cases(semantics: Frame, whole: bool) -> Table:
    shown = semantics.assign(verdict=semantics["right"].map({True: "right", False: "not right"}))
    shown.loc[shown["sampled"].astype(bool), "verdict"] = "one unbiased draw"
    shown.loc[shown["quantity"] == "", "verdict"] = ""
    shown["told"] = shown["outcome"].replace(REGISTERED)
    return Table(
        name="semantics",
        beside="semantics",
        caption=f"Every case of the semantics suite: {semantics['case'].nunique()} cases, {len(semantics)} verdicts.",
        frame=shown,
        columns=(
            Column(header="case", source="case", kind=Kind.CODE),
            Column(header="title", source="title"),
            Column(header="library", source="library"),
            *_number_columns(),
            Column(header="the number is", source="verdict"),
            Column(header="findings", source="findings"),
            Column(header="why", source="reason"),
        ),
        limit=500 if whole else 60,  # else each case has a page of its own
        folded=True,
    )


def _described(described: Frame | None) -> list[Block]:
    if described is None:
        return []
    return [
        Table(
            name="semantics-described",
            beside="semantics_described",
            caption="Described, not judged: a step's time over that of Trace_ELBO uncompiled, in the same round and "
            "process; median and quartiles over the rounds.",
            frame=described,
            columns=(
                Column(header="case", source="case", kind=Kind.CODE),
                Column(header="title", source="title"),
                Column(header="library", source="library"),
                Column(header="quantity", source="quantity", kind=Kind.CODE),
                Column(header="median", source="median", kind=Kind.NUMBER, digits=2),
                Column(header="lower quartile", source="low", kind=Kind.NUMBER, digits=2),
                Column(header="upper quartile", source="high", kind=Kind.NUMBER, digits=2),
                Column(header="with", source="versions"),
            ),
        )
    ]


def _pairs(pairs: Frame | None) -> Block:
    if pairs is None:
        text = (
            "Not measured: the sweep over all registered divergences is part of `compare run semantics` only, "
            "because it integrates some three hundred densities."
        )
        return Prose(text=text, absent=True)
    return Table(
        name="semantics-pairs",
        beside="semantics_pairs",
        caption="Every registered divergence at three choices of parameters, against numerical integration. At random "
        "parameters, batch shapes and edges, value and gradient: `compare search --divergences 6`, published in "
        "`reports/published/search`.",
        frame=pairs.assign(told=pairs["outcome"].replace(REGISTERED)),
        columns=(
            Column(header="library", source="library"),
            *_number_columns(),
            Column(header="explained by", source="reason"),
        ),
        limit=500,
        folded=True,
    )
