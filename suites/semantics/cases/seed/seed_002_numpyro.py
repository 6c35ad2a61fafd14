"""SEM-SEED-002: how num_particles uses the key (NumPyro)."""

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO

jax.config.update("jax_enable_x64", True)
KEY = jax.random.key(0)


def model():
    numpyro.sample("z", dist.Normal(0.0, 1.0))


def guide():
    numpyro.sample("z", dist.Normal(0.7, 0.5))


def one(key) -> float:
    return float(Trace_ELBO().loss(key, {}, model, guide))


def measure() -> dict[str, float]:
    """One particle with the key itself; two particles; the mean of one particle with each of the key's two halves."""
    first, second = jax.random.split(KEY)
    two = float(Trace_ELBO(num_particles=2).loss(KEY, {}, model, guide))
    halves = (one(first) + one(second)) / 2
    return {"one": one(KEY), "two": two, "halves": halves, "first_is_one": float(one(first) == one(KEY))}


if __name__ == "__main__":
    print(measure())
