"""SEM-SEED-001: looped and vectorised particles under one seed (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO

torch.set_default_dtype(torch.float64)
drawn = []


def model():
    pyro.sample("a", dist.Normal(0.0, 1.0))
    pyro.sample("b", dist.Normal(0.0, 1.0))


def guide():
    a = pyro.sample("a", dist.Normal(0.7, 0.5))
    b = pyro.sample("b", dist.Normal(-0.4, 1.3))
    drawn.append(torch.stack([a, b]).reshape(2, -1))


def measure() -> dict[str, float]:
    """Both losses with two particles and the draws a_<k>, b_<k> behind them."""
    numbers = {}
    for name, vectorise in (("looped", False), ("vectorised", True)):
        elbo = Trace_ELBO(num_particles=2, vectorize_particles=vectorise, max_plate_nesting=0)
        drawn.clear()
        pyro.set_rng_seed(0)
        numbers[name] = elbo.loss(model, guide)
        (a0, a1), (b0, b1) = torch.cat(drawn, 1).tolist()
        numbers |= {f"{name}_a0": a0, f"{name}_a1": a1, f"{name}_b0": b0, f"{name}_b1": b1}
    numbers["same"] = float(numbers["looped"] == numbers["vectorised"])
    return numbers


if __name__ == "__main__":
    print(measure())
