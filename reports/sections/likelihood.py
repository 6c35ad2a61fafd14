"""log p(x) of test data by importance sampling: measured, beside what papers report and what could distort it."""

import numpy as np
import pandas as pd

from elbo_compare.reports.content import Block, Column, Frame, Kind, Prose, Section, Table, not_measured
from elbo_compare.reports.data import ReportData, by_implementation, labels

TITLE = "Test log-likelihood"
SHIPPED = "mnist-5k"
GROUP = ["problem", "dataset", "protocol", "implementation", "dtype"]


def build(data: ReportData) -> Section:
    """Estimates by cell, after training beside the published ones, and the lines of public code."""
    rows = data.quantity("log_px_mean")
    if rows.empty:
        return not_measured("likelihood", TITLE, "no cell estimated log p(x) by importance sampling.")
    if "protocol" not in rows.columns:  # results of an earlier version
        rows = rows.assign(protocol="")
    trained = rows[rows["procedure"] == "fit"]
    blocks: list[Block] = [Prose(text=_HOW)]
    if len(trained) < len(rows):
        blocks.append(_estimates(rows[rows["procedure"] != "fit"]))
    if len(trained):
        blocks += [_against(trained, data.further.get("published_values")), Prose(text=_difference(trained))]
        blocks += _quoted(data.further.get("published_quoted")) + _lines(data.further.get("published_lines"))
    return Section(anchor="likelihood", title=TITLE, blocks=tuple(blocks))


_HOW = (
    "log p(x) of a datum is estimated by the log of the mean importance weight p(x|z) p(z)/q(z|x) over draws "
    "z ~ q(z|x), each implementation with its own random numbers, a block of draws at a time. The estimate lies below "
    "log p(x) by about Var(w)/(2 n (E w)²). Where log p(x) is known it is judged (LIK-001, LIK-002)."
)


def _estimates(rows: Frame) -> Table:
    rows = by_implementation(rows.assign(cell=labels(rows)))
    return Table(
        name="likelihood",
        beside="measurements",
        caption=(
            "Mean log p(x) over test data, nats per datum, with the 95% interval over those data, the Monte Carlo "
            "error of the mean at these data, and the exact value where there is one."
        ),
        frame=rows,
        columns=(
            Column(header="cell", source="cell", kind=Kind.CODE),
            Column(header="mean log p(x) [95% over data]", source="value", kind=Kind.INTERVAL),
            Column(header="Monte Carlo error", source="scale", kind=Kind.NUMBER, digits=2),
            Column(header="exact", source="reference", kind=Kind.NUMBER, digits=6),
            Column(header="n data", source="n", kind=Kind.COUNT),
            Column(header="draws", source="note"),
        ),
        folded=True,
    )


def _against(rows: Frame, published: Frame | None) -> Table:
    runs = rows.groupby(GROUP, sort=False)["value"]
    frame = runs.agg(value="mean", low="min", high="max", seeds="size").reset_index()
    for name in ("n", "note"):
        frame[name] = rows.groupby(GROUP, sort=False)[name].first().to_numpy()
    frame = by_implementation(frame).sort_values(["dataset", "problem"], kind="stable")
    papers = [_paper(problem, published) for problem in frame["problem"]]
    frame = frame.assign(**{name: [paper[name] for paper in papers] for name in ("row", "paper", "published")})
    return Table(
        name="likelihood-published",
        caption=(
            "Mean log p(x) of test data after training, nats per datum: the mean over seeds with the lowest and the "
            "highest seed in brackets, beside what a paper reports for this model on static MNIST."
        ),
        frame=frame,
        columns=(
            Column(header="model", source="problem", kind=Kind.CODE),
            Column(header="data", source="dataset", kind=Kind.CODE),
            Column(header="protocol", source="protocol"),
            Column(header="implementation", source="implementation"),
            Column(header="log p(x) [lowest, highest seed]", source="value", kind=Kind.INTERVAL),
            Column(header="seeds", source="seeds", kind=Kind.COUNT),
            Column(header="n data", source="n", kind=Kind.COUNT),
            Column(header="draws", source="note"),
            Column(header="published for", source="row"),
            Column(header="published", source="published"),
            Column(header="paper", source="paper"),
        ),
    )


def _paper(problem: str, published: Frame | None) -> dict[str, str]:
    """The published row of a model; of a small one there is none."""
    found = pd.DataFrame() if published is None else published[published["problem"] == problem]
    if found.empty:
        return {"row": "", "paper": "", "published": "none: a smaller model"}
    first = found.iloc[0]
    value = "not verified" if np.isnan(first["value"]) else f"{first['value']:.2f} ({first['table']})"
    return {"row": first["name"], "paper": first["paper"], "published": value}


def _difference(rows: Frame) -> str:
    data = set(rows["dataset"])
    text = (
        "Published values are of static MNIST: 50,000 training and 10,000 test images. A value marked “not verified” "
        "could not be read in its table when this was written and is left out. "
    )
    if "static-mnist" in data:
        text += "Rows of the data set static-mnist are of those files, at the first test rows only. "
    if data - {"static-mnist"}:
        others = ", ".join(sorted(data - {"static-mnist"}))
        text += (
            f"The data differ in the other rows ({others}): other images, fewer of them"
            + (", the 5,000 digits that ship with a package" if SHIPPED in data else "")
            + "; those numbers are not comparable with any table."
        )
    return text


def _quoted(quoted: Frame | None) -> list[Block]:
    if quoted is None or quoted.empty:
        return []
    reached = [f"{value:.2f} ({by:.2f})" for value, by in zip(quoted["reached"], quoted["deviation"], strict=True)]
    frame = quoted.assign(nll=[f"{value:g}" for value in quoted["nll"]], reached=reached)  # digits as quoted
    return [
        Table(
            name="likelihood-quoted",
            caption=(
                "Second-hand: −log p(x) of static MNIST's 10,000 test images, nats per datum, as the authors of the "
                "library Pythae quote it from papers, and what they reached themselves (in brackets their deviation "
                "over evaluations of one model). Not read in the papers' own tables."
            ),
            frame=frame,
            columns=(
                Column(header="model", source="name"),
                Column(header="quoted −log p(x)", source="nll"),
                Column(header="from", source="table"),
                Column(header="they reached", source="reached"),
                Column(header="draws", source="draws", kind=Kind.COUNT),
                Column(header="trained", source="trained"),
                Column(header="quoted by", source="quoted_by"),
            ),
        ),
        Prose(
            text=(
                "They trained other networks, on static MNIST's 50,000 training images. Here 5,000 other digits ship: "
                "rows of mnist-5k are not to be held against these numbers."
            )
        ),
    ]


def _lines(lines: Frame | None) -> list[Block]:
    if lines is None or lines.empty:
        return []
    frame = lines.reindex(columns=[*lines.columns, *({"low", "high"} - {*lines.columns})])  # an older run has no bounds
    return [
        Table(
            name="likelihood-lines",
            caption=(
                "Lines of the papers' public code (jmtomczak/vae_vpflows) that move such numbers, computed here "
                "from their formulas, nats per datum. Which version made a published table is not known; all are "
                "mutants that the claims must catch."
            ),
            frame=frame,
            columns=(
                Column(header="mutant", source="mutant"),
                Column(header="read in", source="read_in"),
                Column(header="what it does", source="what"),
                Column(header="effect [95%]", source="value", kind=Kind.INTERVAL),
                Column(header="n data", source="n", kind=Kind.COUNT),
            ),
        )
    ]
