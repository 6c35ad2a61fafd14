"""Mean, variance and kurtosis of one value of an estimator, and what particles make of them."""

from dataclasses import dataclass
from math import nan

from elbo_compare.suites.contract import Estimator, Noise
from elbo_compare.suites.exact.quadratic import Quadratic


@dataclass(frozen=True, kw_only=True)
class Moments:
    """nan where unknown. `kurtosis`: fourth central moment over the squared variance; nan where that is 0.

    >>> print(Moments(mean=1.0, variance=4.0, kurtosis=5.0).averaged(4))
    Moments(mean=1.0, variance=1.0, kurtosis=3.5)
    """

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

    >>> from elbo_compare.suites.estimators import ESTIMATORS
    >>> q = Quadratic(constant=1.0, linear=np.array([2.0]), matrix=np.eye(1))
    >>> for name in ('sampled-kl', 'antithetic', 'elbo-5'):
    ...     moments = of_quadratic(ESTIMATORS[name], q)
    ...     print(name, moments.mean, round(moments.variance, 4))
    sampled-kl 1.5 4.5
    antithetic 1.5 0.5
    elbo-5 1.5 0.9
    """
    if estimator.noise is Noise.SOBOL:
        return Moments(mean=one.mean, variance=0.0 if one.variance == 0.0 else nan)
    pairs = estimator.noise is Noise.ANTITHETIC
    each = one.even if pairs else one
    moments = Moments(mean=each.mean, variance=each.variance, kurtosis=each.kurtosis)
    return moments.averaged(estimator.noise_rows)


def of_half_square(k1: Quadratic) -> Moments:
    """Of k1^2 / 2: (kappa_1^2 + kappa_2) / 2, (kappa_4 + 4 kappa_1 kappa_3 + 4 kappa_1^2 kappa_2 + 2 kappa_2^2) / 4.

    >>> print(of_half_square(Quadratic(constant=1.0, linear=np.array([2.0]), matrix=np.eye(1))))
    Moments(mean=3.375, variance=52.5, kurtosis=nan)
    """
    first, second, third, fourth = (k1.cumulant(order) for order in (1, 2, 3, 4))
    variance = 0.25 * (fourth + 4.0 * first * third + 4.0 * first**2 * second + 2.0 * second**2)
    return Moments(mean=0.5 * (first**2 + second), variance=variance)
