"""The layer that every network and flow here is made of, by hand in torch."""

from torch import Tensor
from torch.nn import functional

Weights = dict[str, Tensor]


def affine(params: Weights, name: str, h: Tensor) -> Tensor:
    """h W' + b with the weights called `name`. Shapes: (..., in) -> (..., out)."""
    return functional.linear(h, params[f"{name}.weight"], params[f"{name}.bias"])
