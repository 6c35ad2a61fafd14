"""Training: held-out ELBO with own random numbers, and paths on everybody's noise against the oracle's."""

import numpy as np

from elbo_compare.reports.content import Block, Column, Frame, Kind, Picture, Section, Table, Values, not_measured
from elbo_compare.reports.data import ReportData, by_implementation, labels, model
from elbo_compare.reports.figures import Panel, Series, draw, ordered

TITLE = "Training"


def build(data: ReportData) -> Section:
    """Held-out curves with intervals, final values over seeds and one by one, path differences, logarithmic."""
    blocks: list[Block] = []
    heldout = data.quantity("heldout_elbo")
    if len(heldout):
        blocks.append(_curves(heldout))
        seeds = data.further.get("seeds")
        if seeds is not None and len(seeds):
            blocks.append(_over_seeds(seeds))
        blocks.append(_final(heldout))
    paths = data.quantity("path_elbo")
    if len(paths):
        blocks += [_paths(paths, data.verdicts.columns("key", "part", "tolerance")), _path_table(paths)]
    if not blocks:
        return not_measured("training", TITLE, "no cell trained the model.")
    return Section(anchor="training", title=TITLE, blocks=tuple(blocks))


def _curves(rows: Frame) -> Picture:
    rows = rows.assign(model=trained_from(rows))
    panels = []
    for (name, estimator), group in rows.groupby(["model", "estimator"], sort=False):
        names = ordered(group["implementation"])
        series = [_curve(run, names) for _, run in group.groupby("implementation", sort=False)]
        panels.append(
            Panel(title=f"{name}, {estimator}", x_label="training steps", y_label="held-out ELBO, nats", series=series)
        )
    return draw(
        "training-curves",
        panels,
        caption=(
            "Held-out ELBO per datum while training with own random numbers: the mean over seeds, whiskers from the "
            "lowest to the highest seed (moved sideways, so that implementations stay apart; no whisker: one seed). "
            "Each implementation trained the weights; their held-out ELBO is the NumPy oracle's, at noise that all "
            "share. Single runs with their intervals are in the table."
        ),
        alt=f"Training curves of the held-out ELBO for {', '.join(ordered(rows['implementation']))}.",
    )


def trained_from(rows: Frame) -> Values:
    """`vae, from initial weights`: a training cell's label names the weights that it starts from, not its last ones."""
    return rows["problem"].astype(str) + ", from " + rows["weights"].astype(str) + " weights"


def _curve(run: Frame, names: list[str]) -> Series:
    """The mean over seeds with the lowest and highest, moved sideways."""
    name = str(run["implementation"].iloc[0])
    style = names.index(name)
    over = run.groupby("index")["value"].agg(["mean", "min", "max"])
    x, y, low, high = (np.asarray(each, float) for each in (over.index, over["mean"], over["min"], over["max"]))
    gap = float(np.min(np.diff(x), initial=np.inf))
    aside = x + (gap if np.isfinite(gap) else 1.0) * 0.04 * (style - (len(names) - 1) / 2)
    return Series(label=name, x=aside, y=y, low=low, high=high, style=style, thin=True)


def _over_seeds(seeds: Frame) -> Table:
    return Table(
        name="heldout-elbo-seeds",
        caption=(
            "Held-out ELBO after the last step, nats per datum: mean over seeds with Student's 95% interval, which "
            "covers batches, own random numbers and held-out noise; and the mean difference from torch-hand's at the "
            "same seeds, whose batches and held-out noise are the same. Described, not judged."
        ),
        frame=by_implementation(seeds).sort_values(["problem", "estimator", "dtype"], kind="stable"),
        columns=(
            Column(header="model", source="problem", kind=Kind.CODE),
            Column(header="estimator", source="estimator"),
            Column(header="implementation", source="implementation"),
            Column(header="dtype", source="dtype"),
            Column(header="steps", source="steps", kind=Kind.COUNT),
            Column(header="seeds", source="seeds", kind=Kind.COUNT),
            Column(header="held-out ELBO [95%]", source="value", kind=Kind.INTERVAL),
            Column(header="sd over seeds", source="deviation", kind=Kind.NUMBER, digits=3),
            Column(
                header="minus torch-hand [95%]",
                source="difference",
                low="difference_low",
                high="difference_high",
                kind=Kind.INTERVAL,
            ),
            Column(header="pairs", source="pairs", kind=Kind.COUNT),
        ),
        limit=80,
    )


