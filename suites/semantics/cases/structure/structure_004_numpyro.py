"""SEM-STRUCTURE-004: a latent site that the guide lacks (NumPyro)."""

import warnings

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)
drawn = {}


def model():
    drawn["z"] = numpyro.sample("z", dist.Normal(0.0, 1.0))
    drawn["w"] = numpyro.sample("w", dist.Normal(0.0, 1.0))


def guide():
    numpyro.sample("z", dist.Normal(0.7, 0.5))


def measure() -> dict[str, float]:
    """Each loss and its draws, or 1 in `raises`; and whether anything warned."""
    numbers = {}
    for name, elbo in (("trace", Trace_ELBO()), ("mean_field", TraceMeanField_ELBO())):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                numbers[name] = float(elbo.loss(jax.random.key(0), {}, model, guide))
                numbers |= {key: float(value) for key, value in drawn.items()}
                numbers[name + "_raises"] = 0.0
            except (AssertionError, KeyError):
                numbers[name + "_raises"] = 1.0
        numbers[name + "_warns"] = float(bool(caught))
    return numbers


if __name__ == "__main__":
    print(measure())
