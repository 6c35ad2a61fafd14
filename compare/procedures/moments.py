"""Moments of draws that arrive in blocks, and the standard errors that follow. NumPy only; numerically stable.

Central moments are merged pairwise (Pébay 2008, Sandia report SAND2008-6212, eqs. 2.1 to 2.3), so that the result does
not depend on the size of the blocks beyond rounding and no draw has to be kept.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Moments:
    """n draws: their mean and the *sums* of the second to fourth powers of their deviations from it."""

    n: int = 0
    mean: float = 0.0
    s2: float = 0.0
    s3: float = 0.0
    s4: float = 0.0

    @property
    def variance(self) -> float:
        """Unbiased: s2 / (n - 1); nan below two draws."""
        return self.s2 / (self.n - 1) if self.n > 1 else math.nan

    @property
    def standard_deviation(self) -> float:
        """sqrt(variance)."""
        return math.sqrt(self.variance)

    @property
    def mean_standard_error(self) -> float:
        """sqrt(variance / n)."""
        return math.sqrt(self.variance / self.n) if self.n > 1 else math.nan

    @property
    def variance_standard_error(self) -> float:
        """From the fourth moment; see the function of this name."""
        return variance_standard_error(self.n, self.s2 / self.n, self.s4 / self.n) if self.n > 1 else math.nan


def moments_of(values: NDArray[np.floating]) -> Moments:
    """Moments of one block of draws, shape (n,), computed in float64 whatever dtype they arrive in."""
    draws = np.asarray(values, dtype=np.float64)
    if draws.ndim != 1 or draws.size == 0:
        raise ValueError(f"Moments need a non-empty one-dimensional array of draws; shape {draws.shape} arrived.")
    mean = float(draws.mean())
    deviation = draws - mean
    square = deviation * deviation
    return Moments(
        n=draws.size,
        mean=mean,
        s2=float(square.sum()),
        s3=float((square * deviation).sum()),
        s4=float((square * square).sum()),
    )


def merge(first: Moments, second: Moments) -> Moments:
    """Moments of both sets of draws together (Pébay 2008, eqs. 2.1 to 2.3)."""
    if first.n == 0 or second.n == 0:
        return second if first.n == 0 else first
    n1, n2, n = first.n, second.n, first.n + second.n
    d = second.mean - first.mean
    return Moments(
        n=n,
        mean=first.mean + d * n2 / n,
        s2=first.s2 + second.s2 + d**2 * n1 * n2 / n,
        s3=first.s3 + second.s3 + d**3 * n1 * n2 * (n1 - n2) / n**2 + 3 * d * (n1 * second.s2 - n2 * first.s2) / n,
        s4=first.s4
        + second.s4
        + d**4 * n1 * n2 * (n1**2 - n1 * n2 + n2**2) / n**3
        + 6 * d**2 * (n1**2 * second.s2 + n2**2 * first.s2) / n**2
        + 4 * d * (n1 * second.s3 - n2 * first.s3) / n,
    )


def variance_standard_error(
    n: int, m2: float, m4: float, *, variance: float = math.nan, kurtosis: float = math.nan
) -> float:
    """sqrt((m4 - m2^2) / n): the standard error of a sample variance, in squared units of the draws.

    `m2`, `m4`: second and fourth central moments of the sample. Where the exact variance and kurtosis (fourth central
    moment / variance^2) are known, give them: the result is then no less than variance sqrt((kurtosis - 1) / n). A
    sample that misses its own tail has too small a variance *and* too small a standard error, which is the one way
    in which a z-interval of a skewed quantity fails badly. (Wilks 1962, Mathematical Statistics, eq. 8.2.9.)
    """
    sample = math.sqrt(max(m4 - m2 * m2, 0.0) / n)
    if math.isnan(variance) or math.isnan(kurtosis):
        return sample
    return max(sample, variance * math.sqrt(max(kurtosis - 1, 0.0) / n))


def covariance_trace(draws: NDArray[np.floating]) -> tuple[float, float]:
    """Trace of the covariance of vector draws, shape (n, dimension), unbiased, and its standard error.

    The trace is the mean of |draw - mean|^2 (times n / (n - 1)); its standard error is that of the mean of those n
    squared norms, sd(|draw - mean|^2) / sqrt(n), in squared units of the draws.
    """
    vectors = np.asarray(draws, dtype=np.float64)
    if vectors.ndim != 2 or vectors.shape[0] < 2:
        raise ValueError(f"A covariance needs at least two draws, shape (n, dimension); {vectors.shape} arrived.")
    n = vectors.shape[0]
    norms = np.square(vectors - vectors.mean(axis=0)).sum(axis=1)
    return float(norms.sum() / (n - 1)), float(norms.std(ddof=1) / math.sqrt(n))
