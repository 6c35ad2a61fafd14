"""The layers that every network here is made of, by hand in torch."""

import torch
from torch import Tensor
from torch.nn import functional

Weights = dict[str, Tensor]


def affine(params: Weights, name: str, h: Tensor) -> Tensor:
    """H W' + b with the weights called `name`. Shapes: (..., in) -> (..., out)."""
    return functional.linear(h, params[f"{name}.weight"], params[f"{name}.bias"])


def gated(params: Weights, part: str, layers: int, h: Tensor) -> Tensor:
    """Layers of (h A' + a) * sigmoid(h G' + g). Shapes: (..., in) -> (..., hidden). Dauphin et al. 2016, eq. 1."""
    for i in range(layers):
        h = affine(params, f"{part}.{i}.linear", h) * torch.sigmoid(affine(params, f"{part}.{i}.gate", h))
    return h
