"""Moments of a quadratic in standard normal noise, Q = constant + v.e + e'B e / 2 with e ~ N(0, I).

Mathai and Provost 1992, "Quadratic forms in random variables", theorem 3.2b.3 (cumulants). `value` units: those of Q.
"""

from dataclasses import dataclass
from math import factorial, nan

import numpy as np

from elbo_compare.suites.shapes import Array, Float, Value


@dataclass(frozen=True, kw_only=True)
class Quadratic:
    """Q = constant + linear.e + e' matrix e / 2. Shapes: linear (latent,), matrix (latent, latent), symmetric.

    >>> q = Quadratic(constant=1.0, linear=np.array([2.0, 0.0]), matrix=np.eye(2))
    >>> print(q(np.array([1.0, -1.0])), q.mean, q.variance, round(q.kurtosis, 4), q.even.variance)
    4.0 2.0 5.0 5.16 1.0
    """

    constant: float
    linear: Float[Array, " latent"]
    matrix: Float[Array, "latent latent"]

    def __call__(self, noise: Float[Array, "*rest latent"]) -> Float[Value, "*rest"]:
        """Q at the noise. Shapes: (..., latent) -> (...)."""
        return self.constant + noise @ self.linear + 0.5 * ((noise @ self.matrix) * noise).sum(-1)

    @property
    def mean(self) -> float:
        """E Q = constant + tr(B) / 2."""
        return self.constant + 0.5 * float(np.trace(self.matrix))

    def cumulant(self, order: int) -> float:
        """kappa_n = (n-1)! tr(B^n) / 2 + n! v'B^(n-2) v / 2 for n >= 2; kappa_1 is the mean."""
        if order == 1:
            return self.mean
        power = np.linalg.matrix_power(self.matrix, order - 2)
        trace = float(np.trace(power @ self.matrix @ self.matrix))
        return 0.5 * factorial(order - 1) * trace + 0.5 * factorial(order) * float(self.linear @ power @ self.linear)

    @property
    def variance(self) -> float:
        """kappa_2."""
        return self.cumulant(2)

    @property
    def kurtosis(self) -> float:
        """Fourth central moment over the squared variance, 3 + kappa_4 / kappa_2^2; nan where the variance is 0."""
        variance = self.variance
        return 3.0 + self.cumulant(4) / variance**2 if variance > 0.0 else nan

    @property
    def even(self) -> "Quadratic":
        """The mean of Q at e and at -e: what an antithetic pair leaves of it."""
        return Quadratic(constant=self.constant, linear=np.zeros_like(self.linear), matrix=self.matrix)

    def __sub__(self, other: "Quadratic") -> "Quadratic":
        """The difference at the same noise; a coefficient that is rounding only becomes exactly zero.

        64 u of the operands' size is the allowance: each coefficient is the end of a few dozen roundings. Without it a
        difference that vanishes on paper would have a variance near 1e-30 and no one could tell it from a small one.
        """
        return Quadratic(
            constant=self.constant - other.constant,
            linear=clean_difference(self.linear, other.linear),
            matrix=clean_difference(self.matrix, other.matrix),
        )


def clean_difference(left: Float[Array, "*axes"], right: Float[Array, "*axes"]) -> Float[Array, "*axes"]:
    """left - right, zero where it is rounding only; see `Quadratic.__sub__`.

    >>> print(clean_difference(np.array([0.1 + 0.2, 1.0]), np.array([0.3, 0.5])))
    [0.  0.5]
    """
    size = max(float(np.abs(left).max(initial=0.0)), float(np.abs(right).max(initial=0.0)))
    difference = left - right
    return np.where(np.abs(difference) <= 64 * np.finfo(np.float64).eps / 2 * size, 0.0, difference)
