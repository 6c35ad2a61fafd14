"""SEM-ENUM-002: infer={"kl": "analytic"} on the model's or on the guide's site (NumPyro with funsor)."""

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import TraceEnum_ELBO

jax.config.update("jax_enable_x64", True)
ANALYTIC = {"kl": "analytic"}
drawn = {}


def loss(model_infer, guide_infer) -> float:
    def model():
        numpyro.sample("z", dist.Normal(0.0, 1.0), infer=model_infer)

    def guide():
        drawn["z"] = numpyro.sample("z", dist.Normal(0.7, 0.5), infer=guide_infer)

    return float(TraceEnum_ELBO(max_plate_nesting=0).loss(jax.random.key(0), {}, model, guide))


def measure() -> dict[str, float]:
    """The loss with the mark on neither site, on the model's, on the guide's and on both, and the draw."""
    return {
        "neither": loss({}, {}),
        "z": float(drawn["z"]),
        "model": loss(ANALYTIC, {}),
        "guide": loss({}, ANALYTIC),
        "both": loss(ANALYTIC, ANALYTIC),
    }


if __name__ == "__main__":
    print(measure())
