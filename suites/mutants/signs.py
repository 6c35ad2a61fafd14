"""Mutants with a wrong sign, a wrong direction, a missing term, or a term at the wrong point."""

import numpy as np

from elbo_compare.suites.complex_step import Dual
from elbo_compare.suites.mutants import correct
from elbo_compare.suites.mutants.correct import LOG_2PI
from elbo_compare.suites.mutants.loss import NegativeElbo, SampledKL
from elbo_compare.suites.mutants.variant import Flag, Kind, Variant


def analytic_negative(mean: Dual, log_var: Dual) -> Dual:
    """1/2 sum (1 + log_var - mean^2 - sigma^2): -KL, as the paper prints it."""
    return -correct.analytic_kl(mean, log_var)


def analytic_plus_log_var(mean: Dual, log_var: Dual) -> Dual:
    """log_var added."""
    return 0.5 * (mean**2 + np.exp(log_var) - 1.0 + log_var).sum(-1)


def analytic_minus_variance(mean: Dual, log_var: Dual) -> Dual:
    """sigma^2 subtracted."""
    return 0.5 * (mean**2 - np.exp(log_var) + 1.0 - log_var).sum(-1)


def analytic_minus_mean(mean: Dual, log_var: Dual) -> Dual:
    """mean^2 subtracted."""
    return 0.5 * (np.exp(log_var) - mean**2 - 1.0 - log_var).sum(-1)


def analytic_mean_not_squared(mean: Dual, log_var: Dual) -> Dual:
    """mean in place of mean^2."""
    return 0.5 * (mean + np.exp(log_var) - 1.0 - log_var).sum(-1)


def analytic_reversed(mean: Dual, log_var: Dual) -> Dual:
    """KL(p || q) = 1/2 sum (1 + mean^2) / sigma^2 - 1 + log sigma^2."""
    return 0.5 * ((1.0 + mean**2) / np.exp(log_var) - 1.0 + log_var).sum(-1)


