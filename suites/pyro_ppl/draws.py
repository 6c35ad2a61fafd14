"""Own draws in Pyro at one datum.

Many separate draws in one call: the plate holds copies of the one datum, and what the ELBO object's gradient says of
each copy's weight is that copy's value.
"""

from functools import partial

import numpy as np
import pyro
import torch
from pyro import poutine
from torch import Tensor

from elbo_compare.suites.bridge.form import Form, blocks, check_datum
from elbo_compare.suites.bridge.torch_arrays import dtype_of, to_array
from elbo_compare.suites.contract import Array, Bound, Draws, GradientDraws, Params
from elbo_compare.suites.pyro_ppl.evaluation import (
    Program,
    Setting,
    block_seed,
    gradient_of,
    loss_and_grads,
    parameter_store,
    returned,
)
from elbo_compare.suites.pyro_ppl.layers import Weights
from elbo_compare.suites.pyro_ppl.vae import guide, is_compiled, model

HEAD_BIASES = ("encoder.mean.bias", "encoder.log_var.bias")
WEIGHT, SHIFT = "draw.weight", "draw.shift"


def draw(setting: Setting, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
    """n draws of ELBO and KL at one datum; every block is tied to what the ELBO object returns."""
    check_datum(setting.form, params, x)
    weights, data = setting.weights(params), setting.tensor(x)
    elbos, kls, ties = [], [], []
    for index, size in blocks(n, _block(setting, chunk)):
        now = block_seed(seed, index)
        elbo = _values(setting, setting.form, weights, data, size, now)
        elbos.append(elbo)
        if setting.form.bound is Bound.ELBO:
            kls.append(-_values(setting, setting.form.without_likelihood(), weights, data, size, now))
        else:
            kls.append(torch.full_like(elbo, torch.nan))
        ties.append((to_array(elbo).mean(), -_returned_for_copies(setting, weights, data, size, now)))
    elbo = torch.cat(elbos)
    return Draws(elbo=to_array(elbo), kl=to_array(torch.cat(kls)), dtype=dtype_of(elbo), ties=np.array(ties))


def draw_gradients(setting: Setting, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
    """n draws of d ELBO / d(mean, log-variance) at one datum, by loss_and_grads of the ELBO object.

    The guide's biases of the heads have one row per copy of the datum; the loss is a sum over them. The model keeps
    its own: a prior may be made by the same encoder, at other inputs.
    """
    check_datum(setting.form, params, x)
    weights, data = setting.weights(params), setting.tensor(x)
    biases = {name: weights[name] for name in HEAD_BIASES}
    others = {name: weight for name, weight in weights.items() if name not in biases}
    programs = partial(model, setting.form, weights), partial(guide, setting.form, others)
    rows: list[list[Tensor]] = []
    for index, size in blocks(n, _block(setting, chunk)):
        per_copy = {name: bias.expand(size, -1).clone() for name, bias in biases.items()}
        with parameter_store(per_copy) as leaves:
            pyro.set_rng_seed(block_seed(seed, index))
            loss_and_grads(setting, setting.form, programs, data, copies=size)
            rows.append([-gradient_of(leaves[name]) for name in HEAD_BIASES])
    mean, log_var = (torch.cat(column) for column in zip(*rows, strict=True))
    return GradientDraws(mean=to_array(mean), log_var=to_array(log_var), dtype=dtype_of(mean))


def _values(setting: Setting, form: Form, weights: Weights, x: Tensor, size: int, seed: int) -> Tensor:
    """The value of every copy of the datum, shape (size,), in nats, from one call of the ELBO object.

    With weights w_i, all 1, on the log densities of copy i in model and guide, the loss is -sum_i w_i ELBO_i: it is
    linear in w, and ELBO_i = -d loss / d w_i is the object's own value for copy i.
    """
    if form.bound is Bound.RENYI:
        return _renyi_values(setting, form, weights, x, size, seed)
    return -_slopes(setting, form, weights, x, {WEIGHT: x.new_ones(size)}, size, seed)[WEIGHT]


def _renyi_values(setting: Setting, form: Form, weights: Weights, x: Tensor, size: int, seed: int) -> Tensor:
    """The same for RenyiELBO, whose loss is not linear in its weights, from two gradients, (particle, size).

    With a weight v_k and a shift c_k on particle k, -d loss / d c_k = w~_k / K and -d loss / d v_k = w~_k / K log
    w_k, w~_k = w_k^(1 - alpha) / exp((1 - alpha) bound) the object's normalised weight (its mean over k is 1), so
    that bound = log w_k - log(w~_k) / (1 - alpha) for each k. The largest w~_k >= 1 has most digits.
    """
    shape = (form.particles, size) if form.particles > 1 else (size,)
    extra = {WEIGHT: x.new_ones(shape), SHIFT: x.new_zeros(shape)}
    slopes = _slopes(setting, form, weights, x, extra, size, seed)
    share, weighted = (-slopes[name].reshape(form.particles, size) for name in (SHIFT, WEIGHT))
    best = share.argmax(0, keepdim=True)
    share, weighted = share.gather(0, best)[0], weighted.gather(0, best)[0]
    return weighted / share - torch.log(form.particles * share) / (1.0 - form.alpha)


def _slopes(
    setting: Setting, form: Form, weights: Weights, x: Tensor, extra: Weights, size: int, seed: int
) -> dict[str, Tensor]:
    """d loss / d extra of the ELBO object under this seed."""
    captured = _captured(setting, weights)
    programs = partial(weighted_copies, model, form, captured), partial(weighted_copies, guide, form, captured)
    with parameter_store(_stored(setting, weights) | extra) as leaves:
        pyro.set_rng_seed(seed)
        loss_and_grads(setting, form, programs, x, copies=size)
        return {name: gradient_of(leaves[name]) for name in extra}


def weighted_copies(program: Program, form: Form, params: Weights, x: Tensor, copies: int) -> None:
    """Model or guide with a weight on every copy's log densities, and under a Renyi bound a shift of its log weight."""
    log_weight_shift = pyro.param(SHIFT) if form.bound is Bound.RENYI and program is model else None
    with poutine.scale(scale=pyro.param(WEIGHT)):
        program(form, params, x, copies=copies, log_weight_shift=log_weight_shift)


def _returned_for_copies(setting: Setting, weights: Weights, x: Tensor, size: int, seed: int) -> float:
    """What the ELBO object returns under this seed, nothing weighted, averaged over the copies of the datum."""
    with parameter_store(_stored(setting, weights)):
        pyro.set_rng_seed(seed)
        return returned(setting, setting.form, _captured(setting, weights), x, copies=size) / size


def _captured(setting: Setting, weights: Weights) -> Weights:
    """Weights that need no gradient are passed as they are, except to a compiled object: see `_stored`."""
    return {} if is_compiled(setting.class_name) else weights


def _stored(setting: Setting, weights: Weights) -> Weights:
    """A compiled object's `loss_and_grads` goes backward, and so needs parameters."""
    return dict(weights) if is_compiled(setting.class_name) else {}


def _block(setting: Setting, chunk: int) -> int:
    """Draws per block: `chunk` samples z, and at least one draw."""
    return max(1, chunk // setting.form.particles) if chunk > 0 else chunk
