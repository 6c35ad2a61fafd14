"""`compare judge` and `compare report`: from results on disk to verdicts, frames and the page. No framework."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compare.answer import answer
from compare.claims import CLAIMS
from compare.commands.planting import SENSITIVITY, SENSITIVITY_CLAIMS
from compare.commands.questions import FRAMES as QUESTION_FRAMES
from compare.commands.questions import counts_line, judge_questions
from compare.commands.semantics import (
    CASES_FRAME,
    DESCRIBED_FRAME,
    FINDINGS_FRAME,
    PAIRS_FRAME,
    judge_semantics,
    summary,
)
from compare.efficiency import efficiency_frame
from compare.environment import cores
from compare.errors import UsageError
from compare.frames import (
    claim_frame,
    environment_of,
    read_frame,
    read_json,
    verdict_frame,
    write_frame,
    write_json,
    write_measurements,
)
from compare.judge import ErrorBudgetExceededError, exit_code, judge
from compare.ledger import ledger
from compare.published import LINES_FRAME, VALUES_FRAME, lines_frame, values_frame
from compare.records import CellResult, Outcome, Status, as_row
from compare.seeds import SEEDS, seed_frame
from compare.spec import spec_from_dict
from compare.statistics import ErrorBudget
from compare.store import Store
from compare.timings import timing_frame

INCOMPLETE = 3
EFFICIENCY = "efficiency"
FURTHER = (
    EFFICIENCY,
    SEEDS,
    VALUES_FRAME,
    LINES_FRAME,
    SENSITIVITY,
    SENSITIVITY_CLAIMS,
    CASES_FRAME,
    FINDINGS_FRAME,
    DESCRIBED_FRAME,
    PAIRS_FRAME,
    *QUESTION_FRAMES,
)  # frames that a report shows where they are there: of other verbs, or new since a folder was judged


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The end of a run in words and numbers."""

    answer: dict[str, Any]
    outcomes: dict[str, int]
    statuses: dict[str, int]
    missing: int
    damaged: list[str]
    semantics: list[str]
    exit_code: int


def judge_folder(folder: Path) -> Judged:
    """Judge every stored result; write verdicts, measurements, timings and ledger as frames, and the answer.

    Raises UsageError where the folder holds no results, or more statistical verdicts than its error budget covers.
    """
    import pandas as pd

    store = Store(folder)
    record = store.record()
    spec = spec_from_dict(record["spec"])
    results = list(store.results())
    budget = ErrorBudget(alpha=spec.alpha, tests=spec.tests)
    try:
        verdicts = judge(results, budget, spec.variance_margin)
    except ErrorBudgetExceededError as error:
        raise UsageError(f"{error} Set 'tests' in the profile.") from error
    write_measurements(folder, results)
    write_frame(folder, "verdicts", verdict_frame(verdicts))
    write_frame(folder, "timings", timing_frame(results))
    write_frame(folder, EFFICIENCY, efficiency_frame(results))
    write_frame(folder, SEEDS, seed_frame(results))
    if any(result.cell.protocol for result in results):  # models trained as the papers train theirs
        write_frame(folder, VALUES_FRAME, values_frame())
        write_frame(folder, LINES_FRAME, lines_frame())
    write_frame(folder, "ledger", pd.DataFrame([as_row(row) for row in ledger(results)]))
    reply = answer(verdicts, results)
    write_json(folder, "answer", reply)
    missing = max(int(record["planned"]) - len(results), 0)
    semantics = judge_semantics(folder)
    questions = judge_questions(folder)
    code = worse(worse(exit_code(verdicts, results), semantics.exit_code), questions.exit_code)
    return Judged(
        answer=reply,
        outcomes={str(each): count for each, count in _counted(Outcome, (v.outcome for v in verdicts)).items()},
        statuses={str(each): count for each, count in _counted(Status, (r.status for r in results)).items()},
        missing=missing,
        damaged=store.damaged,
        semantics=[*summary(semantics), *counts_line(questions)],
        exit_code=INCOMPLETE if code == 0 and missing else code,
    )


def worse(one: int, other: int) -> int:
    """The exit code of two judgements together: 1 (a claim differs) beats 3 (incomplete), 3 beats 0."""
    return next((code for code in (1, INCOMPLETE) if code in (one, other)), 0)


def report_folder(folder: Path, jobs: int | None = None) -> Path:
    """Draw the report of a judged folder into DIR/report, with `jobs` processes (None: as many as there are cores).

    Returns the page's path. No statistics are made here.
    """
    from reports.page import write_report

    store = Store(folder)
    record = store.record()
    return write_report(
        folder / "report",
        measurements=read_frame(folder, "measurements"),
        verdicts=read_frame(folder, "verdicts"),
        claims=claim_frame(CLAIMS),
        environment=environment_of(record),
        answer=read_json(folder, "answer"),
        ledger=read_frame(folder, "ledger"),
        timings=read_frame(folder, "timings"),
        images=images(list(store.results())),
        further={name: read_frame(folder, name) for name in FURTHER if (folder / f"{name}.parquet").exists()},
        jobs=jobs or cores(),
    )


def images(results: list[CellResult]) -> dict[str, list[list[int]]]:
    """The pictures of the first seed of every training cell, named for a person."""
    found: dict[str, list[list[int]]] = {}
    for result in sorted(results, key=lambda each: (each.cell.seed, each.cell.label)):
        cell = result.cell
        for name, grid in result.images.items():
            title = f"{cell.problem}, {name}: {cell.implementation}, {cell.estimator}, {cell.dtype}, {cell.device}"
            found.setdefault(title, grid)
    return found


def _counted(members: Any, values: Any) -> dict[Any, int]:
    counts = Counter(values)
    return {member: counts[member] for member in members if counts[member]}
