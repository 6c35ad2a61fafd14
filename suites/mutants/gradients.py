"""Mutants whose every value is right and whose gradient is wrong."""

import numpy as np

from elbo_compare.suites.complex_step import Dual, stop_gradient
from elbo_compare.suites.contract import Array
from elbo_compare.suites.mutants import correct
from elbo_compare.suites.mutants.loss import NegativeElbo, SampledKL
from elbo_compare.suites.mutants.variant import Flag, Kind, Variant


def z_detached(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q - log p(z) at a z that carries no gradient: its expected gradient is 0."""
    return correct.sampled_kl(stop_gradient(z), mean, log_var)


def log_q_z_detached(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q at a z that carries no gradient."""
    return correct.log_q(stop_gradient(z), mean, log_var)


def log_prior_detached(z: Dual) -> Dual:
    """log p(z) at a z that carries no gradient."""
    return correct.log_prior(stop_gradient(z))


def sampled_detached(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """A KL for the log, with no gradient at all."""
    return stop_gradient(correct.sampled_kl(z, mean, log_var))


def log_q_detached(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q without any gradient: sticking the landing gone too far."""
    return stop_gradient(correct.log_q(z, mean, log_var))


def sampled_with_score(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """The reparameterised gradient and the score-function gradient of the same term."""
    kl, log_q = correct.sampled_kl(z, mean, log_var), correct.log_q(stop_gradient(z), mean, log_var)
    return kl + stop_gradient(kl) * (log_q - stop_gradient(log_q))


def sampled_one_percent(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """The gradient is 1% too large."""
    kl = correct.sampled_kl(z, mean, log_var)
    return kl + 0.01 * (kl - stop_gradient(kl))


def analytic_detached(mean: Dual, log_var: Dual) -> Dual:
    """A KL for the log, with no gradient at all."""
    return stop_gradient(correct.analytic_kl(mean, log_var))


def analytic_mean_detached(mean: Dual, log_var: Dual) -> Dual:
    """No gradient for the mean."""
    return correct.analytic_kl(stop_gradient(mean), log_var)


def analytic_log_var_detached(mean: Dual, log_var: Dual) -> Dual:
    """No gradient for the log variance."""
    return correct.analytic_kl(mean, stop_gradient(log_var))


def analytic_one_percent(mean: Dual, log_var: Dual) -> Dual:
    """The gradient is 1% too large."""
    kl = correct.analytic_kl(mean, log_var)
    return kl + 0.01 * (kl - stop_gradient(kl))


def likelihood_detached(x: Array, logits: Dual, scale: float = 1.0) -> Dual:
    """The decoder gets no gradient."""
    return stop_gradient(correct.bernoulli_log_likelihood(x, logits, scale))


def kl_term_detached(log_likelihood: Dual, kl: Dual) -> Dual:
    """The KL is in the loss's value only."""
    return stop_gradient(kl) - log_likelihood


def kl_term_reversed(log_likelihood: Dual, kl: Dual) -> Dual:
    """The KL's gradient has the wrong sign."""
    return 2.0 * stop_gradient(kl) - kl - log_likelihood


def sample_for_rsample(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """sample() in place of rsample(): z carries no gradient."""
    return stop_gradient(correct.sampler(mean, log_var, noise))


def mean_detached(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """z carries no gradient for the mean."""
    return correct.sampler(stop_gradient(mean), log_var, noise)


def sigma_detached(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """z carries no gradient for sigma."""
    return correct.sampler(mean, stop_gradient(log_var), noise)


def sigma_twice(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """sigma's gradient as if the head were log sigma."""
    sigma = np.exp(0.5 * log_var)
    return mean + (2.0 * sigma - stop_gradient(sigma)) * noise


VARIANTS = (
    Variant(
        id="MUT-071",
        title="log q(z|x) - log p(z) with z detached: the expected gradient is 0",
        kind=Kind.SAMPLED_KL,
        flag=Flag.GRADIENT,
        seen="jankrepl/deepdow 106 (sample() for rsample())",
        advice="let the gradient pass through z: rsample(), not sample(), and no detach",
        function=z_detached,
    ),
    Variant(
        id="MUT-072",
        title="a sampled KL whose log q sees z detached",
        kind=Kind.SAMPLED_KL,
        flag=Flag.GRADIENT,
        advice="detach the parameters of q (sticking the landing), never z",
        function=SampledKL(log_q=log_q_z_detached),
    ),
    Variant(
        id="MUT-073",
        title="a sampled KL whose log p(z) sees z detached",
        kind=Kind.SAMPLED_KL,
        flag=Flag.GRADIENT,
        advice="let the gradient pass through z",
        function=SampledKL(log_prior=log_prior_detached),
    ),
    Variant(
        id="MUT-074",
        title="the sampled KL detached: right value, no gradient",
        kind=Kind.SAMPLED_KL,
        flag=Flag.GRADIENT,
        advice="log a detached copy, differentiate the term itself",
        function=sampled_detached,
    ),
    Variant(
        id="MUT-075",
        title="a sampled KL whose log q carries no gradient at all",
        kind=Kind.SAMPLED_KL,
        flag=Flag.GRADIENT,
        advice="sticking the landing detaches q's parameters only; z must stay attached",
        function=SampledKL(log_q=log_q_detached),
    ),
    Variant(
        id="MUT-076",
        title="the sampled KL's reparameterised gradient with the score-function gradient added",
        kind=Kind.SAMPLED_KL,
        flag=Flag.GRADIENT,
        advice="use one of the two: together they count the sampling twice",
        function=sampled_with_score,
    ),
    Variant(
        id="MUT-077",
        title="the sampled KL with a gradient 1% too large",
        kind=Kind.SAMPLED_KL,
        flag=Flag.GRADIENT,
        advice="check hand-written backward passes against autodiff",
        function=sampled_one_percent,
    ),
    Variant(
        id="MUT-078",
        title="the analytic KL detached: right value, no gradient",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.GRADIENT,
        advice="log a detached copy, differentiate the term itself",
        function=analytic_detached,
    ),
    Variant(
        id="MUT-079",
        title="the analytic KL with the mean detached",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.GRADIENT,
        advice="attach the mean",
        function=analytic_mean_detached,
    ),
    Variant(
        id="MUT-080",
        title="the analytic KL with the log variance detached",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.GRADIENT,
        advice="attach the log variance",
        function=analytic_log_var_detached,
    ),
    Variant(
        id="MUT-081",
        title="the analytic KL with a gradient 1% too large",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.GRADIENT,
        advice="check hand-written backward passes against autodiff",
        function=analytic_one_percent,
    ),
    Variant(
        id="MUT-082",
        title="the negative ELBO with the likelihood detached",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.GRADIENT,
        advice="attach the decoder's output",
        function=NegativeElbo(log_likelihood=likelihood_detached),
    ),
    Variant(
        id="MUT-083",
        title="the negative ELBO with the KL detached",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.GRADIENT,
        advice="attach the KL",
        function=NegativeElbo(combine=kl_term_detached),
    ),
    Variant(
        id="MUT-084",
        title="the negative ELBO with the KL's gradient reversed",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.GRADIENT,
        advice="the KL must go down together with the loss",
        function=NegativeElbo(combine=kl_term_reversed),
    ),
    Variant(
        id="MUT-085",
        title="sample() for rsample(): z carries no gradient",
        kind=Kind.SAMPLER,
        flag=Flag.GRADIENT,
        seen="jankrepl/deepdow 106",
        advice="use rsample(), or mean + sigma * noise",
        function=sample_for_rsample,
    ),
    Variant(
        id="MUT-086",
        title="z with the mean detached",
        kind=Kind.SAMPLER,
        flag=Flag.GRADIENT,
        advice="attach the mean",
        function=mean_detached,
    ),
    Variant(
        id="MUT-087",
        title="z with sigma detached",
        kind=Kind.SAMPLER,
        flag=Flag.GRADIENT,
        advice="attach sigma",
        function=sigma_detached,
    ),
    Variant(
        id="MUT-088",
        title="z whose gradient takes exp(log_var / 2) for exp(log_var)",
        kind=Kind.SAMPLER,
        flag=Flag.GRADIENT,
        advice="d sigma / d log_var = sigma / 2",
        function=sigma_twice,
    ),
)
