"""The layer that every network and flow here is made of, on weights that are numpyro.param sites."""

import numpyro
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form

Weights = dict[str, JaxArray]
NUMPYRO = tuple(int(part) for part in numpyro.__version__.split(".")[:2])  # 0.21 lacks what 0.22 has in two places


def registered(form: Form, *parts: str) -> Weights:
    """The weights of these parts as numpyro.param sites; their values come from the ELBO object's param_map or SVI."""
    return {name: numpyro.param(name) for part in parts for name in form.part(part)}  # pyright: ignore[reportReturnType] typed as any object


def affine(params: Weights, name: str, h: JaxArray) -> JaxArray:
    """h W' + b with the weights called `name`. Shapes: (..., in) -> (..., out)."""
    return h @ params[f"{name}.weight"].T + params[f"{name}.bias"]
