"""SEM-TMC-003: a latent that is enumerated in the model, under TraceTMC_ELBO and TraceEnum_ELBO (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import TraceEnum_ELBO, TraceTMC_ELBO, config_enumerate

torch.set_default_dtype(torch.float64)
PROBABILITIES = torch.tensor([0.2, 0.3, 0.5])
X = torch.tensor(1.3)


@config_enumerate
def prior():
    return pyro.sample("z", dist.Categorical(PROBABILITIES))


def model():
    pyro.sample("x", dist.Normal(prior().double(), 1.0), obs=X)


def guide():
    """Draws nothing."""


def measure() -> dict[str, float]:
    """Losses with and without a datum; nothing is drawn."""
    tmc, enum = TraceTMC_ELBO(max_plate_nesting=0), TraceEnum_ELBO(max_plate_nesting=0)
    return {
        "tmc": float(tmc.loss(model, guide)),
        "tmc_without_data": float(tmc.loss(prior, guide)),
        "enum": float(enum.loss(model, guide)),
    }


if __name__ == "__main__":
    print(measure())
