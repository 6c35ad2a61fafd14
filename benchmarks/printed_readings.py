"""What the cells of a report's tables are in its frames: computed with pandas alone, by no code of the report's."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
from printed_text import Found

Row = Mapping[str, str]
OUTCOMES = ("differs", "inconclusive", "not run", "as registered", "agrees")  # the worst first, as pages have them
UNIT = {"float64": 2.0**-53, "float32": 2.0**-24}


class Frames:
    """The Parquet frames of a folder, by name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.get = cache(self._read)

    def _read(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self._folder / f"{name}.parquet")

    def rows(self, name: str, **values: object) -> pd.DataFrame:
        """The rows with these values; a value of None: any."""
        frame = self.get(name)
        for column, value in values.items():
            frame = frame if value is None else frame[frame[column] == value]
        return frame


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A kind of table: its pages, its first heads, and what each of its columns is in the frames."""

    pages: str
    heads: tuple[str, ...]
    columns: Mapping[str, Callable[[Frames, str, Row], Found]]


def case_of(text: str) -> dict[str, object]:
    """`vae@trained, datum 3, float64, cpu` as values of a cell; what is left out is the first datum, in float64."""
    model, *rest = text.split(", ")
    problem, _, weights = model.partition("@")
    datum = next((int(each.removeprefix("datum ")) for each in rest if each.startswith("datum ")), 0)
    dtype = next((each for each in rest if each in UNIT), "float64")
    return {"problem": problem, "weights": weights, "datum": datum, "dtype": dtype}


def several(frame: pd.DataFrame, *columns: str) -> Found:
    """The columns' numbers, row by row."""
    return [[float(value) for value in row] for row in frame[list(columns)].itertuples(index=False)]


# --- verdicts


def outcomes_of(frames: Frames, claim: str, implementation: str | None = None) -> Found:
    """How many verdicts of each outcome a claim has, those that it has: the worst first, or in a list agrees first."""
    rows = frames.rows("verdicts", claim=claim, implementation=implementation)["outcome"]
    orders = (OUTCOMES, (OUTCOMES[-1], *OUTCOMES[:-1]))
    return [[float((rows == word).sum()) for word in order if (rows == word).any()] for order in orders]


def of_a_claim_s_row(word: str) -> Callable[[Frames, str, Row], Found]:
    """The number of verdicts of one outcome in a row of a claim's page."""

    def found(frames: Frames, page: str, row: Row) -> Found:
        return [[float((claim_row(frames, page, row)["outcome"] == word).sum())]]

    return found


def claim_row(frames: Frames, page: str, row: Row) -> pd.DataFrame:
    keys = ("implementation", "device", "dtype")
    return frames.rows("verdicts", claim=page, **{key: row[key] for key in keys})


def worst_share(frames: Frames, page: str, row: Row) -> Found:
    mine = claim_row(frames, page, row)
    return [[float((mine["difference"].abs() / mine["tolerance"]).max())]]


def by_library(name: str) -> Callable[[Frames, str, Row], Found]:
    return lambda frames, _, row: outcomes_of(frames, row["claim"], name)


def planned(frames: Frames, _: str, row: Row) -> Found:
    """The decision table's claims: of each model the middle implementation's value and its interval."""
    told = []
    for line in row["number"].split(";\n"):
        problem, weights = re.findall(r" at ([\w-]+)@(\w+)", line)[0]
        mine = frames.rows("verdicts", claim=row["claim"], problem=problem, weights=weights)
        middle = mine.iloc[(mine["value"] - mine["value"].median()).abs().argsort().iloc[0]]
        told += [middle["value"], middle["reference"] + middle["low"], middle["reference"] + middle["high"]]
        told += [float(count) for count in re.findall(r"\(of (\d+)\)", line)][:1] and [float(len(mine))]
    return [told]


# --- measurements


def drawn(quantity: str, *columns: str) -> Callable[[Frames, str, Row], Found]:
    """A quantity of own draws at one datum, by implementation and estimator."""

    def found(frames: Frames, _: str, row: Row) -> Found:
        values = case_of(row["case"]) | {"implementation": row["implementation"], "estimator": row["estimator"]}
        return several(frames.rows("measurements", quantity=quantity, **values), *columns)

    return found


