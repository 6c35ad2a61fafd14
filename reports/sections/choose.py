"""Which estimator to use: a table by situation, each row from numbers of this run, or said not to be measured."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from elbo_compare.reports.content import Block, Column, Frame, Kind, Prose, Section, Table
from elbo_compare.reports.data import ReportData, by_implementation, model
from elbo_compare.reports.formats import interval, number
from elbo_compare.reports.sections.flows import on_flows
from elbo_compare.reports.sections.variance import ANALYTIC, SAMPLED, pairs

TITLE = "Which estimator should I use?"
INTRODUCTION = (
    "Sampled KL is Trace_ELBO's, analytic KL TraceMeanField_ELBO's, where q and p have a closed form. Numbers are of "
    "this run: analytic over sampled, so that below 1 the analytic KL is the quieter one; a lead in nats is analytic "
    "less sampled. A row of CHOOSE-001 to -006 was planned and judged: the median over pairs that differ in the "
    "estimator alone, in brackets its interval at the level that the error budget allots to one test. The other rows "
    "are described: their claim says that a gradient, a bound or a batch's loss is what theory has, and judges no "
    "variance × time. `vae` is MNIST's 28 × 28 "
    "pixels, names with `-small` are 8 × 8 digits; `@initial` and `@trained` are their weights."
)
LIMITS = (
    "No theorem stands behind these orders, and they were measured on the models and weights named and no others. "
    "Before training the value's order is the other way round than after it (CHOOSE-002, CHOOSE-003): what decides is "
    "whether Cov(log p(x|z), KL draw) is more than half of Var(KL draw). At an exact posterior the sampled value has "
    "no variance at all (LG-004), the analytic one keeps all of the likelihood's. Where the KL alone is wanted the "
    "analytic one is exact and nothing is to be chosen (KL-006). A flow without a closed KL, a mixture or a learned "
    "prior leaves the sampled KL only. “Best” is after the steps of these runs, at one learning rate: not at the end "
    "of a long training, which they do not reach."
)
BATCH = (
    "In a batch each datum has noise of its own, so that both variances of a batch mean are sums over its data / B² "
    "(algebra; which data are drawn adds the same to both): the ratio is that of the sums, here of the test data "
    "named, in brackets with any one of them left out."
)
SPREADS = {"gradient_spread": "a quiet gradient", "elbo_spread": "a quiet value"}
CHOICES = {
    "CHOOSE-001": ("Gaussian q and p, weights given", "a quiet gradient", "analytic KL", "sampled KL"),
    "CHOOSE-002": ("Gaussian q and p, before training", "a quiet value (evaluation)", "analytic KL", "sampled KL"),
    "CHOOSE-003": ("Gaussian q and p, once trained", "a quiet value (evaluation)", "sampled KL", "analytic KL"),
    "CHOOSE-004": ("Gaussian q and p, training", "the best model after the same steps", "analytic KL", "sampled KL"),
    "CHOOSE-005": ("Gaussian q and p, at the end of training", "a quiet gradient", "analytic KL", "sampled KL"),
    "CHOOSE-006": ("Gaussian q and p, at the end of training", "a quiet value", "sampled KL", "analytic KL"),
}
# Situation and the claim that the estimator's gradient is as theory has it; what it buys per second is not judged.
ESTIMATORS = {
    "stl": ("Gaussian q, reparameterised", "GRAD-005"),
    "dreg-5": ("many particles (K = 5)", "GRAD-006"),
}
BATCHES = "UNIT-002"  # the loss of a batch is that of its parts, combined
WORDS = {ANALYTIC: "analytic KL", SAMPLED: "sampled KL"}
FLOWS = ("householder", "linear-iaf", "convex-linear-iaf")
FLOW_WORDS = "a flow with a closed KL"
NOT_HERE = "Where this does not hold."
COLUMNS = ["situation", "wanted", "says", "number", "n", "where", "see"]
FITTED = {"fitted_gradient_variance": "gradient", "fitted_elbo_variance": "value"}


def build(data: ReportData) -> Section:
    """The decision table, then variance x time by library."""
    planned = list(_planned(data))
    judged = set(data.judged("CHOOSE-004")["problem"])
    ahead = list(_ahead(data))
    unjudged = [_unjudged(row) for row in ahead if row[5] not in judged]
    findings = data.further.get("findings")
    known = {
        *data.claims["id"],
        *data.verdicts.columns("claim")["claim"],
        *(() if findings is None else findings["id"]),
    }
    rows = [*_joined(planned), *unjudged, *_elsewhere(data), *_estimators(data)]
    rows = [[*row[:-1], row[-1] if row[-1] in known else ""] for row in rows]
    described = [*_given_weights(data), *_trained(data), *ahead]
    absent = [] if planned else [Prose(text="The planned claims CHOOSE-001 to CHOOSE-006: not measured.", absent=True)]
    blocks: list[Block] = [Prose(text=INTRODUCTION), *absent, _decision(rows)]
    blocks += [Prose(text=BATCH, lead="Small or large batch."), Prose(text=LIMITS, lead=NOT_HERE)]
    if described:
        blocks.append(_described(described))
    blocks += _cost(data.further.get("efficiency"))
    return Section(anchor="choose", title=TITLE, blocks=tuple(blocks))


def _decision(rows: list[list]) -> Table:
    return Table(
        name="choose",
        caption=(
            "By situation: what to use, the number behind it and where it was measured, how many it rests on; (of 5): "
            "the middle one of five implementations."
        ),
        frame=pd.DataFrame(rows, columns=COLUMNS),
        columns=(
            Column(header="situation", source="situation"),
            Column(header="you want", source="wanted"),
            Column(header="use", source="says"),
            Column(header="number", source="number"),
            Column(header="n", source="n"),
            Column(header="claim", source="see", link=True),
        ),
        limit=80,
        whole=True,
    )


def _described(rows: list[list]) -> Table:
    return Table(
        name="choose-described",
        caption=(
            "Described, not judged, at one datum or along trainings: in brackets the lowest and the highest of the "
            "runs or implementations named."
        ),
        frame=pd.DataFrame(rows, columns=COLUMNS),
        columns=(
            Column(header="situation", source="situation"),
            Column(header="quantity", source="wanted"),
            Column(header="lower, or ahead", source="says"),
            Column(header="number", source="number"),
            Column(header="n", source="n"),
            Column(header="where", source="where"),
        ),
        folded=True,
    )


def _joined(planned: list[list]) -> Iterator[list]:
    """One row for each situation and wish, with a line for each model; where the models disagree, each says its own.
    Gaussians first, in the order of the claims."""
    frame = pd.DataFrame(planned, columns=COLUMNS)
    frame = frame.assign(flow=frame["situation"].str.startswith(FLOW_WORDS)).sort_values(["flow", "see"], kind="stable")
    for (situation, wanted, see), rows in frame.groupby(["situation", "wanted", "see"], sort=False):
        says = list(dict.fromkeys(rows["says"]))
        lines = [f"{row['number']} at {row['where']}" for row in rows.to_dict("records")]
        if len(says) > 1:
            lines = [f"{line}: {one}" for line, one in zip(lines, rows["says"], strict=True)]
        yield _row(
            str(situation),
            str(wanted),
            says[0] if len(says) == 1 else "depends on the model",
            ";\n".join(lines),
            ", ".join(dict.fromkeys(rows["n"])),
            see=str(see),
        )


def _unjudged(row: list) -> list:
    """A lead that was seen and is no verdict: so few pairs of a model decide nothing at the budget's level."""
    situation, wanted, says, shown, n, where, _ = row
    told = f"not judged in this run (the profile `choose` plans CHOOSE-004 on it); seen: {says}"
    return _row(situation, wanted, told, f"{shown} (mean, lowest, highest) at {where}", n)


