"""p(z) as NumPyro distributions, one per problem's prior."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array as JaxArray

# --- priors


def standard_normal(zeros: JaxArray) -> dist.Distribution:
    """N(0, I), as a product of normals. Shape of zeros: (batch, latent)."""
    return dist.Normal(zeros, jnp.ones_like(zeros)).to_event(1)


def standard_multivariate_normal(zeros: JaxArray) -> dist.Distribution:
    """N(0, I) as a MultivariateNormal: for no other form of it has NumPyro a KL from a MultivariateNormal."""
    return dist.MultivariateNormal(zeros, scale_tril=jnp.eye(zeros.shape[-1], dtype=zeros.dtype))


def mixture(mean: JaxArray, log_var: JaxArray) -> dist.Distribution:
    """The mean of C normals N(mean, diag exp(log_var)). Shapes: (C, latent) twice."""
    weights = jnp.full(mean.shape[0], 1.0 / mean.shape[0], mean.dtype)
    components = dist.Normal(mean, jnp.exp(0.5 * log_var)).to_event(1)
    return dist.MixtureSameFamily(dist.Categorical(weights), components)


def laplace(zeros: JaxArray) -> dist.Distribution:
    """A product of Laplace(0, 1). Shape of zeros: (batch, latent)."""
    return dist.Laplace(zeros, jnp.ones_like(zeros)).to_event(1)
