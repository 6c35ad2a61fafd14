"""The estimators around the questioned one: bounds, variance, signal-to-noise over K, and what each buys per second."""

from itertools import pairwise

import numpy as np
import pandas as pd

from elbo_compare.reports.content import (
    Block,
    Column,
    Frame,
    Kind,
    Picture,
    Prose,
    Section,
    Table,
    Values,
    not_measured,
)
from elbo_compare.reports.data import CORE, ReportData, by_implementation, case, preferred, short_case
from elbo_compare.reports.figures import Mark, Panel, Rule, Series, draw, ordered

TITLE = "Estimators: bounds, variance, signal-to-noise, and cost"
# In the order of the power means of their weights (Jensen): each bound lies above the one before it, draw by draw.
BOUNDS = ("renyi-2", "sampled-kl", "elbo-5", "renyi-half", "iwae-5", "iwae-20", "iwae-80", "renyi-minus-1")
VARIANCES = {"kl_variance": "KL term, nats²", "elbo_variance": "value, nats²", "gradient_variance": "gradient, nats²"}
FAMILIES = {"iwae-": "IWAE", "dreg-": "doubly reparameterised"}


def build(data: ReportData) -> Section:
    """Four questions, each with its figure and table; those that were not measured say so."""
    drawn = data.quantity(*VARIANCES)
    more = drawn[~drawn["estimator"].isin(CORE)]
    if more.empty:
        why = "no cell drew another estimator than sampled-kl and analytic-kl; the profile standard has such cells."
        return not_measured("estimators", TITLE, why)
    blocks: list[Block] = [*_bounds(data), *_signal(data), *_cost(data), _variance_table(drawn)]
    return Section(anchor="estimators", title=TITLE, blocks=tuple(blocks))


# --- bounds


def _bounds(data: ReportData) -> list[Block]:
    """Means of the bounds with intervals, case by case, beside log p(x) where it is known."""
    means = data.quantity("elbo_mean")
    means = means[means["estimator"].isin(BOUNDS) & (means["dtype"] == "float64")]
    means = means.assign(case=case(means))
    several = means.groupby("case")["estimator"].transform("nunique") > 2
    means = means[several]
    if means.empty:
        return []
    evidence = data.quantity("log_evidence")
    known = evidence.assign(case=case(evidence)).drop_duplicates("case").set_index("case")["reference"]
    names = [name for name in BOUNDS if name in set(means["estimator"])]
    panels = []
    for name in preferred(means["case"])[:4]:
        rows = means[means["case"] == name]
        here = [each for each in names if each in set(rows["estimator"])]
        rules = [Rule(label="log p(x)", at=float(known[name]))] if name in known.index else []
        series = _dots(rows, rows["estimator"], here)
        panels.append(
            Panel(title=short_case(name), x_label="mean of own draws, nats", rows=here, series=series, rules=rules)
        )
    return [
        draw(
            "bounds",
            panels,
            caption=(
                "Bounds on log p(x) from the same weights, 95% intervals, each implementation with its own random "
                "numbers; from top to bottom in the order that Jensen's inequality gives (Rényi with a negative α is "
                "no lower bound). Dashed: log p(x), where it is known."
            ),
            alt="Dots with whiskers: the mean of each bound, by implementation, beside log p(x).",
        )
    ]


def _dots(rows: Frame, place: Values, names: list[str]) -> list[Series]:
    series, implementations = [], ordered(rows["implementation"])
    for style, implementation in enumerate(implementations):
        part = rows[rows["implementation"] == implementation]
        y = place[part.index].map(names.index).to_numpy(float)
        y = y + 0.6 * ((style + 0.5) / len(implementations) - 0.5)
        x, low, high = (part[column].to_numpy(float) for column in ("value", "low", "high"))
        series.append(Series(label=implementation, x=x, y=y, low=low, high=high, style=style, mark=Mark.DOT))
    return series


# --- signal-to-noise over the number of particles


