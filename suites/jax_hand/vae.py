"""The VAE as one writes it by hand in JAX, with the questioned KL: -(log_p_z - log_q_z) at one sample.

Read side by side with `torch_hand/vae.py`, `pyro_ppl/vae.py` and `numpyro_ppl/vae.py`: the same sections in the same
order. Compiled functions take weights and noise as arguments, so that problems of one form and shape share them.
"""

from functools import partial
from math import log, pi
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array as JaxArray
from numpy.typing import NDArray

from suites.bridge.form import Form, blocks, check_datum, check_shapes, check_training, form_of, unsupported
from suites.bridge.jax_arrays import (
    JaxDevice,
    dtype_of,
    open_device,
    random_key,
    to_array,
    to_arrays,
    to_device,
    to_devices,
)
from suites.contract import (
    Array,
    Device,
    Draws,
    DType,
    Estimator,
    Evaluation,
    Fit,
    GradientDraws,
    KLTerm,
    Likelihood,
    Params,
    Problem,
    Reduction,
    Stepper,
)

Weights = dict[str, JaxArray]

# --- networks


def affine(params: Weights, name: str, h: JaxArray) -> JaxArray:
    """H W' + b with the weights called `name`. Shapes: (..., in) -> (..., out)."""
    return h @ params[f"{name}.weight"].T + params[f"{name}.bias"]


def gated(params: Weights, part: str, layers: int, h: JaxArray) -> JaxArray:
    """Layers of (h A' + a) * sigmoid(h G' + g). Shapes: (..., in) -> (..., hidden). Dauphin et al. 2016, eq. 1."""
    for i in range(layers):
        h = affine(params, f"{part}.{i}.linear", h) * jax.nn.sigmoid(affine(params, f"{part}.{i}.gate", h))
    return h


