"""Layers that networks and flows are made of."""

import jax
from jax import Array as JaxArray

Weights = dict[str, JaxArray]


def affine(params: Weights, name: str, h: JaxArray) -> JaxArray:
    """H W' + b with the weights called `name`. Shapes: (..., in) -> (..., out)."""
    return h @ params[f"{name}.weight"].T + params[f"{name}.bias"]


def gated(params: Weights, part: str, layers: int, h: JaxArray) -> JaxArray:
    """Layers of (h A' + a) * sigmoid(h G' + g). Shapes: (..., in) -> (..., hidden). Dauphin et al. 2016, eq. 1."""
    for i in range(layers):
        h = affine(params, f"{part}.{i}.linear", h) * jax.nn.sigmoid(affine(params, f"{part}.{i}.gate", h))
    return h
