"""SEM-KL-008: continuous Bernoullis whose logits are bounded: by 20 in float64, by 8 in float32 (Pyro)."""

from itertools import product

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import TraceMeanField_ELBO

RANGES = {"float64": (torch.float64, (-20.0, -7.0, 3.0, 20.0)), "float32": (torch.float32, (-8.0, -3.0, 2.0, 8.0))}


def program(logit, dtype):
    return lambda: pyro.sample("z", dist.ContinuousBernoulli(logits=torch.tensor(logit, dtype=dtype)))


def measure() -> dict[str, float]:
    """The loss, which is the analytic KL(t || u), for every pair of logits in the range of each dtype."""
    pyro.set_rng_seed(0)
    return {
        f"{name}_{t:g}_{u:g}": float(TraceMeanField_ELBO().loss(program(u, dtype), program(t, dtype)))
        for name, (dtype, logits) in RANGES.items()
        for t, u in product(logits, repeat=2)
    }


if __name__ == "__main__":
    print(measure())
