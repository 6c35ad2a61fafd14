"""log mean exp of importance weights, block by block: four numbers are kept, whatever the number of draws."""

from dataclasses import dataclass
from math import exp, inf, log, nan, sqrt

import numpy as np

from elbo_compare.suites.contract import Array


@dataclass(kw_only=True)
class LogMeanExp:
    """Running log (1/n) sum_i w_i of log weights a_i = log w_i, with the error of that estimate. Nats.

    Kept: n, the largest a, sum exp(a - largest), sum exp(2 (a - largest)) and sum a. For log p(x), with
    w = p(x, z) / q(z|x) and z ~ q: Burda, Grosse and Salakhutdinov 2016 (arXiv 1509.00519), eq. 8 with k = n.
    """

    n: int = 0
    largest: float = -inf
    first: float = 0.0
    second: float = 0.0
    total: float = 0.0

    def add(self, log_weights: Array) -> None:
        """Take a block of log weights, shape (block,), finite."""
        top = max(self.largest, float(np.max(log_weights)))
        shrink = exp(self.largest - top) if self.n else 0.0
        scaled = np.exp(log_weights - top)
        self.first = self.first * shrink + float(scaled.sum())
        self.second = self.second * shrink**2 + float((scaled**2).sum())
        self.total += float(log_weights.sum())
        self.n += len(log_weights)
        self.largest = top

    @property
    def value(self) -> float:
        """log mean w."""
        return self.largest + log(self.first / self.n)

    @property
    def mean_log(self) -> float:
        """Mean log w, the ELBO of the same draws; never above `value` (Jensen)."""
        return self.total / self.n

    @property
    def relative_deviation(self) -> float:
        """sd(w) / mean(w): the estimate of log E w has the bias -(this)^2 / (2 n) to first order."""
        if self.n < 2:
            return nan
        excess = self.n * self.second / self.first**2 - 1.0
        return sqrt(max(excess, 0.0) * self.n / (self.n - 1))

    @property
    def standard_error(self) -> float:
        """Of `value`, by the delta method: d log m = dm / m, so sd(w) / (mean(w) sqrt(n))."""
        return self.relative_deviation / sqrt(self.n)
