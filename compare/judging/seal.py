"""DIR/seal.json: the SHA-256 of what judging wrote, so that a file altered afterwards is refused instead of shown.

The cells and the run record bear digests of their own. A folder judged by a version without seals has none, and is read
as it is; what was written after its seal, or by hand, is named by the first verb that reads it.
"""

import hashlib
import json
import os
from pathlib import Path

from elbo_compare.compare import files
from elbo_compare.compare.errors import StoreError

NAME = "seal.json"


def seal(path: Path) -> None:
    """Record the digest of a file that was just written, in its folder's seal."""
    place = path.parent / NAME
    digests = _digests(place) | {path.name: _digest(path)}
    files.write_atomically(place, (json.dumps(digests, indent=1, sort_keys=True) + "\n").encode())


def check(path: Path) -> None:
    """Raises StoreError where the folder's seal has another digest for the file, or can't be read."""
    sealed = _digests(path.parent / NAME).get(path.name)
    if sealed is not None and sealed != _digest(path):
        raise StoreError(f"{path} is not what judging wrote: run `compare judge {path.parent}` again.")


def _digest(path: Path) -> str:
    with os.fdopen(files.open_regular(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digests(place: Path) -> dict[str, str]:
    try:
        digests = files.read_json(place)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{place} can't be read ({error}): remove it and run `compare judge {place.parent}`."
        ) from error
    if not isinstance(digests, dict):
        raise StoreError(f"{place} holds no seal: remove it and run `compare judge {place.parent}`.")
    return digests
