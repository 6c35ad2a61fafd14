"""SEM-KL-003: continuous Bernoullis with an extreme logit (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)


def program(logit):
    return lambda: pyro.sample("z", dist.ContinuousBernoulli(logits=torch.tensor(logit)))


def measure() -> dict[str, float]:
    """The loss, which is the analytic KL, at the extreme logit -500 and at -20, and the integral of exp(log_prob)."""
    pyro.set_rng_seed(0)
    elbo, model = TraceMeanField_ELBO(), program(20.0)
    z = torch.linspace(0.0, 0.2, 200_001)  # the density is below 1e-40 beyond
    density = dist.ContinuousBernoulli(logits=torch.tensor(-500.0)).log_prob(z).exp()
    return {
        "mean_field": elbo.loss(model, program(-500.0)),
        "mean_field_in_range": elbo.loss(model, program(-20.0)),
        "mass": float(torch.trapezoid(density, z)),
    }


if __name__ == "__main__":
    print(measure())
