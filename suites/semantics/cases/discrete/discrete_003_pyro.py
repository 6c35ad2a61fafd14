"""SEM-DISCRETE-003: a discrete latent in a mini-batch, under a scale and under a mask, TraceGraph_ELBO (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import TraceGraph_ELBO

torch.set_default_dtype(torch.float64)
X = torch.tensor(0.8)
LATENT = {
    "subsampled": lambda: pyro.plate("data", 6, subsample_size=2),
    "outside": lambda: pyro.plate("data", 2),  # with 6 / 2 times the loss
    "scaled": lambda: poutine.scale(scale=0.3),  # of the latent alone: annealing
    "masked": lambda: poutine.mask(mask=False),
}
drawn = {}


def model(way, theta):
    inside = way in ("subsampled", "outside")
    with LATENT[way]():
        z = pyro.sample("z", dist.Bernoulli(0.5))
        if inside:
            pyro.sample("x", dist.Normal(2 * z, 1.0), obs=X)
    if not inside:
        pyro.sample("x", dist.Normal(2 * z, 1.0), obs=X)


def guide(way, theta):
    pyro.param("theta", theta)
    with LATENT[way]():
        drawn[way] = pyro.sample("z", dist.Bernoulli(logits=theta))


def measure() -> dict[str, float]:
    """The draws, and the gradient with respect to the logit 0.4 of q(z = 1), by what stands around the latent."""
    numbers = {}
    for way in LATENT:
        pyro.clear_param_store()
        theta = torch.tensor(0.4, requires_grad=True)
        pyro.set_rng_seed(0)
        TraceGraph_ELBO().loss_and_grads(model, guide, way, theta)
        numbers |= {f"z_{way}_{row}": float(z) for row, z in enumerate(drawn[way].reshape(-1))}
        numbers[way] = float(theta.grad) * (3 if way == "outside" else 1)
    return numbers


if __name__ == "__main__":
    print(measure())
