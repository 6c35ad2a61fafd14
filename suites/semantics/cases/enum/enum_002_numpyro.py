"""SEM-ENUM-002: the mark infer={"kl": "analytic"} on the model or on the guide, by config_kl (NumPyro with funsor)."""

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.funsor import config_kl
from numpyro.infer import TraceEnum_ELBO

jax.config.update("jax_enable_x64", True)
drawn = {}


def model():
    numpyro.sample("z", dist.Normal(0.0, 1.0))


def guide():
    drawn["z"] = numpyro.sample("z", dist.Normal(0.7, 0.5))


def loss(p, q) -> float:
    return float(TraceEnum_ELBO(max_plate_nesting=0).loss(jax.random.key(0), {}, p, q))


def measure() -> dict[str, float]:
    """The loss with neither program marked, with the model, with the guide and with both, and the draw."""
    return {
        "neither": loss(model, guide),
        "z": float(drawn["z"]),
        "model": loss(config_kl(model), guide),
        "guide": loss(model, config_kl(guide)),
        "both": loss(config_kl(model), config_kl(guide)),
    }


if __name__ == "__main__":
    print(measure())
