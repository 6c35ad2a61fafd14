"""`compare run semantics`, `compare findings`, and the semantics part of `compare all` and `compare judge`."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from textwrap import fill, indent
from threading import Event
from typing import Any

from elbo_compare.compare.errors import StoreError, UsageError, unknown
from elbo_compare.compare.judging.frames import read_frame, write_frame
from elbo_compare.compare.questions.running import run_missing
from elbo_compare.compare.running.locking import held
from elbo_compare.compare.semantics import files
from elbo_compare.compare.semantics.judging import case_verdicts, counted, exit_code, finding_verdicts, pair_verdicts
from elbo_compare.compare.semantics.records import FindingVerdict, SemanticsVerdict
from elbo_compare.compare.semantics.register import (
    NOT_MEASURED,
    described_frame,
    finding_frame,
    finding_rows,
    verdict_frame,
)
from elbo_compare.compare.semantics.running import run_semantics
from elbo_compare.suites.semantics.case import Library

SUITES = ("semantics", "questions")
OPTIONS = ("-j", "-o", "--resume")  # those of `compare run` that a suite has: its cases have one seed, and no profile
PROFILES = ("standard", "full")  # those that hold the suite; quick does not
CASES_FRAME, FINDINGS_FRAME, PAIRS_FRAME = "semantics", "findings", "semantics_pairs"
DESCRIBED_FRAME = "semantics_described"
DEFAULT = Path("results") / "semantics"
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class JudgedSemantics:
    """The end of a semantics run: counts by outcome, a line for each change, and the exit code."""

    cases: dict[str, int]
    findings: dict[str, int]
    pairs: dict[str, int]
    lines: tuple[str, ...]
    exit_code: int


def check_suite(name: str, given: Sequence[str] = ()) -> None:
    """Raises UsageError for a suite that does not exist, with the nearest name, and for options that it does not have.

    `given`: the options of `compare run` on the command line, as they are written.
    """
    if name not in SUITES:
        raise UsageError(unknown("suite", name, SUITES))
    others = [option for option in given if option not in OPTIONS]
    if others:
        raise UsageError(f"run {name} does not take {', '.join(others)}. It takes {', '.join(OPTIONS)}.")


def holds_semantics(profile: str, expression: str | None) -> bool:
    """Whether a profile runs the suite; a choice of cells (-k) runs those cells only."""
    return profile in PROFILES and expression is None


def run_part(folder: Path, jobs: int | None, say: Say) -> None:
    """The suite's cases, without the sweep over the registered pairs, and the questions, after a run's cells."""

    def questions(stop: Event) -> None:
        run_missing(folder, say=say, stop=stop)

    with held(folder):
        run_semantics(folder, jobs=jobs, beside=[questions], say=say)


def run_command(folder: Path | None, jobs: int | None, resume: bool, say: Say) -> JudgedSemantics:
    """Run all cases and the sweep over the registered pairs into `folder`, judge them, and write the frames.

    Raises StoreError where the folder holds semantics results and `resume` is not asked for, or other files than ours.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"-j must be at least 1, not {jobs}.")
    folder = folder or DEFAULT
    with held(folder):
        if not resume and any((folder / files.FOLDER).glob("*.json")):
            raise StoreError(f"{folder} already holds semantics results. Add --resume to go on, or choose -o DIR.")
        ours = (folder / "run.json").exists() or (folder / files.FOLDER).exists()
        if not ours and any(path.name != "lock" for path in folder.iterdir()):
            raise StoreError(f"{folder} is not empty and holds no results of ours. Choose -o DIR.")
        run_semantics(folder, jobs=jobs, pairs=True, say=say)
        return judge_semantics(folder, sweep=True)


def judge_semantics(folder: Path, *, sweep: bool = False) -> JudgedSemantics:
    """Judge what a folder holds and write semantics, findings and, with `sweep`, semantics_pairs as frames;
    semantics_described holds what was measured and is not judged.

    The sweep integrates three hundred densities (half a minute), so that it is judged once, where it is run.
    """
    results = list(files.read_all(folder))
    cases = case_verdicts(results)
    findings = finding_verdicts(cases)
    pairs = pair_verdicts(results) if sweep else []
    if cases:
        write_frame(folder, CASES_FRAME, verdict_frame(cases))
        write_frame(folder, FINDINGS_FRAME, finding_frame(findings))
    described = described_frame(results)
    if not described.empty:
        write_frame(folder, DESCRIBED_FRAME, described)
    if pairs:
        write_frame(folder, PAIRS_FRAME, verdict_frame(pairs))
    code = exit_code([*cases, *pairs], findings) if cases else 0
    return JudgedSemantics(
        cases=counted(cases),
        findings=counted(findings) if cases else {},
        pairs=counted(pairs),
        lines=tuple(_changes([*cases, *pairs], findings)) if cases else (),
        exit_code=code,
    )


def _changes(cases: Sequence[SemanticsVerdict], findings: Sequence[FindingVerdict]) -> list[str]:
    """What differs from the register or could not be told, the findings by name first."""
    told = ("differs", "inconclusive")
    lines = [f"{each.finding} {each.outcome}: {each.reason} ({each.versions})" for each in findings
             if each.outcome in told]  # fmt: skip
    lines += [
        f"{each.case} {each.library} {each.quantity} {each.outcome}: {each.reason} ({each.versions})"
        for each in cases
        if each.outcome in told
    ]
    return lines


def summary(judged: JudgedSemantics) -> list[str]:
    """What a person reads at the end of a run."""
    if not judged.cases:
        return []
    lines = [f"Semantics: {_counts(judged.cases)} of the registered behaviours; findings: {_counts(judged.findings)}"]
    if judged.pairs:
        lines.append(f"Registered divergences against their integrals: {_counts(judged.pairs)}")
    return [*lines, *judged.lines]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


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


def explain_command(
    model: str, guide: str, args: str, library: str | None, *, as_json: bool, timeout_s: float
) -> tuple[int, str]:
    """Exit code and text of `compare explain`. Raises UsageError for a library that does not exist."""
    from elbo_compare.compare.semantics.explaining import explain_pair

    if library is not None and library not in list(Library):
        raise UsageError(unknown("library", library, list(Library)))
    told = explain_pair(model, guide, args, library, timeout_s)
    return told.exit_code, told.json if as_json else told.text


def _plain(value: Any) -> Any:
    """Strict JSON: what is not finite is written as text."""
    return str(value) if isinstance(value, float) and not isfinite(value) else value
