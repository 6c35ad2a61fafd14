"""The flows as TensorFlow Probability bijectors of z_0, the library's own where it has them.

The library has the triangular ones (`ScaleMatvecTriL`), the reflection (`Householder`) and the inverse autoregressive
one (`Invert` of `MaskedAutoregressiveFlow`); it has no planar bijector, which is written here.
Formulas and papers: `suites.contract.Problem`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Flow
from elbo_compare.suites.tfp_ppl.library import Bijector, Weights, affine, tfb

# --- flows


def bijectors_of(params: Weights, form: Form, hidden: JaxArray) -> list[Bijector]:
    """The bijectors of z_0 in the order of application, one set of parameters per datum. hidden (batch, hidden)."""
    steps = range(form.flow_length)
    if form.flow is Flow.HOUSEHOLDER:
        return [householder(v) for v in householder_vectors(params, form, hidden)]
    if form.flow in (Flow.LINEAR_IAF, Flow.CONVEX_LINEAR_IAF):
        return [tfb.ScaleMatvecTriL(lower_triangular(params, form, hidden))]
    if form.flow is Flow.PLANAR:
        return [Planar(*(affine(params, f"flow.{t}.{name}", hidden) for name in ("u", "w", "b"))) for t in steps]
    if form.flow is Flow.AUTOREGRESSIVE:
        return [inverse_autoregressive(autoregressive_network(params, t, hidden)) for t in steps]
    return []


# --- linear flows


def householder(v: JaxArray) -> Bijector:
    """Z - 2 v (v.z) / |v|^2, Tomczak and Welling 2016; the library's own takes a unit vector. v (batch, latent)."""
    return tfb.Householder(v / jnp.linalg.norm(v, axis=-1, keepdims=True))


def householder_vectors(params: Weights, form: Form, hidden: JaxArray) -> list[JaxArray]:
    """v_1 = h V_0' + c_0, v_{t+1} = v_t V_t' + c_t. Shapes: (batch, hidden) -> T times (batch, latent)."""
    vectors, v = [], hidden
    for t in range(form.flow_length):
        v = affine(params, f"flow.{t}", v)
        vectors.append(v)
    return vectors


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


class Planar(tfb.Bijector):
    """Z + u^ tanh(w.z + b), u^ = u + (softplus(w.u) - 1 - w.u) w / |w|^2, log |det| = log(1 + (1 - tanh^2) w.u^).

    u, w (batch, latent), b (batch, 1). Rezende and Mohamed 2015, eqs 10 to 12, appendix A. The library has no such
    bijector. The inverse has no closed form and is not needed: a sample is scored where it was drawn.
    """

    def __init__(self, u: JaxArray, w: JaxArray, b: JaxArray):
        parameters = {"u": u, "w": w, "b": b}
        self.u, self.w, self.b = u, w, b
        super().__init__(forward_min_event_ndims=1, dtype=u.dtype, parameters=parameters, name="planar")

    @classmethod
    def _parameter_properties(cls, dtype: object) -> dict:
        return {}

    def _forward(self, x: JaxArray) -> JaxArray:
        w_u = jnp.sum(self.w * self.u, axis=-1, keepdims=True)
        more = (self._w_u_hat() - w_u) / jnp.sum(self.w**2, axis=-1, keepdims=True)
        return x + (self.u + more * self.w) * self._bend(x)

    def _inverse(self, y: JaxArray) -> JaxArray:
        raise NotImplementedError("a planar flow has no inverse in closed form; score a sample where it was drawn")

    def _forward_log_det_jacobian(self, x: JaxArray) -> JaxArray:
        return jnp.log1p((1.0 - self._bend(x) ** 2) * self._w_u_hat())[..., 0]

    def _bend(self, x: JaxArray) -> JaxArray:
        return jnp.tanh(jnp.sum(self.w * x, axis=-1, keepdims=True) + self.b)

    def _w_u_hat(self) -> JaxArray:
        """w.u^ = softplus(w.u) - 1 > -1: invertible. Shape (batch, 1)."""
        return jax.nn.softplus(jnp.sum(self.w * self.u, axis=-1, keepdims=True)) - 1.0


Network = Callable[[JaxArray], tuple[JaxArray, JaxArray]]


def inverse_autoregressive(network: Network) -> Bijector:
    """m(z) + exp(s(z)) z as the library writes it: the inverse of x -> m' + exp(s') x, s' = -s, m' = -m exp(-s).

    Kingma et al. 2016, eq. 10; `MaskedAutoregressiveFlow`, the note on inverse autoregressive flows.
    """

    def shift_and_log_scale(z: JaxArray) -> tuple[JaxArray, JaxArray]:
        mean, log_scale = network(z)
        return -mean * jnp.exp(-log_scale), -log_scale

    return tfb.Invert(tfb.MaskedAutoregressiveFlow(shift_and_log_scale, unroll_loop=True))


def autoregressive_network(params: Weights, t: int, hidden: JaxArray) -> Network:
    """z -> (mean, log scale), autoregressive in z, with h as context. Shapes: (..., latent) -> (..., latent) twice.

    Kingma et al. 2016, eq. 10; masks of Germain et al. 2015, eqs 8, 9.
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
