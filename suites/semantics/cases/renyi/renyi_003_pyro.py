"""SEM-RENYI-003: RenyiELBO without a plate bounds the batch jointly, and refuses alpha = 1 (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import RenyiELBO

torch.set_default_dtype(torch.float64)
BATCH, PARTICLES, ALPHA = 2, 3, 0.5
X = torch.tensor([1.2, -0.3])
drawn = []


def model():
    z = pyro.sample("z", dist.Normal(torch.zeros(BATCH), 1.0).to_event(1))
    pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=X)


def guide():
    drawn.append(pyro.sample("z", dist.Normal(0.5 * X, 0.9).to_event(1)).tolist())


def measure() -> dict[str, float]:
    """The losses with alpha = 0 (IWAE) and 1/2 under one seed, and the draws z_<particle>_<datum> behind them."""
    numbers = {}
    for name, alpha in (("iwae", 0.0), ("half", ALPHA)):
        drawn.clear()
        pyro.set_rng_seed(0)
        numbers[name] = RenyiELBO(alpha=alpha, num_particles=PARTICLES).loss(model, guide)
    numbers |= {f"z_{k}_{b}": drawn[k][b] for k in range(PARTICLES) for b in range(BATCH)}
    try:
        RenyiELBO(alpha=1)
        numbers["one_raises"] = 0.0
    except ValueError:
        numbers["one_raises"] = 1.0
    return numbers


if __name__ == "__main__":
    print(measure())
