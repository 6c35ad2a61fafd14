"""Many seeds at once in JAX: the training step of one replica, `jax.vmap`ped over stacked weights and keys."""

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

REPLICA_FIRST = Adam(params=0, first=0, second=0, steps=None)  # type: ignore[arg-type]  # axes, by field; one clock


@partial(jax.jit, static_argnames="form", donate_argnames=("state", "keys", "losses"))
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
) -> tuple[Adam, JaxArray, JaxArray]:
    """Steps start..stop - 1 of every replica in one loop: (state, next keys, losses with those steps filled in).

    Shapes: weights (replica, ...), keys (replica,), losses (replica, step), x (rows, observed), batches (replica, step,
    batch), noise (replica, step, noise_rows, batch, latent) or None for own random numbers. `start` and `stop` are no
    constants of the program, so that it compiles once whatever checkpoints are asked for.
    """

    def own(state: Adam, key: JaxArray, data: JaxArray) -> tuple[Adam, JaxArray, JaxArray]:
        return own_step(state, key, data, rate, form=form)

    def everybodys(state: Adam, data: JaxArray, now: JaxArray) -> tuple[Adam, JaxArray]:
        return adam_step(state, data, now, rate, form=form)

    def step(i: JaxArray, carry: tuple[Adam, JaxArray, JaxArray]) -> tuple[Adam, JaxArray, JaxArray]:
        state, keys, losses = carry
        data = x[batches[:, i]]
        if noise is None:
            draw = jax.vmap(own, in_axes=(REPLICA_FIRST, 0, 0), out_axes=(REPLICA_FIRST, 0, 0))
            state, keys, now = draw(state, keys, data)
        else:
            given = jax.vmap(everybodys, in_axes=(REPLICA_FIRST, 0, 0), out_axes=(REPLICA_FIRST, 0))
            state, now = given(state, data, noise[:, i])
        return state, keys, losses.at[:, i].set(now)

    return jax.lax.fori_loop(start, stop, step, (state, keys, losses))


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
        kept, done = {}, 0
        for stop in sorted({*checkpoints, steps} & set(range(steps + 1))):
            if stop > done:
                state, keys, losses = advance(state, keys, losses, *fixed, done, stop, learning_rate, form=self.form)
            if stop in checkpoints:
                kept[stop] = to_arrays(state.params)
            done = stop
        end = kept.get(steps) or to_arrays(state.params)
        return taken_apart(to_array(-losses), end, kept, dtype_of(losses))

    def _stacked(self, params: Params, replicas: int) -> Adam:
        """The state before the first step, the same weights for every replica, (replica, ...)."""
        weights = to_devices(params, self.device, self.dtype)
        return adam_start({name: jnp.repeat(weight[None], replicas, axis=0) for name, weight in weights.items()})
