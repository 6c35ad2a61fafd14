"""The layer that every network and flow here is made of, with its weights from Pyro's parameter store."""

import pyro
from torch import Tensor
from torch.nn import functional

from elbo_compare.suites.bridge.form import Form

Weights = dict[str, Tensor]


def registered(form: Form, params: Weights, *parts: str) -> Weights:
    """The weights of these parts: those in `params` as they are, every other one from Pyro's parameter store."""
    return {name: params[name] if name in params else pyro.param(name) for part in parts for name in form.part(part)}


def affine(params: Weights, name: str, h: Tensor) -> Tensor:
    """h W' + b with the weights called `name`; b may have axes of its own in front. Shapes: (..., in) -> (..., out)."""
    return functional.linear(h, params[f"{name}.weight"]) + params[f"{name}.bias"]
