"""Mutants that read one scale as another (log sigma^2, log sigma, sigma, sigma^2) or one head as another."""

import numpy as np

from elbo_compare.suites.complex_step import Dual, softplus
from elbo_compare.suites.mutants import correct
from elbo_compare.suites.mutants.correct import LOG_2PI
from elbo_compare.suites.mutants.loss import SampledKL
from elbo_compare.suites.mutants.variant import Flag, Kind, Variant


def analytic_log_sigma_as_log_var(mean: Dual, log_var: Dual) -> Dual:
    """The head is log sigma (the sampler uses exp of it), the KL reads it as log sigma^2."""
    return correct.analytic_kl(mean, 0.5 * log_var)


def analytic_log_var_as_log_sigma(mean: Dual, log_var: Dual) -> Dual:
    """exp(2 log_var) for sigma^2 and 2 log_var for log sigma^2."""
    return correct.analytic_kl(mean, 2.0 * log_var)


def analytic_variance_twice_exp(mean: Dual, log_var: Dual) -> Dual:
    """exp(2 log_var) for sigma^2, log_var right."""
    return 0.5 * (mean**2 + np.exp(2.0 * log_var) - 1.0 - log_var).sum(-1)


def analytic_sigma_for_variance(mean: Dual, log_var: Dual) -> Dual:
    """sigma for sigma^2, log_var right."""
    return 0.5 * (mean**2 + np.exp(0.5 * log_var) - 1.0 - log_var).sum(-1)


def analytic_log_sigma_squared(mean: Dual, log_var: Dual) -> Dual:
    """(log sigma)^2 for log(sigma^2)."""
    return 0.5 * (mean**2 + np.exp(log_var) - 1.0 - (0.5 * log_var) ** 2).sum(-1)


def analytic_log_var_as_variance(mean: Dual, log_var: Dual) -> Dual:
    """The head taken as sigma^2 through a softplus in the KL, as its logarithm elsewhere."""
    var = softplus(log_var)
    return 0.5 * (mean**2 + var - 1.0 - np.log(var)).sum(-1)


def analytic_wide_prior(mean: Dual, log_var: Dual) -> Dual:
    """KL to N(0, 2 I): a prior variance of 2."""
    return 0.5 * ((mean**2 + np.exp(log_var)) / 2.0 - 1.0 - log_var + np.log(2.0)).sum(-1)


def analytic_swapped(mean: Dual, log_var: Dual) -> Dual:
    """mean and log_var in each other's place."""
    return correct.analytic_kl(log_var, mean)


def analytic_half_of_heads(mean: Dual, log_var: Dual) -> Dual:
    """A chunked head split again: the KL of the first half of the dimensions (all of one)."""
    half = max(mean.shape[-1] // 2, 1)
    return correct.analytic_kl(mean[..., :half], log_var[..., :half])


def log_q_precision(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """(z - mean)^2 times sigma^2 in place of over it."""
    return -0.5 * (LOG_2PI + log_var + (z - mean) ** 2 * np.exp(log_var)).sum(-1)


def log_q_sigma(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """(z - mean)^2 over sigma in place of sigma^2."""
    return -0.5 * (LOG_2PI + log_var + (z - mean) ** 2 / np.exp(0.5 * log_var)).sum(-1)


def log_q_log_sigma(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """The head read as log sigma in the density, as log sigma^2 in the sampler."""
    return correct.log_q(z, mean, 2.0 * log_var)


def log_prior_wide(z: Dual) -> Dual:
    """log N(z; 0, 2 I)."""
    return -0.5 * (LOG_2PI + np.log(2.0) + z**2 / 2.0).sum(-1)


VARIANTS = (
    Variant(
        id="MUT-058",
        title="the analytic KL of a log sigma read as log sigma^2",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.PARAMETERISATION,
        seen="pyg-team/pytorch_geometric 1368",
        advice="the head is log sigma: use 2 log sigma and exp(2 log sigma)",
        function=analytic_log_sigma_as_log_var,
    ),
    Variant(
        id="MUT-059",
        title="the analytic KL of a log sigma^2 read as log sigma",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.PARAMETERISATION,
        seen="KarenUllrich/Tutorial_BayesianCompressionForDL 1",
        advice="the head is log sigma^2: use log_var and exp(log_var)",
        function=analytic_log_var_as_log_sigma,
    ),
    Variant(
        id="MUT-060",
        title="the analytic KL with exp(2 log_var) for sigma^2",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.PARAMETERISATION,
        advice="sigma^2 = exp(log_var)",
        function=analytic_variance_twice_exp,
    ),
    Variant(
        id="MUT-061",
        title="the analytic KL with sigma for sigma^2",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.PARAMETERISATION,
        seen="DaehanKim/vgae_pytorch 2, chongyi-zheng/infom 2",
        advice="square sigma",
        function=analytic_sigma_for_variance,
    ),
    Variant(
        id="MUT-062",
        title="the analytic KL with (log sigma)^2 for log sigma^2",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.PARAMETERISATION,
        seen="FluxML/model-zoo 73",
        advice="log(sigma^2) = 2 log sigma",
        function=analytic_log_sigma_squared,
    ),
    Variant(
        id="MUT-063",
        title="the analytic KL with softplus(log_var) for sigma^2",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.PARAMETERISATION,
        seen="wohlert/semi-supervised-pytorch 16 (softplus on log_var)",
        advice="use one map from the head to sigma everywhere",
        function=analytic_log_var_as_variance,
    ),
    Variant(
        id="MUT-064",
        title="the analytic KL to a prior of variance 2",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.CONSTANT,
        advice="the prior is N(0, I)",
        function=analytic_wide_prior,
    ),
    Variant(
        id="MUT-065",
        title="the analytic KL with mean and log_var swapped",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.PARAMETERISATION,
        advice="swap the arguments, or the halves of the chunked head",
        function=analytic_swapped,
    ),
    Variant(
        id="MUT-066",
        title="the analytic KL of the first half of the latent dimensions",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.REDUCTION,
        advice="the head is split already: do not chunk it again",
        function=analytic_half_of_heads,
    ),
    Variant(
        id="MUT-067",
        title="log q with (z - mean)^2 sigma^2 for (z - mean)^2 / sigma^2",
        kind=Kind.SAMPLED_KL,
        flag=Flag.PARAMETERISATION,
        advice="divide by sigma^2: exp(-log_var)",
        function=SampledKL(log_q=log_q_precision),
    ),
    Variant(
        id="MUT-068",
        title="log q with (z - mean)^2 / sigma for (z - mean)^2 / sigma^2",
        kind=Kind.SAMPLED_KL,
        flag=Flag.PARAMETERISATION,
        advice="divide by sigma^2",
        function=SampledKL(log_q=log_q_sigma),
    ),
    Variant(
        id="MUT-069",
        title="log q of a log sigma^2 read as log sigma",
        kind=Kind.SAMPLED_KL,
        flag=Flag.PARAMETERISATION,
        advice="the head is log sigma^2: log sigma is half of it",
        function=SampledKL(log_q=log_q_log_sigma),
    ),
    Variant(
        id="MUT-070",
        title="log p(z) of a prior of variance 2",
        kind=Kind.SAMPLED_KL,
        flag=Flag.CONSTANT,
        advice="the prior is N(0, I)",
        function=SampledKL(log_prior=log_prior_wide),
    ),
)
