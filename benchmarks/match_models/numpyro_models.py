"""NumPyro pairs of several kinds, and hand-written JAX losses on the same parameters, one difference each."""

import math

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import lax, random
from numpyro import handlers

DATA, HIDDEN, LATENT, SIZE = 6, 5, 2, 500
SHAPES = {
    "encoder": (DATA, HIDDEN),
    "mean": (HIDDEN, LATENT),
    "log_var": (HIDDEN, LATENT),
    "decoder": (LATENT, HIDDEN),
    "output": (HIDDEN, DATA),
    "upper": (LATENT, 2 * LATENT),
    "lower": (LATENT, 2 * LATENT),
}
HALF = jnp.array([True] * 3 + [False] * 3)
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def made(name):
    place = list(SHAPES).index(name)
    return {"w": 0.4 * random.normal(random.key(place), SHAPES[name]), "b": jnp.full(SHAPES[name][1], 0.1)}


def init(key):
    return {name: made(name) for name in SHAPES} | {"log_scale": jnp.linspace(-1.0, 0.5, DATA)}


def layer(name):
    return {part: numpyro.param(f"{name}.{part}", value) for part, value in made(name).items()}


def dense(weights, x):
    return x @ weights["w"] + weights["b"]


def encoded(weights, x):
    hidden = jnp.tanh(dense(weights("encoder"), x))
    return dense(weights("mean"), hidden), dense(weights("log_var"), hidden)


def decoded(weights, z):
    return dense(weights("output"), jnp.tanh(dense(weights("decoder"), z)))


def normal(mean, log_var):
    return dist.Normal(mean, jnp.exp(0.5 * log_var)).to_event(1)


def standard(rows):
    return dist.Normal(jnp.zeros((rows, LATENT)), 1.0).to_event(1)


def guide(x):
    with numpyro.plate("data", len(x)):
        numpyro.sample("z", normal(*encoded(layer, x)))


def bernoulli_model(x):
    with numpyro.plate("data", len(x)):
        z = numpyro.sample("z", standard(len(x)))
        numpyro.sample("x", dist.Bernoulli(logits=decoded(layer, z)).to_event(1), obs=x)


def normal_model(x):
    scale = jnp.exp(numpyro.param("log_scale", jnp.linspace(-1.0, 0.5, DATA)))
    with numpyro.plate("data", len(x)):
        z = numpyro.sample("z", standard(len(x)))
        numpyro.sample("x", dist.Normal(decoded(layer, z), scale).to_event(1), obs=x)


def masked_model(x):
    with numpyro.plate("data", len(x)):
        z = numpyro.sample("z", standard(len(x)))
        numpyro.sample("x", dist.Bernoulli(logits=decoded(layer, z)).mask(HALF).to_event(1), obs=x)


def mini_model(x):
    with numpyro.plate("data", SIZE, subsample_size=len(x)):
        z = numpyro.sample("z", standard(len(x)))
        numpyro.sample("x", dist.Bernoulli(logits=decoded(layer, z)).to_event(1), obs=x)


def mini_guide(x):
    with numpyro.plate("data", SIZE, subsample_size=len(x)):
        numpyro.sample("z", normal(*encoded(layer, x)))


def upper(weights, name, h):
    mean, log_var = jnp.split(dense(weights(name), h), 2, -1)
    return mean, log_var


def deep_model(x):
    with numpyro.plate("data", len(x)):
        z2 = numpyro.sample("z2", standard(len(x)))
        z1 = numpyro.sample("z1", normal(*upper(layer, "lower", z2)))
        numpyro.sample("x", dist.Bernoulli(logits=decoded(layer, z1)).to_event(1), obs=x)


def deep_model_annealed(x):
    with numpyro.plate("data", len(x)):
        z2 = numpyro.sample("z2", standard(len(x)))
        with handlers.scale(scale=0.5):
            z1 = numpyro.sample("z1", normal(*upper(layer, "lower", z2)))
        numpyro.sample("x", dist.Bernoulli(logits=decoded(layer, z1)).to_event(1), obs=x)


def deep_guide(x):
    with numpyro.plate("data", len(x)):
        z1 = numpyro.sample("z1", normal(*encoded(layer, x)))
        numpyro.sample("z2", normal(*upper(layer, "upper", z1)))


def wide_model(x):
    with numpyro.plate("data", len(x)):
        z = numpyro.sample("z", dist.Normal(jnp.zeros((len(x), LATENT)), 2.0).to_event(1))
        numpyro.sample("x", dist.Bernoulli(logits=decoded(layer, z)).to_event(1), obs=x)


def tight_model(x):
    """A normal likelihood of standard deviation 0.1."""
    with numpyro.plate("data", len(x)):
        z = numpyro.sample("z", standard(len(x)))
        numpyro.sample("x", dist.Normal(decoded(layer, z), 0.1).to_event(1), obs=x)


def poisson_model(x):
    with numpyro.plate("data", len(x)):
        z = numpyro.sample("z", standard(len(x)))
        numpyro.sample("x", dist.Poisson(jnp.exp(decoded(layer, z))).to_event(1), obs=x)


# Images through a convolution.
KERNEL = (2, 1, 3, 3)


