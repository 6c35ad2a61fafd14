"""SEM-SIGN-001: what a step of blackjax's mean-field inference calls elbo, and the gradients that it follows."""

from math import log, pi, sqrt

import blackjax
import jax
import jax.numpy as jnp
import optax

jax.config.update("jax_enable_x64", True)
KEY = jax.random.key(0)
X, K = 1.2, 3


def log_density(z):
    return -(z**2 + (X - z) ** 2) / 2 - log(2 * pi)


def step(mu: float, sigma: float, **options) -> tuple[dict[str, float], jax.Array]:
    """The number called elbo and what SGD of rate 1 subtracts from mu and rho = log sigma; the draws."""
    method = blackjax.meanfield_vi(log_density, optax.sgd(1.0), num_samples=K, **options)
    state = method.init(jnp.asarray(0.0))._replace(mu=jnp.asarray(mu), rho=jnp.log(jnp.asarray(sigma)))
    moved, info = method.step(KEY, state)
    numbers = {"elbo": info.elbo, "by_mu": state.mu - moved.mu, "by_rho": state.rho - moved.rho}
    return {name: float(value) for name, value in numbers.items()}, method.sample(KEY, state, K)


def measure() -> dict[str, float]:
    """At q = N(0.7, 0.6^2) as it comes, then without its default, then at the exact posterior."""
    given, z = step(0.7, 0.6)
    total, _ = step(0.7, 0.6, stl_estimator=False)
    numbers = {f"z{k}": float(each) for k, each in enumerate(z)} | given
    numbers |= {f"total_{name}": total[name] for name in ("by_mu", "by_rho")}
    return numbers | {"posterior_elbo": step(X / 2, sqrt(0.5))[0]["elbo"]}


if __name__ == "__main__":
    print(measure())
