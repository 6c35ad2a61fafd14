"""Mutants that sum, average or broadcast over the wrong axis."""

from typing import Any

import numpy as np

from elbo_compare.suites.complex_step import Dual
from elbo_compare.suites.contract import Reduction
from elbo_compare.suites.mutants import correct
from elbo_compare.suites.mutants.loss import NegativeElbo, SampledKL
from elbo_compare.suites.mutants.variant import Flag, Kind, Variant

SUM_ADVICE = "sum over the last axis instead of averaging"


def _half_moments(mean: Dual, log_var: Dual) -> Dual:
    """1/2 (mean^2 + sigma^2 - 1 - log sigma^2), one for each dimension."""
    return 0.5 * (mean**2 + np.exp(log_var) - 1.0 - log_var)


def analytic_kl_mean(mean: Dual, log_var: Dual) -> Dual:
    """Averaged over the latent dimensions."""
    return _half_moments(mean, log_var).mean(-1)


def analytic_kl_batch_axis(mean: Dual, log_var: Dual) -> Dual:
    """Summed over the batch in place of the latent axis; then a mean, as a loss wants a scalar."""
    return _half_moments(mean, log_var).sum(0).mean()


def analytic_kl_elements(mean: Dual, log_var: Dual) -> Dual:
    """Mean over all elements: 1/latent of the batch mean."""
    return _half_moments(mean, log_var).mean()


