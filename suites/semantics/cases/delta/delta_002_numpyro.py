"""SEM-DELTA-002: AutoNormal on a positive latent, TraceMeanField_ELBO (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO
from numpyro.infer.autoguide import AutoNormal
from numpyro.infer.initialization import init_to_value
from numpyro.optim import SGD

jax.config.update("jax_enable_x64", True)
drawn = {}


def model():
    drawn["z"] = numpyro.sample("z", dist.LogNormal(0.0, 1.0))


def measure() -> dict[str, float]:
    """Both losses under one key with q(log z) = N(0.3, 0.5^2), the draw, and the gradients with respect to 0.3."""
    guide = AutoNormal(model, init_loc_fn=init_to_value(values={"z": jnp.exp(0.3)}), init_scale=0.5)
    key = jax.random.key(0)
    svi = SVI(model, guide, SGD(0.1), Trace_ELBO())
    params = svi.get_params(svi.init(key))
    numbers = {}
    for name, elbo in (("trace", Trace_ELBO()), ("mean_field", TraceMeanField_ELBO())):
        numbers[name] = float(elbo.loss(key, params, model, guide))
        numbers["z"] = float(drawn["z"])
        gradients = jax.grad(lambda values, elbo=elbo: elbo.loss(key, values, model, guide))(params)
        numbers[name + "_gradient"] = float(next(each for path, each in gradients.items() if "loc" in path).sum())
    return numbers


if __name__ == "__main__":
    print(measure())
