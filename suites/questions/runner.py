"""Measures questions in one worker process; one that dies costs the question that it was at, and another takes over."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile

from elbo_compare.suites.questions.question import Row

WORKER = "elbo_compare.suites.questions.worker"


@dataclass(frozen=True, kw_only=True)
class QuestionRun:
    """What measuring one question gave. `error`: a traceback, or how its process ended; empty when it ran."""

    question: str
    rows: tuple[Row, ...] = ()
    error: str = ""
    crashed: bool = False
    elapsed_s: float = math.nan


def run_questions(
    identifiers: Sequence[str], timeout_s: float = 300.0, environment: Mapping[str, str] = os.environ
) -> Iterator[QuestionRun]:
    """One QuestionRun per ID, in order, each as soon as it is done. `timeout_s` bounds each question."""
    pending = list(identifiers)
    while pending:
        command = [sys.executable, "-P", "-m", WORKER, str(timeout_s), *pending]
        with TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
            process = subprocess.Popen(command, env=_one_thread(environment), stdout=subprocess.PIPE, stderr=log)
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if not line.endswith(b"}\n"):
                        break
                    yield _run(json.loads(line))
                    del pending[0]
            finally:
                process.kill()
                process.communicate()
            log.seek(0)
            if pending:
                yield QuestionRun(
                    question=pending.pop(0),
                    error=f"the process ended with code {process.returncode}: {log.read()[-2000:]}",
                    crashed=True,
                )


def _one_thread(environment: Mapping[str, str]) -> dict[str, str]:
    """The arrays are small: more threads only wait for each other."""
    return {**environment, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def _run(line: Mapping[str, object]) -> QuestionRun:
    return QuestionRun(**{**line, "rows": tuple(Row(**row) for row in line["rows"])})  # type: ignore[arg-type]