def sampled_kl_mean(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q - log p, each averaged over the latent dimensions."""
    return correct.sampled_kl(z, mean, log_var) / z.shape[-1]


def log_q_mean(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q averaged over the latent dimensions."""
    return correct.log_q(z, mean, log_var) / z.shape[-1]


def log_prior_mean(z: Dual) -> Dual:
    """log p(z) averaged over the latent dimensions."""
    return correct.log_prior(z) / z.shape[-1]


def kl_batch_mean(log_likelihood: Dual, kl: Dual) -> Dual:
    """KL averaged over the batch, likelihood summed."""
    return kl.mean() - log_likelihood.sum()


def likelihood_batch_mean(log_likelihood: Dual, kl: Dual) -> Dual:
    """Likelihood averaged over the batch, KL summed: the KL weighs batch times too much."""
    return kl.sum() - log_likelihood.mean()


def outer_sum(log_likelihood: Dual, kl: Dual) -> Dual:
    """(batch,) + (batch, 1) broadcasts to (batch, batch), whose sum is batch times too large."""
    return (kl[:, None] - log_likelihood).sum()


def outer_row_sum(log_likelihood: Dual, kl: Dual) -> Dual:
    """(batch,) + (batch, 1), then a sum over the last axis: every datum gets every other datum's likelihood."""
    return (kl[:, None] - log_likelihood).sum(-1)


def fixed_batch_size(log_likelihood: Dual, kl: Dual) -> Dual:
    """The batch sum over the nominal batch size of 128, whatever arrived."""
    return (kl - log_likelihood).sum() / 128.0


def whole_batch_kl(mean: Dual, log_var: Dual) -> Dual:
    """A sum with no axis: every datum gets the KL of the whole batch."""
    return _half_moments(mean, log_var).sum() * np.ones(len(mean))


def per_pixel(log_likelihood: Dual, kl: Dual) -> Dual:
    """Both terms over 784 and the batch: nats per pixel of an MNIST image."""
    return (kl - log_likelihood).mean() / 784.0


def first_datum(log_likelihood: Dual, kl: Dual) -> Dual:
    """The loss of the first datum."""
    return (kl - log_likelihood)[0]


def bce_element_mean(x: Any, logits: Dual, scale: float = 1.0) -> Dual:
    """Bernoulli log likelihood averaged over pixels."""
    return correct.bernoulli_log_likelihood(x, logits) / x.shape[-1]


def element_mean_and_sum(log_likelihood: Dual, kl: Dual) -> Dual:
    """Binary cross-entropy with reduction mean (here over the batch; pixels in the term) and a KL sum."""
    return kl.sum() - log_likelihood.mean()


VARIANTS = (
    Variant(
        id="MUT-001",
        title="the analytic KL averaged over the latent dimensions (1/latent of the right value)",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.REDUCTION,
        seen="maxhodak/keras-molecules 59, keras-team/keras 6015, podgorskiy/VAE 1",
        advice=SUM_ADVICE,
        function=analytic_kl_mean,
    ),
    Variant(
        id="MUT-002",
        title="the analytic KL averaged over the latent dimensions and the batch",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.REDUCTION,
        seen="podgorskiy/VAE 1, orybkin/sigma-vae-tensorflow 2",
        advice="sum over the latent axis first, then average over the batch",
        function=analytic_kl_elements,
    ),
    Variant(
        id="MUT-003",
        title="the analytic KL summed over the batch and averaged over the latent dimensions",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.REDUCTION,
        advice="the batch is axis 0: sum over the last axis, average over the first",
        function=analytic_kl_batch_axis,
    ),
    Variant(
        id="MUT-004",
        title="the sampled KL averaged over the latent dimensions (1/latent of the right value)",
        kind=Kind.SAMPLED_KL,
        flag=Flag.REDUCTION,
        advice=SUM_ADVICE,
        function=sampled_kl_mean,
    ),
    Variant(
        id="MUT-005",
        title="a sampled KL whose log q is averaged over the latent dimensions",
        kind=Kind.SAMPLED_KL,
        flag=Flag.REDUCTION,
        advice="sum both log densities over the last axis",
        function=SampledKL(log_q=log_q_mean),
    ),
    Variant(
        id="MUT-006",
        title="a sampled KL whose log p(z) is averaged over the latent dimensions",
        kind=Kind.SAMPLED_KL,
        flag=Flag.REDUCTION,
        advice="sum both log densities over the last axis",
        function=SampledKL(log_prior=log_prior_mean),
    ),
    Variant(
        id="MUT-007",
        title="the KL averaged over the batch beside a likelihood summed over it",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.REDUCTION,
        advice="reduce both terms over the batch in the same way",
        function=NegativeElbo(combine=kl_batch_mean),
    ),
    Variant(
        id="MUT-008",
        title="the likelihood averaged over the batch beside a KL summed over it",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.REDUCTION,
        seen="zdebruine/MMVAE 19",
        advice="reduce both terms over the batch in the same way",
        function=NegativeElbo(combine=likelihood_batch_mean),
    ),
    Variant(
        id="MUT-009",
        title="binary cross-entropy averaged over pixels and batch beside a KL summed over both",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.REDUCTION,
        seen="pytorch/examples 234 and 817",
        advice="use reduction='sum' for the binary cross-entropy: the mean makes an effective beta of batch x pixels",
        function=NegativeElbo(log_likelihood=bce_element_mean, combine=element_mean_and_sum),
    ),
    Variant(
        id="MUT-010",
        title="binary cross-entropy averaged over pixels beside a KL summed over dimensions",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.REDUCTION,
        seen="keras-team/keras 3383",
        advice="multiply the mean over pixels by the number of pixels",
        function=NegativeElbo(log_likelihood=bce_element_mean),
    ),
    Variant(
        id="MUT-011",
        title="(batch,) + (batch, 1) broadcast to (batch, batch) and summed: batch times the right value",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.BROADCASTING,
        advice="drop keepdim, so that both terms have shape (batch,)",
        function=NegativeElbo(combine=outer_sum),
    ),
    Variant(
        id="MUT-012",
        title="(batch,) + (batch, 1) broadcast to (batch, batch) and summed over the last axis",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.BROADCASTING,
        seen="keras-team/keras 4538",
        advice="drop keepdim, so that both terms have shape (batch,)",
        function=NegativeElbo(combine=outer_row_sum),
    ),
    Variant(
        id="MUT-013",
        title="the batch sum divided by a fixed batch size of 128",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.REDUCTION,
        advice="divide by the number of rows that arrived: the last batch of an epoch is smaller",
        function=NegativeElbo(combine=fixed_batch_size, reduction=Reduction.MEAN),
    ),
    Variant(
        id="MUT-014",
        title="the analytic KL of the whole batch given to every datum (a sum without an axis)",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.BROADCASTING,
        seen="EDAPINENUT/GNTPP 4",
        advice="sum over axis -1 only",
        function=whole_batch_kl,
    ),
    Variant(
        id="MUT-015",
        title="the loss divided by 784 pixels as well as by the batch",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.REDUCTION,
        seen="pytorch/examples 290 and 294",
        advice="both terms share the factor, so the optimum is right, but the value is no ELBO in nats per datum",
        function=NegativeElbo(combine=per_pixel, reduction=Reduction.MEAN),
    ),
    Variant(
        id="MUT-016",
        title="the loss of the first datum of the batch",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.REDUCTION,
        advice="reduce over the batch, do not index it",
        function=NegativeElbo(combine=first_datum, reduction=Reduction.MEAN),
    ),
)
