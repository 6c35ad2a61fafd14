"""One (problem, estimator) of the hand-written torch VAE: everybody's noise, and own draws."""

from dataclasses import replace

import torch
from torch import Tensor

from elbo_compare.suites.bridge.form import Form, blocks, check_datum, check_shapes
from elbo_compare.suites.bridge.torch_arrays import TORCH_DTYPES, dtype_of, to_array, to_arrays, to_tensor, to_tensors
from elbo_compare.suites.contract import (
    Array,
    Bound,
    Draws,
    DType,
    Evaluation,
    GradientDraws,
    GradientForm,
    Noise,
    Params,
    Reduction,
)
from elbo_compare.suites.torch_hand.layers import Weights
from elbo_compare.suites.torch_hand.sobol import sobol_noise
from elbo_compare.suites.torch_hand.vae import Heads, Terms, batch_loss, datum_bounds, encode


class TorchHandEstimates:
    """One (problem, estimator) on one device in one dtype: everybody's noise, and own draws."""

    def __init__(self, form: Form, device: torch.device, dtype: DType):
        self.form, self.device, self.dtype = form, device, dtype

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The estimator and its gradient at everybody's noise, shape (noise_rows, batch, latent)."""
        check_shapes(self.form, params, x, noise)
        weights = self._leaves(params)
        terms, loss = self._terms_and_loss(weights, self._tensor(x), self._tensor(noise))
        gradients = torch.autograd.grad(-loss, list(weights.values()))
        parts = terms.kl.mean().item(), terms.log_likelihood.mean().item()
        kl, log_likelihood = parts if self.form.bound is Bound.ELBO else (float("nan"), float("nan"))
        return Evaluation(
            elbo=-loss.item(),
            kl=kl,
            log_likelihood=log_likelihood,
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
        form = replace(self.form, gradient=GradientForm.REPARAMETERISED)  # a value has no gradient to form
        heads, generator = encode(weights, form, data), self._generator(seed)
        elbos, kls = [], []
        for _, size in blocks(n, self._block(chunk)):
            terms, elbo = datum_bounds(weights, form, data, heads, self._sample(size, generator))
            elbos.append(elbo)
            kls.append(terms.kl.mean(0) if form.bound is Bound.ELBO else torch.full_like(elbo, torch.nan))
        elbo, kl = torch.cat(elbos), torch.cat(kls)
        return Draws(elbo=to_array(elbo), kl=to_array(kl), dtype=dtype_of(elbo))

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of d ELBO / d(mean, log-variance) at one datum: the heads are leaves, one row per draw."""
        check_datum(self.form, params, x)
        weights, data = to_tensors(params, self.device, self.dtype), self._tensor(x)
        heads, generator = encode(weights, self.form, data), self._generator(seed)
        rows: list[tuple[Tensor, ...]] = []
        for _, size in blocks(n, self._block(chunk)):
            leaves = [head.expand(size, -1).clone().requires_grad_() for head in (heads.mean, heads.log_var)]
            noise = self._sample(size, generator)
            _, elbo = datum_bounds(weights, self.form, data, Heads(leaves[0], leaves[1], heads.hidden), noise)
            rows.append(torch.autograd.grad(elbo.sum(), leaves))
        mean, log_var = (torch.cat(column) for column in zip(*rows, strict=True))
        return GradientDraws(mean=to_array(mean), log_var=to_array(log_var), dtype=dtype_of(mean))

    def _terms_and_loss(
        self, weights: Weights, data: Tensor, noise: Tensor, kl_weight: float | None = None
    ) -> tuple[Terms, Tensor]:
        """The terms, and the batch mean of the loss: KL - log p(x|z), or minus the bound."""
        terms, values = datum_bounds(weights, self.form, data, encode(weights, self.form, data), noise)
        return terms, batch_loss(terms, kl_weight) if self.form.bound is Bound.ELBO else -values.mean()

    def _tensor(self, array: Array) -> Tensor:
        return to_tensor(array, self.device, self.dtype)

    def _leaves(self, params: Params) -> Weights:
        return {name: tensor.requires_grad_() for name, tensor in to_tensors(params, self.device, self.dtype).items()}

    def _generator(self, seed: int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(seed)

    def _block(self, chunk: int) -> int:
        """Draws per block: `chunk` samples z, and at least one draw."""
        return max(1, chunk // self.form.particles) if chunk > 0 else chunk

    def _sample(self, size: int, generator: torch.Generator) -> Tensor:
        """Own base noise, standard normal, shape (noise_rows, size, latent)."""
        dtype, latent = TORCH_DTYPES[self.dtype], self.form.latent
        if self.form.noise is Noise.SOBOL:
            return sobol_noise(self.form.particles, latent, size, generator).to(dtype)
        shape = (self.form.noise_rows, size, latent)
        return torch.randn(shape, generator=generator, dtype=dtype, device=self.device)
