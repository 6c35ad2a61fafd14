"""SEM-STRUCTURE-003: a guide site that the model lacks and that is not marked auxiliary (NumPyro)."""

import warnings

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)
drawn = {}


def model():
    drawn["z"] = numpyro.sample("z", dist.Normal(0.0, 1.0))


def guide():
    drawn["u"] = numpyro.sample("u", dist.Normal(0.2, 0.4))
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
