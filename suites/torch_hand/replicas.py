"""Many seeds at once in torch: the training step of one replica, batched by torch.func over stacked weights."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.bridge.replicas import check_replicas, taken_apart
from elbo_compare.suites.bridge.torch_arrays import dtype_of, to_array, to_arrays, to_tensors
from elbo_compare.suites.contract import Array, DType, Fit, Flow, GradientForm, Params
from elbo_compare.suites.torch_hand.layers import Weights
from elbo_compare.suites.torch_hand.training import TorchHandSession


class TorchHandReplicas(TorchHandSession):
    """The same with trainings of several seeds in one program."""

    def fit_replicas(
        self,
        params: Params,
        x: Array,
        batches: NDArray[np.integer],
        learning_rate: float,
        seeds: tuple[int, ...],
        noise: Array | None = None,
        checkpoints: tuple[int, ...] = (),
    ) -> tuple[Fit, ...]:
        """`fit` of every replica: the same steps on weights (replica, ...). See `ReplicaSession.fit_replicas`.

        Each replica draws from a generator of its own, so its random numbers are those of `fit` with its seed.
        """
        check_replicas(self.form, params, x, batches, seeds, noise)
        weights = self._stacked(params, len(seeds))
        step = self._replicas_step(weights, learning_rate)
        draw = self._replicas_noise(seeds, batches.shape[2], noise)
        data, rows = self._tensor(x), torch.as_tensor(batches, device=self.device)
        kept, elbos = {}, []
        for i in range(batches.shape[1]):
            if i in checkpoints:
                kept[i] = to_arrays(weights)
            elbos.append(step(data[rows[:, i]], draw(i)))
        end = to_arrays(weights)
        if batches.shape[1] in checkpoints:
            kept[batches.shape[1]] = end
        elbo = torch.stack(elbos, 1)
        return taken_apart(to_array(elbo), end, kept, dtype_of(elbo))

    def _stacked(self, params: Params, replicas: int) -> Weights:
        """The same weights for every replica, as leaves of shape (replica, ...)."""
        tensors = to_tensors(params, self.device, self.dtype)
        return {
            name: tensor.expand(replicas, *tensor.shape).clone().requires_grad_() for name, tensor in tensors.items()
        }

    def _replicas_noise(self, seeds: tuple[int, ...], batch: int, noise: Array | None) -> Callable[[int], Tensor]:
        """The noise of step i, (replica, noise_rows, batch, latent): everybody's, or each replica's own."""
        if noise is not None:
            shared = self._tensor(noise)
            return lambda i: shared[:, i]
        generators = [self._generator(seed) for seed in seeds]
        return lambda _: torch.stack([self._sample(batch, generator) for generator in generators])

    def _replicas_step(self, weights: Weights, learning_rate: float) -> Callable[[Tensor, Tensor], Tensor]:
        """A step that updates every replica's weights in place and returns their ELBOs before the update, (replica,).

        A replica's loss depends on its own weights only, so the gradient of the sum of losses is each one's own
        gradient; Adam works number by number and needs no change. It is the fused one, a single pass over memory:
        the stacked state does not fit into a cache, and several passes would cost more than the matrix products.
        """
        losses = torch.func.vmap(lambda own, data, noise: self._terms_and_loss(own, data, noise)[1])
        optimiser = torch.optim.Adam(weights.values(), lr=learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True)

        def step(data: Tensor, noise: Tensor) -> Tensor:
            optimiser.zero_grad()
            loss = losses(weights, data, noise)
            loss.sum().backward()
            optimiser.step()
            return -loss.detach()

        return step


def open_session(form: Form, device: torch.device, dtype: DType) -> TorchHandSession:
    """A session, with `fit_replicas` where torch.func can batch the loss: not where it differentiates on the way.

    That is where log q is differentiated along the path only, through a flow (see `flows.moved_back`).
    """
    slope = form.gradient is not GradientForm.REPARAMETERISED and form.flow is not Flow.NONE
    return (TorchHandSession if slope else TorchHandReplicas)(form, device, dtype)
