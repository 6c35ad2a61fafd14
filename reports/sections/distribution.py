"""The sampled KL under each implementation's own random numbers, over the exact mean and variance."""

import numpy as np

from elbo_compare.reports.content import Block, Column, Frame, Kind, Picture, Section, Table, Values, not_measured
from elbo_compare.reports.data import ReportData, by_implementation, case, preferred, short_case
from elbo_compare.reports.figures import Mark, Panel, Rule, Series, draw, ordered

SAMPLED = "sampled-kl"
MOMENTS = ("kl_mean", "kl_variance")
TITLE = "The sampled KL's distribution"


def build(data: ReportData) -> Section:
    """Histograms, distance of the mean from the exact mean, and both moments with intervals."""
    moments, bins = (_of_the_sampled_kl(data.quantity(*names)) for names in (MOMENTS, ("kl_histogram",)))
    if moments.empty and bins.empty:
        return not_measured("distribution", TITLE, "no cell drew the KL with its own random numbers.")
    blocks: list[Block] = []
    if len(bins):
        blocks.append(_histograms(bins, moments))
    if len(moments):
        blocks += [_offsets(moments), *_moments(moments)]
    return Section(anchor="distribution", title=TITLE, blocks=tuple(blocks))


def _of_the_sampled_kl(rows: Frame) -> Frame:
    """The questioned estimator alone: the other ones' KL terms have other distributions, and a section of their own."""
    return rows[rows["estimator"] == SAMPLED]


def _histograms(bins: Frame, moments: Frame) -> Picture:
    bins = bins.assign(case=case(bins))
    exact = moments[(moments["quantity"] == "kl_mean") & moments["reference"].notna()]
    exact = exact.assign(case=case(exact)).drop_duplicates("case").set_index("case")["reference"]
    panels = []
    for name in preferred(bins["case"])[:4]:
        mean = float(exact[name]) if name in exact.index else None
        panels.append(histogram(name, bins[bins["case"] == name], mean))
    return draw(
        "kl-distribution",
        panels,
        caption=(
            "Share of draws per bin of the one-sample KL log q(z|x) − log p(z), each implementation with its own "
            "random numbers (n in the table). Coinciding step lines mean one distribution; the dashed vertical line "
            "is the exact KL. Empty bins at both ends are left out."
        ),
        alt=f"Histogram step lines of the sampled KL for {', '.join(ordered(bins['implementation']))}.",
    )


def histogram(name: str, rows: Frame, mean: float | None) -> Panel:
    """One case's draws as step lines, one per implementation, without the empty bins at both ends."""
    rows = rows[np.isfinite(rows["least"]) & np.isfinite(rows["largest"])]
    filled = rows.loc[rows["value"] > 0, "index"]
    rows = rows[rows["index"].between(filled.min(), filled.max())]
    names = ordered(rows["implementation"])
    series = [_steps(rows[rows["implementation"] == each], names.index(each)) for each in names]
    rules = [Rule(label="exact mean", at=mean)] if mean is not None else []
    return Panel(title=name, x_label="KL of one draw, nats", y_label="share of draws", series=series, rules=rules)


def _steps(rows: Frame, style: int) -> Series:
    first = rows[rows["key"] == rows["key"].iloc[0]].sort_values("index")
    return Series(
        label=first["implementation"].iloc[0],
        x=((first["least"] + first["largest"]) / 2).to_numpy(float),
        y=(first["value"] / first["n"].where(first["n"] > 1, first["size"])).to_numpy(float),
        style=style,
        mark=Mark.STEP,
    )


def _offsets(moments: Frame) -> Picture:
    """Mean minus exact in standard deviations of one draw, and variance over exact, with 95% intervals."""
    known = moments[moments["reference"].notna()]
    mean = known[(known["quantity"] == "kl_mean") & (known["scale"] > 0)]
    variance = known[(known["quantity"] == "kl_variance") & (known["reference"] > 0)]
    panels = []
    if len(mean):
        panels.append(
            _dots(mean, mean["reference"], mean["scale"], "(mean − exact) / standard deviation of one draw", 0)
        )
    if len(variance):
        zero = variance["reference"] * 0
        panels.append(_dots(variance, zero, variance["reference"], "variance / exact variance", 1))
    drawn = preferred(case(known))[:12]
    return draw(
        "kl-moments",
        panels,
        caption=(
            "Sampled KL: mean (left) and variance (right) against the exact values, one row per case, 95% intervals. "
            f"{len(drawn)} of {case(known).nunique()} cases are drawn; the table has all. An interval off the dashed "
            "line is expected once in twenty; the verdicts use the error budget's far wider level."
        ),
        alt="Dots with whiskers: the mean and variance of the sampled KL relative to their exact values.",
    )


def _dots(rows: Frame, origin: Values, unit: Values, label: str, at: float) -> Panel:
    table = rows.assign(
        case=case(rows),
        x=(rows["value"] - origin) / unit,
        left=(rows["low"] - origin) / unit,
        right=(rows["high"] - origin) / unit,
    )
    cases = preferred(table["case"])[:12]
    names = ordered(table["implementation"])
    table = table[table["case"].isin(cases)]
    series = []
    for style, name in enumerate(names):
        part = table[table["implementation"] == name]
        place = part["case"].map(cases.index).to_numpy(float) + 0.7 * ((style + 0.5) / len(names) - 0.5)
        x, low, high = (part[column].to_numpy(float) for column in ("x", "left", "right"))
        series.append(Series(label=name, x=x, y=place, low=low, high=high, style=style, mark=Mark.DOT))
    return Panel(
        title="",
        x_label=label,
        rows=[short_case(each) for each in cases],
        series=series,
        rules=[Rule(label="exact", at=at)],
    )


def _moments(moments: Frame) -> list[Table]:
    return [_table(moments, "kl_mean", "mean"), _table(moments, "kl_variance", "variance")]


def _table(moments: Frame, quantity: str, word: str) -> Table:
    rows = moments[moments["quantity"] == quantity]
    rows = by_implementation(rows).assign(case=case(rows)).sort_values("case", kind="stable")
    unit = "nats" if word == "mean" else "nats²"
    return Table(
        name=f"kl-{word}",
        beside="measurements",
        caption=f"KL term, {word} of own draws per datum, {unit}, with its 95% interval, beside the exact value.",
        frame=rows[["case", "implementation", "estimator", "seed", "n", "value", "low", "high", "reference", "key"]],
        columns=(
            Column(header="case", source="case", kind=Kind.CODE),
            Column(header="implementation", source="implementation"),
            Column(header="estimator", source="estimator"),
            Column(header="n draws", source="n", kind=Kind.COUNT),
            Column(header=f"{word} [95%], {unit}", source="value", kind=Kind.INTERVAL),
            Column(header=f"exact, {unit}", source="reference", kind=Kind.NUMBER, digits=7),
        ),
        limit=80,
        folded=True,
    )
