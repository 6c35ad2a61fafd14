"""SEM-SCALE-001: scale on the model's latent site only (NumPyro)."""

import jax
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)
SCALE = 0.3
drawn = {}


def model():
    with handlers.scale(scale=SCALE):
        numpyro.sample("z", dist.Normal(0.0, 1.0))


def guide():
    drawn["z"] = numpyro.sample("z", dist.Normal(0.7, 0.5))


def measure() -> dict[str, float]:
    """Both losses under one key, and the draw behind the sampled one."""
    key = jax.random.key(0)
    trace = Trace_ELBO().loss(key, {}, model, guide)
    mean_field = TraceMeanField_ELBO().loss(key, {}, model, guide)
    return {"z": float(drawn["z"]), "trace": float(trace), "mean_field": float(mean_field)}


if __name__ == "__main__":
    print(measure())
