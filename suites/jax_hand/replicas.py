"""Many seeds at once in JAX: the training of one replica, `jax.vmap`ped over stacked weights and keys, in groups."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array as JaxArray
from numpy.typing import NDArray

from suites.bridge.form import Form
from suites.bridge.jax_arrays import dtype_of, to_array, to_arrays, to_devices
from suites.bridge.replicas import check_replicas, taken_apart
from suites.contract import Array, Fit, Params
from suites.jax_hand.training import Adam, JaxHandSession, adam_start, adam_step, own_step

GROUP_BYTES = 16 * 2**20  # of Adam's state on a CPU, about what its caches hold; see `group_size`


def group_size(replicas: int, state_bytes: int, platform: str) -> int:
    """How many replicas step side by side: all on an accelerator, on a CPU as many as have their state in its caches.

    A step of one replica reads and writes its whole state. Stacked beyond the caches, that traffic takes longer than
    the matrix products, and S replicas side by side cost more than S trainings one after another.
    """
    return replicas if platform != "cpu" else max(1, min(replicas, GROUP_BYTES // max(1, state_bytes)))


@partial(jax.jit, static_argnames=("form", "group"), donate_argnames=("state", "keys", "losses"))
def advance(
    state: Adam,
    keys: JaxArray,
    losses: JaxArray,
    x: JaxArray,
    batches: JaxArray,
    noise: JaxArray | None,
    start: int,
    stop: int,
    rate: float,
    *,
    form: Form,
    group: int,
) -> tuple[Adam, JaxArray, JaxArray]:
    """Steps start..stop - 1 of every replica, `group` of them side by side (`jax.vmap`), group after group
    (`jax.lax.map`): (state, next keys, losses with those steps filled in).

    Shapes: state (replica, ...), keys (replica,), losses (replica, step), x (rows, observed), batches (replica, step,
    batch), noise (replica, step, noise_rows, batch, latent) or None for own random numbers. `start` and `stop` are no
    constants of the program, so that it compiles once whatever checkpoints are asked for.
    """

    def train(one: tuple[Adam, JaxArray, JaxArray, JaxArray, JaxArray | None]) -> tuple[Adam, JaxArray, JaxArray]:
        state, key, losses, rows, given = one

        def step(i: JaxArray, carry: tuple[Adam, JaxArray, JaxArray]) -> tuple[Adam, JaxArray, JaxArray]:
            state, key, losses = carry
            if given is None:
                state, key, loss = own_step(state, key, x[rows[i]], rate, form=form)
            else:
                state, loss = adam_step(state, x[rows[i]], given[i], rate, form=form)
            return state, key, losses.at[i].set(loss)

        return jax.lax.fori_loop(start, stop, step, (state, key, losses))

    return jax.lax.map(train, (state, keys, losses, batches, noise), batch_size=group)


class JaxHandReplicas(JaxHandSession):
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

        Replica i splits the key of its own seed as `fit` does, so its random numbers are those of `fit`.
        """
        check_replicas(self.form, params, x, batches, seeds, noise)
        replicas, steps, _ = batches.shape
        state = self._stacked(params, replicas)
        keys = jnp.stack([self._key(seed) for seed in seeds])
        losses = self._array(np.zeros((replicas, steps)))
        rows = jax.device_put(np.asarray(batches, np.int32), self.device)
        fixed = self._array(x), rows, None if noise is None else self._array(noise)
        platform, size = next(iter(losses.devices())).platform, sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        one = partial(advance, form=self.form, group=group_size(replicas, size // replicas, platform))
        kept, done = {}, 0
        for stop in sorted({*checkpoints, steps} & set(range(steps + 1))):
            if stop > done:
                state, keys, losses = one(state, keys, losses, *fixed, done, stop, learning_rate)
            if stop in checkpoints:
                kept[stop] = to_arrays(state.params)
            done = stop
        end = kept.get(steps) or to_arrays(state.params)
        return taken_apart(to_array(-losses), end, kept, dtype_of(losses))

    def _stacked(self, params: Params, replicas: int) -> Adam:
        """The state before the first step, the same for every replica, (replica, ...)."""
        one = adam_start(to_devices(params, self.device, self.dtype))
        return jax.tree.map(lambda leaf: jnp.repeat(leaf[None], replicas, axis=0), one)
