"""`compare findings`: the register of library divergences, with the verdicts of a folder."""

import json
from math import isfinite
from pathlib import Path
from textwrap import fill, indent
from typing import Any

from elbo_compare.compare.commands.run_suites import PROFILES
from elbo_compare.compare.judging.frames import read_frame
from elbo_compare.compare.semantics.register import NOT_MEASURED, finding_rows
from elbo_compare.compare.semantics.suite import FINDINGS_FRAME, SEMANTICS

DEFAULT = Path("results") / SEMANTICS.name


def findings_command(folder: Path | None, *, as_json: bool) -> str:
    """The register, sorted by harm, with the verdicts of a folder's last judgement (default: the folders of the
    shipped profiles and of `run semantics`, the newest)."""
    rows = _judged_rows(folder)
    if as_json:
        return json.dumps([{name: _plain(value) for name, value in row.items()} for row in rows], indent=1)
    head = f"{len(rows)} findings, the most harmful first."
    return "\n\n".join([head, *(_card(row) for row in rows)])


def _judged_rows(folder: Path | None) -> list[dict[str, Any]]:
    if folder is None:
        places = [DEFAULT, *(Path("results") / profile for profile in PROFILES)]
        found = [place for place in places if (place / f"{FINDINGS_FRAME}.parquet").exists()]
        folder = max(found, key=lambda place: (place / f"{FINDINGS_FRAME}.parquet").stat().st_mtime, default=None)
    rows = finding_rows(())
    if folder is None:
        return rows
    columns = ["id", "outcome", "versions", "reason", "measured_error", "workaround_verdict"]
    frame: Any = read_frame(folder, FINDINGS_FRAME)[columns]
    judged = {row["id"]: row for row in frame.to_dict("records")}
    return [row | judged.get(row["id"], {}) for row in rows]


def _card(row: dict[str, Any]) -> str:
    measured = row["outcome"] != NOT_MEASURED
    reproduces = {"agrees": "reproduces", "differs": "no longer reproduces"}.get(row["outcome"], row["outcome"])
    lines = [
        ("documented", row["documentation"]),
        ("happens", row["happens"]),
        ("harm", row["harm"]),
        ("workaround", f"{row['workaround']} ({row['workaround_verdict']})"),
        ("upstream", row["upstream"] or "no report known"),
        ("since", row["since"] or "not known"),
        ("cases", row["cases"]),
        ("here", f"{reproduces} with {row['versions']}" if measured and row["versions"] else _unmeasured(row)),
        ("why", row["reason"]),
    ]
    body = "\n".join(_entry(name, text) for name, text in lines if text)
    return f"{row['id']}  [{row['status']}]  {row['title']}\n{body}"


def _unmeasured(row: dict[str, Any]) -> str:
    return row["outcome"] if row["outcome"] != NOT_MEASURED else f"{NOT_MEASURED}: compare run semantics"


def _entry(name: str, text: str) -> str:
    head = f"  {name + ':':<12}"
    return head + indent(fill(text, 106, break_on_hyphens=False), " " * 14)[14:]


def _plain(value: Any) -> Any:
    """Strict JSON: what is not finite is written as text."""
    return str(value) if isinstance(value, float) and not isfinite(value) else value
