"""SEM-ENERGY-002: EnergyDistance and a likelihood without reparameterised samples (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import EnergyDistance

torch.set_default_dtype(torch.float64)


def model(data_first):
    if data_first:
        bias = pyro.param("bias", torch.tensor(0.0))
        pyro.sample("x", dist.Bernoulli(logits=bias), obs=torch.tensor(1.0))
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    if not data_first:
        pyro.sample("x", dist.Bernoulli(logits=z), obs=torch.tensor(1.0))


def guide(data_first):
    pyro.sample("z", dist.Normal(pyro.param("loc", torch.tensor(0.7)), 0.5))


def measure() -> dict[str, float]:
    """Whether the call raises, and whether the loss has a gradient to q, where z is the last site and where x is."""
    numbers = {}
    for name, data_first in (("data_last", False), ("data_first", True)):
        pyro.clear_param_store()
        pyro.enable_validation(True)
        try:
            loss = EnergyDistance(num_particles=4)(model, guide, data_first)
            numbers[f"{name}_raises"] = 0.0
            numbers[f"{name}_has_gradient"] = float(loss.requires_grad)
        except ValueError:
            numbers[f"{name}_raises"] = 1.0
            numbers[f"{name}_has_gradient"] = 0.0
    return numbers


if __name__ == "__main__":
    print(measure())
