"""Own draws of the hand-written torch VAE at one datum: one row of noise, or of heads, per draw."""

from dataclasses import replace

import torch
from torch import Tensor

from elbo_compare.suites.bridge.form import blocks, check_datum
from elbo_compare.suites.bridge.torch_arrays import dtype_of, to_array
from elbo_compare.suites.contract import Array, Bound, Draws, GradientDraws, GradientForm, Params
from elbo_compare.suites.torch_hand.evaluation import Setting
from elbo_compare.suites.torch_hand.vae import encode, estimate


@torch.no_grad()
def draw(setting: Setting, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
    """n draws of ELBO and KL at one datum; every draw is a value of the loss itself, so there is nothing to tie."""
    check_datum(setting.form, params, x)
    weights, data = setting.weights(params), setting.tensor(x)
    form = replace(setting.form, gradient=GradientForm.REPARAMETERISED)  # a value has no gradient to form
    heads, generator = encode(weights, form, data), setting.generator(seed)
    elbos, kls = [], []
    for _, size in blocks(n, _block(setting, chunk)):
        elbo, terms = estimate(weights, form, data, heads, setting.noise(size, generator))
        elbos.append(elbo)
        kls.append(terms.kl.mean(0) if form.bound is Bound.ELBO else torch.full_like(elbo, torch.nan))
    elbo, kl = torch.cat(elbos), torch.cat(kls)
    return Draws(elbo=to_array(elbo), kl=to_array(kl), dtype=dtype_of(elbo))


def draw_gradients(setting: Setting, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
    """n draws of d ELBO / d(mean, log-variance) at one datum: the heads are leaves, one row per draw."""
    check_datum(setting.form, params, x)
    weights, data = setting.weights(params), setting.tensor(x)
    heads, generator = encode(weights, setting.form, data), setting.generator(seed)
    rows: list[tuple[Tensor, ...]] = []
    for _, size in blocks(n, _block(setting, chunk)):
        mean, log_var = (head.expand(size, -1).clone().requires_grad_() for head in (heads.mean, heads.log_var))
        noise, at = setting.noise(size, generator), heads._replace(mean=mean, log_var=log_var)
        elbo, _ = estimate(weights, setting.form, data, at, noise)
        rows.append(torch.autograd.grad(elbo.sum(), (mean, log_var)))
    mean, log_var = (torch.cat(column) for column in zip(*rows, strict=True))
    return GradientDraws(mean=to_array(mean), log_var=to_array(log_var), dtype=dtype_of(mean))


def _block(setting: Setting, chunk: int) -> int:
    """Draws per block: `chunk` samples z, and at least one draw."""
    return max(1, chunk // setting.form.particles) if chunk > 0 else chunk
