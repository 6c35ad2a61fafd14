"""The frames that a report is drawn from, and how rows are selected. No statistics."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

from elbo_compare.reports.content import Frame, Values
from elbo_compare.reports.figures import KNOWN
from elbo_compare.reports.rows import Held, Rows

CELL = [
    "key",
    "problem",
    "weights",
    "dataset",
    "implementation",
    "estimator",
    "procedure",
    "dtype",
    "device",
    "seed",
    "size",
    "datum",
    "chunk",
    "status",
    "reason",
]
MEASUREMENTS = (
    *CELL,
    *["quantity", "part", "index", "value", "unit", "n", "standard_error", "low", "high", "reference", "scale", "note"],
    *["least", "largest"],
)
VERDICTS = [
    "claim",
    "outcome",
    "key",
    "label",
    "problem",
    "weights",
    "dataset",
    "implementation",
    "estimator",
    "procedure",
    "dtype",
    "device",
    "seed",
    "part",
    "other",
    "value",
    "reference",
    "difference",
    "tolerance",
    "low",
    "high",
    "n",
    "unit",
    "reason",
]
CLAIMS = ["id", "family", "strength", "statement", "derivation", "source", "tolerance", "reason"]
TIMINGS = [
    "implementation",
    "estimator",
    "problem",
    "dtype",
    "device",
    "size",
    "compile_s",
    "first_step_s",
    "steady_step_s",
    "steady_low",
    "steady_high",
    "ratio",
    "ratio_low",
    "ratio_high",
    "draws_per_second",
    "draws_per_second_low",
    "draws_per_second_high",
    "rounds",
    "peak_bytes",
]
LABELLED = [
    *["key", "problem", "weights", "dataset", "implementation", "estimator", "procedure", "dtype", "device", "seed"],
    "protocol",
]  # what `labels` looks at
RANGES = ("kl_histogram", "elbo_deviation", "kl_deviation")  # one row stands for many draws
NUMERIC = {
    *[
        "seed",
        "size",
        "datum",
        "chunk",
        "index",
        "value",
        "n",
        "standard_error",
        "low",
        "high",
        "least",
        "largest",
        "reference",
        "scale",
        "difference",
        "tolerance",
    ],
    *TIMINGS[5:],
}
CORE = ("sampled-kl", "analytic-kl")  # the two estimators that the question is about
FROM_FILES = ("static-mnist", "mnist", "omniglot", "caltech101-silhouettes")  # a label names these data sets
RUNS = 6  # lines of one name in a panel; more could not be told apart, and the tables hold all
# Unit roundoff of round-to-nearest (Higham 2002, table 2.1).
UNIT_ROUNDOFF = {"float32": 2.0**-24, "float64": 2.0**-53}


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything a report shows, as `write_report` received it, with every documented column present."""

    measurements: Rows  # a frame is taken as rows in memory
    verdicts: Rows
    claims: Frame
    environment: dict[str, Any]
    answer: dict[str, Any]
    ledger: Frame
    timings: Frame
    images: dict[str, list[list[int]]]
    further: Mapping[str, Frame] = field(default_factory=dict)  # frames that a run may have beside its own, by name
    once: bool = False  # a short table as CSV, a long one as Parquet: the frames behind them lie beside the report
    addresses: Mapping[str, str] | None = None  # ID -> its page; None: everything is one document

    def __post_init__(self) -> None:
        for name in ("measurements", "verdicts"):
            if isinstance(given := getattr(self, name), pd.DataFrame):
                object.__setattr__(self, name, Held(given))

    def quantity(self, *names: str, columns: Sequence[str] | None = None) -> Frame:
        """The measured rows of some quantities, implementations in reading order."""
        return by_implementation(self.measurements.of("quantity", names, columns))

    def judged(self, *claims: str, columns: Sequence[str] | None = None) -> Frame:
        """The verdicts on some claims."""
        return self.verdicts.of("claim", claims, columns)


def complete(frame: Frame, columns: Collection[str], numeric: Collection[str] = NUMERIC) -> Frame:
    """The frame with every documented column, text as str ("" where missing), numbers as float64."""
    out = frame.reindex(columns=[*columns, *(name for name in frame.columns if name not in columns)])
    for name in columns:
        if name in numeric:
            out[name] = np.asarray(pd.to_numeric(out[name], errors="coerce"), dtype=float)
        elif out[name].dtype != object or infer_dtype(out[name], skipna=False) != "string":
            out[name] = _as_text(out[name])
    return out.reset_index(drop=True)


