"""The same noise for everybody: how far each implementation is from the float64 oracle at worst."""

from itertools import product

import numpy as np
import pandas as pd

from elbo_compare.reports.content import Column, Frame, Kind, Picture, Section, Table, not_measured
from elbo_compare.reports.data import (
    CORE,
    LABELLED,
    UNIT_ROUNDOFF,
    ReportData,
    by_implementation,
    estimators_in_order,
    labels,
)
from elbo_compare.reports.figures import Mark, Panel, Series, draw, ordered
from elbo_compare.reports.formats import number

TITLE = "Agreement at the same noise"
QUANTITIES = {"elbo": "ELBO", "kl": "KL", "log_likelihood": "log p(x|z)", "gradient_distance": "gradient"}
WIDE = 50  # past this a linear axis would press the small ratios together
GROUP = ["dtype", "device", "implementation", "estimator", "quantity"]
MARK = ["dtype", "device", "implementation", "quantity"]
OTHERS = "other estimators"
COLUMNS = [*LABELLED, "quantity", "part", "value", "reference", "scale"]


def build(data: ReportData) -> Section:
    """Matrix, picture and list of the worst |difference|, relative (to u x scale) and in nats."""
    parts = (_evaluated(part) for part in data.measurements.parts("quantity", QUANTITIES, COLUMNS))
    found = [worst_differences(part) for part in parts if len(part)]
    if not found:
        return not_measured("agreement", TITLE, "no cell evaluated the ELBO on shared noise with an oracle's value.")
    worst = found[0] if len(found) == 1 else _worst_of_all(pd.concat(found, ignore_index=True))
    return Section(anchor="agreement", title=TITLE, blocks=(_matrix(worst), _picture(worst), _listing(worst)))


def _evaluated(rows: Frame) -> Frame:
    return by_implementation(rows[(rows["procedure"] == "evaluate") & rows["reference"].notna()])


def _worst_of_all(parts: Frame) -> Frame:
    """Of the worst of several parts, one below the other: each part is some rows of a long run."""
    groups = parts.groupby(GROUP, sort=False)
    worst = parts.loc[groups["relative"].idxmax()].set_index(GROUP)
    return by_implementation(worst.assign(nats=groups["nats"].max(), compared=groups["compared"].sum()).reset_index())


def worst_differences(rows: Frame) -> Frame:
    """Per dtype, device, implementation, estimator and quantity: the row of the largest |difference| / (u x scale).

    A value that is not a number counts as infinitely far, so that it can never hide.
    """
    distance = (rows["value"] - rows["reference"]).abs()
    rows = rows.assign(distance=distance.where(rows["quantity"] != "gradient_distance", rows["value"]).fillna(np.inf))
    unit = rows["dtype"].map(UNIT_ROUNDOFF) * rows["scale"]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = rows["distance"] / unit
    rows["relative"] = ratio.where(rows["distance"] > 0, 0.0).fillna(np.inf)
    groups = rows.groupby(GROUP, sort=False)
    worst = rows.loc[groups["relative"].idxmax()]
    worst = worst.assign(cell=labels(worst)).set_index(GROUP)
    table = worst[["relative", "cell", "part"]].assign(
        nats=groups["distance"].max(), compared=groups.size(), magnitude=worst["reference"].abs()
    )
    return by_implementation(table.reset_index())


