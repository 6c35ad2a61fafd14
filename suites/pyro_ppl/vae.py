"""The VAE in Pyro: a model, a guide, and nothing but the public ELBO objects `Trace_ELBO` and `TraceMeanField_ELBO`.

Read side by side with `torch_hand/vae.py`, `jax_hand/vae.py` and `numpyro_ppl/vae.py`: the same sections in the same
order. The ELBO class is looked up in `pyro.infer` at each call. Pyro's validation stays as Pyro has it (on by default).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pyro.infer
import pyro.optim
import torch
from numpy.typing import NDArray
from pyro import poutine
from pyro.poutine.messenger import Messenger
from torch import Tensor
from torch.nn import functional

from suites.bridge.form import Form, blocks, check_datum, check_shapes, check_training, form_of, unsupported
from suites.bridge.torch_arrays import dtype_of, open_device, synchronise, to_array, to_arrays, to_tensor, to_tensors
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

Weights = dict[str, Tensor]
HEAD_BIASES = ("encoder.mean.bias", "encoder.log_var.bias")

# --- networks


def registered(form: Form, part: str, params: Weights) -> Weights:
    """One network's weights: those in `params` as they are, every other one from Pyro's parameter store."""
    return {name: params[name] if name in params else pyro.param(name) for name in form.part(part)}


def affine(params: Weights, name: str, h: Tensor) -> Tensor:
    """H W' + b with the weights called `name`; b may have axes of its own in front. Shapes: (..., in) -> (..., out)."""
    return functional.linear(h, params[f"{name}.weight"]) + params[f"{name}.bias"]


def gated(params: Weights, part: str, layers: int, h: Tensor) -> Tensor:
    """Layers of (h A' + a) * sigmoid(h G' + g). Shapes: (..., in) -> (..., hidden). Dauphin et al. 2016, eq. 1."""
    for i in range(layers):
        h = affine(params, f"{part}.{i}.linear", h) * torch.sigmoid(affine(params, f"{part}.{i}.gate", h))
    return h


