"""TensorFlow, Keras 3, Flax and Equinox, where they are installed: none is a dependency."""

import importlib.util

import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.checking.target import load
from elbo_compare.suites.bridge.user_arrays import open_arrays

RIGHT, WRONG, DESIGN = CheckVerdict.RIGHT, CheckVerdict.WRONG, CheckVerdict.BY_DESIGN


def made(name):
    from pathlib import Path

    return load(f"{Path(__file__).parent / 'targets' / 'frameworks.py'}:{name}")()


def test_tensorflow_judges_values_and_gradients():
    pytest.importorskip("tensorflow")
    loss, stopped = made("of_tensorflow")
    assert check_function(loss, framework="tensorflow").verdict is RIGHT
    result = check_function(stopped, framework="tensorflow")
    assert result.verdict is WRONG
    assert "zero by mean" in result.diagnosis.text


def test_keras_is_called_with_its_backends_arrays():
    pytest.importorskip("keras")
    layer, loss = made("of_keras")
    assert check_function(layer).verdict is RIGHT
    result = check_function(loss)
    assert result.verdict is RIGHT
    assert "(batch, 28, 28, 1)" in result.as_text()


def test_a_flax_module_bears_its_weight():
    pytest.importorskip("flax")
    one, four = made("of_flax")
    assert check_function(one).verdict is RIGHT
    assert check_function(four).verdict is DESIGN


def test_equinox_modules_and_filtered_jit():
    pytest.importorskip("equinox")
    right, wrong = made("of_equinox")
    assert check_function(right).verdict is RIGHT
    assert check_function(wrong).verdict is WRONG


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed")
def test_a_framework_that_is_not_installed_is_an_import_error():
    with pytest.raises(ImportError):
        open_arrays("tensorflow")
