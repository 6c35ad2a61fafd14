"""Problems of the mutants' own, small enough for a complex step in every weight.

`bernoulli-tiny`: a linear VAE with Bernoulli pixels, two of which saturate (logits about +25 and -25), because clamps
and epsilons show nowhere else. `near_prior`: the KL alone at a q so close to the prior that k3 has a fourth moment.
"""

from dataclasses import replace
from functools import cache

import numpy as np

from elbo_compare.suites import problems
from elbo_compare.suites.contract import Dataset, Likelihood, Problem

LATENT, OBSERVED = 3, 6


@cache
def bernoulli_tiny() -> Problem:
    """Encoder, decoder: one linear layer each; 3 latent dimensions, 6 pixels."""
    rng = np.random.default_rng(20140416)
    params = {
        "encoder.mean.weight": np.round(rng.normal(0.0, 0.6, (LATENT, OBSERVED)), 4),
        "encoder.mean.bias": np.array([0.3, -0.5, 0.1]),
        "encoder.log_var.weight": np.round(rng.normal(0.0, 0.2, (LATENT, OBSERVED)), 4),
        "encoder.log_var.bias": np.array([-0.8, 0.2, -0.3]),
        "decoder.output.weight": np.round(rng.normal(0.0, 0.9, (OBSERVED, LATENT)), 4),
        "decoder.output.bias": np.array([25.0, -25.0, 0.5, -0.5, 0.2, -1.0]),
    }
    return Problem(
        name="bernoulli-tiny",
        weights="fixed",
        likelihood=Likelihood.BERNOULLI,
        gated_layers=0,
        latent=LATENT,
        observed=OBSERVED,
        params=params,
        note="For mutants of the Bernoulli likelihood; pixels 0 and 1 saturate.",
    )


@cache
def bernoulli_data() -> Dataset:
    """Sixteen rows of coin flips: the saturated pixels take both values."""
    rows = (np.random.default_rng(20151103).random((16, OBSERVED)) < 0.5).astype(float)
    return Dataset(name="coins", train=rows, test=rows, sha256="", source="coin flips, seed 20151103")


@cache
def near_prior() -> Problem:
    """gaussian-kl at sigma^2 = 0.9 and 0.85: r = p/q has a finite n-th moment iff sigma^2 > (n - 1) / n."""
    typical = problems.load("gaussian-kl", "2-typical")
    params = {
        **typical.params,
        "encoder.mean.bias": np.array([0.3, -0.2]),
        "encoder.log_var.bias": np.log(np.array([0.9, 0.85])),
    }
    return replace(typical, weights="2-near-prior", params=params)
