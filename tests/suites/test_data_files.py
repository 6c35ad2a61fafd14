"""Data read from files: what is read is what was written, the right way up; what is damaged gets one clear line."""

import gzip
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import savemat

from elbo_compare.suites import datasets
from elbo_compare.suites.contract import Likelihood
from elbo_compare.suites.datasets import RECIPES, DataError
from elbo_compare.suites.datasets.formats import read_amat, read_idx, read_mat

ROWS = (20, 5, 6)  # training, validation, test rows of the small sets
RNG = np.random.default_rng(28)
PARTS = ("train", "valid", "test")
BITS = {part: RNG.integers(0, 2, (n, 784), dtype=np.uint8) for part, n in zip(PARTS, ROWS, strict=True)}


def amat(rows):
    return "".join(" ".join(map(str, row)) + "\n" for row in rows).encode()


def idx(images, magic=b"\0\0\x08\x03", lengths=None):
    shape = images.shape if lengths is None else lengths
    return magic + b"".join(int(length).to_bytes(4, "big") for length in shape) + images.astype(np.uint8).tobytes()


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Recipes that expect `ROWS`, a folder for files, and the environment variable that names it."""
    for name, recipe in list(RECIPES.items()):
        monkeypatch.setitem(RECIPES, name, replace(recipe, rows=ROWS))
    monkeypatch.setenv(datasets.FOLDER, str(tmp_path))
    for cached in (datasets._files, datasets._binary_files):
        cached.cache_clear()
    yield tmp_path
    for cached in (datasets._files, datasets._binary_files):
        cached.cache_clear()


def write_amat(folder, **changed):
    for part, rows in BITS.items():
        (folder / f"binarized_mnist_{part}.amat").write_bytes(changed.get(part, amat(rows)))


def write_idx(folder, train=None, test=None, suffix=".gz", pack=gzip.compress):
    grey = np.random.default_rng(3).integers(0, 256, (31, 28, 28))
    train = idx(grey[:25]) if train is None else train
    test = idx(grey[25:]) if test is None else test
    for part, content in (("train", train), ("t10k", test)):
        (folder / f"{part}-images-idx3-ubyte{suffix}").write_bytes(pack(content))
    return grey.reshape(31, 784) / 255.0


def upright(rows):
    """The pictures of rows stored column by column, as pictures."""
    return rows.reshape(-1, 28, 28).swapaxes(1, 2).reshape(-1, 784)


def test_static_mnist_is_what_the_lines_say(small):
    write_amat(small)
    data = datasets.load("static-mnist")
    for part, rows in (("train", data.train), ("valid", data.validation), ("test", data.test)):
        np.testing.assert_array_equal(rows, BITS[part])
    assert data.train.dtype == np.float64
    datasets.validate(data.train, Likelihood.BERNOULLI)


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), ("", bytes), (".gz", bytes), ("", gzip.compress)])
def test_mnist_images_are_read_gzipped_or_not_whatever_their_name(small, suffix, pack):
    grey = write_idx(small, suffix=suffix, pack=pack)
    np.testing.assert_array_equal(datasets.grey("mnist"), grey[:20])
    data = datasets.load("mnist")
    assert data.validation is not None
    assert [len(part) for part in (data.train, data.validation, data.test)] == list(ROWS)
    # Each pixel is Bernoulli(grey): the mean over n pixels is within 6 standard errors of the mean grey value.
    assert abs(data.train.mean() - grey[:20].mean()) < 6 * np.sqrt((grey[:20] * (1 - grey[:20])).sum()) / grey[:20].size
    for part in (data.train, data.validation, data.test):
        datasets.validate(part, Likelihood.BERNOULLI)


def test_files_are_found_one_folder_below(small):
    (small / "MNIST").mkdir()
    write_idx(small / "MNIST")
    assert datasets.missing("mnist") is None
    assert len(datasets.load("mnist").train) == 20


def test_omniglot_is_transposed_and_its_order_is_fixed(small):
    grey = np.random.default_rng(4).random((31, 784))
    savemat(small / "chardata.mat", {"data": grey[:25].T, "testdata": grey[25:].T, "target": np.eye(3)})
    train = datasets.grey("omniglot")
    expected = {row.tobytes() for row in upright(grey[:25])}
    assert len(train) == 20 and {row.tobytes() for row in train} < expected
    datasets._files.cache_clear()
    np.testing.assert_array_equal(datasets.grey("omniglot"), train)
    assert datasets.load("omniglot").test.shape == (6, 784)


def test_caltech_silhouettes_are_transposed_and_inverted(small):
    parts = {"train_data": BITS["train"], "val_data": BITS["valid"], "test_data": BITS["test"]}
    savemat(small / "caltech101_silhouettes_28_split1.mat", parts)
    data = datasets.load("caltech101-silhouettes")
    np.testing.assert_array_equal(data.test, 1 - upright(BITS["test"]))
    np.testing.assert_array_equal(data.validation, 1 - upright(BITS["valid"]))


def test_a_set_without_validation_rows_gives_the_last_tenth_of_its_training_rows():
    data = datasets.load("digits")
    train, validation = datasets.split(data)
    assert (len(train), len(validation)) == (1350, 150)
    np.testing.assert_array_equal(np.concatenate([train, validation]), data.train)


@pytest.mark.parametrize("name", ["digits", "mnist-5k"])
def test_shipped_grey_rows_are_those_that_were_binarised(name):
    """Where a pixel is 0 or 1 for certain, its binarisation is that value; so the rows belong together."""
    grey, binary = datasets.grey(name), datasets.load(name).train
    certain = (grey == 0) | (grey == 1)
    assert 0.3 < certain.mean() < 1
    np.testing.assert_array_equal(grey[certain], binary[certain])


def test_binary_data_have_no_grey_rows():
    with pytest.raises(ValueError, match="'static-mnist' is not grey"):
        datasets.grey("static-mnist")


def test_without_a_folder_the_reason_says_what_to_give(monkeypatch):
    monkeypatch.delenv(datasets.FOLDER, raising=False)
    with pytest.raises(datasets.MissingDataError, match=r"give --data-dir DIR .*compare data fetch mnist"):
        datasets.load("mnist")


def test_an_absent_file_is_named(small):
    write_amat(small)
    (small / "binarized_mnist_valid.amat").unlink()
    assert datasets.missing("static-mnist", small) == datasets.missing("static-mnist")
    with pytest.raises(datasets.MissingDataError, match=r"^binarized_mnist_valid\.amat not found"):
        datasets.load("static-mnist")


AMAT_FAULTS = {
    "cut in the middle of a line": (amat(BITS["train"])[:-100], r"line 20: 734 entries arrived, 784 are expected"),
    "cut at the end of a line": (amat(BITS["train"][:-1]), r"hold \(19, 5, 6\) .* \(20, 5, 6\) are published"),
    "grey": (b"0.25 " + amat(BITS["train"])[2:], r"line 1: the entry '0\.25' arrived where 0 or 1 is expected"),
    "no number": (amat(BITS["train"])[:-2] + b"nan\n", r"line 20: the entry 'nan' arrived"),
    "two digits": (b"00 " + amat(BITS["train"])[2:], r"line 1: the entry '00' arrived"),
    "empty": (b"", "is empty"),
    "a web page": (b"<!DOCTYPE html>\n<html></html>\n", r"line 1: the entry '<!DOCTYPE' arrived"),
    "other pixels": (amat(BITS["train"][:, :256]), "256 entries arrived, 784 are expected"),
}


@pytest.mark.parametrize("fault", AMAT_FAULTS)
def test_a_damaged_amat_file_gets_one_clear_line(small, fault):
    content, message = AMAT_FAULTS[fault]
    write_amat(small, train=content)
    refused("static-mnist", message)


IMAGES = np.zeros((25, 28, 28))
IDX_FAULTS = {
    "cut": (idx(IMAGES)[:-1], r"holds 19615 bytes; its header promises 19616 \(shape \(25, 28, 28\)\)"),
    "longer": (idx(IMAGES) + b"\0", "holds 19617 bytes; its header promises 19616"),
    "labels": (idx(np.zeros(25), magic=b"\0\0\x08\x01"), r"has shape \(25,\); \(images, 28, 28\) is expected"),
    "magic": (idx(IMAGES, magic=b"\0\0\x0d\x03"), "starts with the bytes 00 00 0d 03"),
    "header cut": (idx(IMAGES)[:9], "holds 9 bytes; its header promises 16"),
    "empty": (b"", "starts with the bytes of nothing"),
    "other pixels": (idx(np.zeros((25, 32, 32))), r"has shape \(25, 32, 32\)"),
    "fewer images": (idx(IMAGES[:24]), r"hold \(19, 5, 6\)"),
}


@pytest.mark.parametrize("fault", IDX_FAULTS)
def test_a_damaged_idx_file_gets_one_clear_line(small, fault):
    content, message = IDX_FAULTS[fault]
    write_idx(small, train=content)
    refused("mnist", message)


def test_a_truncated_gzip_file_gets_one_clear_line(small):
    write_idx(small)
    path = small / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-200])
    refused("mnist", "is gzipped and can't be unpacked")


MAT_FAULTS = {
    "nan": ({"data": np.full((784, 25), np.nan)}, "data holds nan at row 0, column 0"),
    "beyond one": ({"data": np.full((784, 25), 255.0)}, "values from 255 to 255; grey values from 0 to 1"),
    "other pixels": ({"data": np.zeros((256, 25))}, r"data makes rows of shape \(25, 256\); 784 pixels"),
    "not transposed": ({"data": np.zeros((25, 784))}, r"data makes rows of shape \(784, 25\)"),
    "other names": ({"images": np.zeros((784, 25))}, "holds no array data, testdata"),
    "text": ({"data": "characters"}, "data is <U10 of shape"),
    "fewer rows": ({"data": np.zeros((784, 24))}, r"hold \(19, 5, 6\)"),
}


@pytest.mark.parametrize("fault", MAT_FAULTS)
def test_a_wrong_matlab_file_gets_one_clear_line(small, fault):
    content, message = MAT_FAULTS[fault]
    rest = {} if "images" in content else {"testdata": np.zeros((784, 6))}
    savemat(small / "chardata.mat", content | rest)
    refused("omniglot", message)


def test_grey_silhouettes_are_refused(small):
    parts = {"train_data": BITS["train"] * 0.5, "val_data": BITS["valid"], "test_data": BITS["test"]}
    savemat(small / "caltech101_silhouettes_28_split1.mat", parts)
    refused("caltech101-silhouettes", r"train_data holds 0\.5 at row 0, column \d+; silhouettes are 0 or 1")


@pytest.mark.parametrize("keep", [0, 60, 200, 3000])
def test_a_truncated_matlab_file_gets_one_clear_line(small, keep):
    path = small / "chardata.mat"
    savemat(path, {"data": np.zeros((784, 25)), "testdata": np.zeros((784, 6))}, do_compression=True)
    path.write_bytes(path.read_bytes()[: min(keep, path.stat().st_size - 8)])
    refused("omniglot", "chardata.mat")


def refused(name, message):
    with pytest.raises(DataError) as error:
        datasets.load(name)
    text = str(error.value)
    assert re.search(message, text), text
    assert "\n" not in text and "compare data" in text


@pytest.mark.parametrize("read", [lambda p: read_amat(p, columns=784), read_idx, lambda p: read_mat(p, ("data",))])
def test_readers_refuse_noise_with_a_reason(tmp_path, read):
    path = tmp_path / "noise"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(DataError, match="noise"):
        read(path)
