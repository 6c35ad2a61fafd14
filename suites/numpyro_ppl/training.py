"""Training in NumPyro by `SVI.update`, with everybody's noise or own random numbers, and steps for the clock."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.infer
import numpyro.optim
from jax import Array as JaxArray
from numpy.typing import NDArray
from numpyro import handlers

from elbo_compare.suites.bridge.form import Form, check_shapes, check_training
from elbo_compare.suites.bridge.jax_arrays import dtype_of, to_array, to_arrays, to_devices
from elbo_compare.suites.bridge.jax_batches import Steps
from elbo_compare.suites.contract import Array, Fit, Params, Stepper
from elbo_compare.suites.numpyro_ppl.bounds import ELBOClass, elbo_object
from elbo_compare.suites.numpyro_ppl.session import NumPyroEstimates
from elbo_compare.suites.numpyro_ppl.vae import Given, guide, model

# --- training


class Training(NamedTuple):
    """SVI on the batch mean; its init and update compiled. `warm_up`: an update that returns the unweighted loss."""

    svi: numpyro.infer.SVI
    init: Any
    update: Any
    warm_up: Any


@lru_cache
def batch_mean_svi(elbo_class: ELBOClass, form: Form, batch: int, learning_rate: float) -> Training:
    """SVI on the batch mean (model and guide under handlers.scale(1 / batch)).

    Only the given weights leave `init`, so that compiled it draws and computes nothing else.
    """
    by_batch = partial(handlers.scale, scale=1.0 / batch)
    optimiser = numpyro.optim.Adam(learning_rate, b1=0.9, b2=0.999, eps=1e-8)
    elbo = elbo_object(elbo_class, form)
    svi = numpyro.infer.SVI(by_batch(partial(model, form)), by_batch(partial(guide, form)), optimiser, elbo)

    def warm_up(state: Any, x: JaxArray, given: Given) -> tuple[Any, JaxArray]:
        # SVI.evaluate draws from the key that SVI.update draws from: the same z, without the weight.
        unweighted = svi.evaluate(state, x, given._replace(kl_weight=None))
        return svi.update(state, x, given)[0], unweighted

    return Training(svi, jax.jit(svi.init), jax.jit(svi.update), jax.jit(warm_up))


class NumPyroSession(NumPyroEstimates):
    """The same with training by `SVI.update`."""

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
        """Adam on the batch-mean loss (model and guide scaled by 1/batch), everybody's noise or own random numbers.

        The KL weight is the scale of the latent site in model and guide. Raises ValueError for KL weights under a
        bound that is no sum of terms.
        """
        check_training(self.form, params, x, batches, noise, kl_weights)
        training = batch_mean_svi(self.elbo_class, self.form, batches.shape[1], learning_rate)
        weights = to_devices(params, self.device, self.dtype)
        state = training.init(self._key(seed), self._array(x[batches[0]]), init_params=weights)
        steps = Steps(x, batches, noise, kl_weights, binarise, device=self.device, dtype=self.dtype)
        kept: dict[int, Params] = {}
        losses: list[JaxArray] = []
        for i in range(len(batches)):
            if i in checkpoints and self._keep(i, training.svi.get_params(state), kept, stop):
                break
            data, now, weight = steps.next()
            step = training.update if weight is None else training.warm_up
            state, loss = step(state, data, Given(noise=now, kl_weight=weight))
            losses.append(loss)
        else:
            if len(batches) in checkpoints:
                self._keep(len(batches), training.svi.get_params(state), kept, stop)
        elbo = -jnp.stack(losses) if losses else jnp.zeros(0, str(self.dtype))
        trained = to_arrays(training.svi.get_params(state))
        return Fit(elbo=to_array(elbo), params=trained, checkpoints=kept, dtype=dtype_of(elbo))

    def _keep(
        self,
        completed: int,
        weights: dict[str, JaxArray],
        kept: dict[int, Params],
        stop: Callable[[int, Params], bool] | None,
    ) -> bool:
        """Keep the weights after `completed` steps; whether to end here."""
        kept[completed] = to_arrays(weights)
        return stop is not None and stop(completed, kept[completed])

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Compiled `SVI.update` on one batch; `compile` lowers and compiles ahead."""
        check_shapes(self.form, params, x)
        data, weights = self._array(x), to_devices(params, self.device, self.dtype)
        training = batch_mean_svi(self.elbo_class, self.form, len(x), 1e-3)
        state = training.init(self._key(seed), data, init_params=weights)
        one_step = training.update

        def compile_ahead() -> None:
            nonlocal one_step
            one_step = training.update.lower(state, data).compile()

        def step(k: int) -> None:
            nonlocal state
            for _ in range(k):
                state, _ = one_step(state, data)
            jax.block_until_ready(state)

        return Stepper(compile=compile_ahead, step=step)
