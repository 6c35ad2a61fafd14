"""SEM-DISCRETE-001: a discrete latent in the guide: which gradient each ELBO object gives (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)
X = torch.tensor(0.8)
drawn = {}


def model(theta):
    z = pyro.sample("z", dist.Bernoulli(0.5))
    pyro.sample("x", dist.Normal(2 * z, 1.0), obs=X)


def guide(theta):
    pyro.param("theta", theta)
    drawn["z"] = pyro.sample("z", dist.Bernoulli(logits=theta))


def measure() -> dict[str, float]:
    """The draw, and the gradient of each loss with respect to the logit 0.4 of q(z = 1)."""
    numbers = {}
    for name, elbo in (("trace", Trace_ELBO()), ("graph", TraceGraph_ELBO())):
        pyro.clear_param_store()
        theta = torch.tensor(0.4, requires_grad=True)
        pyro.set_rng_seed(0)
        elbo.loss_and_grads(model, guide, theta)
        numbers["z"] = float(drawn["z"])
        numbers[name + "_gradient"] = float(theta.grad)
    try:
        TraceMeanField_ELBO().loss(model, guide, torch.tensor(0.4))
        numbers["mean_field_raises"] = 0.0
    except NotImplementedError:
        numbers["mean_field_raises"] = 1.0
    return numbers


if __name__ == "__main__":
    print(measure())
