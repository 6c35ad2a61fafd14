"""Flows of the torch backends: log-determinants against autograd Jacobians, inverses, and Sobol points."""

import numpy as np
import pytest
from torch_process import FLOWS, LINEAR_FLOWS, TORCH_BACKENDS, results

# Sums of eight terms of size one, a few dozen roundings of 2^-53 each; mistakes are of size one.
ROUNDING = 1e-12
CASES = [pytest.param(backend, name, id=f"{backend}-{name}") for backend in TORCH_BACKENDS for name in FLOWS]


@pytest.mark.parametrize(("backend", "name"), CASES)
def test_claimed_log_determinant_is_that_of_the_autograd_jacobian(backend, name):
    _, log_det, jacobian, _ = results()["flow", backend, name]
    assert np.abs(np.linalg.slogdet(jacobian)[1] - log_det).max() <= ROUNDING
    assert (np.abs(log_det).max() > 0.01) != (name in LINEAR_FLOWS)


@pytest.mark.parametrize(("backend", "name"), CASES)
def test_data_and_particles_do_not_mix_although_batch_equals_latent(backend, name):
    _, _, jacobian, total = results()["flow", backend, name]
    assert abs(np.abs(jacobian).sum() - total) <= ROUNDING * total


@pytest.mark.parametrize("name", FLOWS)
def test_pyros_flow_is_the_hand_written_one(name):
    (hand, hand_det, *_), (pyro, pyro_det, *_) = (results()["flow", backend, name] for backend in TORCH_BACKENDS)
    assert np.abs(hand - pyro).max() <= ROUNDING
    assert np.abs(hand_det - pyro_det).max() <= ROUNDING


@pytest.mark.parametrize("name", FLOWS)
def test_derivative_of_the_way_back_is_the_inverse_jacobian(name):
    jacobian = results()["flow", "torch-hand", name][2]
    assert np.abs(results()["back", name] @ jacobian - np.eye(8)).max() <= ROUNDING


def test_autoregressive_jacobians_are_lower_triangular_and_reflections_orthogonal():
    for backend in TORCH_BACKENDS:
        for name in ("iaf-small", "linear-iaf-small", "convex-linear-iaf-small"):
            assert np.triu(results()["flow", backend, name][2], 1).any() == np.False_
        reflection = results()["flow", backend, "householder-small"][2]
        assert np.abs(reflection @ reflection.swapaxes(-1, -2) - np.eye(8)).max() <= ROUNDING


def test_every_scrambled_sobol_set_is_a_net():
    """Each eighth of each axis has one point, each of the 2 x 4 and 4 x 2 boxes of the first two axes too."""
    points = results()["sobol"]  # 8, 500, 3
    assert ((points > 0.0) & (points < 1.0)).all()
    assert (np.sort((points * 8).astype(int), 0) == np.arange(8)[:, None, None]).all()
    for rows in (2, 4):
        boxes = (points[..., 0] * rows).astype(int) * (8 // rows) + (points[..., 1] * (8 // rows)).astype(int)
        assert (np.sort(boxes, 0) == np.arange(8)[:, None]).all()


def test_a_scrambled_sobol_point_is_uniform_below_its_eighth_too():
    """Position within the eighth: mean 1/2 and variance 1/12 for each of the 8 points (500 x 3 numbers, 6 sigma)."""
    within = (results()["sobol"] * 8) % 1.0
    n = within[0].size
    assert np.abs(within.mean((1, 2)) - 0.5).max() <= 6.0 * np.sqrt(1.0 / 12.0 / n)
    # Kurtosis of a uniform number is 9/5.
    assert np.abs(within.var((1, 2)) * 12.0 - 1.0).max() <= 6.0 * np.sqrt(0.8 / n)
