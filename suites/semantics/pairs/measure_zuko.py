"""Zuko's own distributions: log densities at points, and the divergences that torch has of its two independent ones."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import zuko.distributions as zd
from torch.distributions import Normal, kl_divergence

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.pairs.table import DENSITIES, PAIRS, PARAMETERS, Spec, checks

torch.set_default_dtype(torch.float64)


def _tensor(value: Any) -> torch.Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


def _normal(given: Mapping[str, Any]) -> Normal:
    return Normal(_tensor(given["loc"]), _tensor(given["scale"]))


BUILT: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "Independent": lambda given: zd.DiagNormal(**{name: _tensor(each) for name, each in given["base"][1].items()}),
    "Uniform": lambda given: zd.BoxUniform(_tensor([given["low"]]), _tensor([given["high"]])),
    "GeneralizedNormal": lambda given: zd.GeneralizedNormal(_tensor(given["beta"])),
    "TruncatedNormal": lambda given: zd.Truncated(_normal(given), _tensor(given["low"]), _tensor(given["high"])),
    "NormalMixture": lambda given: zd.Mixture(_normal(given), _tensor(given["weights"]).log()),
    "LeastNormal": lambda given: zd.Minimum(_normal(given), given["n"]),
    "LargestNormal": lambda given: zd.Maximum(_normal(given), given["n"]),
}


def build(spec: Spec) -> Any:
    """Zuko's distribution of a spec."""
    return BUILT[spec[0]](spec[1])


def measure() -> dict[str, float]:
    """`registered Q|P`: 1 for each pair that torch has a divergence of; `Q|P#n`: it; `Q|log density#n`: that."""
    numbers = {f"registered {q}|{p}": 1.0 for q, p in PAIRS[Library.ZUKO] if _has(PARAMETERS[q][0], PARAMETERS[p][1])}
    for check in checks(Library.ZUKO):
        numbers[check.key] = kl_divergence(build(check.q), build(check.p)).sum().item()
    for check in DENSITIES[Library.ZUKO]:
        found = build(check.q).log_prob(_tensor(check.p[1]["x"]))
        numbers[check.key] = found.sum().item()
    return numbers


def _has(q: Spec, p: Spec) -> bool:
    try:
        kl_divergence(build(q), build(p))
    except NotImplementedError:
        return False
    return True


if __name__ == "__main__":
    print(measure())
