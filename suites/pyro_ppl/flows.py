"""q(z|x) with a flow, from Pyro's own transforms where it has them. The formulas stand in `suites.contract.Problem`.

Shapes: h (batch, hidden), z (..., batch, latent). A transform keeps its last input and output (cache_size = 1), so that
scoring a sample needs no inverse.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import torch
from pyro.distributions import transforms
from torch import Tensor
from torch.distributions import Transform
from torch.nn import functional

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Flow
from elbo_compare.suites.pyro_ppl.layers import Weights, affine

# --- volume-preserving flows, linear given x


def householder(params: Weights, form: Form, h: Tensor) -> list[Transform]:
    """Pyro's conditional reflections; v_1 from h, v_{t+1} from v_t. Tomczak and Welling 2016."""

    def vectors(h: Tensor) -> list[Tensor] | Tensor:
        found, v = [], h
        for t in range(form.flow_length):
            v = affine(params, f"flow.{t}", v)
            found.append(v)
        return found if len(found) > 1 else found[0]  # as ConditionalHouseholder wants them

    return [transforms.ConditionalHouseholder(form.latent, vectors, form.flow_length).condition(h)]


class UnitLowerTriangular(transforms.LowerCholeskyAffine):
    """z -> L z, L unit lower triangular, one for each datum: |det| = 1.

    Pyro's LowerCholeskyAffine has the map, but takes the log-determinant of one matrix only: `scale_tril.diag()` raises
    for a batch of them. Shapes: L (batch, latent, latent), z (..., batch, latent).
    """

    volume_preserving = True

    def __init__(self, matrix: Tensor):
        super().__init__(matrix.new_zeros(matrix.shape[:-1]), matrix, cache_size=1)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum of the logarithms of ones."""
        return x.new_zeros(x.shape[:-1])


def unit_lower(below: Tensor, latent: int) -> Tensor:
    """Unit lower triangular matrices from the entries below the diagonal, row by row.

    Shapes: (..., latent (latent - 1) / 2) -> (..., latent, latent).
    """
    rows, columns = torch.tril_indices(latent, latent, -1, device=below.device)
    matrix = torch.eye(latent, dtype=below.dtype, device=below.device).repeat(*below.shape[:-1], 1, 1)
    matrix[..., rows, columns] = below
    return matrix


def linear_iaf(params: Weights, form: Form, h: Tensor) -> list[Transform]:
    """L z, or sum_k y_k L_k z with y = softmax(h C' + c). Tomczak and Welling 2017."""
    below = affine(params, "flow.lower", h)
    if form.flow is Flow.LINEAR_IAF:
        return [UnitLowerTriangular(unit_lower(below, form.latent))]
    matrices = unit_lower(below.unflatten(-1, (form.flow_length, -1)), form.latent)
    weights = torch.softmax(affine(params, "flow.combination", h), -1)
    return [UnitLowerTriangular((weights[..., None, None] * matrices).sum(-3))]


# --- flows whose log-determinant matters


def planar(params: Weights, form: Form, h: Tensor) -> list[Transform]:
    """Pyro's conditional planar maps, which make w.u > -1 as the contract does. Rezende and Mohamed 2015, eq. 10."""

    def network(name: str) -> Callable[[Tensor], tuple[Tensor, ...]]:
        return lambda h: tuple(affine(params, f"{name}.{part}", h) for part in ("b", "u", "w"))

    return [transforms.ConditionalPlanar(network(f"flow.{t}")).condition(h) for t in range(form.flow_length)]


@dataclass(frozen=True)
class MaskedNetwork:
    """z -> mean and log-scale of z_i from z_1 .. z_{i-1} and h, as AffineAutoregressive wants it.

    M (width, latent) = [i <= d_j] and N (latent, width) = [i > d_j], d_j = 1 + j mod (latent - 1), i from 1.
    """

    params: Weights
    name: str
    h: Tensor

    @property
    def permutation(self) -> list[int]:
        """The order in which an inverse would be computed."""
        return list(range(self.params[f"{self.name}.hidden.weight"].shape[-1]))

    def __call__(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Shapes: (..., batch, latent) -> twice (..., batch, latent)."""
        weight = self.params[f"{self.name}.hidden.weight"]
        width, latent = weight.shape
        i = torch.arange(1, latent + 1, device=z.device)
        d = 1 + torch.arange(width, device=z.device) % (latent - 1)
        into, out = (i <= d[:, None]).to(z.dtype), (i[:, None] > d).to(z.dtype)
        a = torch.tanh(functional.linear(z, weight * into) + affine(self.params, f"{self.name}.context", self.h))
        mean, log_scale = (
            functional.linear(a, self.params[f"{self.name}.{head}.weight"] * out)
            + self.params[f"{self.name}.{head}.bias"]
            for head in ("mean", "log_scale")
        )
        return mean, log_scale


def inverse_autoregressive(params: Weights, form: Form, h: Tensor) -> list[Transform]:
    """Pyro's affine autoregressive maps, without their clipping of the log-scale to [-5, 3], which is no part of it."""
    return [
        transforms.AffineAutoregressive(
            MaskedNetwork(params, f"flow.{t}", h), log_scale_min_clip=-inf, log_scale_max_clip=inf
        )
        for t in range(form.flow_length)
    ]


# --- any flow

FLOWS: dict[Flow, Callable[[Weights, Form, Tensor], list[Transform]]] = {
    Flow.NONE: lambda params, form, h: [],
    Flow.HOUSEHOLDER: householder,
    Flow.LINEAR_IAF: linear_iaf,
    Flow.CONVEX_LINEAR_IAF: linear_iaf,
    Flow.PLANAR: planar,
    Flow.AUTOREGRESSIVE: inverse_autoregressive,
}


def transforms_of(params: Weights, form: Form, h: Tensor) -> list[Transform]:
    """The transforms of z_0 in the order of application, one set of parameters per datum. h (batch, hidden)."""
    return FLOWS[form.flow](params, form, h)


def through(transforms: list[Transform], z: Tensor) -> Tensor:
    """f(z). Shapes: (..., batch, latent)."""
    for transform in transforms:
        z = torch.as_tensor(transform(z))
    return z
