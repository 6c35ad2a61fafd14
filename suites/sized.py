"""The gated VAE at other sizes than the named problems', for cost as work grows. NumPy only."""

import numpy as np

from elbo_compare.suites.contract import Array, Likelihood, Problem
from elbo_compare.suites.problems import FULL


def sized_vae(
    *, observed: int = FULL.observed, hidden: int = FULL.hidden, latent: int = FULL.latent, seed: int = FULL.seed
) -> Problem:
    """The VAE of `vae` with other widths; Xavier-normal weights, zero biases (Glorot and Bengio 2010, eq. 16)."""
    layers: dict[str, tuple[int, int]] = {}
    for side, width in (("encoder", observed), ("decoder", latent)):
        for index, inputs in enumerate((width, hidden)):
            for part in ("linear", "gate"):
                layers[f"{side}.{index}.{part}"] = (hidden, inputs)
        heads = {"encoder": {"mean": latent, "log_var": latent}, "decoder": {"output": observed}}[side]
        layers |= {f"{side}.{head}": (out, hidden) for head, out in heads.items()}
    rng = np.random.default_rng(seed)
    params: dict[str, Array] = {}
    for name, (out, inputs) in layers.items():
        params[f"{name}.weight"] = np.sqrt(2.0 / (inputs + out)) * rng.standard_normal((out, inputs))
        params[f"{name}.bias"] = np.zeros(out)
    return Problem(
        name=f"vae-{observed}-{hidden}-{latent}",
        weights="initial",
        likelihood=Likelihood.BERNOULLI,
        gated_layers=2,
        latent=latent,
        observed=observed,
        params=params,
    )


def binary_rows(rows: int, observed: int, seed: int = 0) -> Array:
    """Rows of fair coin flips, 0 or 1, float64: data whose values do not matter to the clock."""
    return np.random.default_rng([seed, observed]).integers(0, 2, (rows, observed)).astype(np.float64)
