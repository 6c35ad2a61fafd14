"""A whole VAE in plain JAX, a loss of (params, x, key) beside the function that makes the weights; right and wrong."""

import jax
import jax.numpy as jnp

X, H, Z = 10, 5, 3


def init_params(key):
    sizes = {"first": (X, H), "mean": (H, Z), "log_var": (H, Z), "second": (Z, H), "last": (H, X)}
    keys = jax.random.split(key, len(sizes))
    return {
        name: {"w": jax.random.normal(k, size) / size[0] ** 0.5, "b": jnp.zeros(size[1])}
        for k, (name, size) in zip(keys, sizes.items(), strict=True)
    }


def layer(params, x):
    return x @ params["w"] + params["b"]


def encode(params, x):
    hidden = jnp.tanh(layer(params["first"], x))
    return layer(params["mean"], hidden), layer(params["log_var"], hidden)


def decode(params, z):
    return layer(params["last"], jnp.tanh(layer(params["second"], z)))


def sample(key, mean, log_var):
    return mean + jnp.exp(0.5 * log_var) * jax.random.normal(key, mean.shape)


def data_term(logits, x):
    return jnp.sum(jnp.logaddexp(0, logits) - x * logits, -1)


def kl_term(mean, log_var):
    return 0.5 * jnp.sum(mean**2 + jnp.exp(log_var) - 1 - log_var, -1)


def loss(params, x, key):
    """Right."""
    mean, log_var = encode(params, x)
    z = sample(key, mean, log_var)
    return (data_term(decode(params, z), x) + kl_term(mean, log_var)).mean()


def by_datum(params, x, key):
    """Right: vmap with a key for each datum, and log q(z|x) - log p(z) at z."""

    def one(row, key):
        mean, log_var = encode(params, row)
        z = sample(key, mean, log_var)
        kl = jnp.sum(-0.5 * log_var - 0.5 * (z - mean) ** 2 / jnp.exp(log_var) + 0.5 * z**2)
        return data_term(decode(params, z), row) + kl

    return jax.vmap(one)(x, jax.random.split(key, len(x))).sum()


def overflowing(params, x, key):
    """Right: log(1 - p) as Flax's example writes it, -inf where p rounds to 1, as it does at noise far away."""
    mean, log_var = encode(params, x)
    log_p = jax.nn.log_sigmoid(layer(params["last"], layer(params["second"], sample(key, mean, log_var))))
    return (-jnp.sum(x * log_p + (1 - x) * jnp.log(-jnp.expm1(log_p)), -1) + kl_term(mean, log_var)).mean()


def stopped(params, x, key):
    mean, log_var = encode(params, x)
    z = jax.lax.stop_gradient(sample(key, mean, log_var))
    return (data_term(decode(params, z), x) + kl_term(mean, log_var)).mean()


def one_key(params, x, key):
    """Every datum gets the same noise."""

    def one(row):
        mean, log_var = encode(params, row)
        return data_term(decode(params, sample(key, mean, log_var)), row) + kl_term(mean, log_var)

    return jax.vmap(one)(x).mean()


def squared(params, x, key):
    mean, log_var = encode(params, x)
    z = mean + jnp.exp(log_var) * jax.random.normal(key, mean.shape)
    return (data_term(decode(params, z), x) + kl_term(mean, log_var)).mean()


def second_key(params, x, key):
    """The KL at another draw, by a key of its own."""
    one, other = jax.random.split(key)
    mean, log_var = encode(params, x)
    z, again = sample(one, mean, log_var), sample(other, mean, log_var)
    kl = jnp.sum(-0.5 * log_var - 0.5 * (again - mean) ** 2 / jnp.exp(log_var) + 0.5 * again**2, -1)
    return (data_term(decode(params, z), x) + kl).mean()


def kl_averaged(params, x, key):
    mean, log_var = encode(params, x)
    z = sample(key, mean, log_var)
    return data_term(decode(params, z), x).mean() + kl_term(mean, log_var).mean() / Z