def _signal(data: ReportData) -> list[Block]:
    rows = data.quantity("gradient_snr")
    # The column first, the rows then: a column given to an empty frame brings its own rows along.
    rows = rows.assign(family=rows["estimator"].str.replace(r"\d+$", "", regex=True).map(FAMILIES))
    rows = rows[rows["family"].notna() & (rows["part"] != "")]
    if rows.empty:
        return [Prose(text="Signal-to-noise over K: not measured.", absent=True)]
    rows = rows.assign(case=case(rows), particles=rows["estimator"].str.extract(r"(\d+)$")[0].astype(float))
    rows = rows[rows.groupby("case")["particles"].transform("nunique") > 1]  # one K is no curve
    if rows.empty:
        return [Prose(text="Signal-to-noise over K: measured at one K only.", absent=True)]
    panels = []
    for name in preferred(rows["case"])[:2]:
        for part, group in rows[rows["case"] == name].groupby("part", sort=True):
            title = f"{short_case(name)}: gradient of the {part.replace('_', '-')} head"
            panels.append(
                Panel(
                    title=title,
                    x_label="particles K",
                    y_label="signal-to-noise ratio",
                    series=[*_curves(group), _floor(group)],
                    log_x=True,
                    log_y=True,
                )
            )
    return [
        Prose(text=_falls(data, rows)),
        draw(
            "signal-to-noise",
            panels,
            caption=(
                "Signal-to-noise ratio |E g| / sd(g) of the encoder's gradient at one datum, mean over the components, "
                "over the number of particles K, with 95% intervals, as measured. The theory is about large K: under "
                "IWAE it falls like 1/√K although the bound gets tighter (Rainforth et al. 2018, arXiv 1802.04537), "
                "doubly reparameterised it grows like √K (Tucker et al. 2019, arXiv 1810.04152). Grey: 1/√n, below "
                "which n draws resolve nothing."
            ),
            alt="Lines: signal-to-noise ratio of the encoder's gradient over K, IWAE against doubly reparameterised.",
        ),
    ]


def _falls(data: ReportData, rows: Frame) -> str:
    """Where the doubly reparameterised ratio falls although theory has it grow, and how heavy the gradient's tails are
    there: n (standard error of the variance / variance)^2 is about the kurtosis minus one, 2 for a normal."""
    doubly = rows[rows["family"] == FAMILIES["dreg-"]].sort_values("particles")
    trace = data.quantity("gradient_variance")
    trace = trace.assign(tails=trace["n"] * (trace["standard_error"] / trace["value"]) ** 2)
    tails = trace.set_index("key").groupby([pd.Grouper(level="key"), "part"])["tails"].first()
    parts = []
    for (name, part, implementation), curve in doubly.groupby(["case", "part", "implementation"], sort=False):
        for (_, one), (_, two) in pairwise(curve.iterrows()):
            if two["high"] < one["low"]:
                heavy = [tails.get((row["key"], part), np.nan) for row in (one, two)]
                parts.append(
                    f"{short_case(name)}, {part.replace('_', '-')} head, {implementation}: {one['value']:.2f} at "
                    f"K = {one['particles']:.0f}, {two['value']:.2f} at K = {two['particles']:.0f} (tails "
                    f"{heavy[0]:.0f} and {heavy[1]:.0f})"
                )
    if not parts:
        return "Doubly reparameterised, the signal-to-noise ratio falls nowhere beyond its intervals."
    return (
        "Doubly reparameterised, the signal-to-noise ratio falls where theory has it grow: "
        + "; ".join(parts)
        + ". The theory needs importance weights with finite higher moments and K past the point where no single "
        "weight dominates. Here the gradient is a sum of squared normalised weights: in most draws a small number, in "
        "few draws one dominating particle, and those few carry the variance. Tails: n × (standard error of the "
        "variance / variance)², about the kurtosis minus one, 2 for a normal. So a small sample also overstates the "
        "ratio, and its interval is too narrow."
    )


def _floor(rows: Frame) -> Series:
    """1/sqrt(n) over K, of the cell with the most draws at each K."""
    most = rows.groupby("particles")["n"].max()
    return Series(label="1/√n", x=most.index.to_numpy(float), y=most.to_numpy(float) ** -0.5, style=7)


def _curves(rows: Frame) -> list[Series]:
    series = []
    for (family, implementation), part in by_implementation(rows).groupby(["family", "implementation"], sort=False):
        part = part.sort_values("particles")
        x, y, low, high = (part[column].to_numpy(float) for column in ("particles", "value", "low", "high"))
        label = f"{family}, {implementation}"
        series.append(Series(label=label, x=x, y=y, low=np.maximum(low, y / 10), high=high, style=len(series)))
    return series


# --- what an estimator buys per second


def _cost(data: ReportData) -> list[Block]:
    frame = data.further.get("efficiency")
    if frame is None or frame.empty:
        return [Prose(text="Variance times time: not measured, no estimator's step was timed.", absent=True)]
    frame = by_implementation(frame.assign(case=frame["problem"] + "@" + frame["weights"]))
    frame = frame.assign(against=frame["estimator"] + " / " + frame["baseline"])
    return [Prose(text=best(frame)), _cost_picture(frame), _cost_table(frame)]


