"""Each of several trainings in one program is the training that its seed gives alone."""

import functools

import numpy as np
import pytest
from replica_process import BATCH, CHECKPOINTS, HAND, OWN, RATE, SEEDS, SHARED, STEPS, arguments_of, replicas

from elbo_compare.suites.contract import DType
from elbo_compare.suites.estimators import SAMPLED_KL
from elbo_compare.suites.numpy_oracle.reference import path_reference

# The training claims' allowance: 100 times how far the oracle strays from itself when every weight starts one ulp away.
ALLOWED = 100.0
KINDS = {"shared": SHARED, "own": OWN}
CASES = [pytest.param(name, kind, id=f"{name}-{kind}") for name in HAND for kind in KINDS]


@functools.cache
def _divergence(kind):
    """How far the oracle strays on the first replica's batches: (step,) of the ELBO, and by parameter."""
    problem, x, batches, noise = arguments_of(KINDS[kind])
    path = path_reference(problem, SAMPLED_KL, problem.params, x, batches[0], noise[0], RATE)
    return path.elbo_divergence, path.param_divergence


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_each_replica_has_the_elbo_of_its_single_run(name, kind):
    for together, alone in zip(*replicas(name)[kind], strict=True):
        assert together.elbo.shape == (STEPS,)
        assert together.dtype is DType.FLOAT64
        assert (np.abs(together.elbo - alone.elbo) <= ALLOWED * _divergence(kind)[0]).all()


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_each_replica_has_the_weights_of_its_single_run_at_every_checkpoint(name, kind):
    for together, alone in zip(*replicas(name)[kind], strict=True):
        assert set(together.checkpoints) == set(alone.checkpoints) == set(CHECKPOINTS)
        pairs = [(together.checkpoints[step], alone.checkpoints[step]) for step in CHECKPOINTS]
        for ours, single in [*pairs, (together.params, alone.params)]:
            assert sorted(ours) == sorted(single)
            for parameter, value in single.items():
                distance, allowed = np.linalg.norm(ours[parameter] - value), _divergence(kind)[1][parameter]
                assert distance <= ALLOWED * allowed, f"{parameter} is {distance:.3g} away; allowed {ALLOWED * allowed}"


@pytest.mark.parametrize("name", HAND)
def test_replicas_know_nothing_of_each_other(name):
    """Equal seeds and batches give equal runs to the last bit, other ones do not."""
    first, second, again = replicas(name)["own"][0]
    assert SEEDS[0] == SEEDS[2] != SEEDS[1]
    assert np.array_equal(first.elbo, again.elbo)
    assert not np.array_equal(first.elbo, second.elbo)


@pytest.mark.parametrize("name", HAND)
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("none", "at least one training"),
        ("shapes", f"batches of one shape; ({STEPS}, {BATCH}), ({STEPS - 1}, {BATCH}) arrived"),
        ("rates", f"share learning_rate; {RATE}"),
        ("rows", "share x"),
        ("options", "no training with binarise"),
    ],
)
def test_trainings_that_are_no_replicas_of_each_other_are_named(name, asked, said):
    assert said in replicas(name)[asked]
