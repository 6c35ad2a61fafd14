"""Mutants of the likelihood term, Bernoulli and normal."""

import numpy as np

from elbo_compare.suites.complex_step import Dual, clip, sigmoid
from elbo_compare.suites.contract import Array, Likelihood
from elbo_compare.suites.mutants import correct
from elbo_compare.suites.mutants.correct import LOG_2PI
from elbo_compare.suites.mutants.loss import LogWeight, NegativeElbo
from elbo_compare.suites.mutants.variant import Flag, Kind, Variant


def sigmoid_twice(x: Array, logits: Dual, scale: float = 1.0) -> Dual:
    """Probabilities given to a loss that wants logits."""
    return correct.bernoulli_log_likelihood(x, sigmoid(logits))


def logits_as_probabilities(x: Array, logits: Dual, scale: float = 1.0) -> Dual:
    """Logits given, clamped, to a loss that wants probabilities."""
    p = clip(logits, 1e-7, 1.0 - 1e-7)
    return (x * np.log(p) + (1.0 - x) * np.log(1.0 - p)).sum(-1)


def clamped(x: Array, logits: Dual, scale: float = 1.0) -> Dual:
    """Probabilities clamped to [1e-6, 1 - 1e-6]."""
    p = clip(sigmoid(logits), 1e-6, 1.0 - 1e-6)
    return (x * np.log(p) + (1.0 - x) * np.log(1.0 - p)).sum(-1)


def log_with_epsilon(x: Array, logits: Dual, scale: float = 1.0) -> Dual:
    """log(p + 1e-4)."""
    p = sigmoid(logits)
    return (x * np.log(p + 1e-4) + (1.0 - x) * np.log(1.0 - p + 1e-4)).sum(-1)


def ones_only(x: Array, logits: Dual, scale: float = 1.0) -> Dual:
    """x log p: the pixels that are 0 do not count (categorical for binary cross-entropy)."""
    return (x * np.log(sigmoid(logits))).sum(-1)


def zeros_and_ones_swapped(x: Array, logits: Dual, scale: float = 1.0) -> Dual:
    """(1 - x) log p + x log(1 - p)."""
    return correct.bernoulli_log_likelihood(1.0 - x, logits)


def softmax_over_pixels(x: Array, logits: Dual, scale: float = 1.0) -> Dual:
    """x log softmax(logits): one categorical over all pixels."""
    shift = np.real(logits).max(-1, keepdims=True)
    log_p = logits - shift - np.log(np.exp(logits - shift).sum(-1, keepdims=True))
    return (x * log_p).sum(-1)


def in_bits(x: Array, logits: Dual, scale: float = 1.0) -> Dual:
    """Bits, beside a KL in nats."""
    return correct.bernoulli_log_likelihood(x, logits) / np.log(2.0)


def squared_error_of_probabilities(x: Array, logits: Dual, scale: float = 1.0) -> Dual:
    """-1/2 sum (x - p)^2."""
    return -0.5 * ((x - sigmoid(logits)) ** 2).sum(-1)


def batch_axis(x: Array, logits: Dual, scale: float = 1.0) -> Dual:
    """Summed over the batch and averaged over pixels; every datum gets the same."""
    terms = x * logits - np.log(1.0 + np.exp(logits))
    return terms.sum(0).mean() * np.ones(len(x))


def last_pixel_missing(x: Array, logits: Dual, scale: float = 1.0) -> Dual:
    """A slice that ends one pixel early."""
    return correct.bernoulli_log_likelihood(x[:, :-1], logits[:, :-1])


def no_half(x: Array, output: Dual, scale: float = 1.0) -> Dual:
    """The squared error without its 1/2."""
    return correct.normal_log_likelihood(x, output, scale) - 0.5 * ((x - output) ** 2 / scale**2).sum(-1)


def mean_over_pixels(x: Array, output: Dual, scale: float = 1.0) -> Dual:
    """Averaged over pixels."""
    return correct.normal_log_likelihood(x, output, scale) / x.shape[-1]


def scale_as_variance(x: Array, output: Dual, scale: float = 1.0) -> Dual:
    """scale for scale^2."""
    return correct.normal_log_likelihood(x, output, np.sqrt(scale))


def variance_as_scale(x: Array, output: Dual, scale: float = 1.0) -> Dual:
    """scale^2 for scale."""
    return correct.normal_log_likelihood(x, output, scale**2)


def scale_ignored(x: Array, output: Dual, scale: float = 1.0) -> Dual:
    """A unit scale."""
    return correct.normal_log_likelihood(x, output, 1.0)


def normaliser_dropped(x: Array, output: Dual, scale: float = 1.0) -> Dual:
    """-1/2 sum (x - output)^2 / scale^2: no log(2 pi), no log scale."""
    return -0.5 * ((x - output) ** 2 / scale**2).sum(-1)


