"""Semantics results on disk: DIR/semantics/<case>-<library>.json, each sealed with its digest, written atomically."""

import errno
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from elbo_compare.compare.errors import IncompleteError
from elbo_compare.compare.running.codec import dumps
from elbo_compare.compare.running.store import sealed, unsealed, write_atomically
from elbo_compare.compare.semantics.records import SemanticsResult, result_from_json, result_to_json

FOLDER = "semantics"


def write(folder: Path, result: SemanticsResult) -> None:
    """Store one result. Raises IncompleteError where the disk is full."""
    try:
        write_atomically(_path(folder, result.name), sealed(dumps(result_to_json(result))))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise IncompleteError(f"The disk that holds {folder} is full. Make room and go on with --resume.") from error


def read(folder: Path, name: str) -> SemanticsResult | None:
    """The stored result of a name, or None; a damaged file is set aside and never read again."""
    return _parse(_path(folder, name))


def read_all(folder: Path) -> Iterator[SemanticsResult]:
    """Every readable result of a folder, in the order of names."""
    for path in sorted((folder / FOLDER).glob("*.json")):
        result = _parse(path)
        if result is not None:
            yield result


def _path(folder: Path, name: str) -> Path:
    return folder / FOLDER / f"{name}.json"


def _parse(path: Path) -> SemanticsResult | None:
    try:
        result = result_from_json(json.loads(unsealed(path.read_bytes())))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        with suppress(OSError):
            path.replace(path.with_suffix(".damaged"))
        return None
    return result if result.name == path.stem else None
