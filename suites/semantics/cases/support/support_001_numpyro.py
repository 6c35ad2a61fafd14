"""SEM-SUPPORT-001: a grey pixel (x = 0.5) under a Bernoulli likelihood (NumPyro)."""

import warnings

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO

jax.config.update("jax_enable_x64", True)


def model(logit, x, validate):
    numpyro.sample("x", dist.Bernoulli(logits=logit, validate_args=validate), obs=x)


def guide(logit, x, validate):
    pass


def loss(logit, x, validate=None):
    return Trace_ELBO().loss(jax.random.key(0), {}, model, guide, logit, x, validate)


def unchecked(logit, x):
    return loss(logit, x, validate=False)


def measure() -> dict[str, float]:
    """Loss, gradient at logit 0.3 and who warns: with the pixel as a constant, as an argument of jit, unvalidated."""
    numbers = {"raises": 0.0}
    for name, function in (("", loss), ("jit_", jax.jit(loss)), ("unchecked_", unchecked)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            value, gradient = jax.value_and_grad(function)(0.3, jnp.array(0.5))
        numbers |= {name + "loss": float(value), name + "gradient": float(gradient)}
        numbers[name + "warns"] = float(bool(caught))
    return numbers


if __name__ == "__main__":
    print(measure())
