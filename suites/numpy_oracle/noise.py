"""From base noise to particles, and the oracle's own random numbers."""

import numpy as np

from elbo_compare.suites.contract import Array, Estimator, Noise


def particles_of(estimator: Estimator, noise: Array) -> Array:
    """Base noise (noise_rows, batch, latent) -> (particle, batch, latent): both signs of each row where antithetic.

    Raises ValueError for another number of rows.
    """
    if noise.ndim != 3 or len(noise) != estimator.noise_rows:
        raise ValueError(
            f"Noise of shape {noise.shape} arrived; {estimator.name} needs ({estimator.noise_rows}, batch, latent)."
        )
    return np.concatenate([noise, -noise]) if estimator.noise is Noise.ANTITHETIC else noise


def draw_noise(estimator: Estimator, rng: np.random.Generator, n: int, latent: int) -> Array:
    """Base noise of n independent values, (noise_rows, n, latent), from one stream whatever n it is cut into."""
    rows = estimator.noise_rows
    if estimator.noise is Noise.SOBOL:
        return _normal_quantile(scrambled_sobol(rng, n, rows, latent)).transpose(1, 0, 2)
    return rng.standard_normal((n, rows, latent)).transpose(1, 0, 2)


def scrambled_sobol(rng: np.random.Generator, n: int, points: int, latent: int) -> Array:
    """n independent scrambles of the first `points` = 2^m Sobol points, (n, points, latent), inside (0, 1).

    Owen 1995, nested uniform scrambling: one random bit for each node of each dimension's binary tree decides whether
    its halves are exchanged. Below level m every interval holds one point, whose other bits are then independent.
    """
    levels = points.bit_length() - 1
    if points != 2**levels:
        raise ValueError(f"Sobol points come in powers of two; {points} were asked for.")
    from scipy.stats import qmc  # half a second to import, and needed here only

    base = qmc.Sobol(latent, scramble=False).random(points)
    cells = np.floor(base * points).astype(np.int64)  # point, latent
    flips = rng.random((n, latent, points)) < 0.5  # one bit per node, in heap order: the root is 1
    lower_bits = rng.random((n, points, latent))
    scrambled = np.zeros((n, points, latent), np.int64)
    for level in range(levels):
        node = 2**level + (cells >> (levels - level))
        bit = (cells >> (levels - level - 1)) & 1
        scrambled = 2 * scrambled + (bit ^ flips[:, np.arange(latent), node])
    # A coordinate that rounds to 0 or 1 must not become an infinite quantile.
    return np.clip((scrambled + lower_bits) / points, 2.0**-54, 1.0 - 2.0**-53)


def _normal_quantile(u: Array) -> Array:
    from scipy.special import ndtri

    return ndtri(u)
