"""The data by name: arrays of shape (rows, observed), float64, with the digest of their bytes.

`shipped` sets come with packages; those of `catalogue` are read from files in the folder that `--data-dir` names, which
reaches every process as the environment variable `ELBO_COMPARE_DATA`. Nothing is ever downloaded from here.
"""

import hashlib
import os
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from elbo_compare.suites.contract import Array, Dataset, Likelihood
from elbo_compare.suites.datasets import catalogue, shipped
from elbo_compare.suites.datasets.catalogue import RECIPES, Recipe
from elbo_compare.suites.datasets.formats import AGAIN, DataError
from elbo_compare.suites.datasets.shipped import SHA256

FOLDER = "ELBO_COMPARE_DATA"  # environment variable with the folder of `--data-dir`
FROM_FILES: tuple[str, ...] = tuple(RECIPES)
NAMES: tuple[str, ...] = shipped.NAMES  # those that are always there
OBSERVED = shipped.OBSERVED | dict.fromkeys(FROM_FILES, catalogue.PIXELS)
BINARISED_BY = 2008  # seed of the one binarisation of grey files
ORDERED_BY = 101  # seed of the fixed order of `Recipe.shuffled`

__all__ = [
    "FOLDER",
    "FROM_FILES",
    "NAMES",
    "OBSERVED",
    "RECIPES",
    "SHA256",
    "DataError",
    "MissingDataError",
    "grey",
    "known",
    "load",
    "located",
    "missing",
    "split",
    "validate",
    "was_grey",
]


class MissingDataError(LookupError):
    """The files of a data set are not where they should be; the message is the reason of a cell that is not run."""


def load(name: str) -> Dataset:
    """The named data set, the same bytes on every machine. Grey files are binarised once, by a fixed seed.

    Raises ValueError for an unknown name and where the bytes are not the expected ones (an installed package ships
    other data), DataError for a damaged file, MissingDataError where a file is not there, and ModuleNotFoundError where
    the package that ships the file is not installed.
    """
    known(name)
    return _shipped(name) if name in NAMES else _binary_files(name, _folder())


def grey(name: str) -> Array:
    """The training rows of a data set before they were binarised, grey values in 0..1, in the order of its `train`:
    what dynamic binarisation draws from. Raises ValueError where the data never were grey."""
    known(name)
    if not was_grey(name):
        raise ValueError(f"Data set {name!r} is not grey: there is nothing to binarise anew at every step.")
    if name in shipped.DIGITS:
        return shipped.grey_parts(name)[0]
    return _files(name, _folder())[0]


def was_grey(name: str) -> bool:
    """Whether the data set was grey before it was binarised."""
    return name in shipped.DIGITS or (name in RECIPES and RECIPES[name].grey)


