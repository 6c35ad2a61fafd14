"""Trained weights that ship with the package: `<problem>.npz` and, beside it, the record of how it was made.

A file is an input of a problem like its data: digest, names, shapes and finiteness are checked on reading.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from elbo_compare.suites.contract import Array, Params

FOLDER = Path(__file__).parent


def read_weights(problem: str, like: Params) -> dict[str, Array]:
    """The trained weights of a problem, float64, in the order of `like` (whose names and shapes they must have).

    Raises ValueError where the file is missing or is not the recorded one.
    """
    path = FOLDER / f"{problem}.npz"
    if not path.exists():
        raise ValueError(f"{path.name} is missing: restore it, or make it with benchmarks/train_weights.py {problem}.")
    digest, expected = hashlib.sha256(path.read_bytes()).hexdigest(), read_record(problem)["sha256"]
    if digest != expected:
        raise ValueError(
            f"{path.name} has SHA-256 {digest}, its record says {expected}: restore the file, or make both again "
            "with benchmarks/train_weights.py."
        )
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name].astype(np.float64) for name in archive.files}
    if arrays.keys() != like.keys():
        raise ValueError(f"{path.name} holds {', '.join(sorted(arrays))}; expected {', '.join(sorted(like))}.")
    for name, value in like.items():
        if arrays[name].shape != value.shape or not np.isfinite(arrays[name]).all():
            raise ValueError(f"{path.name}: {name} must be finite with shape {value.shape}, got {arrays[name].shape}.")
    return {name: arrays[name] for name in like}


def read_record(problem: str) -> dict[str, Any]:
    """How the weights were made: digest, program, problem, data set and its digest, steps, learning rate, seed."""
    return json.loads((FOLDER / f"{problem}.json").read_text(encoding="utf-8"))


def write_weights(problem: str, params: Params, record: dict[str, Any], folder: Path = FOLDER) -> Path:
    """Write `params` as float32 and the record with the file's digest beside it; returns the path of the weights."""
    path = folder / f"{problem}.npz"
    with path.open("wb") as file:
        arrays: dict[str, Any] = {name: value.astype(np.float32) for name, value in params.items()}
        np.savez(file, **arrays)
    record = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "problem": problem, **record}
    (folder / f"{problem}.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return path
