"""Results on disk: one run record and one small JSON file per cell, each written atomically; resumable.

RESULTS/run.json               schema, specification and its digest, environments by fingerprint, command, account
RESULTS/cells/<k2>/<key>.json  one cell's result
RESULTS/lock                   process and host of the run that holds the folder
<file>.damaged                 a file that was set aside: it is never read again

Every file carries the SHA-256 of its content: what was truncated or altered is not taken for data. Everything is
JSON; nothing is unpickled or executed.
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from elbo_compare.compare import files
from elbo_compare.compare.errors import DamagedRecordError, IncompleteError, StoreError
from elbo_compare.compare.records import SCHEMA_VERSION, Cell, CellResult
from elbo_compare.compare.running.codec import dumps, result_from_json, result_to_json
from elbo_compare.compare.running.locking import held

# What every reader of a run record relies on; a record that is sealed well may still be somebody else's.
RECORD = {"spec": dict, "digest": str, "planned": int, "fingerprint": str, "environments": dict}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Store:
    """A result folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: list[str] = []  # files that were set aside, in words

    @property
    def record_path(self) -> Path:
        """The run record's file."""
        return self.folder / "run.json"

    def exists(self) -> bool:
        """Whether a run record is there."""
        return self.record_path.exists()

    def record(self) -> dict[str, Any]:
        """The run record. Raises StoreError where there is none, or none that this version can read."""
        try:
            content = files.read_json(self.record_path)
            schema = content["schema"]
        except FileNotFoundError as error:
            raise StoreError(f"{self.folder} holds no results (no run.json). Run `compare run` first.") from error
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._unreadable(" ".join(str(error).split())) from error
        if schema != SCHEMA_VERSION:
            raise StoreError(_other_schema(self.folder, schema))
        if content.pop("sha256", None) != _digest(dumps(content)):
            raise self._unreadable("it has been altered: its SHA-256 is not its content's")
        for name, kind in RECORD.items():
            if not isinstance(content.get(name), kind):
                arrived = f"a {type(content[name]).__name__}" if name in content else "nothing"
                raise self._unreadable(f"its {name!r} is {arrived}, not a {kind.__name__}")
        if not isinstance(content["environments"].get(content["fingerprint"]), dict):
            raise self._unreadable("the environment that its 'fingerprint' names is not in it")
        return content

    def _unreadable(self, why: str) -> DamagedRecordError:
        cure = "Move the folder away or choose -o DIR."
        if self.holds_cells():
            cure = "Run again with --resume: it is then set aside and written anew, and the cells are kept."
        return DamagedRecordError(f"{self.record_path} can't be read ({why}). {cure}")

    def set_record_aside(self) -> None:
        """Put a run record that can't be read out of the way; the cells keep digests of their own."""
        self._set_aside(self.record_path, "it can't be read")

    def holds_cells(self) -> bool:
        """Whether any file under `cells` was written by this version's store."""
        return any(_begins_as_ours(path) for path in (self.folder / "cells").glob("??/*.json"))

    def write_record(self, record: dict[str, Any]) -> None:
        """Write the run record, adding the schema version and the digest."""
        content = {"schema": SCHEMA_VERSION} | record
        body = json.dumps(content | {"sha256": _digest(dumps(content))}, indent=1, allow_nan=False) + "\n"
        self._write(self.record_path, body.encode())

    def path(self, cell: Cell) -> Path:
        """The cell's file. Its name is a digest: no name from a third party ever becomes a file name."""
        return self.folder / "cells" / cell.key[:2] / f"{cell.key}.json"

    def write(self, result: CellResult) -> None:
        """Store one cell's result. Raises IncompleteError where the disk is full."""
        self._write(self.path(result.cell), sealed(dumps(result_to_json(result))))

    def _write(self, path: Path, body: bytes) -> None:
        write_result(path, body, self.folder)

    def read(self, cell: Cell) -> CellResult | None:
        """The stored result, or None where there is none; a damaged file is set aside and named in `damaged`."""
        path = self.path(cell)
        result = self._parse(path) if path.exists() else None
        if result is not None and result.cell != cell:
            self._set_aside(path, "it holds another cell")
            return None
        return result

    def keys(self) -> set[str]:
        """The keys of the cells that have a file, read or not."""
        return {path.stem for path in (self.folder / "cells").glob("??/*.json")}

    def results(self) -> Iterator[CellResult]:
        """Every readable result, in the order of the keys; damaged files are set aside and named in `damaged`."""
        for path in sorted((self.folder / "cells").glob("??/*.json")):
            result = self._parse(path)
            if result is None:
                continue
            if path != self.path(result.cell):
                self._set_aside(path, "its name is not its cell's key")
                continue
            yield result

    def _parse(self, path: Path) -> CellResult | None:
        try:
            return result_from_json(files.parse_json(unsealed(files.read_bytes(path))))
        except (OSError, ValueError, RecursionError) as error:
            self._set_aside(path, " ".join(str(error).split())[:120])
            return None

    def _set_aside(self, path: Path, why: str) -> None:
        became = "set aside as damaged" if files.set_aside(path, self.folder) else "is damaged, and left where it is"
        self.damaged.append(f"{path.relative_to(self.folder)} {became}: {why}")

    def held(self) -> AbstractContextManager[None]:
        """Hold the folder for one run (see `locking.held`)."""
        return held(self.folder)

    def sweep(self) -> None:
        """Remove the temporary files of killed runs; only the holder of the lock may. None behind a link is one."""
        for path in (*self.folder.glob(".run.json.*.tmp"), *(self.folder / "cells").glob("??/.*.tmp")):
            with suppress(OSError):
                files.refuse_links(path.parent, self.folder)
                path.unlink(missing_ok=True)


