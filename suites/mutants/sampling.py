"""Mutants that draw from another distribution than the q whose density they use."""

import numpy as np

from elbo_compare.suites.complex_step import Dual, softplus
from elbo_compare.suites.contract import Array
from elbo_compare.suites.mutants import correct
from elbo_compare.suites.mutants.own_noise import of_each_row, of_the_batch
from elbo_compare.suites.mutants.variant import ALONE, Flag, Kind, Variant

Shape = tuple[int, ...]


def variance_for_sigma(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """z = mean + sigma^2 e."""
    return mean + np.exp(log_var) * noise


def log_sigma_for_sigma(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """z = mean + log sigma e."""
    return mean + 0.5 * log_var * noise


def softplus_for_sigma(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """z = mean + softplus(log_var) e."""
    return mean + softplus(log_var) * noise


def unit_sigma(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """z = mean + e."""
    return mean + noise


def precision_for_variance(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """z = mean + e / sigma."""
    return mean + np.exp(-0.5 * log_var) * noise


def sigma_with_floor(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """z = mean + (sigma + 1e-4) e."""
    return mean + (np.exp(0.5 * log_var) + 1e-4) * noise


def no_mean(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """z = sigma e."""
    return np.exp(0.5 * log_var) * noise + 0.0 * mean


def no_noise(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """z = mean."""
    return mean + 0.0 * log_var


def one_sigma(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """z = mean + sigma: the noise left out, its sigma not."""
    return mean + np.exp(0.5 * log_var)


def hundredth(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """Noise of standard deviation 0.01."""
    return correct.sampler(mean, log_var, 0.01 * noise)


def temperature(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """Noise of standard deviation 0.8: the temperature of sample pictures."""
    return correct.sampler(mean, log_var, 0.8 * noise)


def clipped(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """Noise clipped to [-2, 2]."""
    return correct.sampler(mean, log_var, np.clip(noise, -2.0, 2.0))


def shared_over_batch(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """Every datum gets the first datum's noise."""
    return correct.sampler(mean, log_var, noise[:1])


setattr(shared_over_batch, ALONE, correct.sampler)


def shared_over_latent(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """Every dimension gets the first dimension's noise."""
    return correct.sampler(mean, log_var, noise[:, :1])


def of_next_datum(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """Every datum gets its neighbour's sigma."""
    return correct.sampler(mean, np.roll(log_var, 1, axis=0), noise)


def kl_with_own_noise(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """The KL at a second z, drawn apart from the one that the decoder gets."""
    return correct.sampled_kl(correct.sampler(mean, log_var, of_the_batch(z)), mean, log_var)


def kl_with_own_noise_by_row(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """The same in law, one row at a time."""
    return correct.sampled_kl(correct.sampler(mean, log_var, of_each_row(z)), mean, log_var)


setattr(kl_with_own_noise, ALONE, kl_with_own_noise_by_row)


def kl_at_prior_draw(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q - log p at the noise itself: a draw from p in place of q."""
    return correct.sampled_kl((z - mean) / np.exp(0.5 * log_var), mean, log_var)


def wider(rng: np.random.Generator, shape: Shape) -> Array:
    """Standard deviation 1.05."""
    return 1.05 * rng.standard_normal(shape)


def uniform(rng: np.random.Generator, shape: Shape) -> Array:
    """Uniform of mean 0 and variance 1: the first two moments are right."""
    return rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), shape)


def rand_for_randn(rng: np.random.Generator, shape: Shape) -> Array:
    """Uniform on [0, 1)."""
    return rng.random(shape)


def signs(rng: np.random.Generator, shape: Shape) -> Array:
    """+1 or -1: the KL's mean is right and its variance is not."""
    return rng.choice([-1.0, 1.0], shape)


def laplace(rng: np.random.Generator, shape: Shape) -> Array:
    """Laplace of mean 0 and variance 1."""
    return rng.laplace(0.0, np.sqrt(0.5), shape)


def truncated(rng: np.random.Generator, shape: Shape) -> Array:
    """Standard normal, redrawn beyond 2 (truncated_normal)."""
    noise = rng.standard_normal(shape)
    while (beyond := np.abs(noise) > 2.0).any():
        noise[beyond] = rng.standard_normal(int(beyond.sum()))
    return noise


def half_normal(rng: np.random.Generator, shape: Shape) -> Array:
    """|e|."""
    return np.abs(rng.standard_normal(shape))


def shifted(rng: np.random.Generator, shape: Shape) -> Array:
    """Mean 0.1."""
    return 0.1 + rng.standard_normal(shape)


def same_for_every_draw(rng: np.random.Generator, shape: Shape) -> Array:
    """One noise for all draws (particles)."""
    return np.broadcast_to(rng.standard_normal(shape[1:]), shape).copy()


def same_for_every_dimension(rng: np.random.Generator, shape: Shape) -> Array:
    """One number for all latent dimensions: every marginal is right, the joint is not."""
    return np.broadcast_to(rng.standard_normal((*shape[:-1], 1)), shape).copy()


VARIANTS = (
    Variant(
        id="MUT-089",
        title="z = mean + exp(log_var) noise: the variance for the standard deviation",
        kind=Kind.SAMPLER,
        flag=Flag.SAMPLING,
        seen="keras-team/keras 3283 and 9972, rishikksh20/vae_tacotron2 3",
        advice="sigma = exp(log_var / 2)",
        function=variance_for_sigma,
    ),
    Variant(
        id="MUT-090",
        title="z = mean + log_var / 2 noise: log sigma for sigma",
        kind=Kind.SAMPLER,
        flag=Flag.PARAMETERISATION,
        advice="sigma = exp(log_var / 2)",
        function=log_sigma_for_sigma,
    ),
    Variant(
        id="MUT-091",
        title="z = mean + softplus(log_var) noise",
        kind=Kind.SAMPLER,
        flag=Flag.PARAMETERISATION,
        advice="use one map from the head to sigma everywhere",
        function=softplus_for_sigma,
    ),
    Variant(
        id="MUT-092",
        title="z = mean + noise: sigma is left out",
        kind=Kind.SAMPLER,
        flag=Flag.SAMPLING,
        advice="multiply the noise by sigma",
        function=unit_sigma,
    ),
    Variant(
        id="MUT-093",
        title="z = mean + noise / sigma: the precision for the variance",
        kind=Kind.SAMPLER,
        flag=Flag.PARAMETERISATION,
        advice="sigma = exp(+log_var / 2)",
        function=precision_for_variance,
    ),
    Variant(
        id="MUT-094",
        title="z = mean + (sigma + 1e-4) noise: a floor that the density does not know",
        kind=Kind.SAMPLER,
        flag=Flag.SAMPLING,
        advice="put the floor into sigma itself, for sampler and density alike",
        function=sigma_with_floor,
    ),
    Variant(
        id="MUT-095",
        title="z = sigma noise: the mean is left out",
        kind=Kind.SAMPLER,
        flag=Flag.SAMPLING,
        advice="add the mean",
        function=no_mean,
    ),
    Variant(
        id="MUT-096",
        title="z = mean: no noise",
        kind=Kind.SAMPLER,
        flag=Flag.SAMPLING,
        seen="pyro-ppl/pyro examples/vae/vae_comparison.py (one side only, at test time)",
        advice="the ELBO needs a draw; decoding the mean is another quantity",
        function=no_noise,
    ),
    Variant(
        id="MUT-097",
        title="z = mean + sigma: the noise is left out and its sigma kept",
        kind=Kind.SAMPLER,
        flag=Flag.SAMPLING,
        seen="Project-MONAI/MONAI 8413 (at evaluation)",
        advice="multiply sigma by the noise, or return the mean alone",
        function=one_sigma,
    ),
    Variant(
        id="MUT-098",
        title="noise of standard deviation 0.01",
        kind=Kind.SAMPLER,
        flag=Flag.SAMPLING,
        seen="keras-team/keras 4211 (epsilon_std = 0.01)",
        advice="draw from N(0, 1)",
        function=hundredth,
    ),
    Variant(
        id="MUT-099",
        title="noise of standard deviation 0.8 (a sampling temperature left in)",
        kind=Kind.SAMPLER,
        flag=Flag.SAMPLING,
        advice="use temperature 1 in the ELBO",
        function=temperature,
    ),
    Variant(
        id="MUT-100",
        title="noise clipped to [-2, 2]",
        kind=Kind.SAMPLER,
        flag=Flag.SAMPLING,
        advice="do not clip the noise",
        function=clipped,
    ),
    Variant(
        id="MUT-101",
        title="one noise shared by the whole batch",
        kind=Kind.SAMPLER,
        flag=Flag.BROADCASTING,
        advice="draw noise of the shape of sigma",
        function=shared_over_batch,
    ),
    Variant(
        id="MUT-102",
        title="one noise shared by all latent dimensions",
        kind=Kind.SAMPLER,
        flag=Flag.BROADCASTING,
        advice="draw noise of the shape of sigma",
        function=shared_over_latent,
    ),
    Variant(
        id="MUT-103",
        title="sigma of the neighbouring datum",
        kind=Kind.SAMPLER,
        flag=Flag.BROADCASTING,
        advice="keep mean and sigma of a datum together",
        function=of_next_datum,
    ),
    Variant(
        id="MUT-104",
        title="a sampled KL at a second z, with noise of its own",
        kind=Kind.SAMPLED_KL,
        flag=Flag.SAMPLING,
        advice="give the decoder and the KL the same z: separate draws change the variance and the pairing",
        function=kl_with_own_noise,
    ),
    Variant(
        id="MUT-105",
        title="a sampled KL at a draw from the prior in place of q",
        kind=Kind.SAMPLED_KL,
        flag=Flag.SAMPLING,
        advice="evaluate at z = mean + sigma noise",
        function=kl_at_prior_draw,
    ),
    Variant(
        id="MUT-106",
        title="noise of standard deviation 1.05",
        kind=Kind.NOISE,
        flag=Flag.SAMPLING,
        advice="draw from N(0, 1)",
        function=wider,
    ),
    Variant(
        id="MUT-107",
        title="uniform noise of unit variance",
        kind=Kind.NOISE,
        flag=Flag.SAMPLING,
        advice="draw from N(0, 1): mean and variance of z do not show it, the variance of the KL does",
        function=uniform,
    ),
    Variant(
        id="MUT-108",
        title="uniform noise on [0, 1): rand for randn",
        kind=Kind.NOISE,
        flag=Flag.SAMPLING,
        seen="toshikwa/slac.pytorch 5",
        advice="use randn",
        function=rand_for_randn,
    ),
    Variant(
        id="MUT-109",
        title="noise of random signs",
        kind=Kind.NOISE,
        flag=Flag.SAMPLING,
        advice="draw from N(0, 1)",
        function=signs,
    ),
    Variant(
        id="MUT-110",
        title="Laplace noise of unit variance",
        kind=Kind.NOISE,
        flag=Flag.SAMPLING,
        advice="draw from N(0, 1)",
        function=laplace,
    ),
    Variant(
        id="MUT-111",
        title="noise truncated at two standard deviations",
        kind=Kind.NOISE,
        flag=Flag.SAMPLING,
        advice="use normal, not truncated_normal",
        function=truncated,
    ),
    Variant(
        id="MUT-112",
        title="noise without its sign",
        kind=Kind.NOISE,
        flag=Flag.SAMPLING,
        advice="draw from N(0, 1)",
        function=half_normal,
    ),
    Variant(
        id="MUT-113",
        title="noise of mean 0.1",
        kind=Kind.NOISE,
        flag=Flag.SAMPLING,
        advice="draw from N(0, 1)",
        function=shifted,
    ),
    Variant(
        id="MUT-114",
        title="the same noise for every draw",
        kind=Kind.NOISE,
        flag=Flag.SAMPLING,
        advice="draw afresh, or split the key, for every particle",
        function=same_for_every_draw,
    ),
    Variant(
        id="MUT-115",
        title="the same noise for every latent dimension",
        kind=Kind.NOISE,
        flag=Flag.BROADCASTING,
        advice="draw noise of the shape of sigma",
        function=same_for_every_dimension,
    ),
)
