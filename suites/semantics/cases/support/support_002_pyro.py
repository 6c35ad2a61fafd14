"""SEM-SUPPORT-002: a saturated Bernoulli (the impossible value is observed) by parameter and dtype (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO


def loss(x, dtype, **parameter) -> float:
    def model():
        value = torch.tensor(x, dtype=dtype)
        argument = {name: torch.tensor(each, dtype=dtype) for name, each in parameter.items()}
        pyro.sample("x", dist.Bernoulli(**argument), obs=value)

    return Trace_ELBO().loss(model, lambda: None)


def measure() -> dict[str, float]:
    """-log p(x) for x = 1 at probability 0, x = 0 at probability 1, and x = 1 at logit -1000."""
    numbers = {}
    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        numbers["never_" + name] = loss(1.0, dtype, probs=0.0)
        numbers["always_" + name] = loss(0.0, dtype, probs=1.0)
        numbers["logit_" + name] = loss(1.0, dtype, logits=-1000.0)
    return numbers


if __name__ == "__main__":
    print(measure())
