"""The profile `full`: every model on every implementation, seeds, dtypes and binarisations as promised, in its time."""

from collections import defaultdict

import pytest

from elbo_compare.compare.claims import CLAIMS
from elbo_compare.compare.planning.plan import plan
from elbo_compare.compare.planning.spec import read_spec
from elbo_compare.compare.records import Procedure
from elbo_compare.compare.running.expected import TimeLeft, seconds_after
from elbo_compare.suites.contract import Device
from elbo_compare.suites.problems import WEIGHTS
from elbo_compare.suites.protocol import PROTOCOLS

TRAINED_BY = {"torch-hand", "jax-hand", "pyro", "numpyro"}
NETWORKS = {name for name in WEIGHTS if name not in ("gaussian-kl", "linear-gaussian")}
SMALL_OF_MNIST = {f"{name}-small" for name in ("householder", "linear-iaf", "convex-linear-iaf", "vae")}


@pytest.fixture(scope="module")
def cells():
    """The cells of `full`."""
    return list(plan(read_spec("full"), Device.CPU))


def test_every_problem_is_evaluated_by_every_implementation_in_both_dtypes_at_five_seeds(cells):
    seeds = defaultdict(set)
    for cell in cells:
        if cell.procedure is Procedure.EVALUATE and cell.estimator == "sampled-kl":
            seeds[cell.problem, cell.weights, cell.implementation, cell.dtype].add(cell.seed)
    places = [(name, weights) for name in WEIGHTS for weights in WEIGHTS[name]]
    for place in places:
        for implementation in TRAINED_BY:
            for dtype in ("float64", "float32"):
                assert len(seeds[(*place, implementation, dtype)]) >= 5, (place, implementation, dtype)


def test_every_model_is_trained_by_all_four_at_five_seeds_under_both_binarisations_with_5000_draws(cells):
    seeds = defaultdict(set)
    for cell in cells:
        if cell.protocol:
            protocol = PROTOCOLS[cell.protocol]
            assert protocol.likelihood_draws == 5_000
            seeds[cell.problem, cell.implementation, protocol.dynamic].add(cell.seed)
    for problem in NETWORKS - SMALL_OF_MNIST:  # those of MNIST are trained at their full size
        for implementation in TRAINED_BY:
            for dynamic in (False, True):
                assert len(seeds[problem, implementation, dynamic]) >= 5, (problem, implementation, dynamic)


def test_the_training_claims_come_from_tens_of_seeds(cells):
    seeds = defaultdict(set)
    for cell in cells:
        if cell.procedure is Procedure.FIT and cell.problem == "vae-small":
            seeds[cell.implementation, cell.estimator].add(cell.seed)
    assert min(map(len, seeds.values())) >= 30
    pairs = [cell.data for cell in cells if cell.procedure is Procedure.FIT_PAIRS]
    assert min(pairs) >= 50


def test_it_takes_under_two_hours_by_the_recorded_run_with_an_empty_cache(cells):
    left = TimeLeft(cells=cells, jobs=2, after_s=seconds_after(len(cells), suites=True))
    assert left.seconds(0.0) < 2 * 3600


def test_whoever_is_compared_with_another_cell_finds_it_there(cells):
    """A profile that leaves the partner out measures a cell for nothing: its verdict is *not run*."""
    for claim in CLAIMS:
        if (pairing := claim.pairing) is not None:
            there = {pairing.key(cell) for cell in cells if claim.is_partner(cell)}
            alone = [cell.label for cell in cells if claim.applies(cell) and pairing.key_wanted(cell) not in there]
            assert not alone, claim.id