def _as_text(values: Values) -> Values:
    """Each value as str, "" where missing. Equal ones are one object: a long column holds a few words often."""
    known: dict[str, str] = {}
    texts = (str(value) if there else "" for value, there in zip(values, values.notna(), strict=True))
    return pd.Series([known.setdefault(text, text) for text in texts], index=values.index, dtype=object)


def judged(frame: Frame, columns: Sequence[str] | None = None) -> Frame:
    """The verdicts with every documented column, or with those that are named."""
    return complete(frame, columns or VERDICTS)


def measured(frame: Frame, columns: Sequence[str] | None = None) -> Frame:
    """The measurements with every documented column, or with those that are named.

    In frames of an earlier version `low` and `high` of a row that stands for many draws held their range: a histogram's
    bin, the draws of a deviation.
    """
    out = complete(frame, columns or MEASUREMENTS)
    if columns or "least" in frame.columns:
        return out
    ranged = out["quantity"].isin(RANGES)
    for end, name in (("low", "least"), ("high", "largest")):
        out[name] = out[end].where(ranged)
        out[end] = out[end].mask(ranged)
    return out


def by_implementation(frame: Frame) -> Frame:
    """Rows in reading order of their implementation; otherwise as they stood."""
    rank = {name: position for position, name in enumerate(KNOWN)}
    position = frame["implementation"].map(rank).fillna(len(KNOWN))
    order = np.lexsort((frame["implementation"].astype(str), position))
    return frame.iloc[order]


def estimators_in_order(names: Iterable[object]) -> list[str]:
    """The two core estimators first, the others by name, their numbers as numbers: iwae-5 before iwae-20."""

    def place(name: str) -> tuple[int, str, int]:
        stem, _, number = name.rpartition("-")
        at = CORE.index(name) if name in CORE else len(CORE)
        return (at, stem, int(number)) if number.isdigit() else (at, name, 0)

    return sorted({str(name) for name in names}, key=place)


def model(frame: Frame) -> Values:
    """`problem@weights`, as in a cell's label."""
    return frame["problem"].astype(str) + "@" + frame["weights"].astype(str)


def case(frame: Frame) -> Values:
    """`problem@weights, datum 3, float64, cpu`: what a single-datum measurement was made on."""
    datum = frame["datum"].fillna(0).astype(int).astype(str)
    return model(frame) + ", datum " + datum + ", " + frame["dtype"] + ", " + frame["device"]


def preferred(names: Iterable[str]) -> list[str]:
    """Cases in drawing order: first datum and float64 before others, the questioned model first, its copy next."""
    rank = {"vae@": 0, "vae-s": 1, "linea": 2}

    def place(name: str) -> tuple[bool, bool, int, str]:
        model = rank.get(name[:4], rank.get(name[:5], 3))
        return ", datum 0," not in name, ", float64," not in name, model, name

    return sorted(set(names), key=place)


def short_case(name: str) -> str:
    """A case without what is the same in most."""
    return name.replace(", float64, cpu", "").replace(", datum 0", "")


def joined(rows: Frame) -> Frame:
    """The first RUNS runs one after another, each by its `index`, with a row of nan after each.

    So that all runs of one name are one line, broken at the ends, drawn at once.
    """
    ends = rows.drop_duplicates("key").head(RUNS)[["key"]].assign(index=np.inf)
    line = pd.concat([rows[rows["key"].isin(ends["key"])], ends])
    order = np.lexsort((line["index"], pd.factorize(line["key"])[0]))
    return line.iloc[order].replace({"index": {np.inf: np.nan}})


def labels(frame: Frame) -> Values:
    """Each cell's label: `vae@trained/pyro/sampled-kl/draw/float64/cpu`, with `/seed3` where the seed is not 0, a data
    set of files and a protocol at its end. From the columns `LABELLED`."""
    text = model(frame)
    for name in ("implementation", "estimator", "procedure", "dtype", "device"):
        text = text + "/" + frame[name].astype(str)
    seed = frame["seed"].fillna(0).astype(int)
    text = text + np.where(seed == 0, "", "/seed" + seed.astype(str))
    files = frame["dataset"].isin(FROM_FILES)
    if files.any():
        text = text + np.where(files, "/" + frame["dataset"].astype(str), "")
    protocol = frame.get("protocol")  # None in frames of an earlier version
    if protocol is None or not (named := protocol.notna() & (protocol != "")).any():
        return text
    return text + np.where(named, "/" + protocol.astype(str), "")
