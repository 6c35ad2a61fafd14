"""Training of the hand-written torch VAE."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from elbo_compare.suites.bridge.batches import training_rows
from elbo_compare.suites.bridge.form import check_shapes, check_training
from elbo_compare.suites.bridge.torch_arrays import dtype_of, synchronise, to_array, to_arrays
from elbo_compare.suites.contract import Array, Fit, Params, Stepper
from elbo_compare.suites.torch_hand.layers import Weights
from elbo_compare.suites.torch_hand.session import TorchHandEstimates


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
        kl_weights: Array | None = None,
        binarise: int | None = None,
        stop: Callable[[int, Params], bool] | None = None,
    ) -> Fit:
        """Adam on the batch-mean loss, with everybody's noise or own random numbers. See `Session.fit`."""
        check_training(self.form, params, x, batches, noise, kl_weights)
        weights, generator = self._leaves(params), self._generator(seed)
        step = self._training_step(weights, learning_rate)
        shared = None if noise is None else self._tensor(noise)
        batch_of = self._batches(x, batches, binarise)
        kept: dict[int, Params] = {}
        elbos: list[Tensor] = []

        def finished(done: int) -> bool:
            if done in checkpoints:
                kept[done] = to_arrays(weights)
            return done in checkpoints and stop is not None and stop(done, kept[done])

        for i in range(len(batches)):
            if finished(i):
                break
            now = self._sample(batches.shape[1], generator) if shared is None else shared[i]
            elbos.append(step(batch_of(i), now, None if kl_weights is None else float(kl_weights[i])))
        else:
            finished(len(batches))
        elbo = torch.stack(elbos) if elbos else next(iter(weights.values())).new_empty(0)
        return Fit(elbo=to_array(elbo), params=to_arrays(weights), checkpoints=kept, dtype=dtype_of(elbo))

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Eager steps on one batch; nothing is compiled ahead."""
        check_shapes(self.form, params, x)
        data, generator = self._tensor(x), self._generator(seed)
        one_step = self._training_step(self._leaves(params), 1e-3)

        def step(k: int) -> None:
            for _ in range(k):
                one_step(data, self._sample(len(data), generator), None)
            synchronise(self.device)

        return Stepper(compile=None, step=step)

    def _batches(self, x: Array, batches: NDArray[np.integer], binarise: int | None) -> Callable[[int], Tensor]:
        """The i-th batch on the device; without binarisation the whole x is there from the start."""
        if binarise is not None:
            return lambda i: self._tensor(training_rows(x, batches[i], i, binarise))
        data, rows = self._tensor(x), torch.as_tensor(batches, device=self.device)
        return lambda i: data[rows[i]]

    def _training_step(
        self, weights: Weights, learning_rate: float
    ) -> Callable[[Tensor, Tensor, float | None], Tensor]:
        """A step that updates `weights` in place and returns the unweighted ELBO before the update."""
        optimiser = torch.optim.Adam(weights.values(), lr=learning_rate, betas=(0.9, 0.999), eps=1e-8)

        def step(data: Tensor, noise: Tensor, kl_weight: float | None) -> Tensor:
            optimiser.zero_grad()
            terms, loss = self._terms_and_loss(weights, data, noise, kl_weight)
            loss.backward()
            optimiser.step()
            return -loss.detach() if kl_weight is None else terms.elbo.detach().mean()

        return step
