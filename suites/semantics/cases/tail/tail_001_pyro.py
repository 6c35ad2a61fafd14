"""SEM-TAIL-001: the weights of TraceTailAdaptive_ELBO (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import TraceTailAdaptive_ELBO

torch.set_default_dtype(torch.float64)
PARTICLES = 4
drawn = {}


def model(loc):
    pyro.sample("z", dist.Normal(0.0, 1.0))


def guide(loc):
    pyro.param("loc", loc)
    drawn["z"] = pyro.sample("z", dist.Normal(loc, 0.5))


def measure() -> dict[str, float]:
    """The gradient with respect to q's mean 0.7 and the draws z_<k> behind it."""
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    loc = torch.tensor(0.7, requires_grad=True)
    elbo = TraceTailAdaptive_ELBO(num_particles=PARTICLES, vectorize_particles=True, max_plate_nesting=0)
    elbo.loss_and_grads(model, guide, loc)
    numbers = {f"z_{k}": float(z) for k, z in enumerate(drawn["z"].detach().flatten())}
    return numbers | {"gradient": float(loc.grad)}


if __name__ == "__main__":
    print(measure())
