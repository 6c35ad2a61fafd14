"""The VAE in NumPyro: a model, a guide, and nothing but the public ELBO objects `Trace_ELBO` and `TraceMeanField_ELBO`.

Read side by side with `torch_hand/vae.py`, `jax_hand/vae.py` and `pyro_ppl/vae.py`: the same sections in the same
order. The ELBO class is looked up in `numpyro.infer` at each call and is a static argument of what is compiled: another
class compiles anew, whereas a class changed in place after a compilation needs `jax.clear_caches()`.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import numpyro.infer
import numpyro.optim
from jax import Array as JaxArray
from numpy.typing import NDArray
from numpyro import handlers

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
    Likelihood,
    Params,
    Problem,
    Reduction,
    Stepper,
)

Weights = dict[str, JaxArray]
Heads = tuple[JaxArray, JaxArray]
ELBOClass = type[numpyro.infer.ELBO]
HEAD_BIASES = ("encoder.mean.bias", "encoder.log_var.bias")

# --- networks


def registered(form: Form, part: str) -> Weights:
    """One network's weights as numpyro.param sites; their values come from the ELBO object's param_map or from SVI."""
    return {name: numpyro.param(name) for name in form.part(part)}  # pyright: ignore[reportReturnType] typed as any object


def affine(params: Weights, name: str, h: JaxArray) -> JaxArray:
    """H W' + b with the weights called `name`. Shapes: (..., in) -> (..., out)."""
    return h @ params[f"{name}.weight"].T + params[f"{name}.bias"]


def gated(params: Weights, part: str, layers: int, h: JaxArray) -> JaxArray:
    """Layers of (h A' + a) * sigmoid(h G' + g). Shapes: (..., in) -> (..., hidden). Dauphin et al. 2016, eq. 1."""
    for i in range(layers):
        h = affine(params, f"{part}.{i}.linear", h) * jax.nn.sigmoid(affine(params, f"{part}.{i}.gate", h))
    return h


def encode(params: Weights, form: Form, x: JaxArray) -> Heads:
    """Mean and log-variance of q(z|x). Shapes: (batch, observed) -> (batch, latent) twice."""
    h = gated(params, "encoder", form.gated_layers, x)
    return affine(params, "encoder.mean", h), affine(params, "encoder.log_var", h)


def decode(params: Weights, form: Form, z: JaxArray) -> JaxArray:
    """Parameters of p(x|z): logits or means. Shapes: (..., latent) -> (..., observed)."""
    return affine(params, "decoder.output", gated(params, "decoder", form.gated_layers, z))


# --- densities


def model(form: Form, x: JaxArray, noise: JaxArray | None = None) -> None:
    """p(z) = N(0, I) and p(x|z), one plate over the batch; no observed site where the form has no likelihood.

    `noise` is the guide's business: model and guide take the same arguments.
    """
    params = registered(form, "decoder")
    with numpyro.plate("batch", len(x)):
        zeros = jnp.zeros((len(x), form.latent), x.dtype)
        z = jnp.asarray(numpyro.sample("z", dist.Normal(zeros, jnp.ones_like(zeros)).to_event(1)))
        if form.likelihood is Likelihood.BERNOULLI:
            numpyro.sample("x", dist.Bernoulli(logits=decode(params, form, z)).to_event(1), obs=x)
        elif form.likelihood is Likelihood.NORMAL:
            numpyro.sample("x", dist.Normal(decode(params, form, z), form.likelihood_scale).to_event(1), obs=x)


def guide(form: Form, x: JaxArray, noise: JaxArray | None = None) -> None:
    """q(z|x) = N(mean, diag exp(log_var)), with everybody's noise, shape (batch, latent), in place of own if given."""
    with handlers.substitute(substitute_fn=partial(same_noise, noise)):
        params = registered(form, "encoder")
        with numpyro.plate("batch", len(x)):
            mean, log_var = encode(params, form, x)
            numpyro.sample("z", dist.Normal(mean, jnp.exp(0.5 * log_var)).to_event(1))


def same_noise(noise: JaxArray | None, site: dict) -> JaxArray | None:
    """z = loc + scale * noise in place of the library's sample; the site stays unobserved, so NumPyro scores it."""
    if noise is None or site["name"] != "z":
        return None
    base = site["fn"].base_dist
    return base.loc + base.scale * noise


# --- estimators


def object_loss(
    elbo_class: ELBOClass, form: Form, weights: Weights, x: JaxArray, key: JaxArray, noise: JaxArray | None = None
) -> JaxArray:
    """What the public ELBO object returns: -ELBO summed over the batch, one particle, in nats."""
    loss = elbo_class().loss(key, weights, partial(model, form), partial(guide, form), x, noise)
    assert isinstance(loss, JaxArray)  # a dict only under sum_sites=False
    return loss