def split(dataset: Dataset) -> tuple[Array, Array]:
    """Training and validation rows: the set's own, or else the last tenth of the training rows for validation."""
    if dataset.validation is not None:
        return dataset.train, dataset.validation
    rows = len(dataset.train) - max(1, len(dataset.train) // 10)
    return dataset.train[:rows], dataset.train[rows:]


def known(name: str) -> None:
    """Raise ValueError, with the nearest names, unless there is a data set of this name."""
    names = (*NAMES, *FROM_FILES)
    if name not in names:
        near = get_close_matches(name, names, n=3, cutoff=0.3)
        raise ValueError(f"No data set {name!r}. Nearest: {', '.join(near or names)}.")


def missing(name: str, folder: Path | None = None) -> str | None:
    """None, or the reason why a data set of files is not there: no folder given, or a file not in it."""
    if name not in RECIPES:
        return None
    folder = folder or _folder()
    fetch = f"compare data fetch {name} --data-dir DIR"
    if folder is None:
        return f"the data set {name} is read from files: give --data-dir DIR (get them by `{fetch}`)"
    absent = [file.name for file in RECIPES[name].files if located(folder, file.name) is None]
    return f"{', '.join(absent)} not found in the --data-dir (get it by `{fetch}`)" if absent else None


def located(folder: Path, name: str) -> Path | None:
    """Where a file of this name lies in the folder or one folder below; with or without `.gz`."""
    plain = name.removesuffix(".gz")
    for candidate in (name, plain, f"{plain}.gz"):
        for path in (folder / candidate, *sorted(folder.glob(f"*/{candidate}"))):
            if path.is_file():
                return path
    return None


def validate(x: Array, likelihood: Likelihood) -> None:
    """Raise ValueError unless x (batch, observed) is finite, two-dimensional, not empty and, for Bernoulli, 0 or 1."""
    if x.ndim != 2 or x.size == 0:
        raise ValueError(f"Data of shape {x.shape} arrived; rows of shape (batch, observed) are needed.")
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise ValueError(f"Data hold {x[row, column]} at row {row}, column {column}; remove or impute it first.")
    if likelihood is Likelihood.BERNOULLI and not ((x == 0.0) | (x == 1.0)).all():
        row, column = np.argwhere((x != 0.0) & (x != 1.0))[0]
        raise ValueError(
            f"Data hold {x[row, column]} at row {row}, column {column}; a Bernoulli likelihood needs 0 or 1: "
            "binarise the pixels first."
        )


@cache
def _shipped(name: str) -> Dataset:
    train, test, source = shipped.parts(name)
    digest = _digest(train, test)
    if digest != SHA256[name]:
        raise ValueError(
            f"Data set {name!r} has SHA-256 {digest}, expected {SHA256[name]}: the file it comes from has changed "
            f"({source}). Install the pinned version of that package."
        )
    return _dataset(name, (train, None, test), digest, source)


@lru_cache(maxsize=1)  # hundreds of megabytes each
def _binary_files(name: str, folder: Path | None) -> Dataset:
    recipe, parts = RECIPES[name], _files(name, folder)
    if recipe.grey:
        train, valid, test = (shipped.binarise(part, seed=BINARISED_BY + place) for place, part in enumerate(parts))
    else:
        train, valid, test = parts
    return _dataset(name, (train, valid, test), _digest(train, valid, test), recipe.source)


@lru_cache(maxsize=1)
def _files(name: str, folder: Path | None) -> tuple[Array, Array, Array]:
    """Training, validation and test rows as the files have them. Raises MissingDataError and DataError."""
    reason = missing(name, folder)
    if reason is not None or folder is None:
        raise MissingDataError(reason)
    recipe = RECIPES[name]
    paths = {file.name: located(folder, file.name) for file in recipe.files}
    train, valid, test = recipe.read({file: path for file, path in paths.items() if path is not None})
    if recipe.shuffled:
        train = train[np.random.default_rng(ORDERED_BY).permutation(len(train))]
    if valid is None:
        train, valid = train[: -recipe.rows[1]], train[-recipe.rows[1] :]
    _check_rows(recipe, (len(train), len(valid), len(test)))
    return train, valid, test


def _check_rows(recipe: Recipe, rows: tuple[int, int, int]) -> None:
    if rows != recipe.rows:
        raise DataError(
            f"The files of {recipe.name} hold {rows} training, validation and test rows; {recipe.rows} are published: "
            f"a file is truncated or another one. {AGAIN}"
        )


def _dataset(name: str, parts: tuple[Array, Array | None, Array], digest: str, source: str) -> Dataset:
    for rows in parts:
        if rows is not None:
            rows.setflags(write=False)
    train, validation, test = parts
    return Dataset(name=name, train=train, validation=validation, test=test, sha256=digest, source=source)


def _folder() -> Path | None:
    text = os.environ.get(FOLDER)
    return Path(text) if text else None


def _digest(*parts: Array) -> str:
    digest = hashlib.sha256()
    for rows in parts:
        digest.update(np.ascontiguousarray(rows, dtype="<f8").tobytes())
    return digest.hexdigest()
