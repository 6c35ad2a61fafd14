"""SEM-RENYI-002: the per-datum bound of a mini-batch by a plate of its own size, times N/B outside (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import RenyiELBO

torch.set_default_dtype(torch.float64)
SIZE, BATCH, PARTICLES = 6, 2, 3
X = torch.tensor([1.2, -0.3])
drawn = []


def model():
    with pyro.plate("data", BATCH):
        z = pyro.sample("z", dist.Normal(torch.zeros(BATCH), 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=X)


def guide():
    with pyro.plate("data", BATCH):
        drawn.append(pyro.sample("z", dist.Normal(0.5 * X, 0.9)).tolist())


def measure() -> dict[str, float]:
    """N/B times the loss with alpha = 0 (IWAE) and the draws z_<particle>_<datum> behind it."""
    drawn.clear()
    pyro.set_rng_seed(0)
    loss = SIZE / BATCH * RenyiELBO(alpha=0, num_particles=PARTICLES).loss(model, guide)
    return {"loss": loss} | {f"z_{k}_{b}": drawn[k][b] for k in range(PARTICLES) for b in range(BATCH)}


if __name__ == "__main__":
    print(measure())