class Parts(NamedTuple):
    """Sums over the batch, in nats: the ELBO object's loss without the observed site, the trace's densities."""

    kl: JaxArray
    log_q: JaxArray
    log_prior: JaxArray


def parts(elbo_class: ELBOClass, form: Form, weights: Weights, x: JaxArray, key: JaxArray, noise: JaxArray) -> Parts:
    """KL from the ELBO object, log q(z|x) and log p(z) from the library's traces, all on the model without x."""
    without = form.without_likelihood()
    noisy_guide = handlers.substitute(partial(guide, without), data=weights)
    guide_trace = handlers.trace(handlers.seed(noisy_guide, key)).get_trace(x, noise)
    model_trace = handlers.trace(handlers.replay(partial(model, without), guide_trace)).get_trace(x)
    log_q, log_prior = (trace["z"]["fn"].log_prob(trace["z"]["value"]).sum() for trace in (guide_trace, model_trace))
    return Parts(object_loss(elbo_class, without, weights, x, key, noise), log_q, log_prior)


# --- session


@partial(jax.jit, static_argnames=("elbo_class", "form"))
def loss_and_gradients(
    weights: Weights, x: JaxArray, key: JaxArray, noise: JaxArray, *, elbo_class: ELBOClass, form: Form
) -> tuple[JaxArray, Weights, Parts]:
    """The ELBO object's loss, its gradient for every parameter, and the parts beside it."""

    def loss(weights: Weights) -> JaxArray:
        return object_loss(elbo_class, form, weights, x, key, noise)

    return *jax.value_and_grad(loss)(weights), parts(elbo_class, form, weights, x, key, noise)


@partial(jax.jit, static_argnames=("elbo_class", "form", "count"))
def draw_block(
    weights: Weights, x: JaxArray, key: JaxArray, *, elbo_class: ELBOClass, form: Form, count: int
) -> tuple[JaxArray, JaxArray]:
    """ELBO and KL of `count` draws at one datum, each (count,): the loss mapped over keys, two models a key."""

    def one(key: JaxArray) -> tuple[JaxArray, JaxArray]:
        loss = object_loss(elbo_class, form, weights, x, key)
        return -loss, object_loss(elbo_class, form.without_likelihood(), weights, x, key)

    return jax.vmap(one)(jax.random.split(key, count))


@partial(jax.jit, static_argnames=("elbo_class", "form", "count"))
def gradient_block(
    weights: Weights, x: JaxArray, key: JaxArray, *, elbo_class: ELBOClass, form: Form, count: int
) -> tuple[JaxArray, JaxArray]:
    """d ELBO / d(mean, log-variance) of `count` draws at one datum, each (count, latent): by the heads' biases."""

    def elbo(biases: Heads, key: JaxArray) -> JaxArray:
        now = weights | dict(zip(HEAD_BIASES, biases, strict=True))
        return -object_loss(elbo_class, form, now, x, key)

    biases = (weights[HEAD_BIASES[0]], weights[HEAD_BIASES[1]])
    return jax.vmap(jax.grad(elbo), in_axes=(None, 0))(biases, jax.random.split(key, count))


