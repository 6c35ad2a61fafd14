"""SEM-RENYI-004: the gradient of RenyiELBO for a discrete guide, two particles (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import RenyiELBO

torch.set_default_dtype(torch.float64)
X = torch.tensor(0.8)
drawn = []


def model(theta):
    z = pyro.sample("z", dist.Bernoulli(0.5))
    pyro.sample("x", dist.Normal(2 * z, 1.0), obs=X)


def guide(theta):
    pyro.param("theta", theta)
    drawn.append(float(pyro.sample("z", dist.Bernoulli(logits=theta))))


def measure() -> dict[str, float]:
    """Loss and gradient with respect to the logit 0.4 of q(z = 1) at alpha 0 (IWAE) and 1/2, at the same two draws."""
    numbers = {}
    for name, alpha in (("iwae", 0.0), ("half", 0.5)):
        drawn.clear()
        pyro.clear_param_store()
        theta = torch.tensor(0.4, requires_grad=True)
        pyro.set_rng_seed(2)
        numbers[f"{name}_loss"] = RenyiELBO(alpha=alpha, num_particles=2).loss_and_grads(model, guide, theta)
        numbers[f"{name}_gradient"] = 0.0 if theta.grad is None else float(theta.grad)
    return numbers | {f"z_{k}": each for k, each in enumerate(drawn)}


if __name__ == "__main__":
    print(measure())
