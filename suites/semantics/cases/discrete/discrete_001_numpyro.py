"""SEM-DISCRETE-001: a discrete latent in the guide: which gradient each ELBO object gives (NumPyro)."""

import warnings

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import SVI, Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO
from numpyro.optim import SGD

jax.config.update("jax_enable_x64", True)
KEY = jax.random.key(0)
drawn = {}


def model(theta):
    z = numpyro.sample("z", dist.Bernoulli(0.5))
    numpyro.sample("x", dist.Normal(2.0 * z, 1.0), obs=0.8)


def guide(theta):
    drawn["z"] = numpyro.sample("z", dist.Bernoulli(logits=theta))


def measure() -> dict[str, float]:
    """The draw, the gradient of each loss with respect to the logit 0.4 of q(z = 1), and who warns."""
    numbers = {}
    for name, elbo in (("trace", Trace_ELBO()), ("mean_field", TraceMeanField_ELBO()), ("graph", TraceGraph_ELBO())):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            elbo.loss(KEY, {}, model, guide, 0.4)
            if name == "trace":  # the key, and so the draw, is the same for all three
                numbers["z"] = float(drawn["z"])
            loss = jax.grad(lambda theta, elbo=elbo: elbo.loss(KEY, {}, model, guide, theta))
            numbers[name + "_gradient"] = float(loss(0.4))
        numbers[name + "_warns"] = float(bool(caught))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        SVI(model, guide, SGD(0.1), Trace_ELBO()).init(KEY, 0.4)
    numbers["svi_init_warns"] = float(bool(caught))
    return numbers


if __name__ == "__main__":
    print(measure())
