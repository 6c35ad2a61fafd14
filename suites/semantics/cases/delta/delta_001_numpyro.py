"""SEM-DELTA-001: a Delta guide that carries a log_density, TraceMeanField_ELBO (NumPyro)."""

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)


def model():
    numpyro.sample("z", dist.Normal(0.0, 1.0))


def guide():
    numpyro.sample("z", dist.Delta(0.7, log_density=-0.4))


def measure() -> dict[str, float]:
    """Both losses; nothing is random."""
    key = jax.random.key(0)
    trace = Trace_ELBO().loss(key, {}, model, guide)
    mean_field = TraceMeanField_ELBO().loss(key, {}, model, guide)
    return {"trace": float(trace), "mean_field": float(mean_field)}


if __name__ == "__main__":
    print(measure())
