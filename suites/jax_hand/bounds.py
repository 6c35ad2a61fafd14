"""What is made of the samples' log densities, by hand: KL terms, bounds, and other estimators of their gradient."""

from math import log

import jax
import jax.numpy as jnp
from jax import Array as JaxArray
from jax.lax import stop_gradient

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Bound, Flow
from elbo_compare.suites.jax_hand.flows import flow, lower_triangular
from elbo_compare.suites.jax_hand.layers import Weights

Heads = tuple[JaxArray, JaxArray, JaxArray]  # mean, log-variance, the encoder's last hidden layer

# --- KL terms


def sampled_kl(log_p_z: JaxArray, log_q_z: JaxArray) -> JaxArray:
    """-(log p(z) - log q(z|x)) at one sample: the questioned line. Kingma and Welling 2014, the KL part of eq. 6."""
    return -(log_p_z - log_q_z)


def half_square(k1: JaxArray) -> JaxArray:
    """k2 = k1^2 / 2, biased. Schulman 2020."""
    return 0.5 * k1**2


def ratio(k1: JaxArray) -> JaxArray:
    """k3 = r - 1 - log r, r = p / q = exp(-k1), never negative. Schulman 2020."""
    return jnp.expm1(-k1) + k1


def control_variate(k1: JaxArray, mean: JaxArray, log_var: JaxArray) -> JaxArray:
    """k1 + l (r - 1), l = J / (R - 1), the coefficient of least variance, not differentiated.

    Where l = 0 the ratio is not formed: it may overflow, and 0 * inf is nan, in the gradient too.
    Shapes: k1 (..., particle, batch), mean and log_var (..., batch, latent).
    """
    coefficient = stop_gradient(control_coefficient(mean, log_var))
    used = coefficient != 0.0
    return k1 + coefficient * jnp.expm1(-jnp.where(used, k1, 0.0))


def control_coefficient(mean: JaxArray, log_var: JaxArray) -> JaxArray:
    """J / (R - 1), J = KL(q||p) + KL(p||q) and R = E_q (p/q)^2 in closed form; 0 where R is infinite.

    Per dimension J = (sigma^2 + 1 / sigma^2 - 2 + mean^2 (1 + 1 / sigma^2)) / 2, which is finite everywhere, and
    log R = log sigma^2 - log(2 sigma^2 - 1) / 2 + mean^2 / (2 sigma^2 - 1), finite for sigma^2 > 1/2; both are written
    so that nothing cancels near q = p. Shapes: (..., latent) twice -> (...).
    """
    room = 1.0 + 2.0 * jnp.expm1(log_var)
    finite = jnp.all(room > 0.0, axis=-1)
    room_less_one = jnp.where(room > 0.0, 2.0 * jnp.expm1(log_var), 0.0)
    log_room, pull = jnp.log1p(room_less_one), mean**2 / (1.0 + room_less_one)
    log_second_moment = jnp.sum(log_var - 0.5 * log_room + pull, axis=-1)
    spread = jnp.expm1(log_var) + jnp.expm1(-log_var) + mean**2 * (1.0 + jnp.exp(-log_var))
    jeffreys, excess = 0.5 * jnp.sum(spread, axis=-1), jnp.expm1(log_second_moment)
    usable = finite & (excess > 0.0)  # q = p has J = R - 1 = 0, and r - 1 = 0 with them
    return jnp.where(usable, jeffreys / jnp.where(usable, excess, 1.0), 0.0)


def analytic_kl(params: Weights, form: Form, heads: Heads) -> JaxArray:
    """KL(q(z|x) || N(0, I)) for a linear flow, in nats. Shapes: heads (..., latent) -> (...).

    Kingma and Welling 2014, appendix B. A Householder flow is an isometry and changes nothing; under z = L z_0 with
    unit lower triangular L it is (tr(L S^2 L') + |L mean|^2 - latent - log|S^2|) / 2.
    """
    mean, log_var, hidden = heads
    if form.flow not in (Flow.LINEAR_IAF, Flow.CONVEX_LINEAR_IAF):
        return -0.5 * jnp.sum(1.0 + log_var - mean**2 - jnp.exp(log_var), axis=-1)
    lower = lower_triangular(params, form, hidden)
    variances = (lower**2 @ jnp.exp(log_var)[..., None])[..., 0]
    means = (lower @ mean[..., None])[..., 0]
    return -0.5 * jnp.sum(1.0 + log_var - means**2 - variances, axis=-1)


# --- bounds


def bound(form: Form, log_w: JaxArray) -> JaxArray:
    """The particles' log weights made one value, in nats. Shapes: (..., particle, batch) -> (..., batch)."""
    return renyi(log_w, form.alpha) if form.bound is Bound.RENYI else jnp.mean(log_w, axis=-2)


def renyi(log_w: JaxArray, alpha: float) -> JaxArray:
    """log((1/K) sum_k w_k^(1 - alpha)) / (1 - alpha), in nats; alpha = 0 is IWAE.

    Shapes: (..., particle, batch) -> (..., batch). Li and Turner 2016, eq. 7; Burda et al. 2016, eq. 8.
    """
    scaled = (1.0 - alpha) * log_w
    return (jax.scipy.special.logsumexp(scaled, axis=-2) - log(scaled.shape[-2])) / (1.0 - alpha)


# --- gradients


def slope_after_flow(params: Weights, form: Form, heads: Heads, z_0: JaxArray, slope: JaxArray) -> JaxArray:
    """d log q(z_T|x) / dz_T from d log N(z_0) / dz_0 = `slope`: J^-T (slope - d log|J| / dz_0), J = df/dz_0.

    Shapes: (..., latent) three times. A linear system of size latent for every sample.
    """

    def one(hidden: JaxArray, z_0: JaxArray, slope: JaxArray) -> JaxArray:
        jacobian = jax.jacfwd(lambda z: flow(params, form, hidden, z)[0])(z_0)
        bend = jax.grad(lambda z: flow(params, form, hidden, z)[1])(z_0)
        return jnp.linalg.solve(jacobian.T, slope - bend)

    return jnp.vectorize(one, signature="(h),(d),(d)->(d)")(heads[2], z_0, slope)


def along_the_path(log_q: JaxArray, slope: JaxArray, z: JaxArray) -> JaxArray:
    """The value of log q(z|x) with d log q / dz dz/d(parameters) as its gradient: no score. Roeder et al. 2017, eq. 8.

    Shapes: (...), (..., latent), (..., latent) -> (...).
    """
    return stop_gradient(log_q) + jnp.sum(stop_gradient(slope) * (z - stop_gradient(z)), axis=-1)


def doubly_reparameterised(form: Form, path: JaxArray, model: JaxArray) -> JaxArray:
    """IWAE's value; its gradient sum_k v_k^2 d path_k + v_k d model_k, v_k = w_k / sum w. Tucker et al. 2019, eq. 6.

    `path`: log w where only z depends on the parameters; `model`: log p(x, z) where z does not.
    Shapes: (..., particle, batch) twice -> (..., batch).
    """
    v = stop_gradient(jax.nn.softmax(path, axis=-2))
    surrogate = jnp.sum(v**2 * path + v * model, axis=-2)
    return stop_gradient(bound(form, path) - surrogate) + surrogate
