"""Mean, variance and kurtosis of one value of an estimator, and what particles make of them."""

from dataclasses import dataclass
from math import nan

from elbo_compare.suites.contract import Estimator, Noise
from elbo_compare.suites.exact.quadratic import Quadratic


@dataclass(frozen=True, kw_only=True)
class Moments:
    """nan where unknown. `kurtosis`: fourth central moment over the squared variance; nan where that is 0."""

    mean: float = nan
    variance: float = nan
    kurtosis: float = nan

    def averaged(self, count: int) -> "Moments":
        """Of the mean of `count` independent values: variance / n, excess kurtosis / n."""
        return Moments(mean=self.mean, variance=self.variance / count, kurtosis=3.0 + (self.kurtosis - 3.0) / count)


UNKNOWN = Moments()


def of_quadratic(estimator: Estimator, one: Quadratic) -> Moments:
    """Of the mean over the estimator's particles of a quadratic in the noise of each.

    Independent: variance / K. Antithetic: what is odd cancels. Sobol: the mean stays, scrambled points being uniform,
    and the variance is unknown.
    """
    if estimator.noise is Noise.SOBOL:
        return Moments(mean=one.mean, variance=0.0 if one.variance == 0.0 else nan)
    pairs = estimator.noise is Noise.ANTITHETIC
    each = one.even if pairs else one
    moments = Moments(mean=each.mean, variance=each.variance, kurtosis=each.kurtosis)
    return moments.averaged(estimator.noise_rows)


def of_half_square(k1: Quadratic) -> Moments:
    """Of k1^2 / 2: (kappa_1^2 + kappa_2) / 2, (kappa_4 + 4 kappa_1 kappa_3 + 4 kappa_1^2 kappa_2 + 2 kappa_2^2) / 4."""
    first, second, third, fourth = (k1.cumulant(order) for order in (1, 2, 3, 4))
    variance = 0.25 * (fourth + 4.0 * first * third + 4.0 * first**2 * second + 2.0 * second**2)
    return Moments(mean=0.5 * (first**2 + second), variance=variance)