def _row(situation: str, wanted: str, says: str, shown: str = "", n: str = "", where: str = "", see: str = "") -> list:
    return [situation, wanted, says, shown, n, where, see]


def _planned(data: ReportData) -> Iterator[list]:
    """The claims on the choice, by model: what they say where all implementations agree, and how far the medians go."""
    rows = data.judged(*CHOICES)
    rows = rows[rows["outcome"] != "not run"]
    for (claim, problem, weights), group in rows.groupby(["claim", "problem", "weights"], sort=False):
        situation, wanted, stated, other = CHOICES[str(claim)]
        outcomes = set(group["outcome"])
        says = stated if outcomes == {"agrees"} else other if outcomes == {"differs"} else "not decided"
        if str(problem).startswith(FLOWS):
            situation = situation.replace("Gaussian q and p", FLOW_WORDS)
        middle = group.iloc[(group["value"] - group["value"].median()).abs().argsort().iloc[0]]
        shown = interval(*(float(middle[each] + shift) for each, shift in _shifted(middle)))
        among = f" (of {len(group)})" if len(group) > 1 else ""
        what = "trainings" if str(group["procedure"].iloc[0]) == "fit-pairs" else "test data"
        yield _row(
            situation,
            wanted,
            says,
            f"{shown} {'nats' if middle['unit'] == 'nats' else 'times'}",
            f"{int(group['n'].min())} {what}",
            f"{problem}@{weights}{among}",
            str(claim),
        )


