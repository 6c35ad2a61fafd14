"""Mutants of the importance-weighted bound, (particle, batch) -> (batch,)."""

import numpy as np

from elbo_compare.suites.complex_step import Dual, logsumexp, stop_gradient
from elbo_compare.suites.mutants import correct
from elbo_compare.suites.mutants.variant import Flag, Kind, Variant


def sum_for_mean(log_weight: Dual) -> Dual:
    """log sum_k w_k: log K too much."""
    return logsumexp(log_weight, 0)


def log_k_added(log_weight: Dual) -> Dual:
    """log sum_k w_k + log K."""
    return logsumexp(log_weight, 0) + np.log(len(log_weight))


def divided_by_k(log_weight: Dual) -> Dual:
    """(log sum_k w_k) / K."""
    return logsumexp(log_weight, 0) / len(log_weight)


def mean_of_logs(log_weight: Dual) -> Dual:
    """The ELBO with K particles."""
    return log_weight.mean(0)


def best_particle(log_weight: Dual) -> Dual:
    """max_k log w_k."""
    best = np.real(log_weight).argmax(0)
    return np.take_along_axis(log_weight, best[None], 0)[0]


def over_batch(log_weight: Dual) -> Dual:
    """logsumexp over the batch; the mean over particles for every datum."""
    bound = logsumexp(log_weight, 1) - np.log(log_weight.shape[1])
    return bound.mean() * np.ones(log_weight.shape[1])


def joint_over_batch(log_weight: Dual) -> Dual:
    """One weight for the whole batch: the log weights are summed over it first."""
    joint = logsumexp(log_weight.sum(1), 0) - np.log(len(log_weight))
    return joint / log_weight.shape[1] * np.ones(log_weight.shape[1])


def softmax_weighted(log_weight: Dual) -> Dual:
    """sum_k softmax(log w)_k log w_k: the surrogate of the gradient read as the value."""
    weight = np.exp(log_weight - logsumexp(log_weight, 0))
    return (weight * log_weight).sum(0)


def of_losses(log_weight: Dual) -> Dual:
    """logsumexp of the losses -log w, negated."""
    return -correct.bound(-log_weight)


def no_shift_float32(log_weight: Dual) -> Dual:
    """log(mean(exp(log w))) in float32 without subtracting the largest: -inf where every weight underflows."""
    weight = np.exp(np.real(log_weight).astype(np.float32))
    with np.errstate(divide="ignore"):
        return np.log(weight.mean(0)).astype(float)


def epsilon_inside(log_weight: Dual) -> Dual:
    """log(mean(w) + 1e-8): a floor of -18.4 nats."""
    return np.log(np.exp(correct.bound(log_weight)) + 1e-8)


def detached_bound(log_weight: Dual) -> Dual:
    """The right value, with the gradient of the mean of logs."""
    surrogate = log_weight.mean(0)
    return stop_gradient(correct.bound(log_weight)) + surrogate - stop_gradient(surrogate)


def first_left_out(log_weight: Dual) -> Dual:
    """The first particle is left out of the sum and counted in K."""
    return logsumexp(log_weight[1:], 0) - np.log(len(log_weight)) if len(log_weight) > 1 else log_weight[0]


VARIANTS = (
    Variant(
        id="MUT-143",
        title="log of the sum, not of the mean, of the weights: log K too much",
        kind=Kind.BOUND,
        flag=Flag.IMPORTANCE_WEIGHTS,
        seen="YosefLab/scVI-dev 8 (first version)",
        advice="subtract log K",
        function=sum_for_mean,
    ),
    Variant(
        id="MUT-144",
        title="log K added in place of subtracted",
        kind=Kind.BOUND,
        flag=Flag.IMPORTANCE_WEIGHTS,
        advice="subtract log K",
        function=log_k_added,
    ),
    Variant(
        id="MUT-145",
        title="logsumexp divided by K",
        kind=Kind.BOUND,
        flag=Flag.IMPORTANCE_WEIGHTS,
        advice="subtract log K",
        function=divided_by_k,
    ),
    Variant(
        id="MUT-146",
        title="the mean of the log weights: the ELBO with K particles",
        kind=Kind.BOUND,
        flag=Flag.IMPORTANCE_WEIGHTS,
        seen="asked in arahuja/generative-tf 1",
        advice="average the weights before the logarithm",
        function=mean_of_logs,
    ),
    Variant(
        id="MUT-147",
        title="the largest log weight",
        kind=Kind.BOUND,
        flag=Flag.IMPORTANCE_WEIGHTS,
        advice="average the weights, do not take the best",
        function=best_particle,
    ),
    Variant(
        id="MUT-148",
        title="logsumexp over the batch in place of the particles",
        kind=Kind.BOUND,
        flag=Flag.IMPORTANCE_WEIGHTS,
        advice="reduce over the particle axis",
        function=over_batch,
    ),
    Variant(
        id="MUT-149",
        title="one weight for the whole batch: log weights summed over it before logsumexp",
        kind=Kind.BOUND,
        flag=Flag.IMPORTANCE_WEIGHTS,
        advice="weights belong to a datum: logsumexp over particles first, then the sum over data",
        function=joint_over_batch,
    ),
    Variant(
        id="MUT-150",
        title="log weights averaged with their own softmax",
        kind=Kind.BOUND,
        flag=Flag.IMPORTANCE_WEIGHTS,
        seen="AntixK/PyTorch-VAE 34 and 53",
        advice="that surrogate has the bound's gradient (weights detached), not its value",
        function=softmax_weighted,
    ),
    Variant(
        id="MUT-151",
        title="logsumexp of the losses in place of the log weights",
        kind=Kind.BOUND,
        flag=Flag.SIGN,
        seen="YosefLab/scVI-dev 8 (first version)",
        advice="negate before logsumexp, not after",
        function=of_losses,
    ),
    Variant(
        id="MUT-152",
        title="weights exponentiated in float32 without subtracting the largest: -inf",
        kind=Kind.BOUND,
        flag=Flag.IMPORTANCE_WEIGHTS,
        seen="asked in xqding/Importance_Weighted_Autoencoders 2 and 3",
        advice="use logsumexp",
        function=no_shift_float32,
    ),
    Variant(
        id="MUT-153",
        title="log(mean weight + 1e-8)",
        kind=Kind.BOUND,
        flag=Flag.IMPORTANCE_WEIGHTS,
        advice="use logsumexp, which needs no epsilon",
        function=epsilon_inside,
    ),
    Variant(
        id="MUT-154",
        title="the bound's value with the ELBO's gradient",
        kind=Kind.BOUND,
        flag=Flag.GRADIENT,
        advice="weigh each particle's gradient with its normalised weight (Burda et al. 2016, eq. 14)",
        function=detached_bound,
    ),
    Variant(
        id="MUT-155",
        title="one particle left out of the sum and counted in K",
        kind=Kind.BOUND,
        flag=Flag.IMPORTANCE_WEIGHTS,
        advice="sum over all K particles",
        function=first_left_out,
    ),
)
