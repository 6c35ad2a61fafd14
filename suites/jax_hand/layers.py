"""The layer that every network and flow here is made of, by hand in JAX."""

from jax import Array as JaxArray

Weights = dict[str, JaxArray]


def affine(params: Weights, name: str, h: JaxArray) -> JaxArray:
    """h W' + b with the weights called `name`. Shapes: (..., in) -> (..., out)."""
    return h @ params[f"{name}.weight"].T + params[f"{name}.bias"]
