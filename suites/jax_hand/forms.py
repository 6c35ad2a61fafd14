"""Named training forms of the hand-written JAX VAE, for the clock; see `suites.forms` for what each one is."""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form, form_of
from elbo_compare.suites.bridge.jax_arrays import initial_weights, open_device, random_key, to_arrays, to_device
from elbo_compare.suites.bridge.jax_counts import count_program
from elbo_compare.suites.contract import Params
from elbo_compare.suites.forms import Trainer, Workload
from elbo_compare.suites.jax_hand.joined import join, joined_loss, refuse_other_forms, split
from elbo_compare.suites.jax_hand.training import Adam, adam_start, own_step
from elbo_compare.suites.jax_hand.vae import batch_loss

NAMES = ("loop", "donated", "scan", "joined", "joined scan")


class Running(NamedTuple):
    """What a step takes and gives: Adam's state and the next random key."""

    adam: Adam
    key: JaxArray


def adam_update(state: Adam, gradient: Any, rate: float) -> Adam:
    """Kingma and Ba 2015, algorithm 1, beta 0.9 and 0.999, epsilon 1e-8; both corrections once per step, as numbers."""
    steps = state.steps + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state.first, gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, state.second, gradient)
    by_first, by_second = 1.0 / (1.0 - 0.9**steps), 1.0 / (1.0 - 0.999**steps)
    params = jax.tree.map(
        lambda w, m, v: w - rate * (m * by_first) / (jnp.sqrt(v * by_second) + 1e-8), state.params, first, second
    )
    return Adam(params, first, second, steps)


def next_step(running: Running, x: JaxArray, *, form: Form, rate: float, joined: bool) -> tuple[Running, JaxArray]:
    """One step on its own noise and the loss before it; the key is split as `training.own_step` splits it."""
    key, now = jax.random.split(running.key)
    noise = jax.random.normal(now, (1, len(x), form.latent), x.dtype)
    if joined:
        loss, gradient = jax.value_and_grad(joined_loss)(running.adam.params, form, x, noise)
    else:
        (loss, _), gradient = jax.value_and_grad(batch_loss, has_aux=True)(running.adam.params, form, x, noise)
    return Running(adam_update(running.adam, gradient, rate), key), loss


def plain_step(running: Running, x: JaxArray, *, form: Form, rate: float) -> tuple[Running, JaxArray]:
    """One step exactly as `training.py` takes it."""
    adam, key, loss = own_step(running.adam, running.key, x, rate, form=form)
    return Running(adam, key), loss


@lru_cache
def program_of(name: str, form: Form, rate: float) -> jax.stages.Wrapped:
    """The compiled step or epoch, one per process: forms prepared again share it."""
    one: Any = partial(next_step, form=form, rate=rate, joined="joined" in name)
    if name == "loop":
        one = partial(plain_step, form=form, rate=rate)
    program = partial(jax.lax.scan, one) if "scan" in name else one
    return jax.jit(program, donate_argnums=() if name == "loop" else 0)


def prepare(name: str, case: Workload) -> Trainer:
    """The form of that name. Raises RuntimeError where the device is missing, KeyError for an unknown name."""
    if name not in NAMES:
        raise KeyError(name)
    return JaxTrainer(name, case).trainer()


class JaxTrainer:
    """Adam's state on the device, and one compiled program for a step or for an epoch."""

    def __init__(self, name: str, case: Workload):
        self.form, self.device = form_of(case.problem, case.estimator), open_device(case.device, case.dtype)
        self.joined, self.scanned = "joined" in name, "scan" in name
        weights = initial_weights(case, self.device)
        if self.joined:
            refuse_other_forms(self.form)
            weights = jax.device_put(join(self.form, weights), self.device)
        self.running = Running(adam_start(weights), random_key(case.seed, self.device))
        self.data = to_device(case.batches, self.device, case.dtype)
        self.batches = list(self.data)  # sliced once: the loop gets its batch as it is
        self.program = program_of(name, self.form, case.learning_rate)
        self.run: Any = self.program
        self.done = 0

    def trainer(self) -> Trainer:
        """The form as the harness takes it."""
        quantum = len(self.batches) if self.scanned else 1
        return Trainer(
            step=self.step, weights=self.weights, compile=self.compile_ahead, quantum=quantum, count=self.count
        )

    @property
    def first_data(self) -> JaxArray:
        """What the program takes besides the state: all batches, or one."""
        return self.data if self.scanned else self.batches[0]

    def compile_ahead(self) -> None:
        """Lower and compile for the shapes at hand."""
        self.run = self.program.lower(self.running, self.first_data).compile()

    def step(self, k: int) -> float:
        """k steps; returns the last loss after the device has finished."""
        loss: Any = np.zeros(())  # the host's own: one made by JAX would travel
        for _ in range(k // len(self.batches) if self.scanned else k):
            data = self.data if self.scanned else self.batches[self.done % len(self.batches)]
            self.running, loss = self.run(self.running, data)
            self.done += 1
        jax.block_until_ready(self.running.adam)
        return float(np.ravel(loss)[-1])  # chosen on the host: a number that chooses on the device would travel

    def weights(self) -> Params:
        """The weights by their canonical names."""
        params = self.running.adam.params
        return to_arrays(split(self.form, params) if self.joined else params)

    def count(self) -> dict[str, float]:
        """Of the compiled program."""
        if not isinstance(self.run, jax.stages.Compiled):
            self.compile_ahead()
        return count_program(self.run, self.running.adam.params)
