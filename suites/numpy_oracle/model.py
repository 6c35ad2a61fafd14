"""The model's terms at given noise, for every flow and prior and any number of particles, in complex-safe NumPy.

Nothing here differentiates: an imaginary part in a parameter or in the heads is carried along (`suites.complex_step`).
"""

from dataclasses import dataclass

import numpy as np

from elbo_compare.suites.complex_step import Dual, stop_gradient
from elbo_compare.suites.contract import Array, Likelihood, Params, Problem
from elbo_compare.suites.numpy_oracle import flows
from elbo_compare.suites.numpy_oracle.priors import log_prior
from elbo_compare.suites.numpy_oracle.vae import affine, decode, gated_forward, log_likelihood, log_normal_diag


@dataclass(frozen=True, kw_only=True)
class Heads:
    """The encoder at x: its last hidden layer (batch, hidden), mean and log-variance (batch, latent)."""

    hidden: Dual
    mean: Dual
    log_var: Dual


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is known at each particle. Nats, (particle, batch), unless said otherwise."""

    start: Dual  # z_0: particle, batch, latent
    z: Dual  # z_T: particle, batch, latent
    output: Dual  # of the decoder: particle, batch, observed
    log_start: Dual  # log N(z_0; mean, diag exp(log_var))
    log_det: Dual
    log_prior: Dual
    log_likelihood: Dual

    @property
    def log_q(self) -> Dual:
        """log q(z_T|x)."""
        return self.log_start - self.log_det

    @property
    def k1(self) -> Dual:
        """log q(z_T|x) - log p(z_T)."""
        return self.log_q - self.log_prior

    @property
    def log_weight(self) -> Dual:
        """log p(x|z) + log p(z) - log q(z|x)."""
        return self.log_likelihood - self.k1


def encoder_heads(problem: Problem, params: Params, x: Array) -> Heads:
    """The encoder at x (batch, observed)."""
    hidden, _ = gated_forward(problem, params, "encoder", x)
    mean, log_var = affine(params, "encoder.mean", hidden), affine(params, "encoder.log_var", hidden)
    return Heads(hidden=hidden, mean=mean, log_var=log_var)


def sample(problem: Problem, params: Params, heads: Heads, x: Array, noise: Array) -> Sample:
    """Every term at z_0 = mean + exp(log_var / 2) noise; x (batch, observed), noise (particle, batch, latent)."""
    start = heads.mean + np.exp(0.5 * heads.log_var) * noise
    z, log_det = flows.transform(problem, params, heads.hidden, start)
    output, log_px = _decode(problem, params, x, z)
    return Sample(
        start=start,
        z=z,
        output=output,
        log_start=log_normal_diag(start, heads.mean, heads.log_var),
        log_det=log_det,
        log_prior=log_prior(problem, params, z),
        log_likelihood=log_px,
    )


def log_joint(problem: Problem, params: Params, x: Array, z: Dual) -> Dual:
    """log p(x|z) + log p(z), (particle, batch)."""
    return _decode(problem, params, x, z)[1] + log_prior(problem, params, z)


def log_q_of_the_sample_alone(problem: Problem, params: Params, heads: Heads, drawn: Sample) -> Dual:
    """log q(z_T|x) where only z_T carries a derivative: q's own parameters, the flow's included, are held fixed.

    The derivative in z_T is brought back to z_0 = f^-1(z_T) through the fixed flow's Jacobian.
    """
    if not np.iscomplexobj(drawn.z):
        return stop_gradient(drawn.log_q)
    fixed = {name: stop_gradient(value) for name, value in params.items()}
    hidden, mean, log_var = (stop_gradient(each) for each in (heads.hidden, heads.mean, heads.log_var))
    start, moved = stop_gradient(drawn.start), np.imag(drawn.z)
    start = start + 1j * flows.inverse_derivative(problem, fixed, hidden, start, moved)
    _, log_det = flows.transform(problem, fixed, hidden, start)
    return log_normal_diag(start, mean, log_var) - log_det


def _decode(problem: Problem, params: Params, x: Array, z: Dual) -> tuple[Dual, Dual]:
    """The decoder's output, empty where there is no likelihood, and log p(x|z)."""
    output = z[..., :0] if problem.likelihood is Likelihood.NONE else decode(problem, params, z)
    return output, log_likelihood(problem, x, output)
