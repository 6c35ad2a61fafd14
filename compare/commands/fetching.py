"""`compare data fetch`: download the files of a data set through pooch (extra `[data]`), each against its hash.

A hash comes from a source that is named beside it. Where no source gives one, the hash of the first download is shown
and written beside the file (`FILE.sha256`, as sha256sum writes it), and every later download is held against that.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from elbo_compare.compare.errors import CompareError, UsageError, unknown
from elbo_compare.compare.files import read_text
from elbo_compare.suites import datasets
from elbo_compare.suites.datasets.catalogue import RECIPES, DataFile

SUFFIX = ".sha256"
DIGEST = re.compile(r"([0-9a-f]{64})\b")
EXTRA = "pip install 'elbo-compare[data]'"


class FetchError(CompareError):
    """A download that failed, or that brought another file than the expected one."""


def chosen_folder(folder: Path | None) -> Path | None:
    """The folder that was given, else the environment's, else None."""
    named = os.environ.get(datasets.FOLDER)
    return folder if folder is not None else Path(named) if named else None


def catalogue(folder: Path | None) -> Iterator[str]:
    """The lines of `compare data list`."""
    for recipe in RECIPES.values():
        yield recipe.name
        yield f"  {recipe.source}"
        yield f"  {recipe.arrangement}; rows {recipe.rows[0]:,} + {recipe.rows[1]:,} + {recipe.rows[2]:,}"
        for file in recipe.files:
            yield f"  {file.name}  {_presence(file, folder)}"
            yield f"    {file.url}"
            yield "    " + (f"{file.digest} ({file.digest_source})" if file.digest else _recorded_line(file, folder))
    if folder is None:
        yield "No folder is given: --data-dir DIR, or the environment variable ELBO_COMPARE_DATA."


def fetch(name: str, folder: Path | None) -> Iterator[str]:
    """Download what is missing, check what is there; one line per file. Raises UsageError and FetchError."""
    if name not in RECIPES:
        raise UsageError(unknown("data set of files", name, RECIPES))
    if folder is None:
        raise UsageError(f"Where to? compare data fetch {name} --data-dir DIR")
    pooch = _pooch()
    folder.mkdir(parents=True, exist_ok=True)
    for file in RECIPES[name].files:
        yield _fetched(pooch, file, folder)


def _fetched(pooch: Any, file: DataFile, folder: Path) -> str:
    expected = file.digest or recorded(file, folder)
    where = file.digest_source or f"recorded at the first download, {file.name}{SUFFIX}"
    try:
        path = Path(pooch.retrieve(file.url, known_hash=expected or None, fname=file.name, path=folder))
    except ValueError as error:  # pooch's word for another hash; it has removed what it downloaded
        raise FetchError(
            f"{file.url} brought a file with another hash than {expected} ({where}): it was damaged on the way, or has "
            f"changed. Nothing was kept; try again, or get {file.name} elsewhere."
        ) from error
    except Exception as error:  # whatever the network library raises
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise FetchError(f"{file.url} could not be downloaded ({reason}). Is there a network?") from error
    if expected:
        return f"{path.name}: {expected} ({where})"
    digest = pooch.file_hash(str(path), alg="sha256")
    (folder / f"{file.name}{SUFFIX}").write_text(f"{digest}  {file.name}\n", encoding="utf-8")
    return (
        f"{path.name}: sha256:{digest}. No source gives a hash of this file; this one, of the first download, is "
        f"written to {file.name}{SUFFIX} and later downloads are held against it."
    )


def recorded(file: DataFile, folder: Path | None) -> str:
    """The hash that an earlier download of this file left beside it, as `sha256:digits`; empty where there is none that
    can be read."""
    with suppress(OSError, ValueError):
        if folder is not None and (found := DIGEST.match(read_text(folder / f"{file.name}{SUFFIX}", 4_096))):
            return f"sha256:{found[1]}"
    return ""


def _recorded_line(file: DataFile, folder: Path | None) -> str:
    found = recorded(file, folder)
    return f"{found} (recorded at the first download)" if found else "no source gives a hash; the first is recorded"


def _presence(file: DataFile, folder: Path | None) -> str:
    if folder is None:
        return ""
    return "present" if datasets.located(folder, file.name) is not None else "not there"


def _pooch() -> Any:
    """The module, quiet: what it would log is printed here."""
    try:
        import pooch
    except ImportError as error:
        raise UsageError(f"Downloads need pooch: {EXTRA}") from error
    pooch.get_logger().setLevel("ERROR")
    return pooch