def _matrix(worst: Frame) -> Table:
    short = [number(r, 2) + f" ({number(d, 2)})" for r, d in zip(worst["relative"], worst["nats"], strict=True)]
    where = (worst["dtype"] + ", " + worst["device"]).rename("where")
    keys = [where, worst["implementation"], worst["estimator"], worst["quantity"]]
    text = pd.Series(short, index=worst.index).groupby(keys, sort=False).first().unstack(fill_value="")
    frame = text[[name for name in QUANTITIES if name in text.columns]].reset_index()
    place = {name: rank for rank, name in enumerate(estimators_in_order(frame["estimator"]))}
    frame = by_implementation(frame)
    frame = frame.iloc[np.argsort(frame["estimator"].map(place), kind="stable")]
    frame = frame.sort_values("where", ascending=False, kind="stable")  # float64 before float32
    return Table(
        name="agreement-matrix",
        caption=(
            "Worst |difference| from the float64 oracle at the same noise, in units of u·scale (u: unit roundoff of "
            "the dtype; scale: the oracle's sum of absolute terms), and in brackets the worst in nats per datum; for "
            "gradients the Euclidean distance of one parameter's gradient. Values of order 1 are rounding."
        ),
        frame=frame,
        columns=(
            Column(header="implementation", source="implementation"),
            Column(header="estimator", source="estimator"),
            Column(header="dtype, device", source="where"),
            *(Column(header=q, source=n, kind=Kind.NUMBER) for n, q in QUANTITIES.items() if n in frame.columns),
        ),
    )


def _listing(worst: Frame) -> Table:
    return Table(
        name="agreement-worst",
        caption="Where each worst difference was found, with the number of values compared.",
        frame=worst.assign(quantity=worst["quantity"].map(QUANTITIES)),
        columns=(
            Column(header="implementation", source="implementation"),
            Column(header="estimator", source="estimator"),
            Column(header="quantity", source="quantity"),
            Column(header="dtype", source="dtype"),
            Column(header="device", source="device"),
            Column(header="|difference| / (u·scale)", source="relative", kind=Kind.NUMBER, digits=3),
            Column(header="worst |difference|, nats", source="nats", kind=Kind.NUMBER, digits=3),
            Column(header="|reference|", source="magnitude", kind=Kind.NUMBER),
            Column(header="n compared", source="compared", kind=Kind.COUNT),
            Column(header="cell of the worst ratio", source="cell", kind=Kind.CODE),
            Column(header="parameter", source="part", kind=Kind.CODE),
        ),
        limit=120,
        folded=True,
    )


def shown_marks(worst: Frame) -> Frame:
    """What is drawn, with its `panel`: each core estimator's, and of all others the worst one of each mark."""
    finite = worst[np.isfinite(worst["relative"])]
    finite = finite.assign(panel=finite["estimator"].where(finite["estimator"].isin(CORE), OTHERS))
    return finite.sort_values("relative", kind="stable").drop_duplicates(["panel", *MARK], keep="last")


def _picture(worst: Frame) -> Picture:
    panels, marks = [], shown_marks(worst)
    wide = bool(marks["relative"].max() > WIDE)
    for dtype, estimator in product(sorted(set(marks["dtype"]), reverse=True), (*CORE, OTHERS)):  # float64 first
        rows = marks[(marks["dtype"] == dtype) & (marks["panel"] == estimator)]
        if rows.empty:
            continue
        names = ordered(rows["implementation"])
        panels.append(
            Panel(
                title=f"{estimator}, {dtype}",
                x_label="worst |difference| / (u·scale)",
                rows=names,
                near_zero=wide,
                series=[_dots(part, names, index) for index, part in _by_quantity(rows)],
            )
        )
    return draw(
        "agreement",
        panels,
        caption=(
            "Each mark is the worst of all cells (of all other estimators: of each of them). Marks at a few units mean "
            "agreement to rounding; a wrong formula would stand many powers of ten to the right, off this scale."
        ),
        alt=f"Dot plot: worst relative difference from the oracle, {', '.join(ordered(worst['implementation']))}.",
        one_scale=True,
    )


def _by_quantity(rows: Frame) -> list[tuple[int, Frame]]:
    parts = [(index, rows[rows["quantity"] == name]) for index, name in enumerate(QUANTITIES)]
    return [(index, part) for index, part in parts if len(part)]


def _dots(part: Frame, names: list[str], index: int) -> Series:
    place = part["implementation"].map(names.index).to_numpy(float) + 0.14 * (index - 1.5)
    label = QUANTITIES[part["quantity"].iloc[0]]
    return Series(label=label, x=part["relative"].to_numpy(float), y=place, style=index, mark=Mark.DOT)
