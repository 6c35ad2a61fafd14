"""Results on disk: one run record and one small JSON file per cell, each written atomically; resumable.

RESULTS/run.json               schema, specification and its digest, environments by fingerprint, command, account
RESULTS/cells/<k2>/<key>.json  one cell's result
RESULTS/lock                   process and host of the run that holds the folder
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from compare.errors import StoreError
from compare.records import SCHEMA_VERSION, Cell, CellResult
from compare.running.codec import dumps, result_from_json, result_to_json


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
            content = json.loads(self.record_path.read_text("utf-8"))
            schema = content["schema"]
        except FileNotFoundError as error:
            raise StoreError(f"{self.folder} holds no results (no run.json). Run `compare run` first.") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{self.record_path} can't be read ({error}); move the folder away.") from error
        if schema != SCHEMA_VERSION:
            raise StoreError(f"{self.folder} has schema {schema!r}; this version reads schema {SCHEMA_VERSION}.")
        return content

    def write_record(self, record: dict[str, Any]) -> None:
        """Write the run record, adding the schema version."""
        body = json.dumps({"schema": SCHEMA_VERSION} | record, indent=1, allow_nan=False) + "\n"
        write_atomically(self.record_path, body.encode())

    def path(self, cell: Cell) -> Path:
        """The cell's file."""
        return self.folder / "cells" / cell.key[:2] / f"{cell.key}.json"

    def write(self, result: CellResult) -> None:
        """Store one cell's result."""
        write_atomically(self.path(result.cell), dumps(result_to_json(result)))

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
            if path.name != f"{result.cell.key}.json":
                self._set_aside(path, "its name is not its cell's key")
                continue
            yield result

    def _parse(self, path: Path) -> CellResult | None:
        try:
            return result_from_json(json.loads(path.read_bytes()))
        except (OSError, ValueError, RecursionError) as error:
            self._set_aside(path, " ".join(str(error).split())[:120])
            return None

    def _set_aside(self, path: Path, why: str) -> None:
        with suppress(OSError):
            path.rename(path.with_suffix(".damaged"))
        self.damaged.append(f"{path.relative_to(self.folder)} set aside as damaged: {why}")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for one run. Raises StoreError where another run holds it, or it can't be written."""
        lock = self.folder / "lock"
        holder = {"pid": os.getpid(), "host": socket.gethostname()}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _take(lock, json.dumps(holder))
        except OSError as error:
            raise StoreError(f"{self.folder} can't be written to: {error.strerror or error}. Choose -o DIR.") from error
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def write_atomically(path: Path, body: bytes) -> None:
    """Write `body` so that the file is either whole or absent, whatever happens: temporary file, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take(lock: Path, text: str) -> None:
    """Create the lock file, or raise StoreError with its holder; a holder on this host that is gone is passed over."""
    for _ in range(2):
        try:
            descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            holder = _holder(lock)
            if holder is not None:
                raise StoreError(f"{lock.parent} is in use by {holder}. Choose another folder with -o.") from None
            lock.unlink(missing_ok=True)
            continue
        os.write(descriptor, text.encode())
        os.close(descriptor)
        return
    raise StoreError(f"{lock.parent} is in use by another run. Choose another folder with -o.")


def _holder(lock: Path) -> str | None:
    """`process 12 on host a`, or None where that process is known to be gone."""
    try:
        content = json.loads(lock.read_text("utf-8"))
        pid, host = int(content["pid"]), str(content["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if host == socket.gethostname():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
    return f"process {pid} on {host}"
