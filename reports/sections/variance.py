"""ELBO and gradient variance of the sampled and the analytic KL, from initial weights to trained."""

import numpy as np
import pandas as pd

from elbo_compare.reports.content import Block, Column, Frame, Kind, Picture, Section, Table, Values, not_measured
from elbo_compare.reports.data import (
    RUNS,
    ReportData,
    by_implementation,
    case,
    joined,
    labels,
    preferred,
    short_case,
)
from elbo_compare.reports.figures import Mark, Panel, Series, draw

TITLE = "Variance: sampled against analytic KL"
SAMPLED, ANALYTIC = "sampled-kl", "analytic-kl"
DRAWN = {"elbo_variance": "ELBO, nats²", "gradient_variance": "gradient (trace), nats²"}
FITTED = {"fitted_elbo_variance": "ELBO variance, nats²", "fitted_gradient_variance": "gradient variance, nats²"}
NONE = 1e-12  # a variance smaller than this share of its counterpart is 0 up to rounding
PAIR = ["case", "quantity", "part", "implementation"]


def build(data: ReportData) -> Section:
    """Variances at given weights with intervals, over training, and where the order turns."""
    blocks: list[Block] = []
    drawn = pairs(data.quantity(*DRAWN))
    both = drawn[["value_sampled", "value_analytic"]]
    vary = drawn[both.min(axis=1) > NONE * both.max(axis=1)]
    if len(vary):
        blocks += [_given_weights(vary), _lower_table(vary)]
    if len(drawn):
        blocks.append(_pair_table(drawn))
    fitted = data.quantity(*FITTED)
    if len(fitted):
        blocks += [_over_training(fitted), _turns_table(fitted)]
    if not blocks:
        return not_measured("variance", TITLE, "no cell measured the variance of both estimators.")
    return Section(anchor="variance", title=TITLE, blocks=tuple(blocks))


def pairs(rows: Frame) -> Frame:
    """One row per case, quantity, part and implementation that has both estimators, and which one is lower.

    `lower` names an estimator only where the two 95% intervals do not overlap.
    """
    rows = rows.assign(case=case(rows))
    sides = [
        rows[rows["estimator"] == name].drop_duplicates(PAIR).set_index(PAIR)[["value", "low", "high", "n"]]
        for name in (SAMPLED, ANALYTIC)
    ]
    table = sides[0].add_suffix("_sampled").join(sides[1].add_suffix("_analytic"), how="inner").reset_index()
    analytic = table["high_analytic"] < table["low_sampled"]
    sampled = table["high_sampled"] < table["low_analytic"]
    table["lower"] = np.select([analytic, sampled], [ANALYTIC, SAMPLED], "not separated")
    return by_implementation(table)


def _what(table: Frame) -> Values:
    return table["quantity"].map(DRAWN) + np.where(table["part"] == "", "", ", head " + table["part"])


def _given_weights(table: Frame) -> Picture:
    table = table.assign(what=_what(table))
    panels = [_dot_panel(what, rows) for what, rows in table.groupby("what", sort=False)]
    return draw(
        "variance-weights",
        panels,
        caption=(
            "Variance of one draw for one datum by case, each implementation with its own random numbers, 95% "
            "intervals, logarithmic. Where the sampled marks stand left of the analytic ones the analytic KL has the "
            "higher variance: it is the lower one only if Cov(log p(x|z), KL draw) < Var(KL draw) / 2. Cases in which "
            "one of the two is 0 up to rounding (the KL alone; the exact posterior) are in the table only."
        ),
        alt="Dots with whiskers: the variance under the sampled KL and under the analytic KL, by case.",
    )


def _dot_panel(what: str, rows: Frame) -> Panel:
    cases = preferred(rows["case"])[:14]
    rows = rows[rows["case"].isin(cases)]
    series = []
    for style, side in enumerate(("sampled", "analytic")):
        part = rows[rows[f"value_{side}"] > 0]
        rank = part.groupby("case").cumcount().to_numpy(float) * 0.09
        place = part["case"].map(cases.index).to_numpy(float) - 0.28 + 0.12 * style + rank
        x, low, high = (part[f"{name}_{side}"].to_numpy(float) for name in ("value", "low", "high"))
        low = np.where(low > 0, low, x)
        series.append(Series(label=f"{side} KL", x=x, y=place, low=low, high=high, style=style, mark=Mark.DOT))
    return Panel(
        title=what, x_label="variance of one draw", rows=[short_case(each) for each in cases], series=series, log_x=True
    )


