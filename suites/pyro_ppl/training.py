"""Training in Pyro by `SVI.step`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyro
import pyro.infer
import pyro.optim
import torch
from numpy.typing import NDArray
from pyro import poutine
from torch import Tensor

from elbo_compare.suites.bridge.batches import training_rows
from elbo_compare.suites.bridge.form import check_shapes, check_training
from elbo_compare.suites.bridge.torch_arrays import dtype_of, numbers_drawn_again, synchronise, to_arrays, to_tensors
from elbo_compare.suites.contract import Array, Bound, Fit, Params, Stepper
from elbo_compare.suites.pyro_ppl.session import PyroEstimates, parameter_store
from elbo_compare.suites.pyro_ppl.vae import compiling, is_compiled


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
        kl_weights: Array | None = None,
        binarise: int | None = None,
        stop: Callable[[int, Params], bool] | None = None,
    ) -> Fit:
        """Adam on the batch-mean loss. See `Session.fit`.

        The noise is an argument of model and guide and not captured: a compiled object would freeze it. A KL weight is
        a keyword: a compiled object compiles again for each new one.
        """
        check_training(self.form, params, x, batches, noise, kl_weights)
        batch_of, size = self._batches(x, batches, binarise), batches.shape[1]
        kept: dict[int, Params] = {}
        elbos: list[float] = []
        shared = None if noise is None else self._tensor(noise)
        with parameter_store(to_tensors(params, self.device, self.dtype)) as leaves:

            def finished(done: int) -> bool:
                if done in checkpoints:
                    kept[done] = to_arrays(leaves)
                return done in checkpoints and stop is not None and stop(done, kept[done])

            svi = self._svi(size, learning_rate)
            pyro.set_rng_seed(seed)
            for i in range(len(batches)):
                if finished(i):
                    break
                arguments = (batch_of(i),) if shared is None else (batch_of(i), self._particles(shared[i]))
                weight = None if kl_weights is None else float(kl_weights[i])
                elbos.append(self._step(svi, size, arguments, weight))
            else:
                finished(len(batches))
            dtype = dtype_of(next(iter(leaves.values())))
            return Fit(elbo=np.array(elbos), params=to_arrays(leaves), checkpoints=kept, dtype=dtype)

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """`SVI.step` on one batch; a Jit class compiles at its first step."""
        check_shapes(self.form, params, x)
        data, svi = self._tensor(x), self._svi(len(x), 1e-3)
        store = pyro.get_param_store()
        with parameter_store(to_tensors(params, self.device, self.dtype)):
            state = store.get_state()
        pyro.set_rng_seed(seed)

        def step(k: int) -> None:
            with store.scope(state):
                for _ in range(k):
                    self._svi_step(svi, data)
            synchronise(self.device)

        return Stepper(compile=None, step=step)

    def _step(self, svi: pyro.infer.SVI, batch: int, arguments: tuple[Tensor, ...], kl_weight: float | None) -> float:
        """One step; the ELBO before it, per datum.

        SVI returns KL weight * KL - log p(x|z). The KL of the same sample, from the object on the model without the
        likelihood, makes that the unweighted ELBO: -loss - (1 - weight) * KL.
        """
        if self.form.bound is Bound.RENYI:
            return -self._svi_step(svi, *arguments) / batch
        if kl_weight is None or kl_weight == 1.0:
            return -self._svi_step(svi, *arguments)
        with torch.no_grad(), numbers_drawn_again(self.device):
            kl = self._kl(arguments) / batch
        return -self._svi_step(svi, *arguments, kl_weight=kl_weight) - (1.0 - kl_weight) * kl

    def _svi_step(self, svi: pyro.infer.SVI, *args: Tensor, **options: float) -> float:
        with compiling(self.class_name):
            return float(svi.step(*args, **options))  # pyright: ignore[reportArgumentType]

    def _kl(self, arguments: tuple[Tensor, ...]) -> float:
        """The object's loss on the model without the likelihood, from the parameters in the store."""
        without = self.form.without_likelihood()
        return float(self._object(without).loss(*self._programs(without, {}), *arguments))

    def _batches(self, x: Array, batches: NDArray[np.integer], binarise: int | None) -> Callable[[int], Tensor]:
        """The i-th batch on the device; without binarisation the whole x is there from the start."""
        if binarise is not None:
            return lambda i: self._tensor(training_rows(x, batches[i], i, binarise))
        data, rows = self._tensor(x), torch.as_tensor(batches, device=self.device)
        return lambda i: data[rows[i]]

    def _svi(self, batch: int, learning_rate: float) -> pyro.infer.SVI:
        """SVI whose `step(x, noise)` takes one step on the batch mean: model and guide are scaled by 1/batch.

        Under a Renyi bound the scale would go inside the log-sum-exp and make another bound. There the loss stays a
        sum, and Adam takes the same steps on it with batch times the epsilon.
        """
        renyi = self.form.bound is Bound.RENYI
        scale: Any = 1.0 / batch
        if is_compiled(self.class_name):  # a traced Python number would become a float32 constant
            scale = self._tensor(np.asarray(scale))
        settings = {"lr": learning_rate, "betas": (0.9, 0.999), "eps": 1e-8 * batch if renyi else 1e-8}
        programs: list[Any] = list(self._programs(self.form, {}))
        if not renyi:
            programs = [poutine.scale(program, scale=scale) for program in programs]
        optimiser = pyro.optim.Adam(settings)  # pyright: ignore[reportAttributeAccessIssue]
        return pyro.infer.SVI(programs[0], programs[1], optimiser, self._object(self.form))
