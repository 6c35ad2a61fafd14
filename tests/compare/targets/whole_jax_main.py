"""An ELBO of (key, params, x) for data of 0 and 1, whose weights the main block makes."""

import jax
import jax.numpy as jnp

X, Z = 8, 2


def layer_init(key, shape):
    return jax.random.normal(key, shape) / shape[0] ** 0.5


def elbo(rng, params, images):
    encoder, decoder = params
    mean, log_var = jnp.split(images @ encoder, 2, axis=1)
    z = mean + jnp.exp(0.5 * log_var) * jax.random.normal(rng, mean.shape)
    log_p = -jnp.sum(jnp.logaddexp(0.0, jnp.where(images, -1.0, 1.0) * (z @ decoder)))
    return log_p - 0.5 * jnp.sum(mean**2 + jnp.exp(log_var) - 1 - log_var)


if __name__ == "__main__":
    first, second = jax.random.split(jax.random.key(2))
    encoder = layer_init(first, (X, 2 * Z))
    init_params = encoder, layer_init(second, (Z, X))
