"""`compare mutants`: judge the catalogue and keep the sensitivity matrix beside a run's results."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from elbo_compare.compare.errors import UsageError, unknown

SENSITIVITY = "sensitivity"  # one row for each variant and claim
SENSITIVITY_CLAIMS = "sensitivity-claims"  # one row for each claim


def judge_mutants(
    ids: Sequence[str], jobs: int | None, seed: int, folder: Path | None, say: Callable[[str], None]
) -> int:
    """Judge the named mutants and variants (all by default), say the matrix, and write its frame into `folder`.

    Returns 0 where every mutant is caught and no legitimate variant is failed, else 1. Raises UsageError for an
    unknown ID and for a folder that holds no results.
    """
    from elbo_compare.compare.judging.mutants import run_mutants
    from elbo_compare.compare.judging.sensitivity import line, lines
    from elbo_compare.suites.mutants.catalogue import CATALOGUE

    for identifier in ids:
        if identifier not in CATALOGUE:
            raise UsageError(unknown("mutant", identifier, list(CATALOGUE)))
    if folder is not None:
        from elbo_compare.compare.running.store import Store

        Store(folder).record()
    workers = jobs or os.cpu_count() or 1
    matrix = run_mutants(ids or None, seed=seed, jobs=workers, progress=lambda each: say(line(each)))
    for text in list(lines(matrix))[len(matrix.judged) :]:
        say(text)
    if folder is not None:
        import pandas as pd

        from elbo_compare.compare.judging.frames import write_frame

        write_frame(folder, SENSITIVITY, pd.DataFrame(matrix.rows()))
        write_frame(folder, SENSITIVITY_CLAIMS, pd.DataFrame(matrix.claim_rows()))
        say(f"Next: compare report {folder}")
    return matrix.exit_code
