"""SEM-TMC-002: a discrete guide site that is not marked, under TraceTMC_ELBO and Trace_ELBO (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceTMC_ELBO

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
    """One draw of each loss's gradient with respect to the logit 0.4 of q(z = 1), under one seed."""
    numbers = {}
    for name, elbo in (
        ("trace", Trace_ELBO()),
        ("tmc", TraceTMC_ELBO(max_plate_nesting=0, strict_enumeration_warning=False)),
    ):
        pyro.clear_param_store()
        theta = torch.tensor(0.4, requires_grad=True)
        pyro.set_rng_seed(0)
        elbo.loss_and_grads(model, guide, theta)
        assert theta.grad is not None
        numbers |= {"z": float(drawn["z"]), f"{name}_gradient": float(theta.grad)}
    return numbers


if __name__ == "__main__":
    print(measure())