def log_2pi_dropped(x: Array, output: Dual, scale: float = 1.0) -> Dual:
    """log(2 pi) / 2 per pixel dropped."""
    return correct.normal_log_likelihood(x, output, scale) + 0.5 * LOG_2PI * x.shape[-1]


def log_scale_dropped(x: Array, output: Dual, scale: float = 1.0) -> Dual:
    """log scale dropped."""
    return correct.normal_log_likelihood(x, output, scale) + np.log(scale) * x.shape[-1]


def log_scale_once(x: Array, output: Dual, scale: float = 1.0) -> Dual:
    """log scale once in place of once per pixel."""
    return correct.normal_log_likelihood(x, output, scale) + np.log(scale) * (x.shape[-1] - 1)


def absolute_error(x: Array, output: Dual, scale: float = 1.0) -> Dual:
    """-sum |x - output| / scale: a Laplace without its normaliser."""
    error = x - output
    return -(np.where(np.real(error) < 0, -error, error) / scale).sum(-1)


def root_mean_square(x: Array, output: Dual, scale: float = 1.0) -> Dual:
    """-sqrt(sum of squared errors): a norm for its square."""
    return -np.sqrt(((x - output) ** 2).sum(-1)) / scale


def sign_of_prior(x: Array, logits: Dual, z: Dual, mean: Dual, log_var: Dual, scale: float = 1.0) -> Dual:
    """log p(x|z) + log q - log p(z)."""
    return correct.bernoulli_log_likelihood(x, logits) + correct.sampled_kl(z, mean, log_var)


def no_prior(z: Dual) -> Dual:
    """A flat prior."""
    return 0.0 * z.sum(-1)


