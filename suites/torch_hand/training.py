"""Training of the hand-written torch VAE."""

from collections.abc import Callable

import torch
from torch import Tensor

from elbo_compare.suites.bridge.form import Form, check_shapes
from elbo_compare.suites.bridge.torch_arrays import dtype_of, synchronise, to_array, to_arrays
from elbo_compare.suites.bridge.torch_optimizers import steps_alone
from elbo_compare.suites.bridge.training import Checkpoints, check_training, training_rows
from elbo_compare.suites.contract import Array, Fit, Params, Stepper, Training
from elbo_compare.suites.torch_hand.evaluation import Setting
from elbo_compare.suites.torch_hand.layers import Weights
from elbo_compare.suites.torch_hand.vae import batch_loss

Step = Callable[[Tensor, Tensor, float | None], Tensor]


def fit(setting: Setting, params: Params, training: Training) -> Fit:
    """Adam on the batch-mean loss, with everybody's noise or own random numbers."""
    check_training(setting.form, params, training)
    steps_alone(torch.optim.Adam)
    weights, generator = setting.leaves(params), setting.generator(training.seed)
    step, batch_of = training_step(setting.form, weights, training.learning_rate), _batches(setting, training)
    shared = None if training.noise is None else setting.tensor(training.noise)
    steps, batch = training.batches.shape
    looks, elbos = Checkpoints(training), []
    for i in range(steps):
        if looks.end_at(i, lambda: to_arrays(weights)):
            break
        noise = setting.noise(batch, generator) if shared is None else shared[i]
        weight = None if training.kl_weights is None else float(training.kl_weights[i])
        elbos.append(step(batch_of(i), noise, weight))
    else:
        looks.end_at(steps, lambda: to_arrays(weights))
    elbo = torch.stack(elbos) if elbos else next(iter(weights.values())).new_empty(0)
    return Fit(elbo=to_array(elbo), params=to_arrays(weights), checkpoints=looks.kept, dtype=dtype_of(elbo))


def stepper(setting: Setting, params: Params, x: Array, seed: int) -> Stepper:
    """Eager steps on one batch; nothing is compiled ahead."""
    check_shapes(setting.form, params, x)
    data, generator = setting.tensor(x), setting.generator(seed)
    one_step = training_step(setting.form, setting.leaves(params), 1e-3)

    def step(k: int) -> None:
        for _ in range(k):
            one_step(data, setting.noise(len(data), generator), None)
        synchronise(setting.device)

    return Stepper(compile=None, step=step)


def training_step(form: Form, weights: Weights, learning_rate: float) -> Step:
    """A step that updates `weights` in place and returns the unweighted ELBO before the update."""
    optimiser = torch.optim.Adam(weights.values(), lr=learning_rate, betas=(0.9, 0.999), eps=1e-8)

    def step(data: Tensor, noise: Tensor, kl_weight: float | None) -> Tensor:
        optimiser.zero_grad()
        loss, terms = batch_loss(weights, form, data, noise, kl_weight)
        loss.backward()
        optimiser.step()
        return -loss.detach() if kl_weight is None else terms.log_weight.detach().mean()

    return step


def _batches(setting: Setting, training: Training) -> Callable[[int], Tensor]:
    """The i-th batch on the device; without binarisation the whole x is there from the start."""
    x, batches = training.x, training.batches
    if training.binarise is not None:
        return lambda i: setting.tensor(training_rows(x, batches[i], i, training.binarise))
    data, rows = setting.tensor(x), torch.as_tensor(batches, device=setting.device)
    return lambda i: data[rows[i]]
