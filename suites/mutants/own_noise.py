"""Noise of a function's own that is a function of its arguments: independent of z, and yet the same at each call."""

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from elbo_compare.suites.complex_step import Dual
from elbo_compare.suites.contract import Array


def of_the_batch(z: Dual) -> Array:
    """Standard normal numbers of z's shape, seeded with the bits of the whole batch."""
    digest = hashlib.sha256(np.ascontiguousarray(np.real(z)).tobytes()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big")).standard_normal(z.shape)


def of_each_row(z: Dual) -> Array:
    """Standard normal numbers, (batch, latent), each row a function of that row's bits: many rows at once.

    A row's bits are hashed with the column by SplitMix64 (Steele, Lea and Flood 2014, OOPSLA), and the 53 highest bits
    of the hash, as a number in (0, 1), go through the normal quantile.
    """
    bits = np.ascontiguousarray(np.real(z), dtype=np.float64).view(np.uint64)
    row = np.zeros(len(bits), np.uint64)
    for column in bits.T:
        row = split_mix(row ^ column)
    hashed = split_mix(row[:, None] ^ split_mix(np.arange(1, bits.shape[1] + 1, dtype=np.uint64)))
    return ndtri(((hashed >> np.uint64(11)) + 0.5) * 2.0**-53)


def split_mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One step of SplitMix64: a bijection of 64 bits in which each bit moves about half of all others."""
    state = state + np.uint64(0x9E3779B97F4A7C15)  # modulo 2^64, as NumPy adds and multiplies
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
