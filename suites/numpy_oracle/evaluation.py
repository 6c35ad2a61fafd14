"""The oracle at everybody's noise."""

from dataclasses import dataclass

import numpy as np

from elbo_compare.suites.contract import Array, Bound, DType, Estimator, Evaluation, Params, Problem, Reduction
from elbo_compare.suites.numpy_oracle.gradients import derived_by_hand, gradients, terms_and_backward
from elbo_compare.suites.numpy_oracle.noise import particles_of
from elbo_compare.suites.numpy_oracle.vae import encode, estimate, kl_term, terms_at


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every part of a session shares."""

    problem: Problem
    estimator: Estimator

    @property
    def by_hand(self) -> bool:
        """Whether the gradient is known on paper."""
        return derived_by_hand(self.problem, self.estimator)


def evaluate(setting: Setting, params: Params, x: Array, noise: Array) -> Evaluation:
    """The estimator and its terms at the given noise (noise_rows, batch, latent); gradients where by hand."""
    problem, estimator = setting.problem, setting.estimator
    params, x = to_float64(params), np.asarray(x, np.float64)
    if setting.by_hand:
        terms, contractions = terms_and_backward(params, problem, estimator, x, one_particle(noise))
        return _means(
            elbo=terms.elbo,
            kl=terms.kl,
            log_likelihood=terms.log_likelihood,
            log_q=terms.log_q,
            log_prior=terms.log_prior,
            gradients=gradients(problem, contractions, len(x)),
        )
    heads = encode(params, problem, x)
    drawn = terms_at(params, problem, x, heads, particles_of(estimator, np.asarray(noise, np.float64)))
    summed, unknown = estimator.bound is Bound.ELBO, np.array(np.nan)
    return _means(
        elbo=estimate(params, problem, estimator, heads, drawn),
        kl=kl_term(params, problem, estimator, heads, drawn) if summed else unknown,
        log_likelihood=drawn.log_likelihood if summed else unknown,
        log_q=drawn.log_q,
        log_prior=drawn.log_prior,
        gradients={},
    )


def _means(
    *, elbo: Array, kl: Array, log_likelihood: Array, log_q: Array, log_prior: Array, gradients: Params
) -> Evaluation:
    """The record of one evaluation: means over particles and batch."""
    mean = float(elbo.mean())
    return Evaluation(
        elbo=mean,
        kl=float(kl.mean()),
        log_likelihood=float(log_likelihood.mean()),
        log_likelihood_derived=False,
        log_q=float(log_q.mean()),
        log_prior=float(log_prior.mean()),
        gradients=gradients,
        raw_loss=-mean,
        raw_sign=-1,
        raw_reduction=Reduction.MEAN,
        dtype=DType(elbo.dtype.name),
    )


def one_particle(noise: Array) -> Array:
    """noise (1, batch, latent) -> float64 (batch, latent). Raises ValueError for another number of particles."""
    if noise.ndim != 3 or noise.shape[0] != 1:
        raise ValueError(f"Noise of shape {noise.shape} arrived; one particle, (1, batch, latent), is needed.")
    return np.asarray(noise[0], np.float64)


def to_float64(params: Params) -> dict[str, Array]:
    """The same weights in float64."""
    return {name: np.asarray(value, np.float64) for name, value in params.items()}
