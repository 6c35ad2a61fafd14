"""Legitimate variants: other ways to write the same thing, or other unbiased estimators. They must not be failed."""

import numpy as np

from elbo_compare.suites.complex_step import Dual, stop_gradient
from elbo_compare.suites.contract import Array, Reduction
from elbo_compare.suites.mutants import correct
from elbo_compare.suites.mutants.constants import log_prior_dropped, log_q_dropped
from elbo_compare.suites.mutants.correct import LOG_2PI
from elbo_compare.suites.mutants.loss import NegativeElbo, SampledKL, batch_mean, batch_sum
from elbo_compare.suites.mutants.variant import Aspect, Flag, Kind, Variant

_OTHER_DRAW = "another estimator of the same mean: at one noise it takes another value"
_OTHER_NOISE = "the same distribution from another noise"
_OTHER_NOISE_TOO = "at the mirrored noise its gradient is the right one"
_OTHER_GRADIENT = "another estimator of the same mean: at one noise its gradient is another"
_POINTWISE_EXEMPT = ((Aspect.SAME_NOISE_VALUE, _OTHER_DRAW), (Aspect.SAME_NOISE_GRADIENT, _OTHER_GRADIENT))
_VARIANCE_EXEMPT = (
    (Aspect.DRAW_VARIANCE, "its variance is its own"),
    (Aspect.GRADIENT_VARIANCE, "its gradient's variance is its own"),
)


def analytic_log_sigma(mean: Dual, log_var: Dual) -> Dual:
    """The analytic KL written in log sigma = log_var / 2: sum (mean^2 + sigma^2 - 1) / 2 - log sigma."""
    log_sigma = 0.5 * log_var
    return (0.5 * (mean**2 + np.exp(2.0 * log_sigma) - 1.0) - log_sigma).sum(-1)


def analytic_by_terms(mean: Dual, log_var: Dual) -> Dual:
    """-H(q) + cross-entropy: both expectations in closed form."""
    negative_entropy = -0.5 * (LOG_2PI + 1.0 + log_var).sum(-1)
    return negative_entropy + 0.5 * (LOG_2PI + mean**2 + np.exp(log_var)).sum(-1)