def _lower_table(table: Frame) -> Table:
    """Which estimator has the lower variance, by case and quantity, with the number of implementations that say so."""
    table = table.assign(what=_what(table))
    said = table.groupby(["case", "what"], sort=False)["lower"].agg(_counted).unstack(fill_value="")
    frame = said.loc[preferred(said.index)].rename(index=short_case).reset_index()
    return Table(
        name="variance-lower",
        caption=(
            "Which estimator has the lower variance, in brackets for how many implementations (their two 95% "
            "intervals lie apart). Where it changes from a model's initial to its trained weights, the order turns."
        ),
        frame=frame,
        columns=(
            Column(header="case", source="case", kind=Kind.CODE),
            *(Column(header=str(name), source=name) for name in said.columns),
        ),
    )


def _counted(lower: Values) -> str:
    return ", ".join(f"{name} ({count})" for name, count in lower.value_counts().items())


def _pair_table(table: Frame) -> Table:
    return Table(
        name="variance-pairs",
        caption="Variance of one draw with 95% interval. Lower: which one, where the intervals do not overlap.",
        frame=table.assign(what=_what(table)),
        columns=(
            Column(header="case", source="case", kind=Kind.CODE),
            Column(header="implementation", source="implementation"),
            Column(header="variance of", source="what"),
            *(
                column
                for side in ("sampled", "analytic")
                for column in (
                    Column(
                        header=f"{side} KL [95%]",
                        source=f"value_{side}",
                        low=f"low_{side}",
                        high=f"high_{side}",
                        kind=Kind.INTERVAL,
                    ),
                    Column(header=f"n ({side})", source=f"n_{side}", kind=Kind.COUNT),
                )
            ),
            Column(header="lower", source="lower"),
        ),
        limit=60,
        folded=True,
    )


def _over_training(fitted: Frame) -> Picture:
    fitted = fitted.assign(model=fitted["problem"].astype(str) + ", from " + fitted["weights"] + " weights")
    panels = []
    for (name, quantity), rows in fitted.groupby(["model", "quantity"], sort=False):
        series = [_line(run, str(part)) for part, run in rows.groupby("part", sort=False)]
        log = bool((rows["value"] > 0).all())
        panels.append(Panel(title=name, x_label="training steps", y_label=FITTED[quantity], series=series, log_y=log))
    return draw(
        "variance-training",
        panels,
        caption=(
            "Variance at the fitted weights over the course of training, one thin line per run (any implementation, "
            f"training estimator and seed, at most {RUNS} of each colour), mean over held-out data, computed by the "
            "NumPy oracle at those weights. Where the two bundles cross, the order turns."
        ),
        alt="Lines of ELBO and gradient variance over training steps for the sampled and the analytic KL.",
    )


def _line(run: Frame, part: str) -> Series:
    run = joined(run)
    style = {SAMPLED: 0, ANALYTIC: 1}.get(part, 2)
    return Series(label=part, x=run["index"].to_numpy(float), y=run["value"].to_numpy(float), style=style, thin=True)


def turns(fitted: Frame) -> Frame:
    """Per run and quantity: the estimator of lower variance at the first and last checkpoint, and the first change."""
    wide = fitted.assign(cell=labels(fitted)).pivot_table(
        index=["cell", "quantity", "index"], columns="part", values="value", aggfunc="first", observed=True
    )
    if not {SAMPLED, ANALYTIC} <= set(wide.columns):
        return pd.DataFrame(columns=["cell", "quantity", "start", "end", "turn", "checkpoints"])
    lower = wide[[SAMPLED, ANALYTIC]].dropna().idxmin(axis=1).rename("lower").reset_index()
    before = lower.groupby(["cell", "quantity"])[["lower", "index"]].shift()
    lower["change"] = before["lower"].notna() & (before["lower"] != lower["lower"])
    groups = lower.groupby(["cell", "quantity"], sort=False)
    table = groups["lower"].agg(start="first", end="last", checkpoints="size")
    span = before["index"].map("{:.0f}".format) + " to " + lower["index"].map("{:.0f}".format)
    first = lower.assign(span=span)[lower["change"]].groupby(["cell", "quantity"])["span"].first()
    return table.join(first.rename("turn")).reset_index().fillna({"turn": "does not turn"})


def _turns_table(fitted: Frame) -> Table:
    table = turns(fitted)
    return Table(
        name="variance-order",
        caption="Which estimator has the lower variance at the start and end of training, and where the order turns.",
        frame=table.assign(what=table["quantity"].map(FITTED)),
        columns=(
            Column(header="run", source="cell", kind=Kind.CODE),
            Column(header="quantity", source="what"),
            Column(header="lower at the start", source="start"),
            Column(header="lower at the end", source="end"),
            Column(header="turns between steps", source="turn"),
            Column(header="checkpoints", source="checkpoints", kind=Kind.COUNT),
        ),
        limit=60,
        folded=True,
    )
