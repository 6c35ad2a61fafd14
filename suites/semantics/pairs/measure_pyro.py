"""KL(q || p) of every spec in `table`, by torch.distributions.kl_divergence with Pyro's registrations."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyro.distributions as dist
import torch
from torch.distributions.kl import _KL_REGISTRY, kl_divergence

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.pairs.drawn import FIXED, Drawn, Trial
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


def build_batch(spec: tuple[str, Mapping[str, np.ndarray]], dtype: torch.dtype) -> tuple[Any, dict[str, torch.Tensor]]:
    """The distribution of a drawn spec, and the parameters that it has a gradient with respect to."""
    family, arguments = spec
    given: dict[str, Any] = {name: torch.tensor(value, dtype=dtype) for name, value in arguments.items()}
    leaves = {name: value.requires_grad_() for name, value in given.items() if name not in FIXED}
    if family == "Independent":
        return dist.Normal(**given).to_event(1), leaves
    if family == "FoldedDistribution":
        return dist.FoldedDistribution(dist.Normal(**given)), leaves
    return getattr(dist, family)(**given), leaves


def measure_trial(trial: Trial, *, double: bool) -> Drawn:
    """Value by cell, and the gradient of the sum; what was raised, where torch refuses."""
    dtype = torch.float64 if double else torch.float32
    try:
        (q, q_leaves), (p, p_leaves) = (build_batch(each, dtype) for each in (trial.q, trial.p))
        if trial.pair[0] == "MaskedDistribution":
            q, p = q.mask(True), p.mask(True)
        value = kl_divergence(q, p)
        if value.requires_grad:
            value.sum().backward()
    except Exception as error:  # the library's own refusal is a result
        return Drawn(raised=" ".join(f"{type(error).__name__}: {error}".split())[:200])
    sides = {("q", name): leaf for name, leaf in q_leaves.items()} | {
        ("p", name): leaf for name, leaf in p_leaves.items()
    }
    slopes = {key: np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.double().numpy()
              for key, leaf in sides.items()}  # fmt: skip
    return Drawn(value=value.detach().double().numpy(), slopes=slopes)


if __name__ == "__main__":
    print(measure())
