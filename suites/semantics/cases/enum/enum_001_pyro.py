"""SEM-ENUM-001: TraceEnum_ELBO sums a discrete latent out, in the guide or in the model (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import TraceEnum_ELBO, config_enumerate

torch.set_default_dtype(torch.float64)


def model(theta):
    z = pyro.sample("z", dist.Bernoulli(0.5))
    pyro.sample("x", dist.Normal(2 * z, 1.0), obs=torch.tensor(0.8))


def guide(theta):
    pyro.param("theta", theta)
    pyro.sample("z", dist.Bernoulli(logits=theta))


def empty_guide(theta):
    pass


def measure() -> dict[str, float]:
    """The guide-enumerated loss and its gradient at logit 0.4, and the model-enumerated loss; nothing is random."""
    pyro.clear_param_store()
    theta = torch.tensor(0.4, requires_grad=True)
    elbo = TraceEnum_ELBO(max_plate_nesting=0)
    loss = elbo.loss_and_grads(model, config_enumerate(guide), theta)
    marginal = elbo.loss(config_enumerate(model), empty_guide, theta)
    return {"loss": loss, "gradient": float(theta.grad), "marginal_loss": marginal}


if __name__ == "__main__":
    print(measure())
