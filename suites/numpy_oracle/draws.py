"""The oracle's own draws, of values and of gradients, at one datum."""

from collections.abc import Iterator

import numpy as np

from elbo_compare.suites.complex_step import STEP
from elbo_compare.suites.contract import Array, Bound, Draws, DType, GradientDraws, Params
from elbo_compare.suites.numpy_oracle.evaluation import Setting, to_float64
from elbo_compare.suites.numpy_oracle.gradients import sample_backward, sample_terms
from elbo_compare.suites.numpy_oracle.noise import draw_noise, particles_of
from elbo_compare.suites.numpy_oracle.vae import Heads, encode, estimate, kl_term, surrogate, terms_at


def draw(setting: Setting, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
    """n draws of ELBO and KL at one datum; one stream of noise, so the draws do not depend on `chunk`.

    Under a Renyi bound, which has no KL term, `kl` is nan.
    """
    problem, estimator = setting.problem, setting.estimator
    params, x = to_float64(params), np.asarray(x, np.float64)
    blocks = []
    for heads, noise in _blocks(setting, params, x, n, seed, chunk):
        drawn = terms_at(params, problem, x, heads, particles_of(estimator, noise))
        elbo = estimate(params, problem, estimator, heads, drawn)
        kl = np.full_like(elbo, np.nan)
        if estimator.bound is Bound.ELBO:
            kl = kl_term(params, problem, estimator, heads, drawn).mean(0)
        blocks.append((elbo, kl))
    elbo, kl = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return Draws(elbo=elbo, kl=kl, dtype=DType(elbo.dtype.name))


def draw_gradients(setting: Setting, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
    """n draws of the gradient by (mean, log_var) at one datum: by hand, or by complex step in each component."""
    params, x = to_float64(params), np.asarray(x, np.float64)
    arguments = params, setting.problem, setting.estimator, x
    blocks = []
    for heads, noise in _blocks(setting, params, x, n, seed, chunk):
        if setting.by_hand:
            terms, tape = sample_terms(*arguments, heads.mean, heads.log_var, noise[0])
            blocks.append(sample_backward(*arguments, noise[0], terms, tape, {}))
        else:
            blocks.append(_head_gradients(setting, params, x, heads, noise))
    mean, log_var = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return GradientDraws(mean=mean, log_var=log_var, dtype=DType(mean.dtype.name))


def _head_gradients(setting: Setting, params: Params, x: Array, heads: Heads, noise: Array) -> tuple[Array, Array]:
    """d surrogate / d (mean, log_var) of every draw: one evaluation of all draws for each latent dimension."""
    problem, estimator = setting.problem, setting.estimator
    particles, result = particles_of(estimator, noise), []
    for head in ("mean", "log_var"):
        columns = []
        for axis in np.eye(problem.latent):
            at = heads._replace(**{head: getattr(heads, head) + 1j * STEP * axis})
            drawn = terms_at(params, problem, x, at, particles)
            columns.append(np.imag(surrogate(params, problem, estimator, x, at, drawn)) / STEP)
        result.append(np.stack(columns, axis=-1))
    return result[0], result[1]


def _blocks(setting: Setting, params: Params, x: Array, n: int, seed: int, chunk: int) -> Iterator[tuple[Heads, Array]]:
    """The heads of one datum, (1, latent) each, and fresh noise (noise_rows, rows, latent), for n draws."""
    if len(x) != 1:
        raise ValueError(f"Draws are of one datum, x (1, observed); x of shape {x.shape} arrived.")
    heads, rng = encode(params, setting.problem, x), np.random.default_rng(seed)
    for start in range(0, n, chunk):
        yield heads, draw_noise(setting.estimator, rng, min(chunk, n - start), setting.problem.latent)
