"""The layers that every network here is made of, with their weights from Pyro's parameter store."""

import pyro
import torch
from torch import Tensor
from torch.nn import functional

from elbo_compare.suites.bridge.form import Form

Weights = dict[str, Tensor]


def registered(form: Form, part: str, params: Weights) -> Weights:
    """One part's weights: those in `params` as they are, every other one from Pyro's parameter store."""
    return {name: params[name] if name in params else pyro.param(name) for name in form.part(part)}


def affine(params: Weights, name: str, h: Tensor) -> Tensor:
    """H W' + b with the weights called `name`; b may have axes of its own in front. Shapes: (..., in) -> (..., out)."""
    return functional.linear(h, params[f"{name}.weight"]) + params[f"{name}.bias"]


def gated(params: Weights, part: str, layers: int, h: Tensor) -> Tensor:
    """Layers of (h A' + a) * sigmoid(h G' + g). Shapes: (..., in) -> (..., hidden). Dauphin et al. 2016, eq. 1."""
    for i in range(layers):
        h = affine(params, f"{part}.{i}.linear", h) * torch.sigmoid(affine(params, f"{part}.{i}.gate", h))
    return h
