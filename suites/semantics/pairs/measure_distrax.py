"""KL(q || p) of every spec in `table` by distrax's own `kl_divergence`, and its log densities at points."""

from typing import Any

import distrax
import jax
import jax.numpy as jnp

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.pairs.table import DENSITIES, PAIRS, PARAMETERS, Spec, checks

jax.config.update("jax_enable_x64", True)
NAMES = {"MultivariateNormal": "MultivariateNormalFullCovariance"}
ARGUMENTS = {"Beta": {"concentration1": "alpha", "concentration0": "beta"}}
FAMILIES = tuple(dict.fromkeys(name for pair in PAIRS[Library.DISTRAX] for name in pair))


def build(spec: Spec) -> Any:
    """Distrax's distribution of a spec."""
    family, arguments = spec
    if family == "Independent":
        return distrax.Independent(build(arguments["base"]), reinterpreted_batch_ndims=arguments["ndims"])
    renamed = ARGUMENTS.get(family, {})
    given = {renamed.get(name, name): jnp.asarray(value, jnp.float64) for name, value in arguments.items()}
    return getattr(distrax, NAMES.get(family, family))(**given)


def measure() -> dict[str, float]:
    """`registered Q|P`: 1 for each family with a divergence from itself; `Q|P#n`: it; `Q|log density#n`: that."""
    numbers = {f"registered {name}|{name}": 1.0 for name in FAMILIES if _has(*PARAMETERS[name][:2])}
    for check in checks(Library.DISTRAX):
        numbers[check.key] = float(jnp.sum(build(check.q).kl_divergence(build(check.p))))
    for check in DENSITIES[Library.DISTRAX]:
        numbers[check.key] = float(build(check.q).log_prob(jnp.asarray(check.p[1]["x"])))
    return numbers


def _has(q: Spec, p: Spec) -> bool:
    try:
        build(q).kl_divergence(build(p))
    except NotImplementedError:
        return False
    return True


if __name__ == "__main__":
    print(measure())
