"""Whole losses made of their terms, so that one term can be replaced and the others can still be read off.

A whole loss is called like any function of its kind; its fields are what a session reports as the single terms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from elbo_compare.suites.complex_step import Dual
from elbo_compare.suites.contract import Array, Reduction
from elbo_compare.suites.mutants import correct


def per_datum(log_likelihood: Dual, kl: Dual) -> Dual:
    """-ELBO of every datum, (batch,)."""
    return kl - log_likelihood


def batch_sum(log_likelihood: Dual, kl: Dual) -> Dual:
    """-ELBO summed over the batch, a scalar."""
    return (kl - log_likelihood).sum()


def batch_mean(log_likelihood: Dual, kl: Dual) -> Dual:
    """-ELBO averaged over the batch, a scalar."""
    return (kl - log_likelihood).mean()


@dataclass(frozen=True, kw_only=True)
class NegativeElbo:
    """combine(log_likelihood(x, logits, scale), kl): with z the sampled KL, without it (z None) the analytic one.

    `combine` takes and gives (batch,), or gives a scalar where the batch is reduced; `reduction` is what its author
    says a scalar is.
    """

    log_likelihood: Callable[..., Any] = correct.bernoulli_log_likelihood
    sampled_kl: Callable[..., Any] = correct.sampled_kl
    analytic_kl: Callable[..., Any] = correct.analytic_kl
    combine: Callable[..., Any] = per_datum
    reduction: Reduction = Reduction.SUM

    def kl(self, z: Dual | None, mean: Dual, log_var: Dual) -> Dual:
        """The KL term, (batch,)."""
        return self.analytic_kl(mean, log_var) if z is None else self.sampled_kl(z, mean, log_var)

    def __call__(self, x: Array, logits: Dual, z: Dual | None, mean: Dual, log_var: Dual, scale: float = 1.0) -> Dual:
        """-ELBO. Shapes: x, logits (batch, observed); z, mean, log_var (batch, latent)."""
        return self.combine(self.log_likelihood(x, logits, scale), self.kl(z, mean, log_var))


@dataclass(frozen=True, kw_only=True)
class SampledKL:
    """log_q(z, mean, log_var) - log_prior(z)."""

    log_q: Callable[..., Any] = correct.log_q
    log_prior: Callable[..., Any] = correct.log_prior

    def __call__(self, z: Dual, mean: Dual, log_var: Dual) -> Dual:
        """The one-sample KL term. Shapes: (batch, latent) each -> (batch,)."""
        return self.log_q(z, mean, log_var) - self.log_prior(z)


@dataclass(frozen=True, kw_only=True)
class LogWeight:
    """log_likelihood(x, logits, scale) + log_prior(z) - log_q(z, mean, log_var). Burda et al. 2016, eq. 8."""

    log_likelihood: Callable[..., Any] = correct.bernoulli_log_likelihood
    log_q: Callable[..., Any] = correct.log_q
    log_prior: Callable[..., Any] = correct.log_prior

    def __call__(self, x: Array, logits: Dual, z: Dual, mean: Dual, log_var: Dual, scale: float = 1.0) -> Dual:
        """The log importance weight. Shapes as for `NegativeElbo` -> (batch,)."""
        return self.log_likelihood(x, logits, scale) + self.log_prior(z) - self.log_q(z, mean, log_var)