def write_result(path: Path, body: bytes, folder: Path) -> None:
    """`write_atomically` for a file of a result folder. Raises IncompleteError where the disk is full."""
    try:
        files.refuse_links(path.parent, folder)
        files.write_atomically(path, body)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise IncompleteError(
            f"The disk that holds {folder} is full ({error.strerror}). What has finished is kept; "
            "make room and go on with the same command and --resume."
        ) from error


_PREFIX = '{{"schema":{schema},"sha256":"{digest}","result":'
_SUFFIX = b"}\n"


def sealed(body: bytes) -> bytes:
    """The JSON `body` of a result as a file's content: strict JSON again, with the schema version and the digest."""
    return _PREFIX.format(schema=SCHEMA_VERSION, digest=_digest(body)).encode() + body + _SUFFIX


def unsealed(content: bytes) -> bytes:
    """The body that `sealed` got. Raises ValueError unless every byte of the content is as `sealed` made it."""
    start = len(_PREFIX.format(schema=SCHEMA_VERSION, digest="0" * 64))
    body = content[start : -len(_SUFFIX)]
    if content != sealed(body):
        head = content[:40].decode("ascii", "replace")
        raise ValueError(f"it is truncated, altered or no result of schema {SCHEMA_VERSION} (it begins with {head!r})")
    return body


def _begins_as_ours(path: Path) -> bool:
    start = _PREFIX.partition("{digest}")[0].format(schema=SCHEMA_VERSION).encode()
    try:
        with os.fdopen(files.open_regular(path), "rb") as file:
            return file.read(len(start)) == start
    except OSError:
        return False


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _other_schema(folder: Path, schema: Any) -> str:
    older = isinstance(schema, int) and schema < SCHEMA_VERSION
    whose = "an older version of elbo-compare" if older else "another version of elbo-compare"
    return (
        f"{folder} was written by {whose}: schema {schema!r}; this version reads schema {SCHEMA_VERSION}. "
        "It is left as it is: choose another folder with -o DIR, or read it with the version that wrote it."
    )