def convolved(kernel, x):
    return jnp.tanh(lax.conv(x, kernel, (2, 2), "VALID")).reshape(len(x), -1)


def image_parts(kernel, weights, x):
    mean, log_var = jnp.split(dense(weights("image"), convolved(kernel, x)), 2, -1)
    return mean, log_var


SHAPES |= {"image": (8, 2 * LATENT), "canvas": (LATENT, 36)}


def image_guide(x):
    kernel = numpyro.param("kernel", 0.3 * random.normal(random.key(9), KERNEL))
    with numpyro.plate("data", len(x)):
        numpyro.sample("z", normal(*image_parts(kernel, layer, x)))


def image_model(x):
    with numpyro.plate("data", len(x)):
        z = numpyro.sample("z", standard(len(x)))
        logits = dense(layer("canvas"), z).reshape(x.shape)
        numpyro.sample("x", dist.Bernoulli(logits=logits).to_event(3), obs=x)


# Losses by hand.


def drawn(key, mean, log_var):
    return mean + jnp.exp(0.5 * log_var) * random.normal(key, mean.shape)


def log_normal(z, mean=0.0, log_var=0.0):
    return jnp.sum(-0.5 * (log_var + (z - mean) ** 2 / jnp.exp(log_var)) - HALF_LOG_2PI, -1)


def kl(mean, log_var):
    return -0.5 * jnp.sum(1 + log_var - mean**2 - jnp.exp(log_var), -1)


def cross_entropy(logits, x):
    return jnp.logaddexp(0.0, logits) - x * logits


def of(params):
    return lambda name: params[name]


def normal_loss(params, x, key):
    q = encoded(of(params), x)
    mean, log_var = decoded(of(params), drawn(key, *q)), 2 * params["log_scale"]
    return jnp.mean(-log_normal(x, mean, log_var) + kl(*q))


def normal_over_latents(params, x, key):
    q = encoded(of(params), x)
    mean, log_var = decoded(of(params), drawn(key, *q)), 2 * params["log_scale"]
    return jnp.mean(-log_normal(x, mean, log_var)) + jnp.mean(kl(*q)) / LATENT


def masked_loss(params, x, key):
    q = encoded(of(params), x)
    return jnp.sum(jnp.where(HALF, cross_entropy(decoded(of(params), drawn(key, *q)), x), 0.0)) + jnp.sum(kl(*q))


def unmasked_loss(params, x, key):
    q = encoded(of(params), x)
    return jnp.sum(cross_entropy(decoded(of(params), drawn(key, *q)), x)) + jnp.sum(kl(*q))


def mini_loss(params, x, key):
    return SIZE / len(x) * unmasked_loss(params, x, key)


def mini_unscaled(params, x, key):
    q = encoded(of(params), x)
    nll = jnp.sum(cross_entropy(decoded(of(params), drawn(key, *q)), x))
    return SIZE / len(x) * nll + jnp.sum(kl(*q))


def deep_loss(params, x, key, highest=1.0):
    weights, (one, other) = of(params), random.split(key)
    q1 = encoded(weights, x)
    z1 = drawn(one, *q1)
    q2 = upper(weights, "upper", z1)
    z2 = drawn(other, *q2)
    k1 = log_normal(z1, *q1) - log_normal(z1, *upper(weights, "lower", z2))
    nll = jnp.sum(cross_entropy(decoded(weights, z1), x), -1)
    return jnp.mean(nll + k1 + highest * (log_normal(z2, *q2) - log_normal(z2)))


def deep_without_z2(params, x, key):
    return deep_loss(params, x, key, highest=0.0)


def elbo_itself(params, x, key):
    """The ELBO, handed to an optimiser that minimises."""
    return -unmasked_loss(params, x, key) / len(x)


def two_keys(params, x, key):
    """The KL at a draw of its own."""
    q, (one, other) = encoded(of(params), x), random.split(key)
    z = drawn(other, *q)
    nll = jnp.sum(cross_entropy(decoded(of(params), drawn(one, *q)), x), -1)
    return jnp.sum(nll + log_normal(z, *q) - log_normal(z))


def poisson_loss(params, x, key, log_var_in_kl=True):
    mean, log_var = encoded(of(params), x)
    logits = decoded(of(params), drawn(key, mean, log_var))
    divergence = -0.5 * jnp.sum(1 + (log_var if log_var_in_kl else 0.0) - mean**2 - jnp.exp(log_var))
    return jnp.sum(jnp.exp(logits) - x * logits) + divergence


def poisson_no_log_var(params, x, key):
    return poisson_loss(params, x, key, log_var_in_kl=False)


image_params = {name: made(name) for name in ("image", "canvas")} | {
    "kernel": 0.3 * random.normal(random.key(9), KERNEL)
}


def image_loss(image_params, x, key, read=lambda z: z):
    q = image_parts(image_params["kernel"], of(image_params), x)
    logits = dense(image_params["canvas"], read(drawn(key, *q))).reshape(x.shape)
    return (jnp.sum(cross_entropy(logits, x)) + jnp.sum(kl(*q))) / len(x)


def image_detached(image_params, x, key):
    return image_loss(image_params, x, key, read=jax.lax.stop_gradient)
