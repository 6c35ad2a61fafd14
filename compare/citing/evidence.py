"""What a folder of results or a published report says: its verdicts, its measurements and its environment."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from elbo_compare.compare.errors import StoreError
from elbo_compare.compare.judging.frames import VERDICT_COLUMNS, environment_of, measurement_frame, read_frame
from elbo_compare.compare.records import Outcome
from elbo_compare.compare.running.store import Store
from elbo_compare.compare.statistics import ErrorBudget
from elbo_compare.reports.rows import Held, Rows

PUBLISHED = Path(__file__).resolve().parents[2] / "reports" / "published"
NONE_PUBLISHED = (
    "no published report comes with an installed package (a checkout has them); name a result folder with --results DIR"
)
SUITE_FRAMES = ("semantics", "findings", "questions")  # what a suite's own folder holds
SEPARATOR = " · "  # as in a report's table of the environment


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """`environment`: item -> value as text, nested names joined by `SEPARATOR`. `budget`: None where none is known."""

    folder: Path
    verdicts: Rows
    measurements: pd.DataFrame
    environment: Mapping[str, str]
    budget: ErrorBudget | None

    def frame(self, name: str) -> pd.DataFrame | None:
        """A suite's frame (semantics, findings, questions, sensitivity), or None where nothing was measured of it.

        A report's tables hold a question each. Raises StoreError where it is there and can't be read.
        """
        if (self.folder / f"{name}.parquet").exists():
            return read_frame(self.folder, name)
        tables = _report_tables(self.folder)
        if tables is None:
            return None
        found = sorted(tables.glob(f"{name}.parquet")) or sorted(tables.glob(f"{name}-[A-Z]*.parquet"))
        parts = [_table(tables, path.stem) for path in found]
        return pd.concat(parts, ignore_index=True) if parts else None

    @property
    def date(self) -> str:
        """When the run was made, as text that sorts."""
        return self.environment.get("date", "")


def read(folder: Path) -> Evidence:
    """The evidence of a judged result folder, of a report folder (the one with `tables`) or of a suite's own folder.

    Raises StoreError, in one line, where the folder is neither, was not judged, or can't be read.
    """
    beside = folder.name == "report" and not (folder / "tables" / "verdicts.parquet").exists()
    folder = folder.parent if beside and Store(folder.parent).exists() else folder  # whose frames are kept there
    store = Store(folder)
    if store.exists():
        record = store.record()
        spec = record.get("spec", {})
        budget = ErrorBudget(alpha=spec["alpha"], tests=spec["tests"]) if {"alpha", "tests"} <= set(spec) else None
        frames = (read_frame(folder, name) for name in ("verdicts", "measurements"))
        environment = dict(flat(environment_of(record)))
    elif any((folder / f"{name}.parquet").exists() for name in SUITE_FRAMES):
        budget, environment = None, {}
        frames = iter((pd.DataFrame(columns=list(VERDICT_COLUMNS)), measurement_frame([])))
    else:
        tables, budget = _tables(folder), None
        frames = (_table(tables, name) for name in ("verdicts", "measurements"))
        rows = _table(tables, "environment")
        environment = dict(zip(rows["item"].map(str), rows["value"].map(str), strict=True))
    verdicts, measurements = frames
    rows = Held(verdicts)
    return Evidence(folder=folder, verdicts=rows, measurements=measurements, environment=environment, budget=budget)


def newest_published(root: Path = PUBLISHED, *, speaks: Callable[[Evidence], bool] = lambda _: True) -> Evidence | None:
    """Of the published reports that speak of what is asked, else of all, the one with the latest date; or None."""
    found = []
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if folder.is_dir() and (Store(folder).exists() or (folder / "tables" / "verdicts.parquet").exists()):
            found.append(read(folder))
    return max(found, key=lambda evidence: (speaks(evidence), evidence.date), default=None)


def of_claim(identifier: str) -> Callable[[Evidence], bool]:
    """Whether a report judges a claim: a run of few claims is no evidence on the others."""

    def judged(evidence: Evidence) -> bool:
        mine = evidence.verdicts.of("claim", [identifier])
        return bool((mine["outcome"] != Outcome.NOT_RUN).any())

    return judged


def of_suites(evidence: Evidence) -> bool:
    """Whether a report has what cases, findings and mutants are cited from."""
    return evidence.frame("semantics") is not None


def _report_tables(folder: Path) -> Path | None:
    places = (folder / "tables", folder / "report" / "tables")
    return next((tables for tables in places if (tables / "verdicts.parquet").exists()), None)


def _tables(folder: Path) -> Path:
    tables = _report_tables(folder)
    if tables is not None:
        return tables
    raise StoreError(f"{folder} holds neither results (run.json) nor a report (tables/verdicts.parquet).")


def _table(tables: Path, name: str) -> pd.DataFrame:
    path = tables / f"{name}.parquet"
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} can't be read ({error}).") from error


def flat(item: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(item, value) of a record, nested names joined."""
    if isinstance(item, Mapping):
        for name, value in item.items():
            yield from flat(value, f"{prefix}{SEPARATOR}{name}" if prefix else str(name))
    elif isinstance(item, list | tuple):
        yield prefix, ", ".join(map(str, item))
    else:
        yield prefix, "none" if item is None or item == "" else str(item)