def encode(params: Weights, form: Form, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance of q(z|x). Shapes: (batch, observed) -> (batch, latent) twice."""
    h = gated(params, "encoder", form.gated_layers, x)
    return affine(params, "encoder.mean", h), affine(params, "encoder.log_var", h)


def decode(params: Weights, form: Form, z: Tensor) -> Tensor:
    """Parameters of p(x|z): logits or means. Shapes: (..., latent) -> (..., observed)."""
    return affine(params, "decoder.output", gated(params, "decoder", form.gated_layers, z))


# --- densities


def model(form: Form, params: Weights, x: Tensor) -> None:
    """p(z) = N(0, I) and p(x|z), one plate over the batch; no observed site where the form has no likelihood."""
    params = registered(form, "decoder", params)
    with pyro.plate("batch", len(x)):
        zeros = x.new_zeros(len(x), form.latent)
        z = pyro.sample("z", dist.Normal(zeros, torch.ones_like(zeros)).to_event(1))
        if form.likelihood is Likelihood.BERNOULLI:
            pyro.sample("x", dist.Bernoulli(logits=decode(params, form, z)).to_event(1), obs=x)
        elif form.likelihood is Likelihood.NORMAL:
            pyro.sample("x", dist.Normal(decode(params, form, z), form.likelihood_scale).to_event(1), obs=x)


def guide(form: Form, params: Weights, x: Tensor) -> None:
    """q(z|x) = N(mean, diag exp(log_var))."""
    params = registered(form, "encoder", params)
    with pyro.plate("batch", len(x)):
        mean, log_var = encode(params, form, x)
        pyro.sample("z", dist.Normal(mean, torch.exp(0.5 * log_var)).to_event(1))


class SameNoise(Messenger):
    """Puts z = loc + scale * noise in place of the library's sample; the site stays unobserved, so Pyro scores it.

    Goes around the guide only. `noise` has shape (batch, latent).
    """

    def __init__(self, noise: Tensor):
        super().__init__()
        self.noise = noise

    def _pyro_sample(self, msg: dict) -> None:
        if msg["name"] == "z":
            base = msg["fn"].base_dist
            msg["value"] = base.loc + base.scale * self.noise


# --- estimators


def elbo_object(class_name: str, particles: int = 1) -> Any:  # pyro.infer.ELBO declares none of the methods used
    """The public ELBO object, `particles` of them in one vectorised plate outside the batch."""
    elbo_class = getattr(pyro.infer, class_name)
    return elbo_class(num_particles=particles, vectorize_particles=particles > 1, max_plate_nesting=1)


def particle_shape(size: int) -> tuple[int, ...]:
    """Batch axes of `size` particles of one datum; Pyro adds no particle plate for a single one."""
    return (size, 1) if size > 1 else (1,)


def particle_elbos(class_name: str, form: Form, weights: Weights, x: Tensor, size: int, seed: int) -> Tensor:
    """The ELBO of every particle of one ELBO object, shape (size,), in nats.

    With model and guide under poutine.scale(w), w of ones, the object's loss is -mean_i w_i ELBO_i: linear in w, and
    ELBO_i = -size * d loss / d w_i is its own value for particle i.
    """
    pyro.set_rng_seed(seed)
    scale = x.new_ones(particle_shape(size), requires_grad=True)
    loss = elbo_object(class_name, size).differentiable_loss(
        poutine.scale(model, scale), poutine.scale(guide, scale), form, weights, x
    )
    (slope,) = torch.autograd.grad(loss, scale)
    return -size * slope.reshape(size).to(loss.dtype)


def object_elbo(class_name: str, form: Form, weights: Weights, x: Tensor, size: int, seed: int) -> float:
    """What the ELBO object's `loss` returns under the same seed as ELBO, nothing wrapped: the mean over particles."""
    pyro.set_rng_seed(seed)
    with torch.no_grad():
        return -float(elbo_object(class_name, size).loss(model, guide, form, weights, x))


# --- session


@contextmanager
def parameter_store(weights: Weights) -> Iterator[Weights]:
    """A parameter store of its own with these weights in it; yields the unconstrained parameters by name."""
    store = pyro.get_param_store()
    with store.scope():
        for name, tensor in weights.items():
            pyro.param(name, tensor)
        yield dict(store.named_parameters())


def block_seed(seed: int, index: int) -> int:
    """A seed of its own for every block, so that a block's draws do not depend on the blocks before it."""
    return int(np.random.SeedSequence((seed, index)).generate_state(1)[0])


class PyroEstimates:
    """One (problem, ELBO class) on one device in one dtype: everybody's noise, and own draws."""

    def __init__(self, form: Form, class_name: str, device: torch.device, dtype: DType):
        self.form, self.class_name, self.device, self.dtype = form, class_name, device, dtype

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """loss_and_grads of the ELBO object at everybody's noise, shape (1, batch, latent); KL: no observed site."""
        check_shapes(self.form, params, x, noise)
        data = self._tensor(x)
        noisy_guide = SameNoise(self._tensor(noise)[0])(guide)
        without = self.form.without_likelihood()
        with parameter_store(to_tensors(params, self.device, self.dtype)) as leaves:
            loss = elbo_object(self.class_name).loss_and_grads(model, noisy_guide, self.form, {}, data)
            gradients = {name: -to_array(_gradient(leaf)) / len(x) for name, leaf in leaves.items()}
            with torch.no_grad():
                kl = float(elbo_object(self.class_name).loss(model, noisy_guide, without, {}, data)) / len(x)
            guide_trace = poutine.trace(noisy_guide).get_trace(without, {}, data)
            model_trace = poutine.trace(poutine.replay(model, trace=guide_trace)).get_trace(without, {}, data)
            log_q, log_prior = (torch.as_tensor(trace.log_prob_sum()) for trace in (guide_trace, model_trace))
        elbo = -loss / len(x)
        return Evaluation(
            elbo=elbo,
            kl=kl,
            log_likelihood=elbo + kl,
            log_likelihood_derived=True,
            log_q=log_q.item() / len(x),
            log_prior=log_prior.item() / len(x),
            gradients=gradients,
            raw_loss=loss,
            raw_sign=-1,
            raw_reduction=Reduction.SUM,
            dtype=dtype_of(log_q + log_prior),
        )

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws of ELBO and KL at one datum; every block is tied to what the ELBO object's `loss` returns."""
        check_datum(self.form, params, x)
        weights, data = to_tensors(params, self.device, self.dtype), self._tensor(x)
        elbos, kls, ties = [], [], []
        for index, size in blocks(n, chunk):
            now = block_seed(seed, index)
            elbo = particle_elbos(self.class_name, self.form, weights, data, size, now)
            elbos.append(elbo)
            kls.append(-particle_elbos(self.class_name, self.form.without_likelihood(), weights, data, size, now))
            returned = object_elbo(self.class_name, self.form, weights, data, size, now)
            ties.append((to_array(elbo).mean(), returned))
        elbo = torch.cat(elbos)
        return Draws(elbo=to_array(elbo), kl=to_array(torch.cat(kls)), dtype=dtype_of(elbo), ties=np.array(ties))

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of d ELBO / d(mean, log-variance) at one datum, by loss_and_grads of the ELBO object.

        The biases of the heads have one row per particle; the loss is a mean over particles, hence the factor.
        """
        check_datum(self.form, params, x)
        weights, data = to_tensors(params, self.device, self.dtype), self._tensor(x)
        biases = {name: weights.pop(name) for name in HEAD_BIASES}
        rows: list[list[Tensor]] = []
        for index, size in blocks(n, chunk):
            shape = (*particle_shape(size), self.form.latent)
            with parameter_store({name: bias.expand(shape).clone() for name, bias in biases.items()}) as leaves:
                pyro.set_rng_seed(block_seed(seed, index))
                elbo_object(self.class_name, size).loss_and_grads(model, guide, self.form, weights, data)
                rows.append([-size * _gradient(leaves[name]).reshape(size, -1) for name in HEAD_BIASES])
        mean, log_var = (torch.cat(column) for column in zip(*rows, strict=True))
        return GradientDraws(mean=to_array(mean), log_var=to_array(log_var), dtype=dtype_of(mean))

    def _tensor(self, array: Array) -> Tensor:
        return to_tensor(array, self.device, self.dtype)


def _gradient(leaf: Tensor) -> Tensor:
    """The gradient that the library left on a parameter; zero where it left none."""
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


# --- training


class PyroSession(PyroEstimates):
    """The same with training by `SVI.step`."""

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
        data, rows = self._tensor(x), torch.as_tensor(batches, device=self.device)
        shared = None if noise is None else self._tensor(noise)
        losses = []
        with parameter_store(to_tensors(params, self.device, self.dtype)) as leaves:
            kept = {0: to_arrays(leaves)} if 0 in checkpoints else {}
            svi = self._svi(rows.shape[1], learning_rate, shared)
            pyro.set_rng_seed(seed)
            for i in range(len(rows)):
                losses.append(svi.step(i, data[rows[i]]))
                if i + 1 in checkpoints:
                    kept[i + 1] = to_arrays(leaves)
            trained = next(iter(leaves.values()))
            return Fit(elbo=-np.array(losses), params=to_arrays(leaves), checkpoints=kept, dtype=dtype_of(trained))

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """`SVI.step` on one batch; nothing is compiled ahead."""
        check_shapes(self.form, params, x)
        data, svi = self._tensor(x), self._svi(len(x), 1e-3, None)
        store = pyro.get_param_store()
        with parameter_store(to_tensors(params, self.device, self.dtype)):
            state = store.get_state()
        pyro.set_rng_seed(seed)

        def step(k: int) -> None:
            with store.scope(state):
                for i in range(k):
                    svi.step(i, data)
            synchronise(self.device)

        return Stepper(compile=None, step=step)

    def _svi(self, batch: int, learning_rate: float, shared: Tensor | None) -> pyro.infer.SVI:
        """SVI whose `step(i, x)` takes one step on the batch mean, with the i-th shared noise if there is any."""

        def scaled_model(_: int, x: Tensor) -> None:
            model(self.form, {}, x)

        def scaled_guide(i: int, x: Tensor) -> None:
            now = guide if shared is None else SameNoise(shared[i, 0])(guide)
            now(self.form, {}, x)

        by_batch = partial(poutine.scale, scale=1.0 / batch)
        optimiser = pyro.optim.Adam({"lr": learning_rate, "betas": (0.9, 0.999), "eps": 1e-8})  # pyright: ignore[reportAttributeAccessIssue]
        return pyro.infer.SVI(by_batch(scaled_model), by_batch(scaled_guide), optimiser, elbo_object(self.class_name))


class Pyro:
    """The VAE in Pyro."""

    name = "pyro"
    framework = "pyro"
    devices = (Device.CPU, Device.CUDA)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None for every problem under both estimators."""
        return unsupported(self.name, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> PyroSession:
        """A session; its weights come with each call."""
        class_name = estimator.library_classes[self.framework]
        return PyroSession(form_of(problem, estimator), class_name, open_device(device), dtype)
