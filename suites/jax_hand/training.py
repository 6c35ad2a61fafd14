"""Training by hand in JAX: Adam, with everybody's noise or own random numbers, and steps for the clock."""

import inspect
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form, check_shapes
from elbo_compare.suites.bridge.jax_arrays import dtype_of, to_array, to_arrays
from elbo_compare.suites.bridge.jax_batches import Steps
from elbo_compare.suites.bridge.jax_rarely import FEW_STEPS, Rarely
from elbo_compare.suites.bridge.training import Checkpoints, check_training
from elbo_compare.suites.contract import Array, Fit, Params, Stepper, Training
from elbo_compare.suites.jax_hand.evaluation import Setting
from elbo_compare.suites.jax_hand.layers import Weights
from elbo_compare.suites.jax_hand.noise import base_noise
from elbo_compare.suites.jax_hand.vae import batch_loss


class Adam(NamedTuple):
    """Weights, running means of the gradient and of its square, and the number of completed steps."""

    params: Weights
    first: Weights
    second: Weights
    steps: JaxArray


def adam_start(params: Weights) -> Adam:
    """The state before the first step; placed as later states are, so that the step compiles once."""

    def zeros(weight: JaxArray) -> JaxArray:
        return jax.device_put(np.zeros(weight.shape, weight.dtype), weight.device)

    steps = jax.device_put(np.int32(0), next(iter(params.values())).device)
    return Adam(params, jax.tree.map(zeros, params), jax.tree.map(zeros, params), steps)


@partial(jax.jit, static_argnames="form")
def adam_step(
    state: Adam, x: JaxArray, noise: JaxArray, rate: JaxArray | float, kl_weight: JaxArray | None = None, *, form: Form
) -> tuple[Adam, JaxArray]:
    """One step and the negative ELBO before it. Kingma and Ba 2015, algorithm 1, beta 0.9 and 0.999, epsilon 1e-8.

    Outside of a compiled program `rate` is an array on the device: a Python number would travel at every call.
    """
    differentiate = jax.value_and_grad(batch_loss, has_aux=True)
    (loss, terms), gradient = differentiate(state.params, form, x, noise, kl_weight)
    if kl_weight is not None:
        loss = terms.kl - terms.log_likelihood
    steps = state.steps + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state.first, gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, state.second, gradient)

    def update(weight: JaxArray, m: JaxArray, v: JaxArray) -> JaxArray:
        m_hat, v_hat = m / (1.0 - 0.9**steps), v / (1.0 - 0.999**steps)
        return weight - rate * m_hat / (jnp.sqrt(v_hat) + 1e-8)

    return Adam(jax.tree.map(update, state.params, first, second), first, second, steps), loss


@partial(jax.jit, static_argnames="form")
def own_step(
    state: Adam, key: JaxArray, x: JaxArray, rate: JaxArray | float, kl_weight: JaxArray | None = None, *, form: Form
) -> tuple[Adam, JaxArray, JaxArray]:
    """`adam_step` on noise of its own: (state, next key, negative ELBO)."""
    key, now = jax.random.split(key)
    state, loss = adam_step(state, x, base_noise(now, form, (len(x),), x), rate, kl_weight, form=form)
    return state, key, loss


RARELY = tuple(Rarely(inspect.unwrap(step), ("form",)) for step in (own_step, adam_step))  # for a few steps


def fit(setting: Setting, params: Params, training: Training) -> Fit:
    """Adam on the batch-mean loss, with everybody's noise or own random numbers.

    Raises ValueError for KL weights under a bound that is no sum of terms.
    """
    form, count = setting.form, len(training.batches)
    check_training(form, params, training)
    steps, rate = Steps(training, setting.device, setting.dtype), setting.array(np.asarray(training.learning_rate))
    state, key = adam_start(setting.weights(params)), setting.key(training.seed)
    looks, losses = Checkpoints(training), []
    own, given = own_step, adam_step
    if count <= FEW_STEPS:
        numbers = form.noise_rows * training.batches.shape[1] * training.x.shape[1]
        own, given = (each.on(setting.device, numbers=numbers) for each in RARELY)

    def ended(step: int) -> bool:
        return looks.end_at(step, lambda: to_arrays(state.params))

    for i in range(count):
        if ended(i):
            break
        data, noise, weight = steps.next()
        if noise is None:
            state, key, loss = own(state, key, data, rate, weight, form=form)
        else:
            state, loss = given(state, data, noise, rate, weight, form=form)
        losses.append(loss)
    else:
        ended(count)
    elbo = -jnp.stack(losses) if losses else jnp.zeros(0, str(setting.dtype))
    return Fit(elbo=to_array(elbo), params=to_arrays(state.params), checkpoints=looks.kept, dtype=dtype_of(elbo))


def stepper(setting: Setting, params: Params, x: Array, seed: int) -> Stepper:
    """Compiled steps on one batch; `compile` lowers and compiles ahead."""
    check_shapes(setting.form, params, x)
    state, key = adam_start(setting.weights(params)), setting.key(seed)
    data, rate = setting.array(x), setting.array(np.asarray(1e-3))
    one_step = partial(own_step, form=setting.form)

    def compile_ahead() -> None:
        nonlocal one_step
        one_step = own_step.lower(state, key, data, rate, form=setting.form).compile()

    def step(k: int) -> None:
        nonlocal state, key
        for _ in range(k):
            state, key, _ = one_step(state, key, data, rate)
        jax.block_until_ready(state)

    return Stepper(compile=compile_ahead, step=step)
