"""SEM-LOSSES-001: flowjax's ElboLoss at its own draws, and its gradient with and without stick_the_landing."""

from math import log, pi

import equinox as eqx
import jax
from flowjax.distributions import Normal
from flowjax.train.losses import ElboLoss

jax.config.update("jax_enable_x64", True)
KEY = jax.random.key(0)
X, K = 1.2, 3


def log_density(z):
    return -(z**2 + (X - z) ** 2) / 2 - log(2 * pi)


def measure() -> dict[str, float]:
    """At q = N(0.7, 0.6^2): the draws, the loss and its gradient by q's location, both ways."""
    guide = Normal(0.7, 0.6)
    params, static = eqx.partition(guide, eqx.is_inexact_array)
    numbers = {f"z{k}": float(z) for k, z in enumerate(guide.sample(KEY, (K,)))}
    for name, sticks in (("total", False), ("path", True)):
        loss = ElboLoss(log_density, K, stick_the_landing=sticks)
        value, slope = jax.value_and_grad(loss)(params, static, KEY)
        numbers |= {name: float(value), f"{name}_by_loc": float(slope.bijection.loc)}
    return numbers


if __name__ == "__main__":
    print(measure())
