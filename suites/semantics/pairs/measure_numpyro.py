"""KL(q || p) of every spec in `table`, by numpyro.distributions.kl.kl_divergence."""

from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from numpyro.distributions.distribution import ExpandedDistribution
from numpyro.distributions.kl import kl_divergence

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.pairs.table import Spec, checks

jax.config.update("jax_enable_x64", True)


def build(spec: Spec) -> Any:
    """The NumPyro distribution of a spec."""
    family, arguments = spec
    if family == "Independent":
        return build(arguments["base"]).to_event(arguments["ndims"])
    if family == "MaskedDistribution":
        return build(arguments["base"]).mask(jnp.array(arguments["mask"]))
    if family == "ExpandedDistribution":
        return ExpandedDistribution(build(arguments["base"]), tuple(arguments["shape"]))
    return getattr(dist, family)(**{name: jnp.array(value) for name, value in arguments.items()})


def measure() -> dict[str, float]:
    """`registered Q|P`: 1 for each registered pair of classes; `Q|P#n`: the divergence, summed over the batch."""
    numbers = {f"registered {q.__name__}|{p.__name__}": 1.0 for q, p in kl_divergence.funcs}
    for check in checks(Library.NUMPYRO):
        numbers[check.key] = float(jnp.sum(kl_divergence(build(check.q), build(check.p))))
    return numbers


if __name__ == "__main__":
    print(measure())
