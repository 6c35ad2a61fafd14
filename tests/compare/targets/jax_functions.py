"""Right and wrong functions in JAX."""

import jax
import jax.numpy as jnp


def kl(mean, log_var):
    return 0.5 * jnp.sum(mean**2 + jnp.exp(log_var) - 1 - log_var, axis=-1)


@jax.jit
def negative_elbo(x, logits, z, mean, sigma):
    nll = jnp.sum(jnp.logaddexp(0.0, logits) - x * logits, -1)
    sampled = 0.5 * z**2 - 0.5 * ((z - mean) / sigma) ** 2 - jnp.log(sigma)
    return jnp.mean(nll + sampled.sum(-1))


def drawn_kl(key, mean, log_sigma):
    noise = jax.random.normal(key, mean.shape, mean.dtype)
    z = mean + jnp.exp(log_sigma) * noise
    return jnp.sum(0.5 * z**2 - 0.5 * noise**2 - log_sigma, -1)


def kl_latent_mean(mean, log_var):
    return 0.5 * jnp.mean(mean**2 + jnp.exp(log_var) - 1 - log_var, axis=-1)


def kl_stopped(z, mean, log_var):
    z = jax.lax.stop_gradient(z)
    return (0.5 * z**2 - 0.5 * (z - mean) ** 2 / jnp.exp(log_var) - 0.5 * log_var).sum(-1)


def kl_with_python_branch(mean, log_var):
    """Can't be traced by jax.jit; still right."""
    value = kl(mean, log_var)
    if float(value.min()) < -1e-3:
        raise ValueError("a KL is not negative")
    return value
