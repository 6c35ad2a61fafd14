"""SEM-SEED-003: evaluating a loss twice between two updates (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import SGD

torch.set_default_dtype(torch.float64)


def model():
    pyro.sample("z", dist.Normal(0.0, 1.0))


def guide():
    pyro.sample("z", dist.Normal(pyro.param("loc", torch.tensor(0.7)), 0.5))


def measure() -> dict[str, float]:
    """1 where two evaluations in a row return the same number."""
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    svi = SVI(model, guide, SGD({"lr": 0.1}), Trace_ELBO())
    return {"repeats": float(svi.evaluate_loss() == svi.evaluate_loss())}


if __name__ == "__main__":
    print(measure())
