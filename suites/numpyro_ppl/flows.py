"""The flows as NumPyro transforms of z_0: the library's own where it has them for parameters that differ by datum.

NumPyro has the triangular ones (`LowerCholeskyAffine`, whose batched matrices, from 0.22 on, serve the linear IAFs) and
the inverse autoregressive one; it has no Householder and no planar transform, which are written here.
Formulas and papers: `suites.contract.Problem`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array as JaxArray
from numpyro.distributions import constraints
from numpyro.distributions.flows import InverseAutoregressiveTransform
from numpyro.distributions.transforms import LowerCholeskyAffine, Transform

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Flow
from elbo_compare.suites.numpyro_ppl.layers import NUMPYRO, Weights, affine

# Before 0.22 NumPyro's `LowerCholeskyAffine` takes one matrix for all data and refuses one per datum.
TAKES_BATCHES = NUMPYRO >= (0, 22)

# --- flows


def transforms_of(params: Weights, form: Form, hidden: JaxArray) -> list[Transform]:
    """The transforms of z_0 in the order of application, one set of parameters per datum. hidden (batch, hidden)."""
    steps = range(form.flow_length)
    if form.flow is Flow.HOUSEHOLDER:
        return [Householder(v) for v in householder_vectors(params, form, hidden)]
    if form.flow in (Flow.LINEAR_IAF, Flow.CONVEX_LINEAR_IAF):
        lower = lower_triangular(params, form, hidden)
        origin = jnp.zeros(form.latent, lower.dtype)
        return [LowerCholeskyAffine(origin, lower) if TAKES_BATCHES else UnitLowerTriangular(lower)]
    if form.flow is Flow.PLANAR:
        return [Planar(*(affine(params, f"flow.{t}.{name}", hidden) for name in ("u", "w", "b"))) for t in steps]
    if form.flow is Flow.AUTOREGRESSIVE:
        # The library clips the log scale to [-5, 3] unless told otherwise; the problem does not.
        return [
            InverseAutoregressiveTransform(autoregressive_network(params, t, hidden), -jnp.inf, jnp.inf) for t in steps
        ]
    return []


# --- linear flows


def householder_vectors(params: Weights, form: Form, hidden: JaxArray) -> list[JaxArray]:
    """v_1 = h V_0' + c_0, v_{t+1} = v_t V_t' + c_t. Shapes: (batch, hidden) -> T times (batch, latent)."""
    vectors, v = [], hidden
    for t in range(form.flow_length):
        v = affine(params, f"flow.{t}", v)
        vectors.append(v)
    return vectors


class Householder(Transform):
    """Z - 2 v (v.z) / |v|^2, its own inverse, log |det| = 0. v (batch, latent). Tomczak and Welling 2016.

    NumPyro 0.22 has no such transform.
    """

    domain = constraints.real_vector  # pyright: ignore[reportAssignmentType] a property in the class above
    codomain = constraints.real_vector  # pyright: ignore[reportAssignmentType]

    def __init__(self, v: JaxArray):
        self.v = v

    def __call__(self, x: Any) -> Any:
        """The reflection. Shapes: (..., latent) -> (..., latent)."""
        along = jnp.sum(self.v * x, axis=-1, keepdims=True) / jnp.sum(self.v**2, axis=-1, keepdims=True)
        return x - 2.0 * along * self.v

    def _inverse(self, y: Any) -> Any:
        return self(y)

    def log_abs_det_jacobian(self, x: Any, y: Any, intermediates: Any = None) -> Any:
        """Zero, of shape (...)."""
        return jnp.zeros_like(x[..., 0])

    def tree_flatten(self) -> Any:
        """The vector is the only leaf."""
        return (self.v,), (("v",), {})


class UnitLowerTriangular(Transform):
    """L z, L unit lower triangular for each datum, log |det| = 0. L (batch, latent, latent). Tomczak and Welling 2017.

    Stands for the library's own before NumPyro 0.22.
    """

    domain = constraints.real_vector  # pyright: ignore[reportAssignmentType] a property in the class above
    codomain = constraints.real_vector  # pyright: ignore[reportAssignmentType]

    def __init__(self, lower: JaxArray):
        self.lower = lower

    def __call__(self, x: Any) -> Any:
        """The product. Shapes: (..., batch, latent) -> (..., batch, latent)."""
        return jnp.squeeze(self.lower @ x[..., None], axis=-1)

    def _inverse(self, y: Any) -> Any:
        shape = jnp.broadcast_shapes(self.lower.shape[:-1], y.shape)
        lower = jnp.broadcast_to(self.lower, (*shape, shape[-1]))
        right = jnp.broadcast_to(y, shape)[..., None]
        return jnp.squeeze(jax.scipy.linalg.solve_triangular(lower, right, lower=True, unit_diagonal=True), axis=-1)

    def log_abs_det_jacobian(self, x: Any, y: Any, intermediates: Any = None) -> Any:
        """Zero, of shape (...)."""
        return jnp.zeros_like(x[..., 0])

    def tree_flatten(self) -> Any:
        """The matrices are the only leaf."""
        return (self.lower,), (("lower",), {})


def lower_triangular(params: Weights, form: Form, hidden: JaxArray) -> JaxArray:
    """L of the linear IAF, or sum_k y_k L_k, y = softmax: unit lower triangular either way, (batch, latent, latent).

    Tomczak and Welling 2017.
    """
    count = form.flow_length if form.flow is Flow.CONVEX_LINEAR_IAF else 1
    rows, columns = np.tril_indices(form.latent, -1)
    entries = affine(params, "flow.lower", hidden).reshape(*hidden.shape[:-1], count, len(rows))
    identity = jnp.broadcast_to(jnp.eye(form.latent, dtype=entries.dtype), (*entries.shape[:-1], *2 * (form.latent,)))
    triangles = identity.at[..., rows, columns].set(entries)
    if form.flow is Flow.LINEAR_IAF:
        return triangles[..., 0, :, :]
    y = jax.nn.softmax(affine(params, "flow.combination", hidden), axis=-1)
    return jnp.einsum("...k,...kij->...ij", y, triangles)


# --- flows that change the volume


class Planar(Transform):
    """Z + u^ tanh(w.z + b), u^ = u + (softplus(w.u) - 1 - w.u) w / |w|^2, log |det| = log(1 + (1 - tanh^2) w.u^).

    u, w (batch, latent), b (batch, 1). Rezende and Mohamed 2015, eqs 10 to 12, appendix A. NumPyro 0.22 has no such
    transform. The inverse has no closed form and is not needed: NumPyro scores a sample at the intermediate values.
    """

    domain = constraints.real_vector  # pyright: ignore[reportAssignmentType] a property in the class above
    codomain = constraints.real_vector  # pyright: ignore[reportAssignmentType]

    def __init__(self, u: JaxArray, w: JaxArray, b: JaxArray):
        self.u, self.w, self.b = u, w, b

    def __call__(self, x: Any) -> Any:
        """f(z). Shapes: (..., latent) -> (..., latent)."""
        w_u = jnp.sum(self.w * self.u, axis=-1, keepdims=True)
        more = (self._w_u_hat() - w_u) / jnp.sum(self.w**2, axis=-1, keepdims=True)
        return x + (self.u + more * self.w) * self._bend(x)

    def _inverse(self, y: Any) -> Any:
        raise NotImplementedError("a planar flow has no inverse in closed form; score it with its intermediates")

    def log_abs_det_jacobian(self, x: Any, y: Any, intermediates: Any = None) -> Any:
        """log(1 + (1 - tanh^2) w.u^), of shape (...)."""
        return jnp.log1p((1.0 - self._bend(x) ** 2) * self._w_u_hat())[..., 0]

    def tree_flatten(self) -> Any:
        """The parameters are the leaves."""
        return (self.u, self.w, self.b), (("u", "w", "b"), {})

    def _bend(self, x: Any) -> JaxArray:
        return jnp.tanh(jnp.sum(self.w * x, axis=-1, keepdims=True) + self.b)

    def _w_u_hat(self) -> JaxArray:
        """w.u^ = softplus(w.u) - 1 > -1: invertible. Shape (batch, 1)."""
        return jax.nn.softplus(jnp.sum(self.w * self.u, axis=-1, keepdims=True)) - 1.0


def autoregressive_network(
    params: Weights, t: int, hidden: JaxArray
) -> Callable[[JaxArray], tuple[JaxArray, JaxArray]]:
    """What InverseAutoregressiveTransform asks for: z -> (mean, log scale), autoregressive in z, with h as context.

    Shapes: (..., latent) -> (..., latent) twice. Kingma et al. 2016, eq. 10; masks of Germain et al. 2015, eqs 8, 9.
    """

    def network(z: JaxArray) -> tuple[JaxArray, JaxArray]:
        into, out = autoregressive_masks(z.shape[-1], params[f"flow.{t}.hidden.weight"].shape[0])
        fed_back = z @ jnp.where(into, params[f"flow.{t}.hidden.weight"], 0.0).T
        a = jnp.tanh(fed_back + affine(params, f"flow.{t}.context", hidden))
        m, s = (
            a @ jnp.where(out, params[f"flow.{t}.{head}.weight"], 0.0).T + params[f"flow.{t}.{head}.bias"]
            for head in ("mean", "log_scale")
        )
        return m, s

    return network


def autoregressive_masks(latent: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """M_ji = [i <= d_j] and N_ij = [i > d_j], d_j = 1 + j mod (latent - 1); (width, latent), (latent, width)."""
    degrees = np.array([1 + j % max(latent - 1, 1) for j in range(width)])
    return np.less_equal.outer(np.arange(1, latent + 1), degrees).T, np.greater.outer(np.arange(1, latent + 1), degrees)
