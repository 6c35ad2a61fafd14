"""Flows by hand in torch: z_T = f(z_0; h) and log |det df/dz_0|. The formulas stand in `suites.contract.Problem`.

Shapes: h (batch, hidden), z (particle, batch, latent) -> z (particle, batch, latent), log-det (particle, batch).
Everything that depends on the datum has the axis `batch` and is broadcast over the particles, never the other way.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Flow
from elbo_compare.suites.torch_hand.layers import Weights, affine

Moved = tuple[Tensor, Tensor]  # z_T (particle, batch, latent) and the log-determinant (particle, batch)

# --- volume-preserving flows, linear given x


def householder(params: Weights, form: Form, h: Tensor, z: Tensor) -> Moved:
    """z - 2 v (v.z) / |v|^2, T times; v_1 from h, v_{t+1} from v_t. Tomczak and Welling 2016.

    The products run over the axis `latent` alone, so that a batch as large as the latent space is no special case.
    """
    v = h
    for t in range(form.flow_length):
        v = affine(params, f"flow.{t}", v)
        z = z - 2.0 * v * torch.sum(v * z, -1, keepdim=True) / torch.sum(v**2, -1, keepdim=True)
    return z, z.new_zeros(z.shape[:-1])


def unit_lower(below: Tensor, latent: int) -> Tensor:
    """Unit lower triangular matrices from the entries below the diagonal, row by row.

    Shapes: (..., latent (latent - 1) / 2) -> (..., latent, latent).
    """
    rows, columns = torch.tril_indices(latent, latent, -1, device=below.device)
    matrix = below.new_zeros((*below.shape[:-1], latent, latent))
    matrix[..., rows, columns] = below
    return matrix + torch.eye(latent, dtype=below.dtype, device=below.device)


def lower_triangular(params: Weights, form: Form, h: Tensor) -> Tensor:
    """L, or sum_k y_k L_k with y = softmax(h C' + c). Shapes: (batch, hidden) -> (batch, latent, latent).

    Tomczak and Welling 2017.
    """
    below = affine(params, "flow.lower", h)
    if form.flow is Flow.LINEAR_IAF:
        return unit_lower(below, form.latent)
    matrices = unit_lower(below.unflatten(-1, (form.flow_length, -1)), form.latent)
    weights = torch.softmax(affine(params, "flow.combination", h), -1)
    return torch.sum(weights[..., None, None] * matrices, -3)


def linear_iaf(params: Weights, form: Form, h: Tensor, z: Tensor) -> Moved:
    """L z, L unit lower triangular: |det| = 1."""
    z = torch.matmul(lower_triangular(params, form, h), z.unsqueeze(-1)).squeeze(-1)
    return z, z.new_zeros(z.shape[:-1])


# --- flows whose log-determinant matters


def planar(params: Weights, form: Form, h: Tensor, z: Tensor) -> Moved:
    """z + u^ tanh(w.z + b), T times; log-det: sum_t log |1 + (1 - tanh^2) w.u^|. Rezende and Mohamed 2015, eq. 10.

    u^ = u + (softplus(w.u) - 1 - w.u) w / |w|^2 keeps w.u^ > -1, so that the map is invertible (appendix A).
    """
    log_det = z.new_zeros(z.shape[:-1])
    for t in range(form.flow_length):
        u, w, b = (affine(params, f"flow.{t}.{name}", h) for name in ("u", "w", "b"))
        product = torch.sum(w * u, -1, keepdim=True)
        u = u + (functional.softplus(product) - 1.0 - product) * w / torch.sum(w**2, -1, keepdim=True)
        activation = torch.tanh(torch.sum(w * z, -1, keepdim=True) + b)
        slope = (1.0 - activation**2) * torch.sum(w * u, -1, keepdim=True)
        log_det = log_det + torch.log(torch.abs(1.0 + slope)).squeeze(-1)
        z = z + u * activation
    return z, log_det


def masks(latent: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """M (width, latent) = [i <= d_j] and N (latent, width) = [i > d_j], d_j = 1 + j mod (latent - 1), i from 1.

    Germain et al. 2015, eqs 8 and 9, strict at the output: mean and scale of z_i see z_1 .. z_{i-1} only.
    """
    i = torch.arange(1, latent + 1, device=like.device)
    d = 1 + torch.arange(width, device=like.device) % (latent - 1)
    return (i <= d[:, None]).to(like.dtype), (i[:, None] > d).to(like.dtype)


def inverse_autoregressive(params: Weights, form: Form, h: Tensor, z: Tensor) -> Moved:
    """m(z) + exp(s(z)) z, T times; log-det: the sum of s. Kingma et al. 2016."""
    log_det = z.new_zeros(z.shape[:-1])
    for t in range(form.flow_length):
        name = f"flow.{t}"
        into, out = masks(form.latent, len(params[f"{name}.hidden.weight"]), z)
        context = affine(params, f"{name}.context", h)
        a = torch.tanh(functional.linear(z, params[f"{name}.hidden.weight"] * into) + context)
        mean, log_scale = (
            functional.linear(a, params[f"{name}.{head}.weight"] * out, params[f"{name}.{head}.bias"])
            for head in ("mean", "log_scale")
        )
        z, log_det = mean + torch.exp(log_scale) * z, log_det + torch.sum(log_scale, -1)
    return z, log_det


# --- any flow

FLOWS: dict[Flow, Callable[[Weights, Form, Tensor, Tensor], Moved]] = {
    Flow.NONE: lambda params, form, h, z: (z, z.new_zeros(z.shape[:-1])),
    Flow.HOUSEHOLDER: householder,
    Flow.LINEAR_IAF: linear_iaf,
    Flow.CONVEX_LINEAR_IAF: linear_iaf,
    Flow.PLANAR: planar,
    Flow.AUTOREGRESSIVE: inverse_autoregressive,
}


def flow(params: Weights, form: Form, h: Tensor, z: Tensor) -> Moved:
    """z_T and log |det df/dz_0| at z_0 = z."""
    return FLOWS[form.flow](params, form, h, z)


def flow_back(params: Weights, form: Form, h: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """f^-1(end) as a function of `end` alone: the value is `start`, the derivative is J^-1, J = df/dz_0 at `start`.

    An inverse that serves every flow, exact in value and first derivative, which is what a gradient needs. Shapes:
    (particle, batch, latent) three times. `params` and `h` must carry no gradient.
    """
    if form.flow is Flow.NONE:
        return end
    with torch.enable_grad():
        leaf = start.detach().requires_grad_()
        z, _ = flow(params, form, h, leaf)
        # Rows of J: the derivative of z_i, summed over particles and batch, which do not mix.
        rows = [torch.autograd.grad(z[..., i].sum(), leaf, retain_graph=True)[0] for i in range(form.latent)]
    step = (end - end.detach()).unsqueeze(-1)
    # `solve` itself would wait for the device, to learn whether J is singular; here that shows as nan.
    return start.detach() + torch.linalg.solve_ex(torch.stack(rows, -2), step)[0].squeeze(-1)
