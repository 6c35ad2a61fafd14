"""The VAE as one writes it by hand in torch, with the questioned KL: -(log_p_z - log_q_z) at one sample.

Read side by side with `jax_hand/vae.py`, `pyro_ppl/vae.py` and `numpyro_ppl/vae.py`: the same sections in the same
order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log, pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from suites.bridge.form import Form, blocks, check_datum, check_shapes, check_training, form_of, unsupported
from suites.bridge.torch_arrays import (
    TORCH_DTYPES,
    dtype_of,
    open_device,
    synchronise,
    to_array,
    to_arrays,
    to_tensor,
    to_tensors,
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

Weights = dict[str, Tensor]

# --- networks


def affine(params: Weights, name: str, h: Tensor) -> Tensor:
    """H W' + b with the weights called `name`. Shapes: (..., in) -> (..., out)."""
    return functional.linear(h, params[f"{name}.weight"], params[f"{name}.bias"])


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


def log_normal_diag(z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """log N(z; mean, diag exp(log_var)) + latent/2 log(2 pi), in nats: the log density of a normal (no lognormal).

    Shapes: (..., latent) -> (...). The normaliser is left out as in the questioned code: it cancels in the KL only.
    """
    return torch.sum(-0.5 * (log_var + (z - mean) ** 2 / torch.exp(log_var)), dim=-1)


def log_normal_standard(z: Tensor) -> Tensor:
    """log N(z; 0, I) + latent/2 log(2 pi), in nats, the same normaliser left out. Shapes: (..., latent) -> (...)."""
    return torch.sum(-0.5 * z**2, dim=-1)


def log_bernoulli(x: Tensor, logits: Tensor) -> Tensor:
    """Sum of x log p + (1 - x) log(1 - p), p = sigmoid(logits), in nats. Shapes: (..., observed) -> (...).

    Written as x l - softplus(l), which does not overflow for large |l|.
    """
    return torch.sum(x * logits - functional.softplus(logits), dim=-1)


def log_normal(x: Tensor, mean: Tensor, scale: float) -> Tensor:
    """log N(x; mean, scale^2 I), fully normalised, in nats. Shapes: (..., observed) -> (...)."""
    return torch.sum(-0.5 * ((x - mean) / scale) ** 2 - (log(scale) + 0.5 * log(2.0 * pi)), dim=-1)


def log_likelihood(params: Weights, form: Form, x: Tensor, z: Tensor) -> Tensor:
    """log p(x|z), in nats; 0 where the problem has no data term. Shapes: (batch, observed), (..., latent) -> (...)."""
    if form.likelihood is Likelihood.NONE:
        return z.new_zeros(z.shape[:-1])
    output = decode(params, form, z)
    if form.likelihood is Likelihood.BERNOULLI:
        return log_bernoulli(x, output)
    return log_normal(x, output, form.likelihood_scale)


# --- estimators


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The parts of the estimator, in nats, each of shape (particle, batch)."""

    log_likelihood: Tensor
    kl: Tensor
    log_q: Tensor
    log_prior: Tensor

    @property
    def elbo(self) -> Tensor:
        """log p(x|z) - KL."""
        return self.log_likelihood - self.kl


def sampled_kl(log_p_z: Tensor, log_q_z: Tensor) -> Tensor:
    """-(log p(z) - log q(z|x)) at one sample: the questioned line. Kingma and Welling 2014, the KL part of eq. 6."""
    return -(log_p_z - log_q_z)


def analytic_kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, diag exp(log_var)) || N(0, I)), in nats. Shapes: (..., latent) -> (...).

    Kingma and Welling 2014, appendix B.
    """
    return -0.5 * torch.sum(1.0 + log_var - mean**2 - torch.exp(log_var), dim=-1)


def terms_at(params: Weights, form: Form, x: Tensor, heads: tuple[Tensor, Tensor], noise: Tensor) -> Terms:
    """All terms at z = mean + exp(log_var / 2) * noise. Noise (particle, batch, latent)."""
    mean, log_var = heads
    z = mean + torch.exp(0.5 * log_var) * noise
    log_q, log_prior = log_normal_diag(z, mean, log_var), log_normal_standard(z)
    if form.kl_term is KLTerm.SAMPLED:
        kl = sampled_kl(log_prior, log_q)
    else:
        kl = analytic_kl(mean, log_var).expand(log_q.shape)
    return Terms(log_likelihood=log_likelihood(params, form, x, z), kl=kl, log_q=log_q, log_prior=log_prior)


def batch_loss(terms: Terms) -> Tensor:
    """The loss as hand-written code has it: the batch mean of KL - log p(x|z)."""
    return torch.mean(terms.kl - terms.log_likelihood)


# --- session


class TorchHandEstimates:
    """One (problem, estimator) on one device in one dtype: everybody's noise, and own draws."""

    def __init__(self, form: Form, device: torch.device, dtype: DType):
        self.form, self.device, self.dtype = form, device, dtype

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The estimator and its gradient at everybody's noise, shape (1, batch, latent)."""
        check_shapes(self.form, params, x, noise)
        weights = self._leaves(params)
        data = self._tensor(x)
        terms = terms_at(weights, self.form, data, encode(weights, self.form, data), self._tensor(noise))
        loss = batch_loss(terms)
        gradients = torch.autograd.grad(-loss, list(weights.values()))
        return Evaluation(
            elbo=-loss.item(),
            kl=terms.kl.mean().item(),
            log_likelihood=terms.log_likelihood.mean().item(),
            log_likelihood_derived=False,
            log_q=terms.log_q.mean().item(),
            log_prior=terms.log_prior.mean().item(),
            gradients=to_arrays(dict(zip(weights, gradients, strict=True))),
            raw_loss=loss.item(),
            raw_sign=-1,
            raw_reduction=Reduction.MEAN,
            dtype=dtype_of(loss),
        )

    @torch.no_grad()
    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws of ELBO and KL at one datum; every draw is a value of the loss itself, so there is nothing to tie."""
        check_datum(self.form, params, x)
        weights, data = to_tensors(params, self.device, self.dtype), self._tensor(x)
        heads = encode(weights, self.form, data)
        generator = self._generator(seed)
        parts = [
            terms_at(weights, self.form, data, heads, self._sample((size, 1), generator))
            for _, size in blocks(n, chunk)
        ]
        elbo, kl = torch.cat([part.elbo for part in parts]), torch.cat([part.kl for part in parts])
        return Draws(elbo=to_array(elbo[:, 0]), kl=to_array(kl[:, 0]), dtype=dtype_of(elbo))

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of d ELBO / d(mean, log-variance) at one datum: the heads are leaves, one row per draw."""
        check_datum(self.form, params, x)
        weights, data = to_tensors(params, self.device, self.dtype), self._tensor(x)
        heads = encode(weights, self.form, data)
        generator = self._generator(seed)
        rows: list[tuple[Tensor, ...]] = []
        for _, size in blocks(n, chunk):
            leaves = [head.expand(size, 1, -1).clone().requires_grad_() for head in heads]
            noise = self._sample((size, 1), generator)
            terms = terms_at(weights, self.form, data, (leaves[0], leaves[1]), noise)
            rows.append(torch.autograd.grad(terms.elbo.sum(), leaves))
        mean, log_var = (torch.cat(column)[:, 0] for column in zip(*rows, strict=True))
        return GradientDraws(mean=to_array(mean), log_var=to_array(log_var), dtype=dtype_of(mean))

    def _tensor(self, array: Array) -> Tensor:
        return to_tensor(array, self.device, self.dtype)

    def _leaves(self, params: Params) -> Weights:
        return {name: tensor.requires_grad_() for name, tensor in to_tensors(params, self.device, self.dtype).items()}

    def _generator(self, seed: int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(seed)

    def _sample(self, shape: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Standard normal base noise, shape (particle, batch, latent)."""
        dtype = TORCH_DTYPES[self.dtype]
        return torch.randn((*shape, self.form.latent), generator=generator, dtype=dtype, device=self.device)


# --- training


class TorchHandSession(TorchHandEstimates):
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
        weights, data = self._leaves(params), self._tensor(x)
        step = self._training_step(weights, learning_rate)
        generator = self._generator(seed)
        shared = None if noise is None else self._tensor(noise)
        kept = {0: to_arrays(weights)} if 0 in checkpoints else {}
        losses = []
        for i, rows in enumerate(torch.as_tensor(batches, device=self.device)):
            now = self._sample((1, len(rows)), generator) if shared is None else shared[i]
            losses.append(step(data[rows], now))
            if i + 1 in checkpoints:
                kept[i + 1] = to_arrays(weights)
        elbo = -torch.stack(losses)
        return Fit(elbo=to_array(elbo), params=to_arrays(weights), checkpoints=kept, dtype=dtype_of(elbo))

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Eager steps on one batch; nothing is compiled ahead."""
        check_shapes(self.form, params, x)
        data, generator = self._tensor(x), self._generator(seed)
        one_step = self._training_step(self._leaves(params), 1e-3)

        def step(k: int) -> None:
            for _ in range(k):
                one_step(data, self._sample((1, len(data)), generator))
            synchronise(self.device)

        return Stepper(compile=None, step=step)

    def _training_step(self, weights: Weights, learning_rate: float) -> Callable[[Tensor, Tensor], Tensor]:
        """A step that updates `weights` in place and returns the loss before the update."""
        optimiser = torch.optim.Adam(weights.values(), lr=learning_rate, betas=(0.9, 0.999), eps=1e-8)

        def step(data: Tensor, noise: Tensor) -> Tensor:
            optimiser.zero_grad()
            loss = batch_loss(terms_at(weights, self.form, data, encode(weights, self.form, data), noise))
            loss.backward()
            optimiser.step()
            return loss.detach()

        return step


class TorchHand:
    """The hand-written torch VAE."""

    name = "torch-hand"
    framework = "torch"
    devices = (Device.CPU, Device.CUDA)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None for every problem under both estimators."""
        return unsupported(self.name, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> TorchHandSession:
        """A session; its weights come with each call."""
        return TorchHandSession(form_of(problem, estimator), open_device(device), dtype)
