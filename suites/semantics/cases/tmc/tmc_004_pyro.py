"""SEM-TMC-004: a factor of the guide, under TraceTMC_ELBO, TraceEnum_ELBO and Trace_ELBO (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceTMC_ELBO

torch.set_default_dtype(torch.float64)
FACTOR = torch.tensor(-0.25)
X = torch.tensor(0.3)


def model(factor):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    pyro.sample("x", dist.Normal(z, 1.0), obs=X)


def guide(factor):
    pyro.sample("z", dist.Normal(0.4, 0.7))
    if factor is not None:
        pyro.factor("f", factor, has_rsample=True)


def measure() -> dict[str, float]:
    """The loss with the factor less the loss without it, under one seed."""
    numbers = {}
    for name, elbo in (
        ("trace", Trace_ELBO()),
        ("enum", TraceEnum_ELBO(max_plate_nesting=0, strict_enumeration_warning=False)),
        ("tmc", TraceTMC_ELBO(max_plate_nesting=0, strict_enumeration_warning=False)),
    ):
        losses = []
        for factor in (FACTOR, None):
            pyro.set_rng_seed(0)
            losses.append(float(elbo.loss(model, guide, factor)))
        numbers[f"{name}_change"] = losses[0] - losses[1]
    return numbers


if __name__ == "__main__":
    print(measure())
