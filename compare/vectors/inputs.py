"""Inputs of the vectors: plain rational patterns, no random numbers, each number exact in binary32."""

from math import log

from elbo_compare.compare.vectors.exact import MP, Nested, mapped, single

Matrix = list[list[float]]

LOG_VAR_SIGMA_SMALL = single(2 * log(1e-3))
LOG_VAR_SIGMA_LARGE = single(2 * log(10.0))
FAR, VERY_FAR = 30.0, 1000.0
SATURATED = 700.0  # exp(700) is finite in float64 and infinite in float32; exp(-700) underflows in float32


def pattern(rows: int, columns: int, *, step: int, shift: int, modulus: int, unit: float) -> Matrix:
    """((step i + shift j) mod modulus - modulus // 2) unit, row i, column j: all sizes and signs, never regular."""
    return [
        [unit * ((step * i + shift * j + i * j) % modulus - modulus // 2) for j in range(columns)] for i in range(rows)
    ]


def means(batch: int, latent: int) -> Matrix:
    """Means between -1.25 and 1.25."""
    return pattern(batch, latent, step=4, shift=7, modulus=11, unit=0.25)


def log_vars(batch: int, latent: int) -> Matrix:
    """Log variances between -1.5 and 1.5: sigma between 0.47 and 2.1."""
    return pattern(batch, latent, step=5, shift=3, modulus=13, unit=0.25)


def noises(batch: int, latent: int) -> Matrix:
    """Base noise between -2.25 and 2.25."""
    return pattern(batch, latent, step=8, shift=5, modulus=19, unit=0.25)


def samples(mean: Matrix, log_var: Matrix, noise: Matrix) -> Matrix:
    """mean + exp(log_var / 2) noise, rounded to binary32; by mpmath, so that every platform gets the same numbers."""
    return [
        [single(float(MP.mpf(m) + MP.exp(MP.mpf(v) / 2) * MP.mpf(e))) for m, v, e in zip(*each, strict=True)]
        for each in zip(mean, log_var, noise, strict=True)
    ]


def filled(rows: int, columns: int, value: float) -> Matrix:
    """One number everywhere."""
    return [[value] * columns for _ in range(rows)]


def coins(batch: int, observed: int) -> Matrix:
    """Zeros and ones."""
    return [[float((3 * i + 2 * j + i * j) % 5 < 2) for j in range(observed)] for i in range(batch)]


def outputs(batch: int, observed: int) -> Matrix:
    """A decoder's outputs, between -3 and 3."""
    return pattern(batch, observed, step=7, shift=4, modulus=17, unit=0.375)


def times(factor: float, values: Nested) -> Nested:
    """Every number times `factor`."""
    return mapped(lambda value: factor * value, values)


def signs(rows: int, columns: int) -> Matrix:
    """+1 and -1 in turn, along rows and columns."""
    return [[1.0 if (i + j) % 2 == 0 else -1.0 for j in range(columns)] for i in range(rows)]
