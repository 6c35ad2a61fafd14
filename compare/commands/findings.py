"""`compare findings`: the register of library divergences, with the verdicts of a folder or of the published run."""

import json
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from textwrap import fill, indent
from typing import TYPE_CHECKING, Any

from elbo_compare.compare.citing.issue import issue
from elbo_compare.compare.errors import UsageError, unknown
from elbo_compare.compare.judging.frames import read_frame
from elbo_compare.compare.planning.suite import PROFILES
from elbo_compare.compare.semantics.register import NOT_MEASURED, finding_rows
from elbo_compare.compare.semantics.suite import FINDINGS_FRAME, SEMANTICS

if TYPE_CHECKING:
    import pandas as pd

DEFAULT = Path("results") / SEMANTICS.name
SWEEP = """Searched for: random models through every ELBO class (compare search), and every registered KL at random
parameters, batch shapes and edges, in float64 and float32 (compare search --divergences 6). Published, with the share
of these findings that a search found again blind: reports/published/search."""
REPRODUCES = {"agrees": "reproduced", "differs": "no longer seen"}
JUDGED = ["id", "outcome", "versions", "reason", "measured_error", "workaround_verdict"]


@dataclass(frozen=True, kw_only=True)
class KnownFindings:
    """What is known of the register: one row per finding, the semantics verdicts, and which run they come from."""

    rows: list[dict[str, Any]]
    semantics: "pd.DataFrame | None" = None
    source: str = ""


def findings_command(asked: list[str], *, as_json: bool, as_issue: bool) -> str:
    """The register by harm, or the findings whose IDs were given, with the verdicts of a folder's last judgement.

    asked: IDs, and at most one folder; without one the newest of the shipped profiles' folders and `run semantics`',
    else the published run. as_issue: as a report for the maintainers. Raises UsageError for an ID that is not known,
    for two folders, and for a report of no finding or of one that was not measured.
    """
    names = [each for each in asked if each.upper().startswith("FIND-")]
    folders = [each for each in asked if each not in names]
    if len(folders) > 1:
        raise UsageError(f"one folder, and IDs such as FIND-PYRO-001, are taken; {', '.join(folders)} were given.")
    told = _told(Path(folders[0]) if folders else None)
    rows = _chosen(told.rows, names)
    if as_issue:
        if not names:
            raise UsageError("--issue needs the ID of a finding, such as compare findings FIND-PYRO-001 --issue.")
        return "\n\n".join(issue(row, told.semantics) for row in rows)
    if as_json:
        return json.dumps([{name: _plain(value) for name, value in row.items()} for row in rows], indent=1)
    head = [] if names else [f"{len(rows)} findings, the most harmful first."]
    return "\n\n".join([*head, *(_card(row, told.source) for row in rows), *([] if names else [SWEEP])])


def _chosen(rows: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    by_id = {row["id"]: row for row in rows}
    for name in names:
        if name.upper() not in by_id:
            raise UsageError(unknown("finding", name, by_id))
    return [by_id[name.upper()] for name in names] if names else rows


def _told(folder: Path | None) -> KnownFindings:
    if folder is None:
        places = [DEFAULT, *(Path("results") / profile for profile in PROFILES)]
        found = [place for place in places if (place / f"{FINDINGS_FRAME}.parquet").exists()]
        folder = max(found, key=lambda place: (place / f"{FINDINGS_FRAME}.parquet").stat().st_mtime, default=None)
    if folder is not None:
        return _merged(read_frame(folder, FINDINGS_FRAME), read_frame(folder, "semantics"), "")
    from elbo_compare.compare.citing.evidence import newest_published, of_suites

    published = newest_published(speaks=of_suites)
    findings = published.frame(FINDINGS_FRAME) if published else None
    if published is None or findings is None:
        return KnownFindings(rows=finding_rows(()))
    return _merged(findings, published.frame("semantics"), f" in the published run of {published.date[:10]}")


def _merged(findings: "pd.DataFrame", semantics: "pd.DataFrame | None", source: str) -> KnownFindings:
    judged = {row["id"]: row for row in findings[JUDGED].to_dict("records")}
    rows = [row | judged.get(row["id"], {}) for row in finding_rows(())]
    return KnownFindings(rows=rows, semantics=semantics, source=source)


def _card(row: dict[str, Any], source: str) -> str:
    measured = row["outcome"] != NOT_MEASURED
    reproduces = REPRODUCES.get(row["outcome"], row["outcome"])
    lines = [
        ("documented", row["documentation"]),
        ("happens", row["happens"]),
        ("harm", row["harm"] + (" (at extreme parameters only)" if row["extreme"] else "")),
        ("workaround", f"{row['workaround']} ({row['workaround_verdict']})"),
        ("fix", row["fix"]),
        ("upstream", row["upstream"] or "no report known"),
        ("since", row["since"] or "not known"),
        ("cases", row["cases"]),
        (
            "seen" if source else "here",
            f"{reproduces} with {row['versions']}{source}" if measured else _unmeasured(row),
        ),
        ("why", row["reason"]),
    ]
    body = "\n".join(_entry(name, text) for name, text in lines if text)
    return f"{row['id']}  [{row['status']}]  {row['title']}\n{body}"


def _unmeasured(row: dict[str, Any]) -> str:
    return f"{row['outcome']}: compare run semantics"


def _entry(name: str, text: str) -> str:
    head = f"  {name + ':':<12}"
    return head + indent(fill(text, 106, break_on_hyphens=False), " " * 14)[14:]


def _plain(value: Any) -> Any:
    """Strict JSON: what is not finite is written as text."""
    return str(value) if isinstance(value, float) and not isfinite(value) else value
