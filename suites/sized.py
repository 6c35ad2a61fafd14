"""The gated VAE at other sizes than the named problems', for cost as work grows. NumPy only."""

import numpy as np

from elbo_compare.suites.contract import Array, Likelihood, Problem
from elbo_compare.suites.problems import FULL


def sized_vae(
    *, observed: int = FULL.observed, hidden: int = FULL.hidden, latent: int = FULL.latent, seed: int = FULL.seed
) -> Problem:
    """The VAE of `vae` with other widths; Xavier-normal weights, zero biases (Glorot and Bengio 2010, eq. 16)."""
    rng = np.random.default_rng(seed)
    params: dict[str, Array] = {}
    for name, (out, inputs) in layers_of(observed, hidden, latent).items():
        params[f"{name}.weight"] = np.sqrt(2.0 / (inputs + out)) * rng.standard_normal((out, inputs))
        params[f"{name}.bias"] = np.zeros(out)
    return _problem(observed, hidden, latent, params)


def outlined_vae(*, observed: int = FULL.observed, hidden: int = FULL.hidden, latent: int = FULL.latent) -> Problem:
    """The same with weights that take no memory: every number is nan. For a case that names a seed instead, so that
    each form makes its weights on its device; whoever takes these all the same gets nan."""
    params: dict[str, Array] = {}
    for name, (out, inputs) in layers_of(observed, hidden, latent).items():
        params[f"{name}.weight"] = np.broadcast_to(np.nan, (out, inputs))
        params[f"{name}.bias"] = np.broadcast_to(np.nan, (out,))
    return _problem(observed, hidden, latent, params)


def layers_of(observed: int, hidden: int, latent: int) -> dict[str, tuple[int, int]]:
    """Layer -> (out, in), two gated layers on each side."""
    layers: dict[str, tuple[int, int]] = {}
    for side, width in (("encoder", observed), ("decoder", latent)):
        for index, inputs in enumerate((width, hidden)):
            for part in ("linear", "gate"):
                layers[f"{side}.{index}.{part}"] = (hidden, inputs)
        heads = {"encoder": {"mean": latent, "log_var": latent}, "decoder": {"output": observed}}[side]
        layers |= {f"{side}.{head}": (out, hidden) for head, out in heads.items()}
    return layers


def _problem(observed: int, hidden: int, latent: int, params: dict[str, Array]) -> Problem:
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