def _shifted(row: Frame) -> list[tuple[str, float]]:
    """The value, and the ends of the interval of its difference moved back to where the value is."""
    return [("value", 0.0), ("low", float(row["reference"])), ("high", float(row["reference"]))]


def _range(values: Frame) -> str:
    return f"{number(float(values.median()), 3)} [{number(float(values.min()), 3)}, {number(float(values.max()), 3)}]"


def _given_weights(data: ReportData) -> Iterator[list]:
    """Variances of one draw at given weights, first datum, float64."""
    found = pairs(data.quantity("gradient_variance", "elbo_variance"))
    found = found[found["case"].str.contains(", datum 0, float64") & found["case"].str.startswith("vae")]
    found = found[found["value_sampled"] > 0]
    for (name, quantity), rows in found.groupby(["case", "quantity"], sort=False):
        ratio = rows["value_analytic"] / rows["value_sampled"]
        wanted = "a quiet gradient" if quantity == "gradient_variance" else "a quiet value (evaluation)"
        lower = rows["lower"].value_counts()
        best = str(lower.index[0]) if lower.iloc[0] == len(rows) else ""
        parts = rows["part"].replace("", np.nan).nunique()
        yield _row(
            "Gaussian q and p, weights given",
            wanted,
            WORDS.get(best, "neither throughout: the intervals overlap somewhere"),
            _range(ratio),
            f"{rows['implementation'].nunique()} implementations" + (f" × {parts} heads" if parts else ""),
            str(name),
        )


def _trained(data: ReportData) -> Iterator[list]:
    """Variances at the fitted weights over training, computed by the oracle: at every checkpoint, and at the end."""
    rows = data.quantity(*FITTED)
    for (problem, quantity), group in rows.groupby(["problem", "quantity"], sort=False):
        wide = group.pivot_table(index=["key", "index"], columns="part", values="value", aggfunc="first")
        if not {SAMPLED, ANALYTIC} <= set(wide.columns):
            continue
        ratio = (wide[ANALYTIC] / wide[SAMPLED]).dropna()
        lower = (ratio < 1).groupby("key").all()
        at_end = ratio.groupby("key").last()
        steps = int(group["index"].max())
        least = ratio.groupby("index").min()
        turned = [int(at) for at in least.index if least[at:].min() > 1]
        turn = f"; from step {turned[0]} on sampled is lower in every run" if turned and turned[0] else ""
        ends = {ANALYTIC: (at_end < 1).all(), SAMPLED: (at_end > 1).all()}
        better = next((WORDS[name] for name, lowest in ends.items() if lowest), "depends on the run")
        yield _row(
            "Gaussian q and p, while training",
            f"a quiet {FITTED[str(quantity)]}",
            f"{better} at step {steps}; analytic lower at every checkpoint in {int(lower.sum())} of {len(lower)} runs"
            + turn,
            _range(at_end),
            f"{len(at_end)} runs",
            f"{problem}, mean over held-out data",
        )


