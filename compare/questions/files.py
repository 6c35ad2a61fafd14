"""Questions on disk: DIR/questions/<ID>.json, each sealed with its digest, written atomically."""

import errno
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from elbo_compare.compare.errors import IncompleteError
from elbo_compare.compare.questions.records import QuestionResult, result_from_json, result_to_json
from elbo_compare.compare.running.codec import dumps
from elbo_compare.compare.running.store import sealed, unsealed, write_atomically
from elbo_compare.suites.questions.catalogue import BY_ID

FOLDER = "questions"


def write(folder: Path, result: QuestionResult) -> None:
    """Store one result. Raises IncompleteError where the disk is full."""
    try:
        write_atomically(_path(folder, result.question), sealed(dumps(result_to_json(result))))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise IncompleteError(f"The disk that holds {folder} is full. Make room and go on with --resume.") from error


def read(folder: Path, question: str) -> QuestionResult | None:
    """The stored result of a question, or None; a damaged file is set aside and never read again."""
    path = _path(folder, question)
    try:
        result = result_from_json(json.loads(unsealed(path.read_bytes())))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        with suppress(OSError):
            path.replace(path.with_suffix(".damaged"))
        return None
    return result if result.question == question else None


def read_all(folder: Path) -> Iterator[QuestionResult]:
    """Every readable result of a folder, in the order of the catalogue."""
    for question in BY_ID:
        result = read(folder, question)
        if result is not None:
            yield result


def _path(folder: Path, question: str) -> Path:
    return folder / FOLDER / f"{question}.json"
