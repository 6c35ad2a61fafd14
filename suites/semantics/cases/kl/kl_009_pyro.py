"""SEM-KL-009: equal distributions behind softmax and behind Normalize, which forget a shift and a length (Pyro)."""

import pyro.distributions as dist
import torch
from pyro.distributions.transforms import Normalize, SoftmaxTransform
from torch.distributions import kl_divergence

torch.set_default_dtype(torch.float64)


def behind(transform, loc, scale):
    base = dist.Normal(torch.tensor(loc), torch.tensor(scale)).to_event(1)
    return dist.TransformedDistribution(base, [transform])


def has_density(of) -> float:
    """1 where log_prob gives a number."""
    try:
        return float(of.log_prob(of.sample()).isfinite())
    except NotImplementedError:
        return 0.0


def measure() -> dict[str, float]:
    """Divergences of pairs that are one distribution; whether Trace_ELBO would have a density to score."""
    numbers = {}
    for name, transform, q, p in (
        ("softmax", SoftmaxTransform(), ([1.0, 2.0], [1.0, 1.0]), ([0.0, 1.0], [1.0, 1.0])),
        ("normalize", Normalize(), ([2.0, 4.0], [2.0, 2.0]), ([1.0, 2.0], [1.0, 1.0])),
    ):
        numbers[name] = float(kl_divergence(behind(transform, *q), behind(transform, *p)))
        numbers[f"{name}_density"] = has_density(behind(transform, *p))
    return numbers


if __name__ == "__main__":
    print(measure())
