"""The table of a folder: history-<library>.csv, findings, the page. Judging again needs no release."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from elbo_compare.compare.files import take_over
from elbo_compare.compare.history.releases import Release, apart, place
from elbo_compare.compare.history.running import matching_store, stores
from elbo_compare.compare.history.table import (
    Shown,
    Standing,
    case_rows,
    change_rows,
    claim_rows,
    finding_rows,
    in_order,
    ranges,
)
from elbo_compare.compare.launching.lifeline import temporary_folder
from elbo_compare.compare.records import ProgramResult, Status
from elbo_compare.reports.history import History, write_page
from elbo_compare.reports.tables import spreadsheet
from elbo_compare.suites.roster import TITLES
from elbo_compare.suites.semantics.case import Library


def write(folder: Path, library: Library, say: Callable[[str], None]) -> tuple[Path, bool]:
    """Write the tables and the page from what is stored; its path, and whether a release is missing."""
    results, absent, had = _stored(folder, library)
    rows = case_rows(library, results, absent)
    cases, findings = pd.DataFrame(rows), pd.DataFrame(finding_rows(library, results))
    claims = pd.DataFrame(claim_rows(_matched(folder, library), absent))
    files = {f"history-{library}": cases, f"history-{library}-findings": findings, f"history-{library}-claims": claims}
    with temporary_folder("elbo-history-") as draft:
        for name, frame in files.items():
            if frame.empty:  # of no claims
                continue
            (draft / f"{name}.csv").write_text(spreadsheet(frame), encoding="utf-8")
        frames = History(
            name=str(library),
            library=TITLES[library],
            cases=cases,
            changes=pd.DataFrame(change_rows(library, rows)),
            findings=_in_ranges(findings, in_order(library, results)),
            claims=claims,
            releases=pd.DataFrame(had),
            apart=apart(library),
        )
        page = write_page(draft, frames).name
        take_over(draft, folder)
    for version, reason in absent.items():
        say(f"{library} {version}: not installable: {reason}")
    for version in sorted(results, key=place):
        mine = cases[cases["version"] == version]["standing"].value_counts()
        say(f"{library} {version}: " + ", ".join(f"{mine[word]} {word}" for word in map(str, Standing) if word in mine))
    return folder / page, bool(absent)


def _in_ranges(findings: pd.DataFrame, versions: Sequence[str]) -> pd.DataFrame:
    """The same for a page: 1.4.0 to 1.9.2, for a list of sixteen."""
    words = {str(word): findings[str(word)].map(lambda text: ranges(text.split(", "), versions)) for word in Shown}
    return findings.assign(**words) if len(findings) else findings


def _matched(folder: Path, library: Library) -> dict[str, list[ProgramResult]]:
    """What came of the matching claims, by version."""
    found = {
        each.name: matching_store(folder, Release(library=library, version=each.name))
        for each in _folders(folder, library)
    }
    return {version: list(store.results()) for version, store in found.items() if store.holds_any()}


def _folders(folder: Path, library: Library) -> list[Path]:
    """One of each release, oldest first."""
    return sorted((each for each in (folder / library).glob("*") if each.is_dir()), key=lambda each: place(each.name))


def _stored(
    folder: Path, library: Library
) -> tuple[dict[str, list[ProgramResult]], dict[str, str], list[dict[str, object]]]:
    """Results by version, releases that could not be had, and how each was had."""
    results: dict[str, list[ProgramResult]] = {}
    absent: dict[str, str] = {}
    had: list[dict[str, object]] = []
    for path in _folders(folder, library):
        release = Release(library=library, version=path.name)
        measured, laid = stores(folder, release)
        found = list(measured.results())
        state = next(iter(laid.results()), None)
        if found:
            results[path.name] = found
        elif state is not None and state.status is Status.NOT_RUN:
            absent[path.name] = state.reason
        versions = found[0].shown_versions if found else ""
        took = state.measured if state is not None else {}
        row: dict[str, object] = {"version": path.name, "with": versions, "programs": len(found)}
        row |= {
            f"{what}, s": round(took.get(f"{what}_s", float("nan")), 1) for what in ("install", "semantics", "matching")
        }
        had.append(row | {"remark": state.reason if state is not None else "not finished"})
    return results, absent, had
