"""Readers of the files that others publish: .amat text, IDX, MATLAB. Every refusal says what arrived and what to do."""

import gzip
import io
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elbo_compare.suites.contract import Array

IDX_UNSIGNED_BYTES = 0x08  # the third byte of an IDX file: what its entries are
LARGEST = 2**28  # bytes of one file, unpacked: binarised MNIST as text has 78 million
AGAIN = "Get the file again (`compare data fetch`), or see `compare data list`."


class DataError(ValueError):
    """A data file that is not what its name promises: truncated, of another shape, or with values that cannot be."""


def read_amat(path: Path, *, columns: int) -> NDArray[np.uint8]:
    """Rows of 0 and 1 separated by blanks, one row a line, shape (rows, columns): Larochelle's binarised MNIST.

    Raises DataError where a line has another number of entries or an entry is anything else.
    """
    data = np.frombuffer(_bytes(path), dtype=np.uint8)
    blank = np.isin(data, np.frombuffer(b" \t\r\n", dtype=np.uint8))
    entry = np.flatnonzero(~blank)
    if not entry.size:
        raise DataError(f"{path.name} is empty. {AGAIN}")
    digits = data[entry] - ord("0")
    line = np.searchsorted(np.flatnonzero(data == ord("\n")), entry)  # the line that each entry stands on, from 0
    touching = np.zeros(entry.size, dtype=bool)
    touching[1:] = np.diff(entry) == 1  # two characters without a blank between them: no single 0 or 1
    wrong = np.flatnonzero((digits > 1) | touching)
    if wrong.size:
        raise DataError(
            f"{path.name}, line {line[wrong[0]] + 1}: the entry {_word(data, int(entry[wrong[0]]))!r} arrived where 0 "
            f"or 1 is expected (grey values are no static binarisation). {AGAIN}"
        )
    lengths = np.bincount(line)
    odd = np.flatnonzero((lengths != columns) & (lengths != 0))
    if odd.size:
        raise DataError(
            f"{path.name}, line {odd[0] + 1}: {lengths[odd[0]]} entries arrived, {columns} are expected (28 x 28 "
            f"pixels); the file is truncated or another one. {AGAIN}"
        )
    return digits.reshape(-1, columns)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An IDX file of unsigned bytes, gzipped or not, in its own shape: bytes 0, 0, 8, number of axes, then the axes'
    lengths as big-endian 32-bit integers, then the entries (LeCun, Cortes and Burges, The MNIST database).

    Raises DataError for another magic number or a file that is shorter or longer than its header says.
    """
    data = _bytes(path)
    if len(data) < 4 or data[0] or data[1] or data[2] != IDX_UNSIGNED_BYTES or not data[3]:
        raise DataError(
            f"{path.name} starts with the bytes {data[:4].hex(' ') or 'of nothing'}; an IDX file of unsigned bytes "
            f"starts with 00 00 08 and the number of axes. {AGAIN}"
        )
    start = 4 + 4 * data[3]
    shape = tuple(int(length) for length in np.frombuffer(data[4:start], dtype=">u4")) if len(data) >= start else ()
    expected = start + prod(shape) if shape else start  # Python's integers: a header may promise 2^128 entries
    if len(data) != expected or not shape:
        raise DataError(
            f"{path.name} holds {len(data)} bytes; its header promises {expected} (shape {shape}): the file is "
            f"truncated or damaged. {AGAIN}"
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)


def read_mat(path: Path, names: tuple[str, ...]) -> dict[str, Array]:
    """The named arrays of a MATLAB file, float64, each of two axes; see `mat_file`.

    Raises DataError for what SciPy cannot read, a name that is not there, and values that are not finite numbers.
    """
    if not path.is_file():
        raise DataError(f"{path.name} is no regular file. {AGAIN}")
    if (size := path.stat().st_size) > LARGEST:
        raise DataError(f"{path.name} has {size:,} bytes; at most {LARGEST:,} are read. {AGAIN}")
    program = Path(__file__).with_name("mat_file.py")
    done = subprocess.run(
        [sys.executable, "-P", str(program), str(path.resolve()), *names], capture_output=True, check=False
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = said[-1] if done.returncode == 1 and said else f"reading it ends a process with {done.returncode}"
        raise DataError(f"{path.name} can't be read as a MATLAB file ({reason}): truncated or damaged. {AGAIN}")
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as archive:
        content = dict(archive)
    missing = [name for name in names if name not in content]
    if missing:
        raise DataError(f"{path.name} holds no array {', '.join(missing)}: it is another file. {AGAIN}")
    return {name: _numbers(path, name, content[name]) for name in names}


def read_npy(path: Path) -> Array:
    """The array of a .npy file, of real numbers or truth values. Nothing is unpickled, and no more is read than there
    is.

    Raises DataError for another file, a header that promises what the file does not hold, and other entries.
    """

    def mapped() -> list[Any]:
        with path.open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                raise ValueError("it does not begin as one")
        return [np.load(path, mmap_mode="r", allow_pickle=False)]  # a promise of 2^40 rows takes no memory

    return _plain(path, mapped, "numpy.save")[0]


def read_npz(path: Path) -> list[Array]:
    """The arrays of a .npz file in their order; see `read_npy`."""

    def unpacked() -> list[Any]:
        with path.open("rb") as file, zipfile.ZipFile(file) as members:
            if (size := sum(member.file_size for member in members.infolist())) > LARGEST:
                raise ValueError(f"it unpacks to {size:,} bytes; at most {LARGEST:,} are read")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return [archive[name] for name in archive.files]

    return _plain(path, unpacked, "numpy.savez")


def _plain(path: Path, read: Callable[[], list[Any]], how: str) -> list[Array]:
    if not path.is_file():
        raise DataError(f"{path.name} is no regular file.")
    if (size := path.stat().st_size) > LARGEST:
        raise DataError(f"{path.name} has {size:,} bytes; at most {LARGEST:,} are read.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers of old versions: the rows are what matters
            arrays = read()
    except Exception as error:  # a header is a Python literal: whatever evaluating it leads to
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"{path.name} can't be read ({reason}): save it with {how}.") from error
    for array in arrays:
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
            raise DataError(f"{path.name} holds {getattr(array, 'dtype', type(array).__name__)}; numbers are wanted.")
    return [np.array(array) for array in arrays]


def _numbers(path: Path, name: str, value: Any) -> Array:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "buif" or value.ndim != 2:
        kind = f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise DataError(f"{path.name}: {name} is {kind}; a matrix of real numbers is expected. {AGAIN}")
    array = value.astype(np.float64)
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise DataError(f"{path.name}: {name} holds {array[row, column]} at row {row}, column {column}. {AGAIN}")
    return array


def _bytes(path: Path) -> bytes:
    """The file's bytes, unpacked where it is gzipped, whatever its name says."""
    if not path.is_file():
        raise DataError(f"{path.name} is no regular file. {AGAIN}")
    if (size := path.stat().st_size) > LARGEST:
        raise DataError(f"{path.name} has {size:,} bytes; at most {LARGEST:,} are read. {AGAIN}")
    with path.open("rb") as file:
        data = file.read(2)
        if data != b"\x1f\x8b":
            return data + file.read(LARGEST)
    try:
        with gzip.open(path) as file:
            unpacked = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} is gzipped and can't be unpacked ({error}): it is truncated. {AGAIN}") from error
    if len(unpacked) > LARGEST:
        raise DataError(
            f"{path.name} unpacks to more than {LARGEST:,} bytes; the largest published file is a third. {AGAIN}"
        )
    return unpacked


def _word(data: NDArray[np.uint8], place: int) -> str:
    """The blank-separated word around a place, at most 20 characters of it."""
    text = data[max(0, place - 1) : place + 20].tobytes().decode("ascii", "replace")
    return text.split()[0] if text.split() else text