def encode(params: Weights, form: Form, x: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Mean and log-variance of q(z|x). Shapes: (batch, observed) -> (batch, latent) twice."""
    h = gated(params, "encoder", form.gated_layers, x)
    return affine(params, "encoder.mean", h), affine(params, "encoder.log_var", h)


def decode(params: Weights, form: Form, z: JaxArray) -> JaxArray:
    """Parameters of p(x|z): logits or means. Shapes: (..., latent) -> (..., observed)."""
    return affine(params, "decoder.output", gated(params, "decoder", form.gated_layers, z))


# --- densities


def log_normal_diag(z: JaxArray, mean: JaxArray, log_var: JaxArray) -> JaxArray:
    """log N(z; mean, diag exp(log_var)) + latent/2 log(2 pi), in nats: the log density of a normal (no lognormal).

    Shapes: (..., latent) -> (...). The normaliser is left out as in the questioned code: it cancels in the KL only.
    """
    return jnp.sum(-0.5 * (log_var + (z - mean) ** 2 / jnp.exp(log_var)), axis=-1)


def log_normal_standard(z: JaxArray) -> JaxArray:
    """log N(z; 0, I) + latent/2 log(2 pi), in nats, the same normaliser left out. Shapes: (..., latent) -> (...)."""
    return jnp.sum(-0.5 * z**2, axis=-1)


def log_bernoulli(x: JaxArray, logits: JaxArray) -> JaxArray:
    """Sum of x log p + (1 - x) log(1 - p), p = sigmoid(logits), in nats. Shapes: (..., observed) -> (...).

    Written as x l - softplus(l), which does not overflow for large |l|.
    """
    return jnp.sum(x * logits - jax.nn.softplus(logits), axis=-1)


def log_normal(x: JaxArray, mean: JaxArray, scale: float) -> JaxArray:
    """log N(x; mean, scale^2 I), fully normalised, in nats. Shapes: (..., observed) -> (...)."""
    return jnp.sum(-0.5 * ((x - mean) / scale) ** 2 - (log(scale) + 0.5 * log(2.0 * pi)), axis=-1)


def log_likelihood(params: Weights, form: Form, x: JaxArray, z: JaxArray) -> JaxArray:
    """log p(x|z), in nats; 0 where the problem has no data term. Shapes: (batch, observed), (..., latent) -> (...)."""
    if form.likelihood is Likelihood.NONE:
        return jnp.zeros_like(z[..., 0])
    output = decode(params, form, z)
    if form.likelihood is Likelihood.BERNOULLI:
        return log_bernoulli(x, output)
    return log_normal(x, output, form.likelihood_scale)


# --- estimators


class Terms(NamedTuple):
    """The parts of the estimator, in nats, each of shape (particle, batch) or, after a mean, ()."""

    log_likelihood: JaxArray
    kl: JaxArray
    log_q: JaxArray
    log_prior: JaxArray


def sampled_kl(log_p_z: JaxArray, log_q_z: JaxArray) -> JaxArray:
    """-(log p(z) - log q(z|x)) at one sample: the questioned line. Kingma and Welling 2014, the KL part of eq. 6."""
    return -(log_p_z - log_q_z)


def analytic_kl(mean: JaxArray, log_var: JaxArray) -> JaxArray:
    """KL(N(mean, diag exp(log_var)) || N(0, I)), in nats. Shapes: (..., latent) -> (...).

    Kingma and Welling 2014, appendix B.
    """
    return -0.5 * jnp.sum(1.0 + log_var - mean**2 - jnp.exp(log_var), axis=-1)


def terms_at(params: Weights, form: Form, x: JaxArray, heads: tuple[JaxArray, JaxArray], noise: JaxArray) -> Terms:
    """All terms at z = mean + exp(log_var / 2) * noise. Noise (particle, batch, latent)."""
    mean, log_var = heads
    z = mean + jnp.exp(0.5 * log_var) * noise
    log_q, log_prior = log_normal_diag(z, mean, log_var), log_normal_standard(z)
    if form.kl_term is KLTerm.SAMPLED:
        kl = sampled_kl(log_prior, log_q)
    else:
        kl = jnp.broadcast_to(analytic_kl(mean, log_var), log_q.shape)
    return Terms(log_likelihood=log_likelihood(params, form, x, z), kl=kl, log_q=log_q, log_prior=log_prior)


def batch_loss(params: Weights, form: Form, x: JaxArray, noise: JaxArray) -> tuple[JaxArray, Terms]:
    """The loss as hand-written code has it, the batch mean of KL - log p(x|z), and every term's mean beside it."""
    terms = terms_at(params, form, x, encode(params, form, x), noise)
    return jnp.mean(terms.kl - terms.log_likelihood), Terms(*(jnp.mean(term) for term in terms))


# --- session


@partial(jax.jit, static_argnames="form")
def loss_and_gradients(
    params: Weights, x: JaxArray, noise: JaxArray, *, form: Form
) -> tuple[tuple[JaxArray, Terms], Weights]:
    """((loss, terms), d loss / d params)."""
    return jax.value_and_grad(batch_loss, has_aux=True)(params, form, x, noise)


@partial(jax.jit, static_argnames=("form", "count"))
def draw_block(params: Weights, x: JaxArray, key: JaxArray, *, form: Form, count: int) -> tuple[JaxArray, JaxArray]:
    """ELBO and KL of `count` draws at one datum, each of shape (count,)."""
    terms = terms_at(params, form, x, encode(params, form, x), base_noise(key, (count, 1, form.latent), x))
    return (terms.log_likelihood - terms.kl)[:, 0], terms.kl[:, 0]


@partial(jax.jit, static_argnames=("form", "count"))
def gradient_block(params: Weights, x: JaxArray, key: JaxArray, *, form: Form, count: int) -> tuple[JaxArray, JaxArray]:
    """d ELBO / d(mean, log-variance) of `count` draws at one datum, each (count, latent): one row of heads per draw."""
    noise = base_noise(key, (count, 1, form.latent), x)

    def total(heads: tuple[JaxArray, JaxArray]) -> JaxArray:
        terms = terms_at(params, form, x, heads, noise)
        return jnp.sum(terms.log_likelihood - terms.kl)

    mean, log_var = (jnp.broadcast_to(head, noise.shape) for head in encode(params, form, x))
    gradient_mean, gradient_log_var = jax.grad(total)((mean, log_var))
    return gradient_mean[:, 0], gradient_log_var[:, 0]


def base_noise(key: JaxArray, shape: tuple[int, ...], like: JaxArray) -> JaxArray:
    """Standard normal base noise, axes (particle, batch, latent), in the dtype of `like`."""
    return jax.random.normal(key, shape, dtype=like.dtype)


class JaxHandEstimates:
    """One (problem, estimator) on one device in one dtype: everybody's noise, and own draws."""

    def __init__(self, form: Form, device: JaxDevice, dtype: DType):
        self.form, self.device, self.dtype = form, device, dtype

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The estimator and its gradient at everybody's noise, shape (1, batch, latent)."""
        check_shapes(self.form, params, x, noise)
        weights = to_devices(params, self.device, self.dtype)
        (loss, terms), gradients = loss_and_gradients(weights, self._array(x), self._array(noise), form=self.form)
        return Evaluation(
            elbo=-loss.item(),
            kl=terms.kl.item(),
            log_likelihood=terms.log_likelihood.item(),
            log_likelihood_derived=False,
            log_q=terms.log_q.item(),
            log_prior=terms.log_prior.item(),
            gradients={name: -gradient for name, gradient in to_arrays(gradients).items()},
            raw_loss=loss.item(),
            raw_sign=-1,
            raw_reduction=Reduction.MEAN,
            dtype=dtype_of(loss),
        )

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws of ELBO and KL at one datum; every draw is a value of the loss itself, so there is nothing to tie."""
        elbo, kl = self._blocks(draw_block, params, x, n, seed, chunk)
        return Draws(elbo=to_array(elbo), kl=to_array(kl), dtype=dtype_of(elbo))

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of d ELBO / d(mean, log-variance) at one datum."""
        mean, log_var = self._blocks(gradient_block, params, x, n, seed, chunk)
        return GradientDraws(mean=to_array(mean), log_var=to_array(log_var), dtype=dtype_of(mean))

    def _blocks(
        self, block: jax.stages.Wrapped, params: Params, x: Array, n: int, seed: int, chunk: int
    ) -> tuple[JaxArray, JaxArray]:
        """Both outputs of `block` for n draws; the last block has the full size too and is cut, to compile once."""
        check_datum(self.form, params, x)
        weights, data, key = to_devices(params, self.device, self.dtype), self._array(x), self._key(seed)
        count = min(n, chunk)
        pairs = [
            block(weights, data, jax.random.fold_in(key, index), form=self.form, count=count)
            for index, _ in blocks(n, chunk)
        ]
        first, second = (jnp.concatenate(column)[:n] for column in zip(*pairs, strict=True))
        return first, second

    def _array(self, array: Array) -> JaxArray:
        return to_device(array, self.device, self.dtype)

    def _key(self, seed: int) -> JaxArray:
        return random_key(seed, self.device)


# --- training


class Adam(NamedTuple):
    """Weights, running means of the gradient and of its square, and the number of completed steps."""

    params: Weights
    first: Weights
    second: Weights
    steps: JaxArray


def adam_start(params: Weights) -> Adam:
    """The state before the first step; placed as later states are, so that the step compiles once."""

    def zeros(weight: JaxArray) -> JaxArray:
        return jax.device_put(np.zeros(weight.shape, weight.dtype), weight.device)

    steps = jax.device_put(np.int32(0), next(iter(params.values())).device)
    return Adam(params, jax.tree.map(zeros, params), jax.tree.map(zeros, params), steps)


@partial(jax.jit, static_argnames="form")
def adam_step(state: Adam, x: JaxArray, noise: JaxArray, rate: float, *, form: Form) -> tuple[Adam, JaxArray]:
    """One step and the loss before it. Kingma and Ba 2015, algorithm 1, beta 0.9 and 0.999, epsilon 1e-8."""
    (loss, _), gradient = jax.value_and_grad(batch_loss, has_aux=True)(state.params, form, x, noise)
    steps = state.steps + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state.first, gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, state.second, gradient)

    def update(weight: JaxArray, m: JaxArray, v: JaxArray) -> JaxArray:
        m_hat, v_hat = m / (1.0 - 0.9**steps), v / (1.0 - 0.999**steps)
        return weight - rate * m_hat / (jnp.sqrt(v_hat) + 1e-8)

    return Adam(jax.tree.map(update, state.params, first, second), first, second, steps), loss


