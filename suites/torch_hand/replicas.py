"""Many seeds at once in torch: the training step of one replica, batched by torch.func over stacked weights."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.bridge.torch_arrays import dtype_of, to_array, to_arrays
from elbo_compare.suites.bridge.torch_optimizers import steps_alone
from elbo_compare.suites.bridge.training import check_replicas, taken_apart
from elbo_compare.suites.contract import Fit, Flow, GradientForm, Params, Training
from elbo_compare.suites.torch_hand.evaluation import Setting
from elbo_compare.suites.torch_hand.layers import Weights
from elbo_compare.suites.torch_hand.vae import batch_loss


def can_be_batched(form: Form) -> bool:
    """Whether torch.func can batch the loss: not where it differentiates on the way.

    That is where log q is differentiated along the path only, through a flow (see `flows.flow_back`).
    """
    return form.gradient is GradientForm.REPARAMETERISED or form.flow is Flow.NONE


def fit_replicas(setting: Setting, params: Params, trainings: tuple[Training, ...]) -> tuple[Fit, ...]:
    """`fit` of every replica: the same steps on weights (replica, ...). See `ReplicaSession.fit_replicas`.

    Each replica draws from a generator of its own, so its random numbers are those of `fit` with its seed.
    """
    check_replicas(setting.form, params, trainings)
    steps_alone(torch.optim.Adam)
    first, batches = trainings[0], np.stack([each.batches for each in trainings])  # replica, step, batch
    weights = _stacked(setting, params, len(trainings))
    step, noise_of = _replicas_step(setting.form, weights, first.learning_rate), _noise(setting, trainings)
    data, rows = setting.tensor(first.x), torch.as_tensor(batches, device=setting.device)
    kept, elbos, steps = {}, [], batches.shape[1]
    for i in range(steps):
        if i in first.checkpoints:
            kept[i] = to_arrays(weights)
        elbos.append(step(data[rows[:, i]], noise_of(i)))
    end = to_arrays(weights)
    if steps in first.checkpoints:
        kept[steps] = end
    elbo = torch.stack(elbos, 1)
    return taken_apart(to_array(elbo), end, kept, dtype_of(elbo))


def _stacked(setting: Setting, params: Params, replicas: int) -> Weights:
    """The same weights for every replica, as leaves of shape (replica, ...)."""
    return {
        name: tensor.expand(replicas, *tensor.shape).clone().requires_grad_()
        for name, tensor in setting.weights(params).items()
    }


def _noise(setting: Setting, trainings: tuple[Training, ...]) -> Callable[[int], Tensor]:
    """The noise of step i, (replica, noise_rows, batch, latent): everybody's, or each replica's own."""
    shared = [each.noise for each in trainings if each.noise is not None]
    if shared:
        there = setting.tensor(np.stack(shared))  # replica, step, noise_rows, batch, latent
        return lambda i: there[:, i]
    batch, generators = trainings[0].batches.shape[1], [setting.generator(each.seed) for each in trainings]
    return lambda _: torch.stack([setting.noise(batch, generator) for generator in generators])


def _replicas_step(form: Form, weights: Weights, learning_rate: float) -> Callable[[Tensor, Tensor], Tensor]:
    """A step that updates every replica's weights in place and returns their ELBOs before the update, (replica,).

    A replica's loss depends on its own weights only, so the gradient of the sum of losses is each one's own
    gradient; Adam works number by number and needs no change. It is the fused one, a single pass over memory:
    the stacked state does not fit into a cache, and several passes would cost more than the matrix products.
    """
    losses = torch.func.vmap(lambda own, data, noise: batch_loss(own, form, data, noise)[0])
    optimiser = torch.optim.Adam(weights.values(), lr=learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True)

    def step(data: Tensor, noise: Tensor) -> Tensor:
        optimiser.zero_grad()
        loss = losses(weights, data, noise)
        loss.sum().backward()
        optimiser.step()
        return -loss.detach()

    return step