def _final(rows: Frame) -> Table:
    last = rows.loc[rows.groupby("key", sort=False)["index"].idxmax()]
    last = by_implementation(last).assign(model=model(last))
    return Table(
        name="heldout-elbo",
        beside="measurements",
        caption=(
            "Held-out ELBO after the last step, nats per datum, with the 95% interval over the held-out data; computed "
            "by the NumPy oracle at the weights that each implementation trained."
        ),
        frame=last.sort_values(["model", "estimator", "dtype"], kind="stable"),
        columns=(
            Column(header="model", source="model", kind=Kind.CODE),
            Column(header="estimator", source="estimator"),
            Column(header="implementation", source="implementation"),
            Column(header="dtype", source="dtype"),
            Column(header="seed", source="seed", kind=Kind.COUNT),
            Column(header="steps", source="index", kind=Kind.COUNT),
            Column(header="held-out ELBO [95%]", source="value", kind=Kind.INTERVAL),
            Column(header="n data", source="n", kind=Kind.COUNT),
        ),
        limit=80,
        folded=True,
    )


def _paths(rows: Frame, verdicts: Frame) -> Picture:
    rows = rows.assign(model=trained_from(rows), distance=(rows["value"] - rows["reference"]).abs())
    panels = []
    for (name, estimator, dtype), group in rows.groupby(["model", "estimator", "dtype"], sort=False):
        names = ordered(group["implementation"])
        runs = group.groupby("implementation", sort=False)
        series = [_distance(run, names) for _, run in runs]
        series.append(_yardstick(group))
        panels.append(
            Panel(
                title=f"{name}, {estimator}, {dtype}",
                x_label="training step",
                y_label="|ELBO − oracle's|, nats",
                series=series + _tolerance(group, verdicts),
                log_y=True,
            )
        )
    return draw(
        "training-paths",
        panels,
        caption=(
            "The same weights, batches and noise for everybody: |ELBO − the oracle's| at every step, the largest over "
            "seeds, logarithmic (a difference of exactly 0 is not drawn). Grey: the oracle's own divergence "
            "when its weights move by one unit in the last place; orange, where the path was judged, the tolerance. "
            "Below it: the same path."
        ),
        alt=f"Path differences over steps for {', '.join(ordered(rows['implementation']))}, logarithmic.",
    )


def _distance(run: Frame, names: list[str]) -> Series:
    name = str(run["implementation"].iloc[0])
    worst = run.groupby("index")["distance"].max()
    y = worst.where(worst > 0).to_numpy(float)
    return Series(label=name, x=worst.index.to_numpy(float), y=y, style=names.index(name), thin=True)


def _yardstick(group: Frame) -> Series:
    first = group[group["key"] == group["key"].iloc[0]].sort_values("index")
    y = first["scale"].where(first["scale"] > 0).to_numpy(float)
    return Series(label="oracle moved by one ulp", x=first["index"].to_numpy(float), y=y, style=7, thin=True)


def _tolerance(group: Frame, verdicts: Frame) -> list[Series]:
    """The judged tolerance at every step: the one-ulp curve times the factor of the verdict on one step of it."""
    steps = verdicts["part"].str.extract(r"^step (\d+)$", expand=False).astype(float)
    judged = verdicts.assign(index=steps)[steps.notna() & (verdicts["tolerance"] > 0)]
    pairs = judged[["key", "index", "tolerance"]].merge(group[["key", "index", "scale"]], on=["key", "index"])
    pairs = pairs[pairs["scale"] > 0]
    if pairs.empty:
        return []
    curve = _yardstick(group)
    factor = float(pairs["tolerance"].iloc[0] / pairs["scale"].iloc[0])
    return [Series(label="tolerance", x=curve.x, y=curve.y * factor, style=5, thin=True)]


def _path_table(rows: Frame) -> Table:
    rows = rows.assign(cell=labels(rows), distance=(rows["value"] - rows["reference"]).abs().fillna(np.inf))
    groups = rows.groupby("key", sort=False)
    worst = rows.loc[groups["distance"].idxmax()].assign(steps=groups.size().to_numpy())
    return Table(
        name="training-paths",
        beside="measurements",
        caption="Same-noise training paths: the step of the largest difference from the oracle's path.",
        frame=worst,
        columns=(
            Column(header="cell", source="cell", kind=Kind.CODE),
            Column(header="worst |difference|, nats", source="distance", kind=Kind.NUMBER, digits=3),
            Column(header="at step", source="index", kind=Kind.COUNT),
            Column(header="ELBO there", source="value", kind=Kind.NUMBER, digits=8),
            Column(header="one-ulp divergence there", source="scale", kind=Kind.NUMBER, digits=3),
            Column(header="n steps", source="steps", kind=Kind.COUNT),
        ),
        limit=80,
        folded=True,
    )
