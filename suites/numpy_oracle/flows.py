"""The flows z_T = f(z_0; x) and log |det df/dz_0|, in complex-safe NumPy.

Parameters and papers: `suites.contract.Problem`.
Shapes: h (batch, hidden), z (particle, batch, latent) -> z and log |det| (particle, batch).
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from elbo_compare.suites.complex_step import STEP, STEP_32, Dual, softplus
from elbo_compare.suites.contract import Array, Flow, Params, Problem
from elbo_compare.suites.numpy_oracle.layers import affine, product


def flow(params: Params, problem: Problem, h: Dual, z: Dual) -> tuple[Dual, Dual]:
    """(f(z), log |det df/dz|) of the problem's flow; z itself and 0 where there is none."""
    return _FLOWS[problem.flow](params, problem, h, z)


def inverse_derivative(params: Params, problem: Problem, h: Array, z: Array, direction: Array) -> Array:
    """J^-1 direction, J = df/dz at z: how z_0 = f^-1(z_T) moves when z_T moves along `direction`, f held fixed.

    J by complex step, one column for each latent dimension. Shapes: z, direction (particle, batch, latent).
    """
    step = STEP if z.dtype == np.float64 else STEP_32
    columns = []
    for axis in np.eye(problem.latent, dtype=z.dtype):
        moved, _ = flow(params, problem, h, z + 1j * step * axis)
        columns.append(np.imag(moved) / step)
    jacobian = np.stack(columns, axis=-1)
    return np.linalg.solve(jacobian, direction[..., None])[..., 0]


def _none(params: Params, problem: Problem, h: Dual, z: Dual) -> tuple[Dual, Dual]:
    return z, np.zeros(z.shape[:-1], z.dtype)


def _householder(params: Params, problem: Problem, h: Dual, z: Dual) -> tuple[Dual, Dual]:
    """Reflections z - 2 v (v.z) / |v|^2, |det| = 1. Tomczak and Welling 2016 (arXiv 1611.09630)."""
    v = h
    for index in range(problem.flow_length):
        v = affine(params, f"flow.{index}", v)
        z = z - 2.0 * v * (v * z).sum(-1, keepdims=True) / (v * v).sum(-1, keepdims=True)
    return z, np.zeros(z.shape[:-1], z.dtype)


def _linear_iaf(params: Params, problem: Problem, h: Dual, z: Dual) -> tuple[Dual, Dual]:
    """L z, L unit lower triangular, |det| = 1. Tomczak and Welling 2017 (arXiv 1706.02326), section 3."""
    lower = _unit_lower(affine(params, "flow.lower", h), problem.latent)
    return np.einsum("bij,kbj->kbi", lower, z), np.zeros(z.shape[:-1], z.dtype)


def _convex_linear_iaf(params: Params, problem: Problem, h: Dual, z: Dual) -> tuple[Dual, Dual]:
    """sum_k y_k L_k z: the y_k add to one, so that the combination's diagonal is one and |det| = 1."""
    scores = affine(params, "flow.combination", h)
    weights = np.exp(scores - np.real(scores).max(-1, keepdims=True))
    weights = weights / weights.sum(-1, keepdims=True)
    entries = affine(params, "flow.lower", h).reshape(len(h), problem.flow_length, -1)
    combined = np.einsum("bm,bmij->bij", weights, _unit_lower(entries, problem.latent))
    return np.einsum("bij,kbj->kbi", combined, z), np.zeros(z.shape[:-1], z.dtype)


def _unit_lower(entries: Dual, latent: int) -> Dual:
    """Unit lower triangular matrices from what is below the diagonal, row by row. (..., triangle) -> (..., i, j)."""
    lower = np.zeros((*entries.shape[:-1], latent, latent), entries.dtype)
    lower[..., *np.tril_indices(latent, -1)] = entries
    lower[..., *np.diag_indices(latent)] = 1.0
    return lower


def _planar(params: Params, problem: Problem, h: Dual, z: Dual) -> tuple[Dual, Dual]:
    """z + u^ tanh(w.z + b), det = 1 + (1 - tanh^2) w.u^ > 0. Rezende and Mohamed 2015 (arXiv 1505.05770), eq. 10."""
    log_det = np.zeros(z.shape[:-1], z.dtype)
    for index in range(problem.flow_length):
        u, w, b = (affine(params, f"flow.{index}.{name}", h) for name in ("u", "w", "b"))
        along = (w * u).sum(-1, keepdims=True)
        u = u + (softplus(along) - 1.0 - along) * w / (w * w).sum(-1, keepdims=True)
        bend = np.tanh((w * z).sum(-1, keepdims=True) + b)
        log_det = log_det + np.log(1.0 + (1.0 - bend[..., 0] ** 2) * (w * u).sum(-1))
        z = z + u * bend
    return z, log_det


def _autoregressive(params: Params, problem: Problem, h: Dual, z: Dual) -> tuple[Dual, Dual]:
    """m(z) + exp(s(z)) z, m_i and s_i functions of z_1..z_{i-1} and h: det = exp(sum s). Kingma et al. 2016, eq. 10."""
    log_det = np.zeros(z.shape[:-1], z.dtype)
    for index in range(problem.flow_length):
        layer = f"flow.{index}"
        into_hidden, out_of_hidden = _masks(*params[f"{layer}.hidden.weight"].shape)
        fed_back = product(z, (params[f"{layer}.hidden.weight"] * into_hidden).T)
        hidden = np.tanh(fed_back + affine(params, f"{layer}.context", h))
        shift, log_scale = (
            product(hidden, (params[f"{layer}.{head}.weight"] * out_of_hidden).T) + params[f"{layer}.{head}.bias"]
            for head in ("mean", "log_scale")
        )
        z = shift + np.exp(log_scale) * z
        log_det = log_det + log_scale.sum(-1)
    return z, log_det


@cache
def _masks(width: int, latent: int) -> tuple[Array, Array]:
    """M (width, latent), M_ji = [i <= d_j], and N (latent, width), N_ij = [i > d_j], d_j = 1 + j mod (latent - 1).

    Float32, so that no product with a weight widens it. Germain et al. 2015 (arXiv 1502.03509), eqs 8 and 9.
    """
    degree, position = 1 + np.arange(width) % (latent - 1), np.arange(1, latent + 1)
    into_hidden = position[None, :] <= degree[:, None]
    return into_hidden.astype(np.float32), (~into_hidden).T.astype(np.float32)


_FLOWS: dict[Flow, Callable[[Params, Problem, Dual, Dual], tuple[Dual, Dual]]] = {
    Flow.NONE: _none,
    Flow.HOUSEHOLDER: _householder,
    Flow.LINEAR_IAF: _linear_iaf,
    Flow.CONVEX_LINEAR_IAF: _convex_linear_iaf,
    Flow.PLANAR: _planar,
    Flow.AUTOREGRESSIVE: _autoregressive,
}
