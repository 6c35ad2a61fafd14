"""Many seeds at once in JAX: the training of one replica, `jax.vmap`ped over stacked weights and keys, in groups."""

from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.bridge.jax_arrays import dtype_of, to_array, to_arrays
from elbo_compare.suites.bridge.training import check_replicas, taken_apart
from elbo_compare.suites.contract import Fit, Params, Training
from elbo_compare.suites.jax_hand.evaluation import Setting
from elbo_compare.suites.jax_hand.layers import Weights
from elbo_compare.suites.jax_hand.training import Adam, adam_step, own_step

Carry: TypeAlias = tuple[Adam, JaxArray, JaxArray]  # state, next key, losses so far

STATES = 3  # of a weight's size in Adam's state: the weight and two means
GROUP_BYTES = 16 * 2**20  # of Adam's state on a CPU, about what its caches hold; see `group_size`


def group_size(replicas: int, state_bytes: int, platform: str) -> int:
    """How many replicas step side by side: all on an accelerator, on a CPU as many as have their state in its caches.

    A step of one replica reads and writes its whole state. Stacked beyond the caches, that traffic takes longer than
    the matrix products, and S replicas side by side cost more than S trainings one after another.
    """
    return replicas if platform != "cpu" else max(1, min(replicas, GROUP_BYTES // max(1, state_bytes)))


@partial(jax.jit, static_argnames=("form", "group"))
def train(
    params: Weights,
    keys: JaxArray,
    x: JaxArray,
    batches: JaxArray,
    noise: JaxArray | None,
    stops: JaxArray,
    rate: JaxArray,
    *,
    form: Form,
    group: int,
) -> tuple[JaxArray, Weights]:
    """The training of every replica, `group` of them side by side (`jax.vmap`), group after group (`jax.lax.map`):
    (losses, the weights after each of `stops` steps).

    Shapes: keys (replica,), x (rows, observed), batches (replica, step, batch), noise (replica, step, noise_rows,
    batch, latent) or None for own random numbers, stops (stop,), rising; losses (replica, step), weights (replica,
    stop, ...). `stops` are no constants of the program, so that it compiles once for as many checkpoints wherever they
    lie. Adam's state is made in the group's own loop: only one group's lies in memory, and none of it travels.
    """
    steps, zeros = batches.shape[1], partial(jax.tree.map, jnp.zeros_like)
    starts = jnp.concatenate([jnp.zeros(1, stops.dtype), stops[:-1]])

    def one(replica: tuple[JaxArray, JaxArray, JaxArray | None]) -> tuple[JaxArray, Weights]:
        key, rows, given = replica

        def step(i: JaxArray, carry: Carry) -> Carry:
            state, key, losses = carry
            if given is None:
                state, key, loss = own_step(state, key, x[rows[i]], rate, form=form)
            else:
                state, loss = adam_step(state, x[rows[i]], given[i], rate, form=form)
            return state, key, losses.at[i].set(loss)

        def until(stop: int, carry: tuple[Carry, Weights]) -> tuple[Carry, Weights]:
            (state, *rest), kept = carry
            state, *rest = jax.lax.fori_loop(starts[stop], stops[stop], step, (state, *rest))
            return (state, *rest), jax.tree.map(lambda all_, now: all_.at[stop].set(now), kept, state.params)

        kept = jax.tree.map(lambda weight: jnp.zeros((len(stops), *weight.shape), weight.dtype), params)
        start: Carry = (Adam(params, zeros(params), zeros(params), jnp.int32(0)), key, jnp.zeros(steps, x.dtype))
        (_, _, losses), kept = jax.lax.fori_loop(0, len(stops), until, (start, kept))
        return losses, kept

    return jax.lax.map(one, (keys, batches, noise), batch_size=group)


def fit_replicas(setting: Setting, params: Params, trainings: tuple[Training, ...]) -> tuple[Fit, ...]:
    """`fit` of every replica: the same steps on weights (replica, ...). See `ReplicaSession.fit_replicas`.

    Replica i splits the key of its own seed as `fit` does, so its random numbers are those of `fit`.
    """
    check_replicas(setting.form, params, trainings)
    first, steps, count = trainings[0], len(trainings[0].batches), len(trainings)
    weights = setting.weights(params)
    keys = jnp.stack([setting.key(each.seed) for each in trainings])
    batches = np.stack([each.batches for each in trainings]).astype(np.int32)  # replica, step, batch
    noise = None if first.noise is None else setting.array(np.stack([np.asarray(each.noise) for each in trainings]))
    stops = sorted({*first.checkpoints, steps} & set(range(steps + 1)))
    losses, kept = train(
        weights,
        keys,
        setting.array(first.x),
        jax.device_put(batches, setting.device),
        noise,
        jax.device_put(np.asarray(stops, np.int32), setting.device),
        setting.array(np.asarray(first.learning_rate)),
        form=setting.form,
        group=group_size(count, STATES * sum(weight.nbytes for weight in weights.values()), setting.device.platform),
    )
    stacks = to_arrays(kept)
    at = {stop: {name: stack[:, i] for name, stack in stacks.items()} for i, stop in enumerate(stops)}
    wanted = {stop: at[stop] for stop in stops if stop in first.checkpoints}
    return taken_apart(to_array(-losses), at[steps], wanted, dtype_of(losses))