def log_q_log_sigma(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q in log sigma, as torch.distributions.Normal writes it."""
    log_sigma = 0.5 * log_var
    return -((z - mean) ** 2 / (2.0 * np.exp(log_sigma) ** 2) + log_sigma + 0.5 * LOG_2PI).sum(-1)


def log_q_from_noise(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """-1/2 sum log(2 pi) + log_var + e^2 with the noise e = (z - mean) / sigma."""
    noise = (z - mean) * np.exp(-0.5 * log_var)
    return -0.5 * (LOG_2PI + log_var + noise**2).sum(-1)


def sticking_the_landing(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q with its parameters detached, z attached: the score term, whose mean is 0, is left out.

    Roeder, Wu and Duvenaud 2017 (arXiv 1703.09194), eq. 8.
    """
    return correct.log_q(z, stop_gradient(mean), stop_gradient(log_var))


def antithetic_pair(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """(k(z) + k(2 mean - z)) / 2: the mean over the noise e and -e."""
    return 0.5 * (correct.sampled_kl(z, mean, log_var) + correct.sampled_kl(2.0 * mean - z, mean, log_var))


def analytic_entropy(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """-H(q) - log p(z): the entropy in closed form, the prior sampled. Kingma and Welling 2014, between eqs 6 and 7."""
    return -0.5 * (LOG_2PI + 1.0 + log_var).sum(-1) - correct.log_prior(z)


def k3(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """r - 1 - log r, r = p/q: unbiased and never negative; its variance is infinite where a sigma^2 <= 1/2.

    Schulman 2020, Approximating KL divergence.
    """
    log_ratio = -0.5 * (z**2 - (z - mean) ** 2 / np.exp(log_var) - log_var).sum(-1)
    return np.exp(log_ratio) - 1.0 - log_ratio


def mirrored(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """z = mean - sigma e."""
    return correct.sampler(mean, log_var, -noise)


VARIANTS = (
    Variant(
        id="VAR-001",
        title="the negative ELBO summed over the batch",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.REDUCTION,
        legitimate=True,
        advice="the gradient grows with the batch: state the reduction",
        function=NegativeElbo(combine=batch_sum),
    ),
    Variant(
        id="VAR-002",
        title="the negative ELBO averaged over the batch",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.REDUCTION,
        legitimate=True,
        advice="weigh ragged batches by their rows when averaging over an epoch",
        function=NegativeElbo(combine=batch_mean, reduction=Reduction.MEAN),
    ),
    Variant(
        id="VAR-003",
        title="the sampled KL with log(2 pi)/2 dropped from both densities",
        kind=Kind.SAMPLED_KL,
        flag=Flag.CONSTANT,
        legitimate=True,
        advice="it cancels here, not in log q alone or beside another family's prior",
        function=SampledKL(log_q=log_q_dropped, log_prior=log_prior_dropped),
    ),
    Variant(
        id="VAR-004",
        title="the analytic KL written in log sigma",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.PARAMETERISATION,
        legitimate=True,
        advice="right where the head is log sigma^2 and halved first",
        function=analytic_log_sigma,
    ),
    Variant(
        id="VAR-005",
        title="the sampled KL written in log sigma",
        kind=Kind.SAMPLED_KL,
        flag=Flag.PARAMETERISATION,
        legitimate=True,
        advice="right where the head is log sigma^2 and halved first",
        function=SampledKL(log_q=log_q_log_sigma),
    ),
    Variant(
        id="VAR-006",
        title="the sampled KL with log q from the noise (z - mean) / sigma",
        kind=Kind.SAMPLED_KL,
        flag=Flag.PARAMETERISATION,
        legitimate=True,
        advice="loses no digits where sigma is small if the noise itself is at hand",
        function=SampledKL(log_q=log_q_from_noise),
    ),
    Variant(
        id="VAR-007",
        title="the sampled KL that sticks the landing (log q's parameters detached)",
        kind=Kind.SAMPLED_KL,
        flag=Flag.GRADIENT,
        legitimate=True,
        advice="another gradient per draw with the same mean; biased with importance weights of more than one particle",
        function=SampledKL(log_q=sticking_the_landing),
        exempt=(
            (Aspect.SAME_NOISE_GRADIENT, "leaves the score term out: another gradient per draw, with the same mean"),
            (Aspect.GRADIENT_VARIANCE, "its gradient's variance is its own: 0 at the exact posterior"),
        ),
    ),
    Variant(
        id="VAR-008",
        title="the sampled KL averaged over an antithetic pair of draws",
        kind=Kind.SAMPLED_KL,
        flag=Flag.SAMPLING,
        legitimate=True,
        advice="variance sum (sigma^2 - 1)^2 / 2 per pair; two independent draws may do better",
        function=antithetic_pair,
        exempt=(*_POINTWISE_EXEMPT, *_VARIANCE_EXEMPT),
    ),
    Variant(
        id="VAR-009",
        title="z = mean - sigma noise: the noise mirrored",
        kind=Kind.SAMPLER,
        flag=Flag.SAMPLING,
        legitimate=True,
        advice="the same distribution, since noise and -noise have the same",
        function=mirrored,
        exempt=((Aspect.SAME_NOISE_VALUE, _OTHER_NOISE), (Aspect.SAME_NOISE_GRADIENT, _OTHER_NOISE_TOO)),
    ),
    Variant(
        id="VAR-010",
        title="k3 = r - 1 - log r with r = p/q",
        kind=Kind.SAMPLED_KL,
        flag=Flag.OBJECTIVE,
        legitimate=True,
        advice="its variance is infinite where a sigma^2 <= 1/2, as in most trained VAEs",
        function=k3,
        moments_above=0.75,
        exempt=(
            *_POINTWISE_EXEMPT,
            *_VARIANCE_EXEMPT,
            (Aspect.DETERMINISTIC_MEAN, "no quadratic in the noise: two points do not give its mean"),
        ),
    ),
    Variant(
        id="VAR-011",
        title="the sampled KL with the entropy of q in closed form",
        kind=Kind.SAMPLED_KL,
        flag=Flag.SAMPLING,
        seen="jaywalnut310/vits 6",
        legitimate=True,
        advice="unbiased, with the gradient of the sampled KL draw by draw; only its value varies more or less",
        function=analytic_entropy,
        exempt=(
            (Aspect.SAME_NOISE_VALUE, _OTHER_DRAW),
            (Aspect.DRAW_VARIANCE, "its variance is its own: sum mean^2 sigma^2 + sigma^4 / 2"),
        ),
    ),
    Variant(
        id="VAR-012",
        title="the analytic KL as cross-entropy less entropy",
        kind=Kind.ANALYTIC_KL,
        flag=Flag.CONSTANT,
        legitimate=True,
        advice="log(2 pi)/2 stands in both terms and cancels",
        function=analytic_by_terms,
    ),
)