def _ahead(data: ReportData) -> Iterator[list]:
    """Held-out ELBO at the last step of trainings that differ in the estimator alone."""
    rows = data.quantity("heldout_elbo")
    rows = rows[rows["estimator"].isin((SAMPLED, ANALYTIC))]
    last = rows.sort_values("index").groupby("key").last().reset_index()
    on = ["problem", "implementation", "seed", "dtype", "device"]
    sides = [last[last["estimator"] == name][[*on, "value", "index"]] for name in (ANALYTIC, SAMPLED)]
    both = sides[0].merge(sides[1], on=on, suffixes=("_analytic", "_sampled"))
    for problem, group in both.groupby("problem", sort=False):
        ahead = group["value_analytic"] - group["value_sampled"]
        says = "analytic KL ahead on average" if ahead.mean() > 0 else "sampled KL ahead on average"
        yield _row(
            "Gaussian q and p, training",
            f"the best model after {int(group['index_analytic'].max())} steps",
            f"{says}: in {int((ahead > 0).sum())} of {len(ahead)} pairs of trainings with one seed",
            f"{number(float(ahead.mean()), 2)} nats [{number(float(ahead.min()), 2)}, {number(float(ahead.max()), 2)}]",
            f"{len(ahead)} pairs",
            str(problem),
        )


def _estimators(data: ReportData) -> Iterator[list]:
    frame = data.further.get("efficiency")
    for estimator, (situation, claim) in ESTIMATORS.items():
        rows = frame[frame["estimator"] == estimator] if frame is not None and len(frame) else None
        if rows is None or rows.empty:
            yield _row(situation, "a quiet gradient per second", f"not measured: {estimator} was not timed", see=claim)
            continue
        for name, group in rows.groupby(rows["problem"] + "@" + rows["weights"], sort=False):
            worst = group.loc[group["product_high"].idxmax()]
            better = bool((group["product_high"] < 1).all())
            yield _row(
                situation,
                "a quiet gradient per second",
                f"{estimator} over {worst['baseline']}" if better else f"{estimator}: not below its baseline in all",
                "variance × time over the baseline's: "
                + interval(*(float(worst[each]) for each in ("product", "product_low", "product_high")))
                + f" at {name}",
                f"worst of {len(group)} implementations, {int(worst['draws']):,} draws",
                see=claim,
            )


def _elsewhere(data: ReportData) -> Iterator[list]:
    """Situations in which there is no choice, or nothing was measured."""
    flows = on_flows(data)
    yield _row(
        "a flow, or a learned prior",
        "any",
        "sampled KL: a planar or autoregressive flow, a mixture or VampPrior has no closed form",
        f"{(flows['outcome'] == 'agrees').sum():,} of {len(flows):,} verdicts on flows agree" if len(flows) else "",
        f"{flows['label'].nunique():,} cells" if len(flows) else "not measured in this run",
        "",
        str(flows["claim"].iloc[0]) if len(flows) else "",
    )
    findings = data.further.get("findings")
    known = set() if findings is None else set(findings["id"])
    discrete = [each for each in ("FIND-NUMPYRO-008", "FIND-NUMPYRO-016", "FIND-PYRO-021") if each in known]
    for found in discrete:
        row: Frame = findings.set_index("id").loc[found] if findings is not None else {}
        exactly, n = _numbers_of(found, data.further.get("semantics"))
        told, shown = f"read first: {row['title']}", f"{row['harm']}{exactly}"
        yield _row("discrete latents", "a right gradient", told, shown, n, see=found)
    if not discrete:
        yield _row("discrete latents", "a right gradient", "not measured: the semantics suite is not in this folder")
    yield from _batches(data)


