"""KL(q || p) of every spec in `table`, by tensorflow_probability.substrates.jax.distributions.kl_divergence."""

from typing import Any

import jax
import jax.numpy as jnp
import tensorflow_probability.substrates.jax as tfp

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.pairs.table import PARAMETERS, Spec, checks

jax.config.update("jax_enable_x64", True)
tfd = tfp.distributions
NAMES = {"MultivariateNormal": "MultivariateNormalFullCovariance"}
ARGUMENTS = {"Pareto": {"alpha": "concentration"}}
LACKING = ("Delta", "Distribution", "CategoricalProbs", "ExponentialFamily", "TransformedDistribution",
           "MaskedDistribution", "ExpandedDistribution", "CirculantNormal", "ContinuousBernoulli", "Wishart",
           "LowRankMultivariateNormal", "IndependentFour")  # fmt: skip


def build(spec: Spec) -> Any:
    """TFP's distribution of a spec."""
    family, arguments = spec
    if family == "Independent":
        return tfd.Independent(build(arguments["base"]), reinterpreted_batch_ndims=arguments["ndims"])
    renamed = ARGUMENTS.get(family, {})
    given = {renamed.get(name, name): jnp.asarray(value, jnp.float64) for name, value in arguments.items()}
    return getattr(tfd, NAMES.get(family, family))(**given)


def measure() -> dict[str, float]:
    """`registered Q|P`: 1 for each pair of families that has a divergence; `Q|P#n`: the divergence."""
    given = {family: specs for family, specs in PARAMETERS.items() if family not in LACKING}
    # At two choices of parameters: of one transformation, at the same ones, a divergence needs none of its own.
    numbers = {f"registered {q}|{p}": 1.0 for q in given for p in given if _has(given[q][0], given[p][1])}
    for check in checks(Library.TFP):
        numbers[check.key] = float(jnp.sum(tfd.kl_divergence(build(check.q), build(check.p))))
    return numbers


def _has(q: Spec, p: Spec) -> bool:
    try:
        tfd.kl_divergence(build(q), build(p))
    except NotImplementedError:
        return False
    return True


if __name__ == "__main__":
    print(measure())
