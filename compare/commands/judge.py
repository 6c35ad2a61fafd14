"""`compare judge`: from results on disk to verdicts and frames. No framework."""

from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elbo_compare.compare.commands.report import IMAGES
from elbo_compare.compare.commands.run_suites import judge_part
from elbo_compare.compare.errors import UsageError
from elbo_compare.compare.judging.answer import answer
from elbo_compare.compare.judging.efficiency import counts_for_efficiency, efficiency_frame
from elbo_compare.compare.judging.frames import write_frame, write_json, write_measurements, write_verdicts
from elbo_compare.compare.judging.headline import asked_for, differing, plug_ins
from elbo_compare.compare.judging.judge import ErrorBudgetExceededError, code_of, judged
from elbo_compare.compare.judging.ledger import Ledger
from elbo_compare.compare.judging.ordered import OnDisk
from elbo_compare.compare.judging.published import (
    LINES_FRAME,
    QUOTED_FRAME,
    VALUES_FRAME,
    lines_frame,
    quoted_frame,
    values_frame,
)
from elbo_compare.compare.judging.seeds import SEEDS, is_training, seed_frame
from elbo_compare.compare.judging.standing import Standing
from elbo_compare.compare.judging.suites import counts_lines
from elbo_compare.compare.judging.timings import is_timed, timing_frame
from elbo_compare.compare.planning.spec import spec_from_dict
from elbo_compare.compare.records import Outcome, Status, as_row
from elbo_compare.compare.running.store import Store
from elbo_compare.compare.statistics import ErrorBudget

if TYPE_CHECKING:
    import pandas as pd

INCOMPLETE = 3
EFFICIENCY = "efficiency"


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """The end of a run in words and numbers."""

    answer: dict[str, Any]
    asked_for: list[str]
    differing: list[str]
    outcomes: dict[str, int]
    statuses: dict[str, int]
    missing: int
    damaged: list[str]
    suites: list[str]
    exit_code: int


def judge_folder(folder: Path) -> RunEnd:
    """Judge every stored result; write verdicts, measurements, timings and ledger as frames, and the answer.

    Raises UsageError where the folder holds no results, or more statistical verdicts than its error budget covers.
    """
    import pandas as pd

    store = Store(folder)
    record = store.record()
    spec = spec_from_dict(record["spec"])
    results = OnDisk(store)
    budget = ErrorBudget(alpha=spec.alpha, tests=spec.tests)
    try:
        verdicts = judged(results, budget, spec.variance_margin)
    except ErrorBudgetExceededError as error:
        raise UsageError(f"{error} Set 'tests' in the profile.") from error
    book = Ledger()
    write_measurements(folder, book.noting(results))
    write_verdicts(folder, verdicts)
    write_frame(folder, "timings", timing_frame(results.where(is_timed)))
    write_frame(folder, EFFICIENCY, efficiency_frame(results.where(counts_for_efficiency)))
    write_frame(folder, SEEDS, seed_frame(results.where(is_training)))
    write_frame(folder, IMAGES, image_frame(results))
    if any(cell.protocol for cell in results.cells):  # models trained as the papers train theirs
        write_frame(folder, VALUES_FRAME, values_frame())
        write_frame(folder, LINES_FRAME, lines_frame())
        write_frame(folder, QUOTED_FRAME, quoted_frame())
    write_frame(folder, "ledger", pd.DataFrame([as_row(row) for row in book.rows()]))
    reply = answer(verdicts, results)
    write_json(folder, "answer", reply)
    missing = max(int(record["planned"]) - len(results), 0)
    suites = judge_part(folder)
    code = reduce(worse, (each.exit_code for each in suites), code_of(verdicts.counts, results.statuses))
    return RunEnd(
        answer=reply,
        asked_for=asked_for(verdicts, record.get("select"), plug_ins(cell.implementation for cell in results.cells)),
        differing=differing(verdicts, folder),
        outcomes={str(each): verdicts.counts[each] for each in Outcome if verdicts.counts[each]},
        statuses={str(each): results.statuses[each] for each in Status if results.statuses[each]},
        missing=missing,
        damaged=store.damaged,
        suites=[line for each in suites for line in counts_lines(each)],
        exit_code=INCOMPLETE if code == 0 and missing else code,
    )


def in_words(judged: RunEnd) -> list[str]:
    """The answer, and what was counted, as lines to print."""
    statuses, outcomes = (
        ", ".join(f"{count} {name}" for name, count in counted.items()) or "none"
        for counted in (judged.statuses, judged.outcomes)
    )
    missing = f"{judged.missing} planned cells have no result yet: go on with --resume."
    return [
        "",
        *judged.asked_for,
        *_about_the_line(judged),
        *judged.differing,
        "",
        f"Cells: {statuses}",
        *([missing] if judged.missing else []),
        f"Verdicts: {outcomes}",
        *judged.suites,
    ]


def _about_the_line(judged: RunEnd) -> list[str]:
    """The questioned line's answer; where less was asked for than measures it, it is not what was asked."""
    if judged.asked_for and judged.answer["standing"] == Standing.NOT_RUN:
        return []
    return [judged.answer["sentence"], *(f"- {reason}" for reason in judged.answer["reasons"])]


def worse(one: int, other: int) -> int:
    """The exit code of two judgements together: 1 (a claim differs) beats 3 (incomplete), 3 beats 0."""
    return next((code for code in (1, INCOMPLETE) if code in (one, other)), 0)


def image_frame(results: OnDisk) -> "pd.DataFrame":
    """One row per picture of the first seed of every training cell: a name for a person, and rows of 0..255."""
    import pandas as pd

    found: dict[str, list[list[int]]] = {}
    for result in sorted(results.where(is_training), key=lambda each: (each.cell.seed, each.cell.label)):
        cell = result.cell
        for name, grid in result.images.items():
            title = f"{cell.problem}, {name}: {cell.implementation}, {cell.estimator}, {cell.dtype}, {cell.device}"
            found.setdefault(title, grid)
    return pd.DataFrame({"title": list(found), "pixels": list(found.values())})
