"""SEM-RENYI-001: RenyiELBO with a subsampled plate (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import RenyiELBO, TraceTMC_ELBO

torch.set_default_dtype(torch.float64)
SIZE, BATCH, PARTICLES = 6, 2, 3
X = torch.tensor([1.2, -0.3])
drawn = []


def model():
    with pyro.plate("data", SIZE, subsample=torch.arange(BATCH)):
        z = pyro.sample("z", dist.Normal(torch.zeros(BATCH), 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=X)


def guide(infer=None):
    with pyro.plate("data", SIZE, subsample=torch.arange(BATCH)):
        drawn.append(pyro.sample("z", dist.Normal(0.5 * X, 0.9), infer=infer).tolist())


def measure() -> dict[str, float]:
    """The losses with alpha = 0 (IWAE) and of Tensor Monte Carlo; z_<particle>_<datum>, t_<particle>_<datum>: draws."""
    drawn.clear()
    pyro.set_rng_seed(0)
    loss = RenyiELBO(alpha=0, num_particles=PARTICLES).loss(model, guide)
    numbers = {"loss": loss} | {f"z_{k}_{b}": drawn[k][b] for k in range(PARTICLES) for b in range(BATCH)}
    drawn.clear()
    marked = {"enumerate": "parallel", "num_samples": PARTICLES, "expand": True}
    numbers["tmc"] = TraceTMC_ELBO(max_plate_nesting=1).loss(lambda _: model(), guide, marked)
    return numbers | {f"t_{k}_{b}": drawn[0][k][b] for k in range(PARTICLES) for b in range(BATCH)}


if __name__ == "__main__":
    print(measure())
