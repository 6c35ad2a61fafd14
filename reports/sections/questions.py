"""The neighbouring questions: what is asked, the answer made from the verdicts, claims, numbers and drawings."""

import re

import numpy as np

from elbo_compare.reports.content import (
    Block,
    ClaimCard,
    Column,
    Frame,
    Kind,
    Picture,
    Prose,
    Section,
    Table,
    not_measured,
)
from elbo_compare.reports.data import ReportData
from elbo_compare.reports.figures import Mark, Panel, Rule, Series, draw
from elbo_compare.reports.tables import APART, HOLDS, wanted, worded

ANCHOR, TITLE = "questions", "Neighbouring questions"
ABSENT = (
    "this run did not contain the questions suite. `compare run questions -o DIR` adds it to a run's folder; the "
    "profiles standard and full contain it."
)
INTRODUCTION = (
    "What stands around the questioned line: other priors, the KL's closed form, another family, and a KL from samples "
    "alone. Each answer is put together from the verdicts on its claims; a claim that does not hold is named instead. "
    "Rounding decides where a number has no sampling error (16 u S); else an equivalence test. All tests of this "
    "section share an error budget of 10⁻⁷, beside that of the claims on implementations. Intervals shown are 95%."
)
LEDGER = {
    "offset, mean": "offset",
    "spread of the offset over z": "spread_z",
    "spread over parameters": "spread_parameters",
    "change of the gradient over the right gradient": "gradient",
}
VARIANCE = "variance over that of the sampled KL"


def build(data: ReportData) -> Section:
    """One card per question, then its picture and its rows."""
    rows, answers, claims = (data.further.get(name) for name in ("questions", "questions_answers", "questions_claims"))
    if rows is None or answers is None or claims is None or answers.empty:
        return not_measured(ANCHOR, TITLE, ABSENT)
    blocks: list[Block] = [Prose(text=INTRODUCTION)]
    for question in answers.to_dict("records"):
        mine = rows[rows["question"] == question["id"]]
        if "the sweep in" in question["see"] and data.further.get("semantics_pairs") is None:
            question["see"] += " It was not measured in this run: `compare run semantics` does."
        blocks.append(_card(question, claims[claims["question"] == question["id"]]))
        blocks += _drawn(question["id"], mine)
        blocks += [_rows(question["id"], mine), _claims(question["id"], claims[claims["question"] == question["id"]])]
    return Section(anchor=ANCHOR, title=TITLE, blocks=tuple(blocks))


def _card(question: dict, claims: Frame) -> ClaimCard:
    return ClaimCard(
        id=question["id"],
        statement=question["words"],
        strength=question["title"],
        outcome=_joined(claims, question["outcomes"]),
        fields=(
            ("Answer", question["answer"]),
            ("Formula", question["formula"]),
            ("Source", question["source"]),
            *((("See also", question["see"]),) if question["see"] else ()),
            ("With", question["versions"]),
        ),
        table=Table(
            name=f"question-{question['id']}",
            caption="Its claims, and of each the row that is nearest to differing.",
            frame=_in_words(claims, "outcomes").assign(
                where=claims["case"].fillna("") + ": " + claims["quantity"].fillna("")
            ),
            columns=(
                Column(header="claim", source="id"),
                Column(header="states", source="statement"),
                Column(header="outcome", source="told", kind=Kind.OUTCOME),
                Column(header="value [interval]", source="value", kind=Kind.INTERVAL),
                Column(header="reference", source="reference", kind=Kind.NUMBER),
                Column(header="wanted", source="wanted"),
                Column(header="n", source="n", kind=Kind.COUNT),
                Column(header="nearest row", source="where"),
                Column(header="why", source="worst_reason"),
            ),
        ),
    )


def _joined(claims: Frame, outcomes: str) -> str:
    """The question's outcomes; where some of its claims want things apart, that many are said to hold as stated."""
    apart = claims["rule"].isin(APART) if "rule" in claims else []
    many = sum(int(part) for text in claims["outcomes"][apart] for part in re.findall(r"agrees\s(\d+)", str(text)))
    alike = sum(int(part) for part in re.findall(r"agrees\s(\d+)", outcomes)) - many
    if not many or alike < 0:
        return outcomes
    parts = [f"agrees\N{NO-BREAK SPACE}{alike}"] if alike else []
    return re.sub(r"agrees\s\d+", " · ".join([*parts, f"{HOLDS} {many}"]), outcomes)


def _in_words(rows: Frame, outcomes: str) -> Frame:
    """Outcomes and what is wanted of each number, worded by its rule (none in the frames of an early version)."""
    rules = rows["rule"] if "rule" in rows else [""] * len(rows)
    words = [worded(outcome, rule) for outcome, rule in zip(rows[outcomes], rules, strict=True)]
    wants = [wanted(rule, float(tolerance)) for rule, tolerance in zip(rules, rows["tolerance"], strict=True)]
    return rows.assign(told=words, wanted=wants)


def _rows(identifier: str, rows: Frame) -> Table:
    judged = rows[(rows["outcome"] != "") | (rows["low"].notna())]
    return Table(
        name=f"questions-{identifier}",
        beside="questions",
        caption=f"{identifier}: every measured number with its interval.",
        frame=_in_words(judged, "outcome"),
        columns=(
            Column(header="claim", source="claim", kind=Kind.CODE),
            Column(header="case", source="case"),
            Column(header="effect", source="group"),
            Column(header="quantity", source="quantity"),
            Column(header="at", source="at", kind=Kind.NUMBER),
            Column(header="value [95% interval]", source="value", kind=Kind.INTERVAL),
            Column(header="reference", source="reference", kind=Kind.NUMBER),
            Column(header="wanted", source="wanted"),
            Column(header="n", source="n", kind=Kind.COUNT),
            Column(header="unit", source="unit"),
            Column(header="outcome", source="told", kind=Kind.OUTCOME),
            Column(header="why", source="reason"),
        ),
        limit=200,
        folded=True,
    )


