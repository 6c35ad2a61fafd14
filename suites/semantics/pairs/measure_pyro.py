"""KL(q || p) of every spec in `table`, by torch.distributions.kl_divergence with Pyro's registrations."""

from typing import Any

import pyro.distributions as dist
import torch
from torch.distributions.kl import _KL_REGISTRY, kl_divergence

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.pairs.table import EDGES, Spec, checks

torch.set_default_dtype(torch.float64)


def build(spec: Spec) -> Any:
    """The Pyro distribution of a spec."""
    family, arguments = spec
    if family == "Independent":
        return build(arguments["base"]).to_event(arguments["ndims"])
    if family == "MaskedDistribution":
        return build(arguments["base"]).mask(torch.tensor(arguments["mask"]))
    return getattr(dist, family)(**{name: torch.tensor(value) for name, value in arguments.items()})


def measure() -> dict[str, float]:
    """`registered Q|P`: 1 for each registered pair of classes; `Q|P#n`: the divergence, summed over the batch."""
    numbers = {f"registered {q.__name__}|{p.__name__}": 1.0 for q, p in _KL_REGISTRY}
    for check in checks(Library.PYRO) + EDGES:
        numbers[check.key] = float(kl_divergence(build(check.q), build(check.p)).sum())
    return numbers


if __name__ == "__main__":
    print(measure())