def _numbers_of(finding: str, semantics: Frame | None) -> tuple[str, str]:
    """How far from their closed form the measured numbers lie that show a finding, and how many there are. Averages
    over z are sums over its values, so that nothing is sampled and the interval is one of rounding."""
    if semantics is None or semantics.empty:
        return "", "not measured: the semantics suite is not in this folder"
    rows = semantics[semantics["findings"].map(lambda names: finding in str(names).split(", "))]
    apart, allowed = float((rows["measured"] - rows["registered"]).abs().max()), float(rows["tolerance"].max())
    return (
        f"; averages are exact sums over z, and each draw is within {number(apart, 2)} of its closed form "
        f"({number(allowed, 2)} allowed for rounding)"
    ), f"{len(rows)} draws at fixed seeds"


def _batches(data: ReportData) -> Iterator[list]:
    """Variances summed over the test data of the planned claims: their ratio in a batch mean of these data."""
    rows = data.quantity(*SPREADS).assign(model=model)
    if rows.empty:
        yield _row("small or large batch", "either", "not measured: no variances by datum", see=BATCHES)
    for quantity, wanted in SPREADS.items():
        lines: dict[str, str] = {}
        for name, group in rows[rows["quantity"] == quantity].groupby("model", sort=False):
            least, ratio, most = _summed(group)
            better = WORDS[ANALYTIC] if most < 1 else WORDS[SAMPLED] if least > 1 else "not decided"
            lines[f"{number(ratio, 3)} [{number(least, 3)}, {number(most, 3)}] times at {name}"] = better
        if not lines:
            continue
        says = set(lines.values())
        told = [*lines] if len(says) == 1 else [f"{line}: {better}" for line, better in lines.items()]
        yield _row(
            "small or large batch",
            wanted,
            says.pop() if len(says) == 1 else "depends on the model",
            ";\n".join(told),
            f"{rows['index'].nunique()} test data",
            see=BATCHES,
        )


def _summed(rows: Frame) -> tuple[float, float, float]:
    """Analytic over sampled of the sums over data, in the middle implementation: the least with any one datum left out,
    the ratio, the most."""
    found = []
    for _, group in rows.groupby("implementation", sort=False):
        wide = group.pivot_table(index="index", columns="estimator", values="value", aggfunc="first")
        one, two = wide[ANALYTIC], wide[SAMPLED]
        without = (one.sum() - one) / (two.sum() - two)
        found.append((float(one.sum() / two.sum()), float(without.min()), float(without.max())))
    ratio, least, most = sorted(found)[len(found) // 2]
    return least, ratio, most


def _cost(frame: Frame | None) -> list[Block]:
    if frame is None or frame.empty:
        return [Prose(text="Variance × time by library: not measured, no step was timed.", absent=True)]
    rows = by_implementation(frame[frame["estimator"] == ANALYTIC]).assign(
        model=lambda of: of["problem"] + "@" + of["weights"]
    )
    named = (("variance ratio", "variance_ratio", "variance"), ("time ratio", "time_ratio", "time"))
    named = (*named, ("product", "product", "product"))
    return [
        Table(
            name="choose-cost",
            caption=(
                "Analytic over sampled KL by library: variance of the encoder's gradient, time of a training step, and "
                "their product, with intervals of at least 95%. Where an interval holds 1 nothing is decided."
            ),
            frame=rows.sort_values("model", kind="stable"),
            columns=(
                Column(header="model", source="model", kind=Kind.CODE),
                Column(header="implementation", source="implementation"),
                *(
                    Column(header=header, source=name, low=f"{stem}_low", high=f"{stem}_high", kind=Kind.INTERVAL)
                    for header, name, stem in named
                ),
                Column(header="n draws", source="draws", kind=Kind.COUNT),
                Column(header="n rounds", source="rounds", kind=Kind.COUNT),
            ),
        )
    ]