def no_q(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log p(x, z) alone."""
    return 0.0 * z.sum(-1)


def analytic_in_weight(x: Array, logits: Dual, z: Dual, mean: Dual, log_var: Dual, scale: float = 1.0) -> Dual:
    """log p(x|z) - KL: the analytic KL where each particle's own log q - log p belongs."""
    return correct.bernoulli_log_likelihood(x, logits) - correct.analytic_kl(mean, log_var)


def log_q_dropped(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q without log(2 pi) / 2 per dimension."""
    return correct.log_q(z, mean, log_var) + 0.5 * LOG_2PI * z.shape[-1]


VARIANTS = (
    Variant(
        id="MUT-116",
        title="Bernoulli probabilities given to a loss that wants logits (a sigmoid too many)",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        advice="give logits to the with-logits loss, or probabilities to the plain one",
        function=NegativeElbo(log_likelihood=sigmoid_twice),
    ),
    Variant(
        id="MUT-117",
        title="Bernoulli logits given to a loss that wants probabilities (a sigmoid too few)",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        advice="use the with-logits loss",
        function=NegativeElbo(log_likelihood=logits_as_probabilities),
    ),
    Variant(
        id="MUT-118",
        title="Bernoulli probabilities clamped to [1e-6, 1 - 1e-6]: wrong only where they saturate",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        advice="work with logits: x l - softplus(l) needs no clamp",
        function=NegativeElbo(log_likelihood=clamped),
    ),
    Variant(
        id="MUT-119",
        title="log(p + 1e-4) for log p",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        advice="work with logits: x l - softplus(l) needs no epsilon",
        function=NegativeElbo(log_likelihood=log_with_epsilon),
    ),
    Variant(
        id="MUT-120",
        title="x log p alone: pixels that are 0 do not count",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        advice="add (1 - x) log(1 - p): binary, not categorical, cross-entropy",
        function=NegativeElbo(log_likelihood=ones_only),
    ),
    Variant(
        id="MUT-121",
        title="ones and zeros of the data swapped",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        advice="x goes with log p, 1 - x with log(1 - p)",
        function=NegativeElbo(log_likelihood=zeros_and_ones_swapped),
    ),
    Variant(
        id="MUT-122",
        title="one softmax over all pixels",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        advice="every pixel is a Bernoulli of its own: sigmoid",
        function=NegativeElbo(log_likelihood=softmax_over_pixels),
    ),
    Variant(
        id="MUT-123",
        title="a likelihood in bits beside a KL in nats",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        advice="use natural logarithms in both",
        function=NegativeElbo(log_likelihood=in_bits),
    ),
    Variant(
        id="MUT-124",
        title="the squared error of the probabilities, halved, for binary data",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        seen="ethanluoyc/pytorch-vae 3",
        advice="use the Bernoulli log likelihood, or state the normal one",
        function=NegativeElbo(log_likelihood=squared_error_of_probabilities),
    ),
    Variant(
        id="MUT-125",
        title="the likelihood summed over the batch and averaged over pixels",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.REDUCTION,
        advice="sum over the last axis",
        function=NegativeElbo(log_likelihood=batch_axis),
    ),
    Variant(
        id="MUT-126",
        title="the likelihood without the last pixel",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        advice="the end of a slice is exclusive",
        function=NegativeElbo(log_likelihood=last_pixel_missing),
    ),
    Variant(
        id="MUT-127",
        title="the squared error of a normal likelihood without its 1/2",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        likelihood=Likelihood.NORMAL,
        advice="log N has a 1/2 before the squared error",
        function=NegativeElbo(log_likelihood=no_half),
    ),
    Variant(
        id="MUT-128",
        title="a normal likelihood averaged over pixels",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.REDUCTION,
        seen="orybkin/sigma-vae-pytorch 12, AppliedDataSciencePartners/WorldModels 12",
        likelihood=Likelihood.NORMAL,
        advice="sum over pixels: mse_loss(reduction='sum')",
        function=NegativeElbo(log_likelihood=mean_over_pixels),
    ),
    Variant(
        id="MUT-129",
        title="a normal likelihood with its scale taken as a variance",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        likelihood=Likelihood.NORMAL,
        advice="divide by scale^2",
        function=NegativeElbo(log_likelihood=scale_as_variance),
    ),
    Variant(
        id="MUT-130",
        title="a normal likelihood with its variance taken as a scale",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        likelihood=Likelihood.NORMAL,
        advice="Normal takes the standard deviation",
        function=NegativeElbo(log_likelihood=variance_as_scale),
    ),
    Variant(
        id="MUT-131",
        title="a normal likelihood of unit scale, whatever the model's scale",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        likelihood=Likelihood.NORMAL,
        advice="divide by scale^2 and subtract log scale",
        function=NegativeElbo(log_likelihood=scale_ignored),
    ),
    Variant(
        id="MUT-132",
        title="the squared error over 2 scale^2, without the normal's constants",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.CONSTANT,
        likelihood=Likelihood.NORMAL,
        advice="gradients are right; for a bound on log p(x) in nats subtract log(2 pi)/2 + log scale per pixel",
        function=NegativeElbo(log_likelihood=normaliser_dropped),
    ),
    Variant(
        id="MUT-133",
        title="a normal likelihood without log(2 pi)/2 per pixel",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.CONSTANT,
        likelihood=Likelihood.NORMAL,
        advice="gradients are right; for a bound on log p(x) in nats keep it",
        function=NegativeElbo(log_likelihood=log_2pi_dropped),
    ),
    Variant(
        id="MUT-134",
        title="a normal likelihood without its log scale",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.CONSTANT,
        likelihood=Likelihood.NORMAL,
        advice="keep it: it is no constant once the scale is learnt",
        function=NegativeElbo(log_likelihood=log_scale_dropped),
    ),
    Variant(
        id="MUT-135",
        title="a normal likelihood with log scale once in place of once per pixel",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.CONSTANT,
        likelihood=Likelihood.NORMAL,
        advice="put log scale inside the sum",
        function=NegativeElbo(log_likelihood=log_scale_once),
    ),
    Variant(
        id="MUT-136",
        title="the absolute error over the scale in place of a normal likelihood",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        likelihood=Likelihood.NORMAL,
        advice="square the error, or state the Laplace likelihood with its normaliser",
        function=NegativeElbo(log_likelihood=absolute_error),
    ),
    Variant(
        id="MUT-137",
        title="the norm of the error in place of its square",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        likelihood=Likelihood.NORMAL,
        advice="square the error",
        function=NegativeElbo(log_likelihood=root_mean_square),
    ),
    Variant(
        id="MUT-138",
        title="a log weight with log q added and log p(z) subtracted",
        kind=Kind.LOG_WEIGHT,
        flag=Flag.SIGN,
        advice="log w = log p(x|z) + log p(z) - log q(z|x)",
        function=sign_of_prior,
    ),
    Variant(
        id="MUT-139",
        title="a log weight without log p(z)",
        kind=Kind.LOG_WEIGHT,
        flag=Flag.IMPORTANCE_WEIGHTS,
        advice="log w = log p(x|z) + log p(z) - log q(z|x)",
        function=LogWeight(log_prior=no_prior),
    ),
    Variant(
        id="MUT-140",
        title="a log weight without log q(z|x)",
        kind=Kind.LOG_WEIGHT,
        flag=Flag.IMPORTANCE_WEIGHTS,
        advice="log w = log p(x|z) + log p(z) - log q(z|x)",
        function=LogWeight(log_q=no_q),
    ),
    Variant(
        id="MUT-141",
        title="a log weight with the analytic KL",
        kind=Kind.LOG_WEIGHT,
        flag=Flag.IMPORTANCE_WEIGHTS,
        seen="AntixK/PyTorch-VAE 53",
        advice="each particle needs its own log q - log p(z): the bound is wrong for more than one particle",
        function=analytic_in_weight,
    ),
    Variant(
        id="MUT-142",
        title="a log weight whose log q has dropped log(2 pi)/2 per dimension",
        kind=Kind.LOG_WEIGHT,
        flag=Flag.CONSTANT,
        advice="drop it from log p(z) as well, or keep both: it cancels only between the two",
        function=LogWeight(log_q=log_q_dropped),
    ),
)
