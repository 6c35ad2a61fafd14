"""`compare match` of losses that TensorFlow Probability computes, against a NumPyro pair."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from elbo_compare.compare.matching.child import frameworks_named
from elbo_compare.compare.matching.loading import load_programs
from elbo_compare.compare.matching.result import MatchResult, MatchVerdict
from elbo_compare.compare.matching.session import Plan, Side, match_sides

TARGETS = Path(__file__).parent / "targets"
BINARY = (np.random.default_rng(0).random((40, 7)) < 0.4).astype(float)


def test_a_file_that_imports_it_alone_is_jax_s(tmp_path):
    (tmp_path / "vae.py").write_text("import tensorflow_probability.substrates.jax as tfp\n")
    assert frameworks_named(f"{tmp_path / 'vae.py'}:loss") == ["jax"]


def matched(loss: str) -> MatchResult:
    if not (find_spec("tensorflow_probability") and find_spec("numpyro")):
        pytest.skip("tfp-nightly or numpyro is not installed")
    import_module("elbo_compare.suites.tfp_ppl.library")  # where what it says while it is imported is kept quiet
    sides = (("match_tfp", [loss]), ("match_numpyro", ["model", "guide"]))
    first, second = (
        Side(
            programs=tuple(load_programs([f"{TARGETS / file}.py:{each}" for each in names], {})),
            framework="jax",
            label=" ".join(names),
        )
        for file, names in sides
    )
    return match_sides(first, second, Plan(data=[BINARY], tapes=9), {})


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        ("sampled", "loss = Trace_ELBO: "),
        ("averaged", "loss = Trace_ELBO, averaged over the batch: "),
        ("analytic", "loss = TraceMeanField_ELBO: "),
    ],
)
def test_its_loss_is_the_pair_s(loss, says):
    result = matched(loss)
    assert result.verdict is MatchVerdict.SAME, result.as_text()
    assert says in result.as_text() and "Its gradients too, of 10 weights" in result.as_text()


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        ("without_prior", "Log p(z) is absent."),
        ("two_samples", "It is the importance-weighted bound (IWAE) of 2 draws, no ELBO."),
    ],
)
def test_another_objective_is_named(loss, says):
    result = matched(loss)
    assert result.verdict is MatchVerdict.DIFFERS and says in result.as_text()
