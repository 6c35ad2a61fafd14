"""Training on the library's losses by JAX's own Adam, with everybody's noise or own random numbers, and steps for the
clock. The library's minimisers take one loss for all steps; a VAE's changes with the batch."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array as JaxArray
from jax.example_libraries import optimizers

from elbo_compare.suites.bridge.form import Form, check_shapes
from elbo_compare.suites.bridge.jax_arrays import dtype_of, to_array, to_arrays
from elbo_compare.suites.bridge.jax_batches import Steps
from elbo_compare.suites.bridge.training import Checkpoints, check_training
from elbo_compare.suites.contract import Array, Fit, Params, Stepper, Training
from elbo_compare.suites.tfp_ppl.evaluation import Setting, kl_losses
from elbo_compare.suites.tfp_ppl.library import Public, Weights
from elbo_compare.suites.tfp_ppl.vae import losses


class State(NamedTuple):
    """What a step changes: Adam's state, the number of completed steps, the key."""

    adam: Any
    step: JaxArray
    key: JaxArray


class Optimiser(NamedTuple):
    """Compiled: the state at the start, one step on a batch -> (state, unweighted loss), the weights of a state."""

    init: Callable[..., State]
    update: Any
    weights: Callable[[State], Weights]


@lru_cache
def optimiser(library: Public, form: Form, learning_rate: float) -> Optimiser:
    """Adam (beta 0.9, 0.999, epsilon 1e-8) on the batch mean of the library's losses."""
    adam: Any = optimizers.adam(learning_rate, b1=0.9, b2=0.999, eps=1e-8)
    begin, moved, weights_of = adam

    def init(weights: Weights, key: JaxArray) -> State:
        return State(begin(weights), jnp.zeros((), jnp.int32), key)

    def update(state: State, x: JaxArray, noise: JaxArray | None, weight: JaxArray | None) -> tuple[State, JaxArray]:
        now, later = jax.random.split(state.key)

        def loss(weights: Weights) -> tuple[JaxArray, JaxArray]:
            plain = losses(library, form, weights, x, now, noise).mean()
            if weight is None:
                return plain, plain
            # weight * KL - log p(x|z): the same z, since both losses draw from the same key or noise.
            given = () if noise is None else (noise,)
            kl = kl_losses(library, form, weights, x, now, *given).mean()
            return plain + (weight - 1.0) * kl, plain

        (_, plain), slopes = jax.value_and_grad(loss, has_aux=True)(weights_of(state.adam))
        return State(moved(state.step, slopes, state.adam), state.step + 1, later), plain

    return Optimiser(jax.jit(init), jax.jit(update), lambda state: weights_of(state.adam))


def fit(setting: Setting, params: Params, training: Training) -> Fit:
    """Adam on the batch-mean loss, everybody's noise or own random numbers.

    Raises ValueError for KL weights under a bound that is no sum of terms.
    """
    check_training(setting.form, params, training)
    program = optimiser(setting.library, setting.form, training.learning_rate)
    state = program.init(setting.weights(params), setting.key(training.seed))
    looks, found, steps = Checkpoints(training), [], Steps(training, setting.device, setting.dtype)

    def ended(step: int) -> bool:
        return looks.end_at(step, lambda: to_arrays(program.weights(state)))

    for i in range(len(training.batches)):
        if ended(i):
            break
        state, loss = program.update(state, *steps.next())
        found.append(loss)
    else:
        ended(len(training.batches))
    elbo = -jnp.stack(found) if found else jnp.zeros(0, str(setting.dtype))
    trained = to_arrays(program.weights(state))
    return Fit(elbo=to_array(elbo), params=trained, checkpoints=looks.kept, dtype=dtype_of(elbo))


def stepper(setting: Setting, params: Params, x: Array, seed: int) -> Stepper:
    """Compiled steps on one batch; `compile` lowers and compiles ahead."""
    check_shapes(setting.form, params, x)
    data = setting.array(x)
    program = optimiser(setting.library, setting.form, 1e-3)
    state = program.init(setting.weights(params), setting.key(seed))
    one_step: Any = partial(program.update, noise=None, weight=None)

    def compile_ahead() -> None:
        nonlocal one_step
        compiled = program.update.lower(state, data, None, None).compile()
        one_step = lambda state, x: compiled(state, x, None, None)  # noqa: E731

    def step(k: int) -> None:
        nonlocal state
        for _ in range(k):
            state, _ = one_step(state, data)
        jax.block_until_ready(state)

    return Stepper(compile=compile_ahead, step=step)
