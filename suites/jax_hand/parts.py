"""The joined training step of the hand-written JAX VAE taken apart, for the clock: every part under a scan by itself.

Each part does what the step does of it, on arrays of the step's shapes and layouts. What a part reads and
leaves is carried from step to step through a barrier, so that no compiler drops or hoists any of it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.forms import Part, Parts, Workload
from elbo_compare.suites.jax_hand.forms import JaxTrainer, adam_update
from elbo_compare.suites.jax_hand.joined import cross_entropy, glu
from elbo_compare.suites.jax_hand.training import adam_start

Arrays = dict[str, JaxArray]
One = Callable[[Any, Any, Any], Any]  # what is read, what the step before left, its number -> what this one leaves


def prepare(name: str, case: Workload) -> Parts:
    """The form `joined scan` in its parts. Raises KeyError for any other."""
    if name != "joined scan":
        raise KeyError(name)
    trainer = JaxTrainer(name, case)
    form, steps, rows = trainer.form, len(trainer.batches), trainer.data.shape[1]
    weights = jax.tree.map(jnp.copy, trainer.running.adam.params)  # the step donates its own
    layers = [each.removesuffix(".weight") for each in weights if each.endswith(".weight")]
    shapes = {each: weights[f"{each}.weight"].shape for each in layers}
    dtype = trainer.data.dtype

    def filled(shape: tuple[int, ...], seed: int) -> JaxArray:
        return jax.device_put(jax.random.uniform(jax.random.key(seed), shape, dtype), trainer.device)

    inputs = {each: filled((rows, shapes[each][0]), 1) for each in layers}
    slopes = {each: filled((rows, shapes[each][1]), 2) for each in layers}
    matrices = {each: weights[f"{each}.weight"] for each in layers}
    biases = {each: weights[f"{each}.bias"] for each in layers}
    noise = filled((1, rows, form.latent), 3)
    outputs = jax.eval_shape(partial(between, form=form, x=trainer.data[0], noise=noise), slopes, biases)
    arriving = tuple(filled(out.shape, 4) for out in outputs)
    gradient = {name: filled(weight.shape, 5) for name, weight in weights.items()}
    given: dict[Part, tuple[One, Any, Any]] = {
        Part.PRODUCTS: (lambda read, _, count: products(*read), (matrices, inputs, slopes), None),
        Part.PASSES: (
            lambda read, _, count: passes(read, form),
            (slopes, biases, arriving, trainer.data[0], noise),
            None,
        ),
        Part.OPTIMISER: (
            lambda read, state, count: adam_update(state, read, case.learning_rate),
            gradient,
            adam_start(weights),
        ),
        Part.NOISE: (lambda read, state, count: next_noise(state), None, (jax.random.key(6), noise)),
        Part.DATA: (lambda read, _, count: read[count], trainer.data, trainer.data[0]),
    }
    return Parts(whole=trainer.step, alone={part: Alone(*how, steps) for part, how in given.items()}, quantum=steps)


class Alone:
    """`steps` times one part under a scan, compiled once."""

    def __init__(self, one: One, read: Any, left: Any, steps: int) -> None:
        self.steps = steps
        if left is None:
            left = jax.tree.map(jnp.zeros_like, jax.eval_shape(one, read, None, 0))
        self.given = (read, left)

        def body(carry: tuple[JaxArray, Any, Any], _: None) -> tuple[tuple[JaxArray, Any, Any], None]:
            count, read, left = jax.lax.optimization_barrier(carry)
            return (count + 1, read, one(read, left, count)), None

        self.program = jax.jit(lambda read, left: jax.lax.scan(body, (jnp.int32(0), read, left), None, steps)[0][2])

    def __call__(self, k: int) -> None:
        """k steps' worth, k a multiple of `steps`."""
        found = None
        for _ in range(k // self.steps):
            found = self.program(*self.given)
        jax.block_until_ready(found)


def products(matrices: Arrays, inputs: Arrays, slopes: Arrays) -> list[JaxArray]:
    """Forward, by the weight, and by the input where that is no data."""
    found = []
    for name, matrix in matrices.items():
        found += [inputs[name] @ matrix, inputs[name].T @ slopes[name]]
        if name != "encoder.0":
            found.append(slopes[name] @ matrix.T)
    return found


def passes(read: Any, form: Form) -> Any:
    """Everything between the products, forward and backward, and the biases' derivatives."""
    raw, biases, arriving, x, noise = read
    outputs, back = jax.vjp(partial(between, form=form, x=x, noise=noise), raw, biases)
    return outputs, back(arriving)


def next_noise(state: tuple[JaxArray, JaxArray]) -> tuple[JaxArray, JaxArray]:
    """The next key and noise of the same shape."""
    following, now = jax.random.split(state[0])
    return following, jax.random.normal(now, state[1].shape, state[1].dtype)


def between(raw: Arrays, biases: Arrays, *, form: Form, x: JaxArray, noise: JaxArray) -> tuple[JaxArray, ...]:
    """What `joined_loss` computes between its products, from every layer's H W: what each product takes in, in order,
    and the loss. Raw shapes: (batch, out) by layer."""
    raw = {name: raw[name] + biases[name] for name in raw}
    found = [glu(raw[f"encoder.{i}"]) for i in range(form.gated_layers)]
    mean, log_var = jnp.split(raw["heads"], 2, -1)
    z = mean + jnp.exp(0.5 * log_var) * noise[0]
    kl = 0.5 * jnp.sum(z**2 - log_var - noise[0] ** 2)
    found.append(z)
    found += [glu(raw[f"decoder.{i}"]) for i in range(form.gated_layers)]
    return (*found, (kl + cross_entropy(raw["output"], x)) / len(x))