def of_a_pair(estimator: str) -> Callable[[Frames, str, Row], Found]:
    """The variance of one draw under one of the two estimators."""

    def found(frames: Frames, _: str, row: Row) -> Found:
        quantity = "elbo_variance" if row["variance of"].startswith("ELBO") else "gradient_variance"
        part = row["variance of"].partition("head ")[2]
        values = case_of(row["case"]) | {"implementation": row["implementation"], "estimator": estimator}
        return several(frames.rows("measurements", quantity=quantity, part=part, **values), "value", "low", "high")

    return found


def last_heldout(frames: Frames, _: str, row: Row) -> Found:
    """The held-out ELBO of single trainings after their last step."""
    problem, _, weights = row["model"].partition("@")
    keys = {key: row[key] for key in ("implementation", "estimator", "dtype")} | {"seed": int(row["seed"])}
    mine = frames.rows("measurements", quantity="heldout_elbo", problem=problem, weights=weights, **keys)
    return several(mine.sort_values("index").groupby("key").tail(1), "value", "low", "high")


def over_seeds(frames: Frames, _: str, row: Row) -> Found:
    """Mean of the last held-out ELBO over seeds and its 95% interval by Student."""
    from scipy.special import stdtrit

    keys = {key: row[key] for key in ("implementation", "estimator", "dtype")}
    mine = frames.rows("measurements", quantity="heldout_elbo", problem=row["model"].partition("@")[0], **keys)
    found = []
    for _, group in mine.fillna({"protocol": ""}).groupby(["dataset", "protocol"]):
        last = group.sort_values("index").groupby("key")["value"].last()
        half = stdtrit(len(last) - 1, 0.975) * last.std() / len(last) ** 0.5
        found.append([last.mean(), last.mean() - half, last.mean() + half])
    return found


def worst_path(frames: Frames, _: str, row: Row) -> Found:
    """The largest distance of a same-noise path from the oracle's."""
    rows = frames.rows("measurements", quantity="path_elbo", label=row["cell"])
    return [[float((rows["value"] - rows["reference"]).abs().max())]]


def worst_agreement(quantity: str) -> Callable[[Frames, str, Row], Found]:
    """The worst difference from the oracle at the same noise: in roundings, and in nats."""

    def found(frames: Frames, _: str, row: Row) -> Found:
        dtype = row["dtype, device"].partition(", ")[0]
        keys = {key: row[key] for key in ("implementation", "estimator")} | {"dtype": dtype, "procedure": "evaluate"}
        mine = frames.rows("measurements", quantity=quantity, **keys)
        mine = mine[mine["reference"].notna()]
        gap = mine["value"] if quantity == "gradient_distance" else (mine["value"] - mine["reference"]).abs()
        relative = (gap / (UNIT[dtype] * mine["scale"])).where(gap > 0, 0.0)
        return [[float(relative.max()), float(gap.max())]]

    return found


def timed(*columns: str, factor: float = 1.0) -> Callable[[Frames, str, Row], Found]:
    """A column of the timings, with its interval."""

    def found(frames: Frames, _: str, row: Row) -> Found:
        keys = {key: row[key] for key in ("implementation", "estimator", "problem")}
        mine = frames.rows("timings", dtype=row["dtype, device"].partition(", ")[0], **keys)
        return [[factor * value for value in each] for each in several(mine, *columns)]

    return found


def ratio_of(stem: str, value: str, on: str) -> Callable[[Frames, str, Row], Found]:
    """A ratio over the baseline's, from the frame of efficiencies; `on`: the head of the model's column."""

    def found(frames: Frames, _: str, row: Row) -> Found:
        problem, _, weights = row[on].partition("@")
        name, _, baseline = row.get("estimator / baseline", "analytic-kl / sampled-kl").partition(" / ")
        keys = {"estimator": name, "baseline": baseline, "implementation": row["implementation"]}
        mine = frames.rows("efficiency", problem=problem, weights=weights, **keys)
        return several(mine, value, f"{stem}_low", f"{stem}_high")

    return found


RATIOS = {"variance ratio": ("variance", "variance_ratio"), "time ratio": ("time", "time_ratio")} | {
    "product": ("product", "product")
}


# --- the suites


def of_a_case(column: str) -> Callable[[Frames, str, Row], Found]:
    """A number of a semantics case, on its own page or its finding's."""

    def found(frames: Frames, page: str, row: Row) -> Found:
        keys = {"case": row.get("case", page), "library": row["library"], "quantity": row["quantity"]}
        return several(frames.rows("semantics", **keys), column)

    return found


def of_a_question(*columns: str) -> Callable[[Frames, str, Row], Found]:
    """A number of a question's claim: the rows of its case and quantity."""
    return lambda frames, page, row: several(
        frames.rows("questions", claim=page, case=row["case"], quantity=row["quantity"]), *columns
    )


