"""The index's one figure: the sampled KL by implementation over its exact mean, and what log q alone is off by."""

from math import inf

import numpy as np

from elbo_compare.reports.content import Block, Frame, Prose, Section
from elbo_compare.reports.data import ReportData, case, preferred
from elbo_compare.reports.figures import Mark, Panel, Rule, Series, draw, ordered
from elbo_compare.reports.sections.distribution import SAMPLED, histogram

TITLE = "The answer in one figure"
TERMS = {"log_q": "log q(z|x)", "log_prior": "log p(z)", "kl": "KL", "elbo": "ELBO"}


def build(data: ReportData) -> Section:
    """The figure, of whichever of its two halves was measured."""
    panels = [panel for panel in (_histogram(data), _offsets(data)) if panel is not None]
    if not panels:
        return _section(Prose(text="Not measured: neither draws of the KL nor the terms of the ELBO.", absent=True))
    return _section(
        draw(
            "answer",
            panels,
            caption=(
                "Left: draws of the one-sample KL, log q(z|x) − log p(z), each implementation with its own random "
                "numbers; dashed: the exact KL. Draws left of 0 are negative and right. Right: each term's offset from "
                "its fully normalised value: hand-written log q and log p(z) lack D/2 log 2π each, KL and ELBO lack "
                "nothing."
            ),
            alt="Histogram of the sampled KL by implementation, and the offset of log q, log p(z), KL and ELBO.",
        )
    )


def _section(block: Block) -> Section:
    return Section(anchor="answer-figure", title=TITLE, blocks=(block,))


def chosen_draws(data: ReportData) -> Frame:
    """The histogram rows of the sampled KL at the case that is shown; empty where none was drawn."""
    bins = data.quantity("kl_histogram")
    bins = bins[bins["estimator"] == SAMPLED]
    bins = bins.assign(case=case(bins))
    names = preferred(bins["case"])
    return bins[bins["case"] == names[0]] if names else bins


def negative(data: ReportData) -> tuple[float, int, str] | None:
    """At least which share of the draws shown is negative, of how many, and the case; None where none was drawn."""
    rows = chosen_draws(data)
    if rows.empty:
        return None
    with np.errstate(over="ignore"):
        below, total = rows[rows["largest"] <= 0]["value"].sum(), rows["value"].sum()
    return (float(below / total), int(total), str(rows["case"].iloc[0])) if 0 < total < inf else None


def _histogram(data: ReportData) -> Panel | None:
    rows = chosen_draws(data)
    if rows.empty:
        return None
    means = data.quantity("kl_mean")
    means = means[means["estimator"] == SAMPLED]
    exact = means[(case(means) == rows["case"].iloc[0]) & means["reference"].notna()]["reference"]
    return histogram(str(rows["case"].iloc[0]), rows, float(exact.iloc[0]) if len(exact) else None)


def _offsets(data: ReportData) -> Panel | None:
    ledger = data.ledger
    if ledger.empty or not {"quantity", "offset_nats", "implementation", "dtype"} <= set(ledger.columns):
        return None
    rows = ledger[ledger["quantity"].isin(TERMS) & (ledger["dtype"] == "float64")]
    rows = rows[rows["prior"] == "standard-normal"] if "prior" in rows else rows
    if rows.empty:
        return None
    names, terms = ordered(rows["implementation"]), list(TERMS)
    series = []
    for style, name in enumerate(names):
        mine = rows[rows["implementation"] == name].drop_duplicates("quantity")
        place = mine["quantity"].map(terms.index).to_numpy(float) + 0.6 * ((style + 0.5) / len(names) - 0.5)
        series.append(Series(label=name, x=mine["offset_nats"].to_numpy(float), y=place, style=style, mark=Mark.DOT))
    latent = f", {int(np.nanmax(rows['latent']))} latent dimensions" if "latent" in rows else ""
    return Panel(
        title=f"offset from the normalised value{latent}",
        x_label="nats",
        rows=list(TERMS.values()),
        series=series,
        rules=[Rule(label="fully normalised", at=0.0)],
    )