def best(frame: Frame) -> str:
    """Which estimators buy more per second than their baseline, by case: only where the interval lies below one."""
    sentences = []
    for name, rows in frame.groupby("case", sort=False):
        better = rows[(rows["product_high"] < 1) | (rows["product"] == 0)]
        if better.empty:
            sentences.append(f"{name}: none buys more per second than its baseline beyond its interval.")
            continue
        named = better.groupby(["estimator", "baseline"])["product"].agg(["median", "size"]).sort_values("median")
        timed = rows.groupby("estimator").size()
        parts = [
            f"{estimator} over {baseline} ({row['median']:.2g}, "
            f"in {row['size']:.0f} of {timed[estimator]} implementations)"
            for (estimator, baseline), row in named.iterrows()
        ]
        sentences.append(f"{name}: below one lie {', '.join(parts)}.")
    return (
        "What buys most per second: the variance of the encoder's gradient times the time of a training step, over the "
        "same of the plain estimator of the same gradient; median over those implementations in which the interval "
        "lies below one. " + " ".join(sentences)
    )


def _cost_picture(frame: Frame) -> Picture:
    panels = []
    for name in list(dict.fromkeys(frame["case"]))[:4]:
        rows = frame[(frame["case"] == name) & (frame["product"] > 0)]
        names = list(dict.fromkeys(rows["against"]))
        shown = rows.rename(columns={"product": "value", "product_low": "low", "product_high": "high"})
        panels.append(
            Panel(
                title=name,
                x_label="variance × time, over the baseline's",
                rows=names,
                series=_dots(shown, shown["against"], names),
                rules=[Rule(label="as good as the baseline", at=1)],
                log_x=True,
            )
        )
    return draw(
        "cost-adjusted",
        panels,
        caption=(
            "Cost-adjusted variance: left of the dashed line an estimator buys more per second than the plain one. "
            "Variance: trace of the covariance of the gradient with respect to the encoder's outputs at one datum; "
            "time: of a training step in the same interleaved rounds on this machine. Intervals of at least 95%. An "
            "estimator whose variance is 0 is in the table only."
        ),
        alt="Dots with whiskers: variance times time of each estimator over that of its baseline.",
        one_scale=True,
    )


def _cost_table(frame: Frame) -> Table:
    return Table(
        name="cost-adjusted",
        beside="efficiency",
        caption="Variance and time of each estimator over its baseline's, in the same implementation.",
        frame=frame,
        columns=(
            Column(header="case", source="case", kind=Kind.CODE),
            Column(header="estimator / baseline", source="against"),
            Column(header="implementation", source="implementation"),
            *(
                Column(header=header, source=name, low=f"{stem}_low", high=f"{stem}_high", kind=Kind.INTERVAL)
                for header, name, stem in (
                    ("variance ratio", "variance_ratio", "variance"),
                    ("time ratio", "time_ratio", "time"),
                    ("product", "product", "product"),
                )
            ),
            Column(header="n draws", source="draws", kind=Kind.COUNT),
            Column(header="n rounds", source="rounds", kind=Kind.COUNT),
        ),
        folded=True,
    )


# --- variances


def _variance_table(drawn: Frame) -> Table:
    rows = by_implementation(drawn).assign(case=case(drawn))
    rows["what"] = rows["quantity"].map(VARIANCES) + np.where(rows["part"] == "", "", ", head " + rows["part"])
    rows = rows.sort_values(["case", "what", "estimator"], kind="stable")
    return Table(
        name="estimator-variances",
        beside="measurements",
        caption=(
            "Variance of one value of each estimator at one datum with its 95% interval, beside the exact one where a "
            "closed form exists. An infinite exact variance (k3 where some σ² ≤ ½): a sample says nothing about it."
        ),
        frame=rows,
        columns=(
            Column(header="case", source="case", kind=Kind.CODE),
            Column(header="variance of", source="what"),
            Column(header="estimator", source="estimator"),
            Column(header="implementation", source="implementation"),
            Column(header="variance [95%]", source="value", kind=Kind.INTERVAL),
            Column(header="exact", source="reference", kind=Kind.NUMBER, digits=7),
            Column(header="n draws", source="n", kind=Kind.COUNT),
        ),
        limit=120,
        folded=True,
    )