class NumPyroEstimates:
    """One (problem, ELBO class) on one device in one dtype: everybody's noise, and own draws."""

    def __init__(self, form: Form, class_name: str, device: JaxDevice, dtype: DType):
        self.form, self.class_name, self.device, self.dtype = form, class_name, device, dtype

    @property
    def elbo_class(self) -> ELBOClass:
        """The public class, looked up now."""
        return getattr(numpyro.infer, self.class_name)

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The ELBO object's loss and gradient at everybody's noise, shape (1, batch, latent); KL: no observed site."""
        check_shapes(self.form, params, x, noise)
        weights = to_devices(params, self.device, self.dtype)
        data, key, shared = self._array(x), self._key(0), self._array(noise[0])
        loss, gradients, terms = loss_and_gradients(
            weights, data, key, shared, elbo_class=self.elbo_class, form=self.form
        )
        elbo, kl = -loss.item() / len(x), terms.kl.item() / len(x)
        return Evaluation(
            elbo=elbo,
            kl=kl,
            log_likelihood=elbo + kl,
            log_likelihood_derived=True,
            log_q=terms.log_q.item() / len(x),
            log_prior=terms.log_prior.item() / len(x),
            gradients={name: -gradient / len(x) for name, gradient in to_arrays(gradients).items()},
            raw_loss=loss.item(),
            raw_sign=-1,
            raw_reduction=Reduction.SUM,
            dtype=dtype_of(loss),
        )

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws of ELBO and KL at one datum; every draw is a return value of the ELBO object: nothing to tie."""
        elbo, kl = self._blocks(draw_block, params, x, n, seed, chunk)
        return Draws(elbo=to_array(elbo), kl=to_array(kl), dtype=dtype_of(elbo))

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of d ELBO / d(mean, log-variance) at one datum: gradients of the ELBO object's loss."""
        mean, log_var = self._blocks(gradient_block, params, x, n, seed, chunk)
        return GradientDraws(mean=to_array(mean), log_var=to_array(log_var), dtype=dtype_of(mean))

    def _blocks(
        self, block: jax.stages.Wrapped, params: Params, x: Array, n: int, seed: int, chunk: int
    ) -> tuple[JaxArray, JaxArray]:
        """Both outputs of `block` for n draws; the last block has the full size too and is cut, to compile once."""
        check_datum(self.form, params, x)
        weights, data, key = to_devices(params, self.device, self.dtype), self._array(x), self._key(seed)
        one = partial(block, elbo_class=self.elbo_class, form=self.form, count=min(n, chunk))
        pairs = [one(weights, data, jax.random.fold_in(key, index)) for index, _ in blocks(n, chunk)]
        first, second = (jnp.concatenate(column)[:n] for column in zip(*pairs, strict=True))
        return first, second

    def _array(self, array: Array) -> JaxArray:
        return to_device(array, self.device, self.dtype)

    def _key(self, seed: int) -> JaxArray:
        return random_key(seed, self.device)


# --- training


@lru_cache
def batch_mean_svi(
    elbo_class: ELBOClass, form: Form, batch: int, learning_rate: float
) -> tuple[numpyro.infer.SVI, Callable, Callable]:
    """SVI on the batch mean (model and guide under handlers.scale(1 / batch)), and its init and update compiled.

    Only the given weights leave `init`, so that compiled it draws and computes nothing else.
    """
    by_batch = partial(handlers.scale, scale=1.0 / batch)
    optimiser = numpyro.optim.Adam(learning_rate, b1=0.9, b2=0.999, eps=1e-8)
    svi = numpyro.infer.SVI(by_batch(partial(model, form)), by_batch(partial(guide, form)), optimiser, elbo_class())
    return svi, jax.jit(svi.init), jax.jit(svi.update)


class NumPyroSession(NumPyroEstimates):
    """The same with training by `SVI.update`."""

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
        """Adam on the batch-mean loss (model and guide scaled by 1/batch), everybody's noise or own random numbers."""
        check_training(self.form, params, x, batches, noise)
        svi, init, update = batch_mean_svi(self.elbo_class, self.form, batches.shape[1], learning_rate)
        weights = to_devices(params, self.device, self.dtype)
        state = init(self._key(seed), self._array(x[batches[0]]), init_params=weights)
        kept = {0: to_arrays(svi.get_params(state))} if 0 in checkpoints else {}
        losses = []
        for i, rows in enumerate(batches):
            shared = None if noise is None else self._array(noise[i, 0])
            state, loss = update(state, self._array(x[rows]), shared)
            losses.append(loss)
            if i + 1 in checkpoints:
                kept[i + 1] = to_arrays(svi.get_params(state))
        elbo = -jnp.stack(losses)
        trained = to_arrays(svi.get_params(state))
        return Fit(elbo=to_array(elbo), params=trained, checkpoints=kept, dtype=dtype_of(elbo))

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Compiled `SVI.update` on one batch; `compile` lowers and compiles ahead."""
        check_shapes(self.form, params, x)
        data, weights = self._array(x), to_devices(params, self.device, self.dtype)
        _, init, update = batch_mean_svi(self.elbo_class, self.form, len(x), 1e-3)
        state = init(self._key(seed), data, init_params=weights)
        one_step = update

        def compile_ahead() -> None:
            nonlocal one_step
            one_step = update.lower(state, data).compile()

        def step(k: int) -> None:
            nonlocal state
            for _ in range(k):
                state, _ = one_step(state, data)
            jax.block_until_ready(state)

        return Stepper(compile=compile_ahead, step=step)


class NumPyro:
    """The VAE in NumPyro."""

    name = "numpyro"
    framework = "numpyro"
    devices = (Device.CPU, Device.CUDA)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None for every problem under both estimators."""
        return unsupported(self.name, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> NumPyroSession:
        """A session; its weights come with each call."""
        class_name = estimator.library_classes[self.framework]
        return NumPyroSession(form_of(problem, estimator), class_name, open_device(device, dtype), dtype)
