"""SEM-KL-007: KL(Beta(8, 2) || Beta(2, 3)) in float64 (NumPyro)."""

import jax
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import betaln
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)
drawn = {}


def model():
    numpyro.sample("z", dist.Beta(2.0, 3.0))


def guide():
    drawn["z"] = numpyro.sample("z", dist.Beta(8.0, 2.0))


def measure() -> dict[str, float]:
    """Both losses under one key, the draw, and log B(8, 2) = -log 72."""
    key = jax.random.key(0)
    trace = Trace_ELBO().loss(key, {}, model, guide)
    mean_field = TraceMeanField_ELBO().loss(key, {}, model, guide)
    return {
        "z": float(drawn["z"]),
        "trace": float(trace),
        "mean_field": float(mean_field),
        "log_beta": float(betaln(8.0, 2.0)),
    }


if __name__ == "__main__":
    print(measure())
