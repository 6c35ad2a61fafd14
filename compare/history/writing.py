"""The table of a folder: history-<library>.csv, findings, the page. Judging again needs no release."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from elbo_compare.compare.files import take_over
from elbo_compare.compare.history.releases import Release, place
from elbo_compare.compare.history.running import stores
from elbo_compare.compare.history.table import Standing, case_rows, finding_rows
from elbo_compare.compare.launching.lifeline import temporary_folder
from elbo_compare.compare.records import ProgramResult, Status
from elbo_compare.reports.history import write_page
from elbo_compare.reports.tables import spreadsheet
from elbo_compare.suites.semantics.case import Library


def write(folder: Path, library: Library, say: Callable[[str], None]) -> tuple[Path, bool]:
    """Write the tables and the page from what is stored; its path, and whether a release is missing."""
    results, absent, had = _stored(folder, library)
    cases = pd.DataFrame(case_rows(library, results, absent))
    findings = pd.DataFrame(finding_rows(library, results))
    with temporary_folder("elbo-history-") as draft:
        for name, frame in ((f"history-{library}", cases), (f"history-{library}-findings", findings)):
            (draft / f"{name}.csv").write_text(spreadsheet(frame), encoding="utf-8")
        page = write_page(draft, str(library), cases, findings, pd.DataFrame(had)).name
        take_over(draft, folder)
    for version, reason in absent.items():
        say(f"{library} {version}: not installable: {reason}")
    for version in sorted(results, key=place):
        mine = cases[cases["version"] == version]["standing"].value_counts()
        say(f"{library} {version}: " + ", ".join(f"{mine[word]} {word}" for word in map(str, Standing) if word in mine))
    return folder / page, bool(absent)


def _stored(
    folder: Path, library: Library
) -> tuple[dict[str, list[ProgramResult]], dict[str, str], list[dict[str, object]]]:
    """Results by version, releases that could not be had, and how each was had."""
    results: dict[str, list[ProgramResult]] = {}
    absent: dict[str, str] = {}
    had: list[dict[str, object]] = []
    for path in sorted(
        (each for each in (folder / library).glob("*") if each.is_dir()), key=lambda each: place(each.name)
    ):
        release = Release(library=library, version=path.name)
        measured, laid = stores(folder, release)
        found = list(measured.results())
        state = next(iter(laid.results()), None)
        if found:
            results[path.name] = found
        elif state is not None and state.status is Status.NOT_RUN:
            absent[path.name] = state.reason
        versions = found[0].shown_versions if found else ""
        seconds = state.elapsed_s if state is not None else float("nan")
        had.append({"version": path.name, "with": versions, "programs": len(found), "seconds": round(seconds, 1),
                    "remark": state.reason if state is not None else "not finished"})  # fmt: skip
    return results, absent, had
