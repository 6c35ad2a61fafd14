"""The gated networks of a problem in torch, for what is handed to a library. Formulas: `suites.contract.Problem`."""

from torch import Tensor
from torch.nn import functional

from elbo_compare.suites.bridge.form import Form

Weights = dict[str, Tensor]


def encoded(form: Form, weights: Weights, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance of q(z|x). Shapes: (batch, observed) -> (batch, latent) twice."""
    h = _gated(form, weights, "encoder", x)
    return _affine(weights, "encoder.mean", h), _affine(weights, "encoder.log_var", h)


def decoded(form: Form, weights: Weights, z: Tensor) -> Tensor:
    """The decoder's output, logits or means. Shapes: (..., latent) -> (..., observed)."""
    return _affine(weights, "decoder.output", _gated(form, weights, "decoder", z))


def _gated(form: Form, weights: Weights, part: str, h: Tensor) -> Tensor:
    for i in range(form.gated_layers):
        h = _affine(weights, f"{part}.{i}.linear", h) * _affine(weights, f"{part}.{i}.gate", h).sigmoid()
    return h


def _affine(weights: Weights, name: str, h: Tensor) -> Tensor:
    return functional.linear(h, weights[f"{name}.weight"], weights[f"{name}.bias"])
