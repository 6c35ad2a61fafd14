"""SEM-PLATE-005: TraceEnum_ELBO where the plate draws the rows of model and guide (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import TraceEnum_ELBO

torch.set_default_dtype(torch.float64)
SIZE, BATCH = 6, 2
Y = torch.tensor([1.2, -0.3, 0.8, -1.5, 0.4, -0.6])
slope = torch.tensor(0.4, requires_grad=True)
drawn = {}


def model(size):
    with pyro.plate("data", SIZE, subsample_size=size) as rows:
        drawn["m"] = rows
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=Y[rows])


def guide(size):
    with pyro.plate("data", SIZE, subsample_size=size) as rows:
        drawn["g"] = rows
        drawn["z"] = pyro.sample("z", dist.Normal(slope * Y[rows], 0.7))


def loss(size):
    pyro.set_rng_seed(0)
    return TraceEnum_ELBO(max_plate_nesting=1).differentiable_loss(model, guide, size)


def raises() -> bool:
    """Whether a mini-batch of one row is refused."""
    try:
        loss(1)
    except ValueError:
        return True
    return False


def measure() -> dict[str, float]:
    """The loss and its slope under one seed, the draws and the rows behind them."""
    enum = loss(BATCH)
    enum.backward()
    numbers = {f"{name}{place}": drawn[name][place].item() for name in "zgm" for place in range(BATCH)}
    assert slope.grad is not None
    return {**numbers, "enum": enum.item(), "enum_gradient": slope.grad.item(), "one_raises": float(raises())}


if __name__ == "__main__":
    print(measure())