def sampled_negative(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log p(z) - log q(z|x)."""
    return -correct.sampled_kl(z, mean, log_var)


def log_q_sign_of_normaliser(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log sigma added in place of subtracted."""
    return -0.5 * (LOG_2PI - log_var + (z - mean) ** 2 / np.exp(log_var)).sum(-1)


def log_q_no_log_var(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q without log sigma."""
    return -0.5 * (LOG_2PI + (z - mean) ** 2 / np.exp(log_var)).sum(-1)


def log_q_not_squared(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """(z - mean) / sigma^2, not squared."""
    return -0.5 * (LOG_2PI + log_var + (z - mean) / np.exp(log_var)).sum(-1)


def log_prior_at_mean(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q(z) - log p(mean): the prior at the mean of q."""
    return correct.log_q(z, mean, log_var) - correct.log_prior(mean)


def log_q_at_mean(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q(mean) - log p(z)."""
    return correct.log_q(mean, mean, log_var) - correct.log_prior(z)


def entropy_missing(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """-log p(z) alone."""
    return -correct.log_prior(z)


def prior_missing(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q(z|x) alone."""
    return correct.log_q(z, mean, log_var)


def k2(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """(log q - log p)^2 / 2 of the joint: biased unless q = p. Schulman 2020, Approximating KL divergence."""
    return 0.5 * correct.sampled_kl(z, mean, log_var) ** 2


def k3_inverted(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """r - 1 - log r with r = q/p, which estimates another divergence."""
    log_ratio = ((z**2 - (z - mean) ** 2 / np.exp(log_var) - log_var) / 2.0).sum(-1)
    return np.exp(log_ratio) - 1.0 - log_ratio


def probability_ratio(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """q(z) log(q/p): weighted with the density again, as in a sum over a grid (torch kl_div on probabilities)."""
    return np.exp(correct.log_q(z, mean, log_var)) * correct.sampled_kl(z, mean, log_var)


def elbo_not_negated(log_likelihood: Dual, kl: Dual) -> Dual:
    """+ELBO as a loss."""
    return log_likelihood - kl


def kl_subtracted(log_likelihood: Dual, kl: Dual) -> Dual:
    """-log p(x|z) - KL."""
    return -log_likelihood - kl


def likelihood_sign(log_likelihood: Dual, kl: Dual) -> Dual:
    """+log p(x|z) + KL."""
    return log_likelihood + kl


def kl_missing(log_likelihood: Dual, kl: Dual) -> Dual:
    """-log p(x|z) alone."""
    return -log_likelihood + 0.0 * kl


def kl_magnitude(log_likelihood: Dual, kl: Dual) -> Dual:
    """|KL|: differs where one draw is negative."""
    return np.where(np.real(kl) < 0, -kl, kl) - log_likelihood


VARIANTS = (
    Variant(
        id="MUT-036",
        title="the negative of the analytic KL (the term as Kingma and Welling print it)",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.SIGN,
        advice="return -1/2 sum(1 + log_var - mean^2 - sigma^2), or subtract it from the ELBO",
        function=analytic_negative,
    ),
    Variant(
        id="MUT-037",
        title="the analytic KL with +log_var for -log_var",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.SIGN,
        seen="FluxML/model-zoo 147",
        advice="log sigma^2 enters with a minus",
        function=analytic_plus_log_var,
    ),
    Variant(
        id="MUT-038",
        title="the analytic KL with -sigma^2 for +sigma^2 - 1",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.SIGN,
        advice="sigma^2 enters with a plus",
        function=analytic_minus_variance,
    ),
    Variant(
        id="MUT-039",
        title="the analytic KL with -mean^2 for +mean^2",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.SIGN,
        advice="mean^2 enters with a plus",
        function=analytic_minus_mean,
    ),
    Variant(
        id="MUT-040",
        title="the analytic KL with mean in place of mean^2",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.CONSTANT,
        advice="square the mean",
        function=analytic_mean_not_squared,
    ),
    Variant(
        id="MUT-041",
        title="the reversed divergence KL(p || q)",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.SIGN,
        advice="swap the arguments: the ELBO holds KL(q || p)",
        function=analytic_reversed,
    ),
    Variant(
        id="MUT-042",
        title="the negative of the sampled KL, log p(z) - log q(z|x)",
        kind=Kind.SAMPLED_KL,
        flag=Flag.SIGN,
        advice="return log q - log p, or add it to the ELBO",
        function=sampled_negative,
    ),
    Variant(
        id="MUT-043",
        title="log q with +log sigma for -log sigma",
        kind=Kind.SAMPLED_KL,
        flag=Flag.SIGN,
        advice="log N subtracts log sigma",
        function=SampledKL(log_q=log_q_sign_of_normaliser),
    ),
    Variant(
        id="MUT-044",
        title="log q without its log sigma",
        kind=Kind.SAMPLED_KL,
        flag=Flag.CONSTANT,
        advice="log N subtracts log sigma, which is no constant",
        function=SampledKL(log_q=log_q_no_log_var),
    ),
    Variant(
        id="MUT-045",
        title="log q with (z - mean) in place of (z - mean)^2",
        kind=Kind.SAMPLED_KL,
        flag=Flag.CONSTANT,
        advice="square the distance",
        function=SampledKL(log_q=log_q_not_squared),
    ),
    Variant(
        id="MUT-046",
        title="log q(z|x) - log p(mean): the prior evaluated at the mean of q",
        kind=Kind.SAMPLED_KL,
        flag=Flag.SAMPLING,
        advice="evaluate both densities at z",
        function=log_prior_at_mean,
    ),
    Variant(
        id="MUT-047",
        title="log q(mean|x) - log p(z): q evaluated at its own mean",
        kind=Kind.SAMPLED_KL,
        flag=Flag.SAMPLING,
        advice="evaluate both densities at z",
        function=log_q_at_mean,
    ),
    Variant(
        id="MUT-048",
        title="-log p(z) alone: the entropy of q is dropped",
        kind=Kind.SAMPLED_KL,
        flag=Flag.OBJECTIVE,
        advice="add log q(z|x)",
        function=entropy_missing,
    ),
    Variant(
        id="MUT-049",
        title="log q(z|x) alone: the prior is dropped",
        kind=Kind.SAMPLED_KL,
        flag=Flag.OBJECTIVE,
        advice="subtract log p(z)",
        function=prior_missing,
    ),
    Variant(
        id="MUT-050",
        title="k2 = (log q - log p)^2 / 2 reported as the KL",
        kind=Kind.SAMPLED_KL,
        flag=Flag.OBJECTIVE,
        advice="k2 is biased unless q is close to p: use log q - log p",
        function=k2,
    ),
    Variant(
        id="MUT-051",
        title="k3 with the ratio inverted: r - 1 - log r, r = q/p",
        kind=Kind.SAMPLED_KL,
        flag=Flag.SIGN,
        advice="in k3, r = p/q",
        function=k3_inverted,
    ),
    Variant(
        id="MUT-052",
        title="q(z) (log q - log p): weighted by the density of a sample that was drawn from it",
        kind=Kind.SAMPLED_KL,
        flag=Flag.OBJECTIVE,
        advice="a draw from q carries the weight already",
        function=probability_ratio,
    ),
    Variant(
        id="MUT-053",
        title="+ELBO returned as a loss",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.SIGN,
        advice="minimise -ELBO",
        function=NegativeElbo(combine=elbo_not_negated),
    ),
    Variant(
        id="MUT-054",
        title="-log p(x|z) - KL: the KL rewarded",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.SIGN,
        seen="proposed in keras-team/keras 6500",
        advice="add the KL to the reconstruction loss",
        function=NegativeElbo(combine=kl_subtracted),
    ),
    Variant(
        id="MUT-055",
        title="+log p(x|z) + KL: the likelihood minimised",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.SIGN,
        advice="negate the log likelihood",
        function=NegativeElbo(combine=likelihood_sign),
    ),
    Variant(
        id="MUT-056",
        title="-log p(x|z) alone: the KL is missing",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.OBJECTIVE,
        seen="facebookresearch/irmae 1",
        advice="add the KL: without it this is an autoencoder with noise",
        function=NegativeElbo(combine=kl_missing),
    ),
    Variant(
        id="MUT-057",
        title="the absolute value of the KL term",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.SIGN,
        advice="one draw of the sampled KL may be negative; its absolute value is biased",
        function=NegativeElbo(combine=kl_magnitude),
    ),
)