def _claims(identifier: str, claims: Frame) -> Table:
    return Table(
        name=f"question-claims-{identifier}",
        beside="questions_claims",
        caption=f"{identifier}: why each claim should hold, its source and its tolerance.",
        frame=claims,
        columns=(
            Column(header="claim", source="id", kind=Kind.CODE),
            Column(header="strength", source="strength"),
            Column(header="derivation", source="derivation"),
            Column(header="source", source="source"),
            Column(header="tolerance", source="tolerance_words"),
            Column(header="why that tolerance", source="why"),
        ),
        folded=True,
    )


def _drawn(identifier: str, rows: Frame) -> list[Block]:
    """What shows the answer best: a ledger, or curves; nothing where the closed form says it all."""
    if identifier == "NORM":
        return [_ledger(rows)]
    if identifier == "GGD" and (rows["quantity"] == "KL without normalisers").any():
        return [_learned_scale(rows)]
    if identifier == "RATIO" and (rows["quantity"] == VARIANCE).any():
        return [_over_size(rows)]
    return []


def _ledger(rows: Frame) -> Table:
    """One line per case: what the normaliser's absence does, with the measured numbers."""
    wide = (
        rows[rows["quantity"].isin(LEDGER)]
        .pivot_table(index=["group", "case"], columns="quantity", values="value", sort=False)
        .rename(columns=LEDGER)
        .reset_index()
    )
    outcomes = rows[rows["outcome"] != ""].groupby("case")["outcome"].agg(lambda found: ", ".join(sorted(set(found))))
    frame = wide.assign(outcome=wide["case"].map(outcomes).fillna(""))
    for name in LEDGER.values():
        if name not in frame:
            frame[name] = np.nan
    frame["percent"] = 100.0 * frame["gradient"].where(frame["gradient"] > 1e-9, 0.0)
    return Table(
        name="constants-by-prior",
        caption=(
            "The constants ledger by density, at four latent dimensions (six observed): what the dropped form adds, "
            "how much that varies, and how much of the gradient's norm is wrong. Differences below 10⁻¹² are rounding."
        ),
        frame=frame,
        columns=(
            Column(header="density", source="case"),
            Column(header="dropping its normaliser", source="group"),
            Column(header="offset, nats", source="offset", kind=Kind.NUMBER),
            Column(header="spread over z", source="spread_z", kind=Kind.NUMBER, digits=3),
            Column(header="over parameters", source="spread_parameters", kind=Kind.NUMBER, digits=3),
            Column(header="gradient wrong by, %", source="percent", kind=Kind.NUMBER, digits=3),
            Column(header="as derived", source="outcome", kind=Kind.OUTCOME),
        ),
    )


def _learned_scale(rows: Frame) -> Picture:
    panels = []
    for whose in ("p", "q"):
        mine = rows[(rows["case"] == f"over the scale of {whose}") & rows["at"].notna()]
        best = rows[(rows["case"] == f"learned scale of {whose}") & (rows["quantity"] == "best scale with normalisers")]
        series = [
            Series(label=name, x=of["at"].to_numpy(float), y=of["value"].to_numpy(float), style=style, thin=True)
            for style, name in enumerate(("KL", "KL without normalisers"))
            if len(of := mine[mine["quantity"] == name])
        ]
        rules = [Rule(label="best scale with normalisers", at=float(at)) for at in best["value"] if np.isfinite(at)]
        title = f"learned scale of {whose}"
        panels.append(Panel(title=title, x_label="scale α", y_label="nats", series=series, rules=rules, log_x=True))
    return draw(
        "generalised-normal-scale",
        panels,
        caption="The KL of two generalised normals over a scale that is learned, with normalisers and without. The "
        "rule marks the best scale that was found with them. The number of optima is judged by GGD-005.",
        alt="Two panels: the KL over the scale of p and over that of q, with normalisers and without, in nats.",
    )


def _over_size(rows: Frame) -> Picture:
    wanted = (("bias", "bias of the estimate", "nats", 0.0, "no bias"),
              (VARIANCE, "variance × n, sampled KL = 1", "ratio", 1.0, "sampled KL"))  # fmt: skip
    cases = list(dict.fromkeys(rows.loc[rows["quantity"].isin([name for name, *_ in wanted]), "case"]))
    panels = []
    for quantity, title, unit, at, rule in wanted:
        series = []
        for style, case in enumerate(cases):
            of = rows[(rows["quantity"] == quantity) & (rows["case"] == case) & rows["at"].notna()].sort_values("at")
            if len(of):
                x, y, low, high = (of[name].to_numpy(float) for name in ("at", "value", "low", "high"))
                label = case.replace(" features", "").replace(" sample", "")
                series.append(Series(label=label, x=x, y=y, low=low, high=high, style=style, mark=Mark.LINE))
        rules = [Rule(label=rule, at=at, vertical=False)]
        x_label = "draws n from each of q and p"
        panels.append(Panel(title=title, x_label=x_label, y_label=unit, series=series, rules=rules, log_x=True))
    return draw(
        "density-ratio",
        panels,
        caption="The classifier's estimate over the sample size: bias against the exact KL, and variance over that of "
        "the sampled KL at the same n. Bars: 95% intervals.",
        alt="Two panels over the sample size, for each set of features and each sample averaged over: "
        "bias in nats, and variance relative to the sampled KL's.",
    )
