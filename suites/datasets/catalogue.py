"""The real data sets that come from a folder (`--data-dir`): their files, where these are, how rows are made of them.

Rows are 28 x 28 pixels, row by row from the top left, strokes (or objects) near 1 on a background near 0. Where the
files are grey, `binarise` says so: rows are then binarised once, by a fixed seed, and the grey training rows are there
for dynamic binarisation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elbo_compare.suites.contract import Array
from elbo_compare.suites.datasets.formats import AGAIN, DataError, read_amat, read_idx, read_mat

PIXELS = 784
SIDE = 28


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One file: its name, where its authors have it, and its hash as `algorithm:digits` with the source of that hash;
    both empty where no source gives one."""

    name: str
    url: str
    digest: str = ""
    digest_source: str = ""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A data set of files. `rows`: of the training, validation and test parts, as published; a validation part that the
    files do not have is the last of the training rows, and `shuffled` puts those in a fixed random order first."""

    name: str
    files: tuple[DataFile, ...]
    rows: tuple[int, int, int]
    grey: bool
    read: Callable[[Mapping[str, Path]], tuple[Array, Array | None, Array]]
    source: str
    arrangement: str
    shuffled: bool = False


def _static_mnist(paths: Mapping[str, Path]) -> tuple[Array, Array, Array]:
    train, valid, test = (read_amat(path, columns=PIXELS).astype(np.float64) for path in paths.values())
    return train, valid, test


def _mnist(paths: Mapping[str, Path]) -> tuple[Array, None, Array]:
    train, test = (_images(path) for path in paths.values())
    return train, None, test


def _images(path: Path) -> Array:
    images = read_idx(path)
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise DataError(f"{path.name} has shape {images.shape}; (images, 28, 28) is expected. {AGAIN}")
    return images.reshape(len(images), PIXELS) / 255.0


def _omniglot(paths: Mapping[str, Path]) -> tuple[Array, None, Array]:
    path = next(iter(paths.values()))
    arrays = read_mat(path, ("data", "testdata"))
    train, test = (_upright(_in_unit_interval(path, name, value.T)) for name, value in arrays.items())
    return train, None, test


def _caltech(paths: Mapping[str, Path]) -> tuple[Array, Array, Array]:
    path = next(iter(paths.values()))
    arrays = read_mat(path, ("train_data", "val_data", "test_data"))
    train, valid, test = (1.0 - _upright(_binary(path, name, value)) for name, value in arrays.items())
    return train, valid, test


def _upright(rows: Array) -> Array:
    """Pixels stored column by column, as MATLAB does, row by row."""
    return np.ascontiguousarray(rows.reshape(-1, SIDE, SIDE).transpose(0, 2, 1)).reshape(-1, PIXELS)


def _in_unit_interval(path: Path, name: str, rows: Array) -> Array:
    _pixels(path, name, rows)
    if rows.min() < 0.0 or rows.max() > 1.0:
        raise DataError(
            f"{path.name}: {name} has values from {rows.min():g} to {rows.max():g}; grey values from 0 to 1 are "
            f"expected. {AGAIN}"
        )
    return rows


def _binary(path: Path, name: str, rows: Array) -> Array:
    _pixels(path, name, rows)
    wrong = (rows != 0.0) & (rows != 1.0)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{path.name}: {name} holds {rows[row, column]:g} at row {row}, column {column}; silhouettes are 0 or 1. "
            f"{AGAIN}"
        )
    return rows


def _pixels(path: Path, name: str, rows: Array) -> None:
    if rows.shape[1] != PIXELS or not len(rows):
        raise DataError(f"{path.name}: {name} makes rows of shape {rows.shape}; {PIXELS} pixels are expected. {AGAIN}")


_LAROCHELLE = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist"
_TFDS = "tensorflow/datasets, tensorflow_datasets/url_checksums/binarized_mnist.txt"
_TORCHVISION = "pytorch/vision, torchvision/datasets/mnist.py, MNIST.resources"
_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist"

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="static-mnist",
            files=tuple(
                DataFile(
                    name=f"binarized_mnist_{part}.amat",
                    url=f"{_LAROCHELLE}/binarized_mnist_{part}.amat",
                    digest=f"sha256:{digest}",
                    digest_source=_TFDS,
                )
                for part, digest in (
                    ("train", "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d"),
                    ("valid", "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2"),
                    ("test", "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c"),
                )
            ),
            rows=(50_000, 10_000, 10_000),
            grey=False,
            read=_static_mnist,
            source="Larochelle's binarised MNIST (Salakhutdinov and Murray 2008; Larochelle and Murray 2011)",
            arrangement="0 and 1, three files",
        ),
        Recipe(
            name="mnist",
            files=tuple(
                DataFile(
                    name=f"{part}-images-idx3-ubyte.gz",
                    url=f"{_MIRROR}/{part}-images-idx3-ubyte.gz",
                    digest=f"md5:{digest}",
                    digest_source=_TORCHVISION,
                )
                for part, digest in (
                    ("train", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
                    ("t10k", "9fb629c4189551a2d022fa330f9573f3"),
                )
            ),
            rows=(50_000, 10_000, 10_000),
            grey=True,
            read=_mnist,
            source="LeCun, Cortes and Burges, The MNIST database of handwritten digits",
            arrangement="grey, value / 255; the last 10,000 training images are the validation part",
        ),
        Recipe(
            name="omniglot",
            files=(
                DataFile(
                    name="chardata.mat",
                    url="https://raw.githubusercontent.com/yburda/iwae/master/datasets/OMNIGLOT/chardata.mat",
                ),
            ),
            rows=(23_000, 1_345, 8_070),
            grey=True,
            read=_omniglot,
            source="OMNIGLOT at 28 x 28 of Burda, Grosse and Salakhutdinov 2016 (arXiv 1509.00519)",
            arrangement="grey, transposed (stored by columns); the last 1,345 of a fixed order are the validation part",
            shuffled=True,
        ),
        Recipe(
            name="caltech101-silhouettes",
            files=(
                DataFile(
                    name="caltech101_silhouettes_28_split1.mat",
                    url="https://people.cs.umass.edu/~marlin/data/caltech101_silhouettes_28_split1.mat",
                ),
            ),
            rows=(4_100, 2_264, 2_307),
            grey=False,
            read=_caltech,
            source="Caltech 101 Silhouettes, 28 x 28, split 1 (Marlin, Swersky, Chen and de Freitas 2010)",
            arrangement="0 and 1, transposed (stored by columns), inverted as in jmtomczak/vae_vampprior",
        ),
    )
}
