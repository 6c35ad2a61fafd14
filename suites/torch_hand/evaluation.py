"""The hand-written torch VAE at everybody's noise."""

from dataclasses import dataclass

import torch
from torch import Tensor

from elbo_compare.suites.bridge.form import Form, check_shapes
from elbo_compare.suites.bridge.torch_arrays import TORCH_DTYPES, dtype_of, to_arrays, to_tensor, to_tensors
from elbo_compare.suites.contract import Array, Bound, DType, Evaluation, Params, Reduction
from elbo_compare.suites.torch_hand.layers import Weights
from elbo_compare.suites.torch_hand.noise import base_noise
from elbo_compare.suites.torch_hand.vae import batch_loss


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every part of a session shares."""

    form: Form
    device: torch.device
    dtype: DType

    def tensor(self, array: Array) -> Tensor:
        """In the dtype, on the device."""
        return to_tensor(array, self.device, self.dtype)

    def weights(self, params: Params) -> Weights:
        """In the dtype, on the device; they need no gradient."""
        return to_tensors(params, self.device, self.dtype)

    def leaves(self, params: Params) -> Weights:
        """The same, to be differentiated by."""
        return {name: tensor.requires_grad_() for name, tensor in self.weights(params).items()}

    def generator(self, seed: int) -> torch.Generator:
        """On the device."""
        return torch.Generator(self.device).manual_seed(seed)

    def noise(self, size: int, generator: torch.Generator) -> Tensor:
        """Own base noise, shape (noise_rows, size, latent)."""
        return base_noise(self.form, size, generator, TORCH_DTYPES[self.dtype])


def evaluate(setting: Setting, params: Params, x: Array, noise: Array) -> Evaluation:
    """The estimator and its gradient at everybody's noise, shape (noise_rows, batch, latent)."""
    check_shapes(setting.form, params, x, noise)
    weights = setting.leaves(params)
    loss, terms = batch_loss(weights, setting.form, setting.tensor(x), setting.tensor(noise))
    gradients = torch.autograd.grad(-loss, list(weights.values()))
    parts = terms.kl.mean().item(), terms.log_likelihood.mean().item()
    kl, log_likelihood = parts if setting.form.bound is Bound.ELBO else (float("nan"), float("nan"))
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
