"""Mutants with a wrong constant: a normaliser, a one, a half, a floor."""

import numpy as np

from elbo_compare.suites.complex_step import Dual, clip, maximum
from elbo_compare.suites.mutants import correct
from elbo_compare.suites.mutants.correct import LOG_2PI
from elbo_compare.suites.mutants.loss import NegativeElbo, SampledKL
from elbo_compare.suites.mutants.variant import Flag, Kind, Variant


def log_q_dropped(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q without log(2 pi) / 2 per dimension."""
    return -0.5 * (log_var + (z - mean) ** 2 / np.exp(log_var)).sum(-1)


def log_prior_dropped(z: Dual) -> Dual:
    """log p(z) without log(2 pi) / 2 per dimension."""
    return -0.5 * (z**2).sum(-1)


def log_q_once(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q with one log(2 pi) / 2 for all dimensions together."""
    return log_q_dropped(z, mean, log_var) - 0.5 * LOG_2PI


def log_prior_whole(z: Dual) -> Dual:
    """log p(z) with log(2 pi) in place of half of it."""
    return log_prior_dropped(z) - z.shape[-1] * LOG_2PI


def log_q_no_half(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q without the 1/2 in front of the squared distance."""
    return -(0.5 * (LOG_2PI + log_var) + (z - mean) ** 2 / np.exp(log_var)).sum(-1)


def log_prior_no_half(z: Dual) -> Dual:
    """log p(z) without the 1/2 in front of the square."""
    return -(0.5 * LOG_2PI + z**2).sum(-1)


def log_q_whole_log_var(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q with log_var in place of log sigma."""
    return -(0.5 * LOG_2PI + log_var + 0.5 * (z - mean) ** 2 / np.exp(log_var)).sum(-1)


def analytic_no_half(mean: Dual, log_var: Dual) -> Dual:
    """Twice the KL."""
    return 2.0 * correct.analytic_kl(mean, log_var)


def analytic_no_one(mean: Dual, log_var: Dual) -> Dual:
    """Without the -1: latent / 2 too much."""
    return correct.analytic_kl(mean, log_var) + 0.5 * mean.shape[-1]


def analytic_one_outside(mean: Dual, log_var: Dual) -> Dual:
    """The -1 outside of the sum: (latent - 1) / 2 too much."""
    return correct.analytic_kl(mean, log_var) + 0.5 * (mean.shape[-1] - 1)


def analytic_half_on_log_var_missing(mean: Dual, log_var: Dual) -> Dual:
    """1/2 (mean^2 + sigma^2 - 1) - log_var."""
    return (0.5 * (mean**2 + np.exp(log_var) - 1.0) - log_var).sum(-1)


def analytic_half_on_moments_missing(mean: Dual, log_var: Dual) -> Dual:
    """mean^2 + sigma^2 - log sigma - 1/2."""
    return (mean**2 + np.exp(log_var) - 0.5 * log_var - 0.5).sum(-1)


def analytic_free_bits(mean: Dual, log_var: Dual) -> Dual:
    """Every dimension's KL floored at half a nat."""
    return maximum(0.5 * (mean**2 + np.exp(log_var) - 1.0 - log_var), 0.5).sum(-1)


def analytic_tolerance(mean: Dual, log_var: Dual) -> Dual:
    """The KL floored at half a nat per dimension, all dimensions together."""
    return maximum(correct.analytic_kl(mean, log_var), 0.5 * mean.shape[-1])


def analytic_clamped_log_var(mean: Dual, log_var: Dual) -> Dual:
    """log_var clamped to [-4, 4] in the KL only."""
    return correct.analytic_kl(mean, clip(log_var, -4.0, 4.0))


def analytic_epsilon(mean: Dual, log_var: Dual) -> Dual:
    """log(sigma^2 + 1e-4) for log sigma^2."""
    var = np.exp(log_var)
    return 0.5 * (mean**2 + var - 1.0 - np.log(var + 1e-4)).sum(-1)


def log_q_epsilon(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """(z - mean)^2 over sigma^2 + 1e-6."""
    return -0.5 * (LOG_2PI + log_var + (z - mean) ** 2 / (np.exp(log_var) + 1e-6)).sum(-1)


def sampled_positive(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """max(log q - log p, 0): a KL is not negative, one draw of its estimate may be."""
    return maximum(correct.sampled_kl(z, mean, log_var), 0.0)


def half_beta(log_likelihood: Dual, kl: Dual) -> Dual:
    """The loss with half of its KL: the beta that nobody announced."""
    return 0.5 * kl - log_likelihood


def beta_on_likelihood(log_likelihood: Dual, kl: Dual) -> Dual:
    """Beta = 4 on the likelihood."""
    return kl - 4.0 * log_likelihood


VARIANTS = (
    Variant(
        id="MUT-017",
        title="log(2 pi)/2 per dimension dropped from log q and kept in log p(z)",
        kind=Kind.SAMPLED_KL,
        flag=Flag.CONSTANT,
        advice="drop the normaliser from both densities or from neither: it cancels only between the two",
        function=SampledKL(log_q=log_q_dropped),
    ),
    Variant(
        id="MUT-018",
        title="log(2 pi)/2 per dimension dropped from log p(z) and kept in log q",
        kind=Kind.SAMPLED_KL,
        flag=Flag.CONSTANT,
        advice="drop the normaliser from both densities or from neither: it cancels only between the two",
        function=SampledKL(log_prior=log_prior_dropped),
    ),
    Variant(
        id="MUT-019",
        title="log(2 pi)/2 counted once in log q in place of once per dimension",
        kind=Kind.SAMPLED_KL,
        flag=Flag.CONSTANT,
        advice="put the constant inside the sum over dimensions",
        function=SampledKL(log_q=log_q_once),
    ),
    Variant(
        id="MUT-020",
        title="log(2 pi) without its 1/2 in log p(z)",
        kind=Kind.SAMPLED_KL,
        flag=Flag.CONSTANT,
        advice="log N(z; 0, 1) = -(log(2 pi) + z^2)/2",
        function=SampledKL(log_prior=log_prior_whole),
    ),
    Variant(
        id="MUT-021",
        title="log q without the 1/2 before (z - mean)^2 / sigma^2",
        kind=Kind.SAMPLED_KL,
        flag=Flag.CONSTANT,
        advice="log N has a 1/2 before the squared distance",
        function=SampledKL(log_q=log_q_no_half),
    ),
    Variant(
        id="MUT-022",
        title="log p(z) without the 1/2 before z^2",
        kind=Kind.SAMPLED_KL,
        flag=Flag.CONSTANT,
        advice="log N(z; 0, 1) = -(log(2 pi) + z^2)/2",
        function=SampledKL(log_prior=log_prior_no_half),
    ),
    Variant(
        id="MUT-023",
        title="log q with log_var where log sigma = log_var / 2 belongs",
        kind=Kind.SAMPLED_KL,
        flag=Flag.PARAMETERISATION,
        advice="the normaliser of N is log sigma, which is log_var / 2",
        function=SampledKL(log_q=log_q_whole_log_var),
    ),
    Variant(
        id="MUT-024",
        title="twice the analytic KL (its 1/2 is missing)",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.CONSTANT,
        advice="multiply by 1/2",
        function=analytic_no_half,
    ),
    Variant(
        id="MUT-025",
        title="the analytic KL without its -1: half a nat per dimension too much",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.CONSTANT,
        advice="subtract 1 in every dimension; gradients do not show it",
        function=analytic_no_one,
    ),
    Variant(
        id="MUT-026",
        title="the analytic KL with its -1 outside of the sum over dimensions",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.CONSTANT,
        seen="ericjang/draw 2 and 6",
        advice="subtract 1 in every dimension, inside of the sum",
        function=analytic_one_outside,
    ),
    Variant(
        id="MUT-027",
        title="the analytic KL with log_var where log_var / 2 belongs",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.CONSTANT,
        seen="KarenUllrich/Tutorial_BayesianCompressionForDL 8",
        advice="the 1/2 belongs to the log variance as well",
        function=analytic_half_on_log_var_missing,
    ),
    Variant(
        id="MUT-028",
        title="the analytic KL without the 1/2 before mean^2 + sigma^2",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.CONSTANT,
        seen="SupaeroDataScience/deep-learning 6",
        advice="the 1/2 belongs to mean^2 + sigma^2 as well",
        function=analytic_half_on_moments_missing,
    ),
    Variant(
        id="MUT-029",
        title="the analytic KL with free bits: at least 0.5 nats in every dimension",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.OBJECTIVE,
        advice="free bits are another objective: report the KL beside it",
        function=analytic_free_bits,
    ),
    Variant(
        id="MUT-030",
        title="the analytic KL floored at 0.5 nats per dimension, all dimensions together",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.OBJECTIVE,
        seen="hardmaru/WorldModelsExperiments, as told in AppliedDataSciencePartners/WorldModels 12",
        advice="a floor is another objective: report the KL beside it",
        function=analytic_tolerance,
    ),
    Variant(
        id="MUT-031",
        title="the analytic KL with log_var clamped to [-4, 4]",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.CONSTANT,
        advice="clamp where the encoder ends, so that the sampler and the KL see the same sigma",
        function=analytic_clamped_log_var,
    ),
    Variant(
        id="MUT-032",
        title="the analytic KL with log(sigma^2 + 1e-4): wrong only where sigma is small",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.CONSTANT,
        advice="use log_var itself, which needs no floor",
        function=analytic_epsilon,
    ),
    Variant(
        id="MUT-033",
        title="the sampled KL floored at 0",
        kind=Kind.SAMPLED_KL,
        flag=Flag.CONSTANT,
        advice="one draw of log q - log p may be negative; the floor biases its mean",
        function=sampled_positive,
    ),
    Variant(
        id="MUT-034",
        title="the negative ELBO with beta = 0.5 on the KL",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.OBJECTIVE,
        advice="beta other than 1 is another objective: report the ELBO beside it",
        function=NegativeElbo(combine=half_beta),
    ),
    Variant(
        id="MUT-035",
        title="the negative ELBO with beta = 4 on the likelihood",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.OBJECTIVE,
        advice="beta belongs to the KL (Higgins et al. 2017)",
        function=NegativeElbo(combine=beta_on_likelihood),
    ),
    Variant(
        id="MUT-168",
        title="log q with (z - mean)^2 over sigma^2 + 1e-6",
        kind=Kind.SAMPLED_KL,
        flag=Flag.CONSTANT,
        advice="sigma^2 = exp(log_var) is never 0: leave the epsilon out, or put it into sigma for sampler and density",
        function=SampledKL(log_q=log_q_epsilon),
    ),
)
