"""The gated VAE with stacked weights: each gated layer is one matrix product, both heads of q another. For the clock.

The same function of the same numbers as `vae.py`, in another layout: the linear and the gate weights of a layer stand
side by side as one (in, 2 out) matrix, so that no product needs a transposed operand.
"""

import jax
import jax.numpy as jnp
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Flow, KLTerm, Likelihood, Prior

Weights = dict[str, JaxArray]
LOG_OF = 16  # 2 to the 16th is far from overflow in float32, and the pixels of an image (784) are a multiple


def refuse_other_forms(form: Form) -> None:
    """Raise ValueError unless the form is the plain Bernoulli VAE under the sampled KL, the only one written here."""
    wanted = (Flow.NONE, Prior.STANDARD_NORMAL, Likelihood.BERNOULLI, KLTerm.SAMPLED)
    if (form.flow, form.prior, form.likelihood, form.kl_term) != wanted:
        raise ValueError(f"only the Bernoulli VAE with the sampled KL is written with joined weights; {form} arrived")


def stacks(form: Form) -> dict[str, tuple[str, ...]]:
    """Joined name -> the canonical names that stand in it side by side."""
    joined: dict[str, tuple[str, ...]] = {}
    for kind in ("weight", "bias"):
        joined |= {
            f"{side}.{i}.{kind}": (f"{side}.{i}.linear.{kind}", f"{side}.{i}.gate.{kind}")
            for side in ("encoder", "decoder")
            for i in range(form.gated_layers)
        }
        joined[f"heads.{kind}"] = (f"encoder.mean.{kind}", f"encoder.log_var.{kind}")
        joined[f"output.{kind}"] = (f"decoder.output.{kind}",)
    return joined


def join(form: Form, params: Weights) -> Weights:
    """Canonical weights -> stacked ones, (in, out)."""
    return {name: jnp.concatenate([params[part] for part in parts]).T for name, parts in stacks(form).items()}


def split(form: Form, weights: Weights) -> Weights:
    """Stacked weights -> canonical ones; the parts of a stack are equally wide."""
    found: Weights = {}
    for name, parts in stacks(form).items():
        found |= dict(zip(parts, jnp.split(weights[name].T, len(parts)), strict=True))
    return {name: found[name] for name in form.names}


def layer(weights: Weights, name: str, h: JaxArray) -> JaxArray:
    """H W + b. Shapes: (..., in) -> (..., out)."""
    return h @ weights[f"{name}.weight"] + weights[f"{name}.bias"]


@jax.custom_vjp
def glu(h: JaxArray) -> JaxArray:
    """The first half times the sigmoid of the second: (..., 2 out) -> (..., out). Dauphin et al. 2016, eq. 1."""
    return _glu_forward(h)[0]


def _glu_forward(h: JaxArray) -> tuple[JaxArray, tuple[JaxArray, JaxArray]]:
    linear, gate = jnp.split(h, 2, -1)
    open_ = jax.nn.sigmoid(gate)
    return linear * open_, (linear * open_, open_)


def _glu_backward(kept: tuple[JaxArray, JaxArray], slope: JaxArray) -> tuple[JaxArray]:
    """Both halves written next to each other at once: the derived rule pads each to full width and adds them."""
    output, open_ = kept
    return (jnp.concatenate([slope * open_, slope * output * (1 - open_)], -1),)


glu.defvjp(_glu_forward, _glu_backward)


@jax.custom_vjp
def cross_entropy(logits: JaxArray, x: JaxArray) -> JaxArray:
    """-log p(x|logits) of independent Bernoulli pixels, summed over everything: sum(log(1 + exp(l)) - x l), in nats.

    log(1 + exp(l)) = max(l, 0) + log(1 + exp(-|l|)), and a sum of logarithms is the logarithm of a product: one
    logarithm for LOG_OF factors, each within 1 and 2, so that no product overflows. 1 + exp(-|l|) is rounded where
    softplus is not, by at most a unit roundoff per pixel. x gets no gradient: it is data.
    """
    return _cross_entropy_forward(logits, x)[0]


def _cross_entropy_forward(logits: JaxArray, x: JaxArray) -> tuple[JaxArray, tuple[JaxArray, JaxArray]]:
    factors = 1 + jnp.exp(-jnp.abs(logits))
    if factors.shape[-1] % LOG_OF == 0:
        factors = jnp.prod(factors.reshape(*factors.shape[:-1], -1, LOG_OF), -1)
    return jnp.sum(jnp.log(factors)) + jnp.sum(jnp.maximum(logits, 0) - x * logits), (logits, x)


def _cross_entropy_backward(kept: tuple[JaxArray, JaxArray], slope: JaxArray) -> tuple[JaxArray, None]:
    """d/dl (log(1 + exp(l)) - x l) = sigmoid(l) - x."""
    logits, x = kept
    return slope * (jax.nn.sigmoid(logits) - x), None


cross_entropy.defvjp(_cross_entropy_forward, _cross_entropy_backward)


def joined_loss(weights: Weights, form: Form, x: JaxArray, noise: JaxArray) -> JaxArray:
    """The batch mean of -(log p(z) - log q(z|x)) - log p(x|z), in nats. x (batch, observed), noise (1, batch, latent).

    log q - log p = sum(z^2 - log_var - noise^2) / 2, since (z - mean)^2 / exp(log_var) is the noise squared.
    """
    h = x
    for i in range(form.gated_layers):
        h = glu(layer(weights, f"encoder.{i}", h))
    mean, log_var = jnp.split(layer(weights, "heads", h), 2, -1)
    z = mean + jnp.exp(0.5 * log_var) * noise[0]
    kl = 0.5 * jnp.sum(z**2 - log_var - noise[0] ** 2)
    h = z
    for i in range(form.gated_layers):
        h = glu(layer(weights, f"decoder.{i}", h))
    return (kl + cross_entropy(layer(weights, "output", h), x)) / len(x)
