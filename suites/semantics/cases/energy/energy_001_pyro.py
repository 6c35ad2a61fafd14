"""SEM-ENERGY-001: the prior term of EnergyDistance by the number of particles (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import EnergyDistance

torch.set_default_dtype(torch.float64)
X = torch.tensor([0.3, -0.5])
drawn = {}


def model():
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    with pyro.plate("data", 2):
        pyro.sample("x", dist.Normal(z, 1.0), obs=X)


def guide():
    drawn["z"] = pyro.sample("z", dist.Normal(0.7, 0.5))


def loss(particles: int, prior_scale: float) -> float:
    pyro.set_rng_seed(0)
    elbo = EnergyDistance(prior_scale=prior_scale, num_particles=particles)
    return float(elbo(model, guide))


def measure() -> dict[str, float]:
    """loss(prior_scale 1) - loss(prior_scale 0) at one seed: the prior's term; and -log p(z_k) of the draws."""
    numbers = {}
    for particles in (2, 16, 64):
        numbers[f"prior_{particles}"] = loss(particles, 1.0) - loss(particles, 0.0)
        numbers[f"scaled_{particles}"] = loss(particles, 1.0 / particles) - loss(particles, 0.0)
        numbers[f"mean_{particles}"] = float(-dist.Normal(0.0, 1.0).log_prob(drawn["z"]).mean())
    return numbers


if __name__ == "__main__":
    print(measure())
