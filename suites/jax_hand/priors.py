"""Priors other than the standard normal, by hand, and whether the normaliser dropped elsewhere cancels."""

from math import log, pi

import jax
import jax.numpy as jnp
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Prior

# --- priors


def log_mixture(log_components: JaxArray) -> JaxArray:
    """log of the mean of C densities, in nats. Shapes: (..., C) -> (...).

    What every component leaves out of its log density, the mixture leaves out too: it still cancels in the KL.
    """
    return jax.scipy.special.logsumexp(log_components, axis=-1) - log(log_components.shape[-1])


def log_laplace(z: JaxArray) -> JaxArray:
    """Log density of a product of Laplace(0, 1), sum -|z| - log 2, in nats. Shapes: (..., latent) -> (...)."""
    return jnp.sum(-jnp.abs(z) - log(2.0), axis=-1)


# --- constants


def log_q_constant(form: Form) -> float:
    """What log q lacks, in nats: latent/2 log(2 pi) beside a Laplace prior, to be taken off; else nothing.

    The normaliser of log q has no partner in a Laplace prior, whose own is latent log 2: without it the KL would be
    too large by latent/2 log(2 pi). Beside normals, mixtures of them and VampPriors it cancels and stays left out.
    """
    return 0.5 * form.latent * log(2.0 * pi) if form.prior is Prior.LAPLACE else 0.0