def caught_by(frames: Frames, _: str, row: Row) -> Found:
    """By how many of the claims meant for it a mutant was caught."""
    mine = frames.rows("sensitivity", variant=row["ID"])
    return [[float((mine["outcome"] == "differs").sum()), float(len(mine))]]


READINGS = (
    Reading(
        pages="claims/*.html",
        heads=("implementation", "versions"),
        columns={word: of_a_claim_s_row(word) for word in OUTCOMES} | {"worst / tolerance": worst_share},
    ),
    Reading(
        pages="claims.html",
        heads=("ID", "states"),
        columns={"outcome": lambda frames, _, row: outcomes_of(frames, row["ID"])},
    ),
    Reading(
        pages="why.html",
        heads=("claim", "step"),
        columns={"outcome": lambda frames, _, row: outcomes_of(frames, row["claim"])},
    ),
    Reading(pages="choose.html", heads=("situation", "you want"), columns={"number": planned}),
    Reading(
        pages="choose.html",
        heads=("model", "implementation"),
        columns={head: ratio_of(*names, on="model") for head, names in RATIOS.items()},
    ),
    Reading(
        pages="evidence.html",
        heads=("case", "estimator / baseline"),
        columns={head: ratio_of(*names, on="case") for head, names in RATIOS.items()},
    ),
    Reading(
        pages="evidence.html",
        heads=("claim", "torch-hand"),
        columns={name: by_library(name) for name in ("torch-hand", "jax-hand", "pyro", "numpyro", "numpy-oracle")},
    ),
    Reading(
        pages="evidence.html",
        heads=("implementation", "estimator", "dtype, device", "ELBO"),
        columns={
            head: worst_agreement(name)
            for head, name in (
                ("ELBO", "elbo"),
                ("KL", "kl"),
                ("log p(x|z)", "log_likelihood"),
                ("gradient", "gradient_distance"),
            )
        },
    ),
    Reading(
        pages="evidence.html",
        heads=("case", "implementation", "estimator", "n draws", "mean [95%], nats"),
        columns={
            "mean [95%], nats": drawn("kl_mean", "value", "low", "high"),
            "n draws": drawn("kl_mean", "n"),
            "exact, nats": drawn("kl_mean", "reference"),
            "closed form, nats": drawn("kl_mean", "reference"),
        },
    ),
    Reading(
        pages="evidence.html",
        heads=("case", "implementation", "estimator", "n draws", "variance [95%], nats²"),
        columns={
            "variance [95%], nats²": drawn("kl_variance", "value", "low", "high"),
            "exact, nats²": drawn("kl_variance", "reference"),
        },
    ),
    Reading(
        pages="evidence.html",
        heads=("case", "implementation", "variance of", "sampled KL [95%]"),
        columns={"sampled KL [95%]": of_a_pair("sampled-kl"), "analytic KL [95%]": of_a_pair("analytic-kl")},
    ),
    Reading(
        pages="evidence.html",
        heads=("model", "estimator", "implementation", "dtype", "steps", "seeds"),
        columns={"held-out ELBO [95%]": over_seeds},
    ),
    Reading(
        pages="evidence.html",
        heads=("model", "estimator", "implementation", "dtype", "seed", "steps"),
        columns={"held-out ELBO [95%]": last_heldout},
    ),
    Reading(
        pages="evidence.html",
        heads=("cell", "worst |difference|, nats"),
        columns={"worst |difference|, nats": worst_path},
    ),
    Reading(
        pages="bench.html",
        heads=("implementation", "estimator", "problem"),
        columns={
            "steady step, ms": timed("steady_step_s", "steady_low", "steady_high", factor=1e3),
            "draws per second": timed("draws_per_second", "draws_per_second_low", "draws_per_second_high"),
            "n rounds": timed("rounds"),
        },
    ),
    Reading(
        pages="semantics/*.html",
        heads=("library", "quantity"),
        columns={"measured": of_a_case("measured"), "right would be": of_a_case("oracle")},
    ),
    Reading(
        pages="findings/*.html",
        heads=("case", "library", "quantity"),
        columns={"measured": of_a_case("measured"), "right would be": of_a_case("oracle")},
    ),
    Reading(
        pages="questions/*.html",
        heads=("case", "quantity"),
        columns={"value": of_a_question("value"), "reference": of_a_question("reference")},
    ),
    Reading(pages="mutants.html", heads=("ID", "states"), columns={"outcome": caught_by}),
)