@partial(jax.jit, static_argnames="form")
def own_step(state: Adam, key: JaxArray, x: JaxArray, rate: float, *, form: Form) -> tuple[Adam, JaxArray, JaxArray]:
    """`adam_step` on noise of its own: (state, next key, loss)."""
    key, now = jax.random.split(key)
    state, loss = adam_step(state, x, base_noise(now, (1, len(x), form.latent), x), rate, form=form)
    return state, key, loss


class JaxHandSession(JaxHandEstimates):
    """The same with training."""

    def fit(
        self,
        params: Params,
        x: Array,
        batches: NDArray[np.integer],
        learning_rate: float,
        seed: int,
        noise: Array | None = None,
        checkpoints: tuple[int, ...] = (),
    ) -> Fit:
        """Adam on the batch-mean loss, with everybody's noise or own random numbers."""
        check_training(self.form, params, x, batches, noise)
        state = adam_start(to_devices(params, self.device, self.dtype))
        key = self._key(seed)
        kept = {0: to_arrays(state.params)} if 0 in checkpoints else {}
        losses = []
        for i, rows in enumerate(batches):
            data = self._array(x[rows])
            if noise is None:
                state, key, loss = own_step(state, key, data, learning_rate, form=self.form)
            else:
                state, loss = adam_step(state, data, self._array(noise[i]), learning_rate, form=self.form)
            losses.append(loss)
            if i + 1 in checkpoints:
                kept[i + 1] = to_arrays(state.params)
        elbo = -jnp.stack(losses)
        return Fit(elbo=to_array(elbo), params=to_arrays(state.params), checkpoints=kept, dtype=dtype_of(elbo))

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Compiled steps on one batch; `compile` lowers and compiles ahead."""
        check_shapes(self.form, params, x)
        state, key = adam_start(to_devices(params, self.device, self.dtype)), self._key(seed)
        data, rate = self._array(x), 1e-3
        one_step = partial(own_step, form=self.form)

        def compile_ahead() -> None:
            nonlocal one_step
            one_step = own_step.lower(state, key, data, rate, form=self.form).compile()

        def step(k: int) -> None:
            nonlocal state, key
            for _ in range(k):
                state, key, _ = one_step(state, key, data, rate)
            jax.block_until_ready(state)

        return Stepper(compile=compile_ahead, step=step)


class JaxHand:
    """The hand-written JAX VAE."""

    name = "jax-hand"
    framework = "jax"
    devices = (Device.CPU, Device.CUDA)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None for every problem under both estimators."""
        return unsupported(self.name, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> JaxHandSession:
        """A session; its weights come with each call."""
        return JaxHandSession(form_of(problem, estimator), open_device(device, dtype), dtype)
