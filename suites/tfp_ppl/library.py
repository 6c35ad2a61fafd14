"""The library's parts that are used here, imported in one place, and the functions whose numbers carry its name."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from jax import Array as JaxArray

with warnings.catch_warnings():  # it asks JAX for a table that JAX says is going to go
    warnings.simplefilter("ignore", DeprecationWarning)
    import tensorflow_probability.substrates.jax as tfp

tfb, tfd = tfp.bijectors, tfp.distributions
Weights = dict[str, JaxArray]
Distribution = Any  # tfp.distributions.Distribution, which has no types
Bijector = Any


class Public(NamedTuple):
    """The three public functions that every number comes from. Hashable: what is compiled with one set of them is
    compiled anew with another."""

    variational_loss: Callable[..., JaxArray]  # tfp.vi.monte_carlo_variational_loss
    kl_divergence: Callable[..., JaxArray]  # tfp.distributions.kl_divergence
    expectation: Callable[..., JaxArray]  # tfp.monte_carlo.expectation


def public() -> Public:
    """The functions as they are now: looked up at each call."""
    return Public(tfp.vi.monte_carlo_variational_loss, tfd.kl_divergence, tfp.monte_carlo.expectation)


def affine(params: Weights, name: str, h: JaxArray) -> JaxArray:
    """h W' + b with the weights called `name`. Shapes: (..., in) -> (..., out)."""
    return h @ params[f"{name}.weight"].T + params[f"{name}.bias"]
