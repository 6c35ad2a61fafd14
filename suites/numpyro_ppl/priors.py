"""p(z) as NumPyro distributions, one per problem's prior."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array as JaxArray

from elbo_compare.suites.numpyro_ppl.layers import NUMPYRO

# --- priors


def standard_normal(zeros: JaxArray) -> dist.Distribution:
    """N(0, I), as a product of normals. Shape of zeros: (batch, latent)."""
    return dist.Normal(zeros, jnp.ones_like(zeros)).to_event(1)


def standard_multivariate_normal(zeros: JaxArray) -> dist.Distribution:
    """N(0, I) as a MultivariateNormal: for no other form of it has NumPyro a KL from a MultivariateNormal."""
    return dist.MultivariateNormal(zeros, scale_tril=jnp.eye(zeros.shape[-1], dtype=zeros.dtype))


def mixture(mean: JaxArray, log_var: JaxArray) -> dist.Distribution:
    """The mean of C normals N(mean, diag exp(log_var)). Shapes: (C, latent) twice."""
    weights = dist.Categorical(jnp.full(mean.shape[0], 1.0 / mean.shape[0], mean.dtype))
    components = dist.Normal(mean, jnp.exp(0.5 * log_var)).to_event(1)
    if NUMPYRO >= (0, 22):
        return dist.MixtureSameFamily(weights, components)
    # Before 0.22 that class refuses components that are independent normals; the mixture of a list takes them.
    each = [dist.Normal(m, jnp.exp(0.5 * v)).to_event(1) for m, v in zip(mean, log_var, strict=True)]
    return dist.MixtureGeneral(weights, each, support=dist.constraints.real_vector)


def laplace(zeros: JaxArray) -> dist.Distribution:
    """A product of Laplace(0, 1). Shape of zeros: (batch, latent)."""
    return dist.Laplace(zeros, jnp.ones_like(zeros)).to_event(1)
