"""SEM-DISCRETE-002: the gradient of q when a discrete latent reaches the data through Python (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceGraph_ELBO

torch.set_default_dtype(torch.float64)
X = torch.tensor(0.8)
drawn = {}


def model(mean, theta):
    z = pyro.sample("z", dist.Bernoulli(0.5))
    pyro.sample("x", dist.Normal(mean(z), 1.0), obs=X)


def guide(mean, theta):
    pyro.param("theta", theta)
    drawn["z"] = pyro.sample("z", dist.Bernoulli(logits=theta))


MEANS = {
    "tensor": lambda z: 2 * z,
    "branch": lambda z: torch.tensor(2.0) if z > 0 else torch.tensor(0.0),
    "item": lambda z: torch.tensor(2 * z.item()),
    "numpy": lambda z: torch.as_tensor(2 * z.numpy()),
}


def measure() -> dict[str, float]:
    """The draw, and the gradient of each loss with respect to the logit 0.4 of q(z = 1), by how the mean is written."""
    numbers = {}
    for name, elbo in (("graph", TraceGraph_ELBO()), ("trace", Trace_ELBO())):
        for way, mean in MEANS.items():
            pyro.clear_param_store()
            theta = torch.tensor(0.4, requires_grad=True)
            pyro.set_rng_seed(0)
            elbo.loss_and_grads(model, guide, mean, theta)
            numbers["z"] = float(drawn["z"])
            numbers[f"{name}_{way}"] = float(theta.grad)
    return numbers


if __name__ == "__main__":
    print(measure())
