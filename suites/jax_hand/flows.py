"""The flows z_T = f(z_0; x), by hand: each returns the sample after it and log |det df/dz_0|.

`hidden` is the encoder's last hidden layer; every function broadcasts over leading axes of z and hidden, so that
batch = latent needs no care. Formulas and papers: `suites.contract.Problem`.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Flow
from elbo_compare.suites.jax_hand.layers import Weights, affine

# --- flows


def flow(params: Weights, form: Form, hidden: JaxArray, z: JaxArray) -> tuple[JaxArray, JaxArray]:
    """f(z) and log |det df/dz|, in nats. Shapes: (..., hidden), (..., latent) -> (..., latent), (...)."""
    log_det = jnp.zeros_like(z[..., 0])  # volume-preserving unless said otherwise below
    if form.flow is Flow.HOUSEHOLDER:
        for v in householder_vectors(params, form, hidden):
            z = reflect(z, v)
    elif form.flow in (Flow.LINEAR_IAF, Flow.CONVEX_LINEAR_IAF):
        z = (lower_triangular(params, form, hidden) @ z[..., None])[..., 0]
    elif form.flow is Flow.PLANAR:
        for t in range(form.flow_length):
            z, change = planar(params, t, hidden, z)
            log_det += change
    elif form.flow is Flow.AUTOREGRESSIVE:
        for t in range(form.flow_length):
            z, change = autoregressive(params, t, hidden, z)
            log_det += change
    return z, log_det


# --- linear flows


def householder_vectors(params: Weights, form: Form, hidden: JaxArray) -> list[JaxArray]:
    """v_1 = h V_0' + c_0, v_{t+1} = v_t V_t' + c_t. Shapes: (..., hidden) -> T times (..., latent)."""
    vectors, v = [], hidden
    for t in range(form.flow_length):
        v = affine(params, f"flow.{t}", v)
        vectors.append(v)
    return vectors


def reflect(z: JaxArray, v: JaxArray) -> JaxArray:
    """Z - 2 v (v.z) / |v|^2. Shapes: (..., latent) twice -> (..., latent). Tomczak and Welling 2016."""
    return z - 2.0 * v * jnp.sum(v * z, axis=-1, keepdims=True) / jnp.sum(v**2, axis=-1, keepdims=True)


def lower_triangular(params: Weights, form: Form, hidden: JaxArray) -> JaxArray:
    """L of the linear IAF, or sum_k y_k L_k of the convex combination: unit lower triangular either way.

    Shapes: (..., hidden) -> (..., latent, latent). Tomczak and Welling 2017.
    """
    entries = affine(params, "flow.lower", hidden)
    if form.flow is Flow.CONVEX_LINEAR_IAF:
        y = jax.nn.softmax(affine(params, "flow.combination", hidden), axis=-1)
        # The weights sum to one, so that only what lies below the unit diagonals is combined.
        entries = jnp.sum(y[..., None] * entries.reshape(*entries.shape[:-1], form.flow_length, -1), axis=-2)
    return unit_lower(entries, form.latent)


def unit_lower(entries: JaxArray, latent: int) -> JaxArray:
    """Ones on the diagonal, `entries` below it row by row. Shapes: (..., D (D - 1) / 2) -> (..., D, D)."""
    rows, columns = np.tril_indices(latent, -1)
    identity = jnp.broadcast_to(jnp.eye(latent, dtype=entries.dtype), (*entries.shape[:-1], latent, latent))
    return identity.at[..., rows, columns].set(entries)


# --- flows that change the volume


def planar(params: Weights, t: int, hidden: JaxArray, z: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Z + u^ tanh(w.z + b) and log(1 + (1 - tanh^2) w.u^), with w.u^ = softplus(w.u) - 1 > -1: invertible.

    Shapes: (..., hidden), (..., latent) -> (..., latent), (...). Rezende and Mohamed 2015, eqs 10 to 12, appendix A.
    """
    u, w, b = (affine(params, f"flow.{t}.{name}", hidden) for name in ("u", "w", "b"))
    w_u = jnp.sum(w * u, axis=-1, keepdims=True)
    u_hat = u + (jax.nn.softplus(w_u) - 1.0 - w_u) * w / jnp.sum(w**2, axis=-1, keepdims=True)
    bend = jnp.tanh(jnp.sum(w * z, axis=-1, keepdims=True) + b)
    change = jnp.log1p((1.0 - bend**2) * jnp.sum(w * u_hat, axis=-1, keepdims=True))
    return z + u_hat * bend, change[..., 0]


def autoregressive(params: Weights, t: int, hidden: JaxArray, z: JaxArray) -> tuple[JaxArray, JaxArray]:
    """M + exp(s) z and sum s, where m_i and s_i depend on z_1 .. z_{i-1} and on h.

    Shapes: (..., hidden), (..., latent) -> (..., latent), (...). Kingma et al. 2016, eq. 10.
    """
    layer = f"flow.{t}"
    into, out = autoregressive_masks(z.shape[-1], params[f"{layer}.hidden.weight"].shape[0])
    a = jnp.tanh(z @ (params[f"{layer}.hidden.weight"] * into).T + affine(params, f"{layer}.context", hidden))
    m = a @ (params[f"{layer}.mean.weight"] * out).T + params[f"{layer}.mean.bias"]
    s = a @ (params[f"{layer}.log_scale.weight"] * out).T + params[f"{layer}.log_scale.bias"]
    return m + jnp.exp(s) * z, jnp.sum(s, axis=-1)


def autoregressive_masks(latent: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """M_ji = [i <= d_j] and N_ij = [i > d_j], d_j = 1 + j mod (latent - 1). Shapes: (width, latent), (latent, width).

    Germain et al. 2015, eqs 8 and 9, with i = 1..latent and j = 0..width - 1.
    """
    degree = 1 + np.arange(width) % max(latent - 1, 1)
    index = np.arange(1, latent + 1)
    return index[None, :] <= degree[:, None], index[:, None] > degree[None, :]
