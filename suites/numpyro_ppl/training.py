"""Training in NumPyro by `SVI.update`, with everybody's noise or own random numbers, and steps for the clock."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpyro.infer
import numpyro.optim
from jax import Array as JaxArray
from numpyro import handlers

from elbo_compare.suites.bridge.form import Form, check_shapes
from elbo_compare.suites.bridge.jax_arrays import JaxDevice, dtype_of, to_array, to_arrays
from elbo_compare.suites.bridge.jax_batches import Steps
from elbo_compare.suites.bridge.jax_rarely import FEW_STEPS, Rarely
from elbo_compare.suites.bridge.training import Checkpoints, check_training
from elbo_compare.suites.contract import Array, Fit, Params, Stepper, Training
from elbo_compare.suites.numpyro_ppl.evaluation import Setting
from elbo_compare.suites.numpyro_ppl.vae import ELBOClass, elbo_object, guide, model


class BatchMeanSVI(NamedTuple):
    """SVI on the batch mean; its init and update compiled. `warm_up`: an update that returns the unweighted loss."""

    svi: numpyro.infer.SVI
    init: Any
    update: Any
    warm_up: Any


@lru_cache
def batch_mean_svi(
    elbo_class: ELBOClass, form: Form, batch: int, learning_rate: float, few_on: JaxDevice = None, observed: int = 0
) -> BatchMeanSVI:
    """SVI on the batch mean (model and guide under handlers.scale(1 / batch)); for a few steps alone on the device
    `few_on`, with data as wide as `observed`.

    Only the given weights leave `init`, so that compiled it draws and computes nothing else.
    """
    by_batch = partial(handlers.scale, scale=1.0 / batch)
    optimiser = numpyro.optim.Adam(learning_rate, b1=0.9, b2=0.999, eps=1e-8)
    elbo = elbo_object(elbo_class, form)
    svi = numpyro.infer.SVI(by_batch(partial(model, form)), by_batch(partial(guide, form)), optimiser, elbo)

    def warm_up(state: Any, x: JaxArray, *noise: JaxArray, kl_weight: JaxArray) -> tuple[Any, JaxArray]:
        # SVI.evaluate draws from the key that SVI.update draws from: the same z, without the weight.
        unweighted = svi.evaluate(state, x, *noise)
        return svi.update(state, x, *noise, kl_weight=kl_weight)[0], unweighted

    def compiled(function: Callable[..., Any]) -> Any:
        numbers = form.noise_rows * batch * observed
        return jax.jit(function) if few_on is None else Rarely(function, ()).on(few_on, numbers=numbers)

    return BatchMeanSVI(svi, compiled(svi.init), compiled(svi.update), compiled(warm_up))


def fit(setting: Setting, params: Params, training: Training) -> Fit:
    """Adam on the batch-mean loss (model and guide scaled by 1/batch), everybody's noise or own random numbers.

    The KL weight is the scale of the latent site in model and guide. Raises ValueError for KL weights under a bound
    that is no sum of terms.
    """
    check_training(setting.form, params, training)
    batches = training.batches
    few = (setting.device, training.x.shape[1]) if len(batches) <= FEW_STEPS else ()
    program = batch_mean_svi(setting.elbo_class, setting.form, batches.shape[1], training.learning_rate, *few)
    first = setting.array(training.x[batches[0]])
    state = program.init(setting.key(training.seed), first, init_params=setting.weights(params))
    looks, losses, steps = Checkpoints(training), [], Steps(training, setting.device, setting.dtype)

    def ended(step: int) -> bool:
        return looks.end_at(step, lambda: to_arrays(program.svi.get_params(state)))

    for i in range(len(batches)):
        if ended(i):
            break
        data, now, weight = steps.next()
        noise = () if now is None else (now,)
        if weight is None:
            state, loss = program.update(state, data, *noise)
        else:
            state, loss = program.warm_up(state, data, *noise, kl_weight=weight)
        losses.append(loss)
    else:
        ended(len(batches))
    elbo = -jnp.stack(losses) if losses else jnp.zeros(0, str(setting.dtype))
    trained = to_arrays(program.svi.get_params(state))
    return Fit(elbo=to_array(elbo), params=trained, checkpoints=looks.kept, dtype=dtype_of(elbo))


def stepper(setting: Setting, params: Params, x: Array, seed: int) -> Stepper:
    """Compiled `SVI.update` on one batch; `compile` lowers and compiles ahead."""
    check_shapes(setting.form, params, x)
    data = setting.array(x)
    program = batch_mean_svi(setting.elbo_class, setting.form, len(x), 1e-3)
    state = program.init(setting.key(seed), data, init_params=setting.weights(params))
    one_step = program.update

    def compile_ahead() -> None:
        nonlocal one_step
        one_step = program.update.lower(state, data).compile()

    def step(k: int) -> None:
        nonlocal state
        for _ in range(k):
            state, _ = one_step(state, data)
        jax.block_until_ready(state)

    return Stepper(compile=compile_ahead, step=step)
