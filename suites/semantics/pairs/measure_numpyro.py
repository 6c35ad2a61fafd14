"""KL(q || p) of every spec in `table`, by numpyro.distributions.kl.kl_divergence."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro.distributions.distribution import ExpandedDistribution
from numpyro.distributions.kl import kl_divergence

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.pairs.drawn import FIXED, Drawn, Trial
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


def build_batch(spec: tuple[str, Mapping[str, Any]]) -> Any:
    """The distribution of a drawn spec."""
    family, arguments = spec
    given = {name: jnp.asarray(value) for name, value in arguments.items()}
    if family == "Independent":
        return dist.Normal(**given).to_event(1)
    if family == "CirculantNormal":
        return dist.CirculantNormal(given["loc"], given["covariance_row"])
    return getattr(dist, family)(**given)


def measure_trial(trial: Trial, *, double: bool) -> Drawn:
    """Value by cell, and the gradient of the sum; what was raised, where NumPyro refuses."""
    dtype = np.float64 if double else np.float32
    sides = [{name: np.asarray(value, dtype) for name, value in spec[1].items()} for spec in (trial.q, trial.p)]

    def value(q: dict[str, Any], p: dict[str, Any]) -> Any:
        sides = zip((trial.q[0], trial.p[0]), (q, p), trial.pair, strict=True)
        return kl_divergence(*(_wrapped(build_batch((family, given)), name, trial) for family, given, name in sides))

    try:
        with jax.enable_x64(double):
            found = value(*sides)
            slopes = jax.grad(lambda q, p: jnp.sum(value(q, p)), (0, 1))(*sides)
    except Exception as error:  # the library's own refusal is a result
        return Drawn(raised=" ".join(f"{type(error).__name__}: {error}".split())[:200])
    return Drawn(value=np.asarray(found, float), slopes={(side, name): np.asarray(each, float) for side, given in
                 zip("qp", slopes, strict=True) for name, each in given.items() if name not in FIXED})  # fmt: skip


def _wrapped(made: Any, name: str, trial: Trial) -> Any:
    if name == "MaskedDistribution":
        return made.mask(True)
    if name == "ExpandedDistribution":
        return ExpandedDistribution(made, np.broadcast_shapes(*trial.shapes))
    return made


if __name__ == "__main__":
    print(measure())
