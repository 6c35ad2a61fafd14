"""The joined training step of the hand-written JAX VAE taken apart, for the clock: without one part, and parts alone.

All run as the step does: under a scan whose carry is donated, on arrays of the step's shapes and layouts. What a part
reads and leaves is carried from step to step through a barrier, so that no compiler drops or hoists any of it. Where
nothing is computed between the products, each still waits for the one before, as in the step: the first number of what
it takes in is the first number that came out.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.forms import Part, Parts, Workload
from elbo_compare.suites.jax_hand.forms import JaxTrainer, adam_update
from elbo_compare.suites.jax_hand.joined import cross_entropy, glu, joined_loss
from elbo_compare.suites.jax_hand.scanned import Scanned
from elbo_compare.suites.jax_hand.training import Adam, adam_start

Arrays = dict[str, JaxArray]
FIRST = "encoder.0"  # its input is data: nobody asks for the derivative by it


class Chain(NamedTuple):
    """What the products take in where nothing is computed between them: every layer's input, and the derivative by its
    output."""

    inputs: Arrays
    slopes: Arrays


def prepare(name: str, case: Workload) -> Parts:
    """The form `joined scan` in its parts. Raises KeyError for any other."""
    if name != "joined scan":
        raise KeyError(name)
    trainer = JaxTrainer(name, case)
    apart = _Apart(trainer, case.learning_rate)
    without = {Part.OPTIMISER: apart.without_optimiser(), Part.PASSES: apart.without_passes()}
    alone = {
        Part.PRODUCTS: apart.products(),
        Part.PASSES: apart.passes(),
        Part.OPTIMISER: apart.optimiser(),
        Part.NOISE: apart.noise(),
        Part.DATA: apart.data(),
    }
    return Parts(whole=trainer.step, without=without, alone=alone, quantum=apart.steps)


class _Apart:
    """Arrays of the step's shapes, filled once, and programs that have copies of them."""

    def __init__(self, trainer: JaxTrainer, rate: float) -> None:
        self.trainer, self.form, self.rate = trainer, trainer.form, rate
        self.batches, self.steps, self.rows = trainer.data, len(trainer.batches), trainer.data.shape[1]
        self.weights = jax.tree.map(jnp.copy, trainer.running.adam.params)  # the step donates its own
        self.layers = in_turn(self.form)
        shapes = {name: self.weights[f"{name}.weight"].shape for name in self.layers}
        self.chain = Chain(
            {name: self._filled((self.rows, shapes[name][0]), 1) for name in self.layers},
            {name: self._filled((self.rows, shapes[name][1]), 2) for name in self.layers},
        )
        self.gradient = {name: self._filled(weight.shape, 3) for name, weight in self.weights.items()}
        self.now = self._filled((1, self.rows, self.form.latent), 4)
        self.key = jax.random.key(5)

    def _filled(self, shape: tuple[int, ...], seed: int) -> JaxArray:
        return jax.device_put(jax.random.uniform(jax.random.key(seed), shape, self.batches.dtype), self.trainer.device)

    def _scanned(self, body: Callable[[Any, Any], tuple[Any, Any]], carry: Any, batches: Any = None) -> Scanned:
        return Scanned(body, carry, batches, self.steps)

    def without_optimiser(self) -> Scanned:
        """The gradient is left where Adam would have read it; the weights stay."""

        def body(carry: Any, x: JaxArray) -> tuple[Any, JaxArray]:
            weights, key, _ = carry
            key, noise = next_noise(key, self.now)
            loss, gradient = jax.value_and_grad(joined_loss)(weights, self.form, x, noise)
            return (weights, key, gradient), loss

        return self._scanned(body, (self.weights, self.key, self.gradient), self.batches)

    def without_passes(self) -> Scanned:
        """The products take in what is there, noise is drawn and left, and Adam takes what the products leave; the
        biases' derivatives, sums that belong to the passes, stay."""

        def body(carry: Any, x: JaxArray) -> tuple[Any, None]:
            adam, key, _, chain, by_bias = carry
            key, noise = next_noise(key, self.now)
            read = Chain(chain.inputs | {FIRST: x}, chain.slopes)
            gradient, chain = products(adam.params, read, self.layers)
            chain.inputs.pop(FIRST)
            return (adam_update(adam, gradient | by_bias, self.rate), key, noise, chain, by_bias), None

        by_bias = {name: slope for name, slope in self.gradient.items() if name.endswith(".bias")}
        inputs = {name: array for name, array in self.chain.inputs.items() if name != FIRST}
        chain = Chain(inputs, self.chain.slopes)
        return self._scanned(body, (adam_start(self.weights), self.key, self.now, chain, by_bias), self.batches)

    def products(self) -> Scanned:
        """Forward, by the weight and by the input, in the step's order, and nothing else."""

        def body(carry: Any, _: None) -> tuple[Any, None]:
            weights, chain, _gradient = carry
            gradient, chain = products(weights, chain, self.layers)
            return (weights, chain, gradient), None

        matrices = {name: weight for name, weight in self.weights.items() if name.endswith(".weight")}
        gradient = {name: self.gradient[name] for name in matrices}
        return self._scanned(body, (matrices, self.chain, gradient))

    def passes(self) -> Scanned:
        """Everything between the products, forward and backward, and the biases' derivatives."""
        biases = {name: self.weights[f"{name}.bias"] for name in self.layers}
        given = (self.chain.slopes, biases, self.batches[0], self.now)
        shaped = jax.eval_shape(partial(between, form=self.form), *given)
        arriving = tuple(self._filled(out.shape, 6) for out in shaped)

        def passed(raw: Arrays, biases: Arrays, x: JaxArray, noise: JaxArray, arriving: Any) -> Any:
            outputs, back = jax.vjp(partial(between, form=self.form, x=x, noise=noise), raw, biases)
            return outputs, back(arriving)

        return self._alone(passed, (*given, arriving))

    def optimiser(self) -> Scanned:
        """Adam on gradients that are there."""

        def body(carry: tuple[Adam, Arrays], _: None) -> tuple[tuple[Adam, Arrays], None]:
            adam, gradient = carry
            return (adam_update(adam, gradient, self.rate), gradient), None

        return self._scanned(body, (adam_start(self.weights), self.gradient))

    def noise(self) -> Scanned:
        """The next key and what it gives."""
        return self._scanned(lambda carry, _: (next_noise(carry[0], carry[1]), None), (self.key, self.now))

    def data(self) -> Scanned:
        """The next batch out of all of them."""
        return self._scanned(lambda _, x: (x, None), self.batches[0], self.batches)

    def _alone(self, one: Callable[..., Any], read: tuple[Any, ...]) -> Scanned:
        """`one` of the same arrays again and again."""
        left = jax.tree.map(jnp.zeros_like, jax.eval_shape(one, *read))

        def body(carry: Any, _: None) -> tuple[Any, None]:
            read, _left = carry
            return (read, one(*read)), None

        return self._scanned(body, (read, left))


def in_turn(form: Form) -> list[str]:
    """The joined layers as the data go through them."""
    sides = {side: [f"{side}.{i}" for i in range(form.gated_layers)] for side in ("encoder", "decoder")}
    return [*sides["encoder"], "heads", *sides["decoder"], "output"]


def products(weights: Arrays, chain: Chain, layers: Sequence[str]) -> tuple[Arrays, Chain]:
    """The products of a step in its order, each of which waits for the one before: forward, then by the weight and, but
    for the first layer, by the input. The derivatives by the weights, and the chain as it was read."""
    inputs, slopes, gradient = dict(chain.inputs), dict(chain.slopes), {}
    came_out: JaxArray | None = None
    for name in layers:
        if came_out is not None:
            inputs[name] = _after(inputs[name], came_out)
        came_out = inputs[name] @ weights[f"{name}.weight"]
    for name in reversed(layers):
        slopes[name] = _after(slopes[name], came_out)
        gradient[f"{name}.weight"] = inputs[name].T @ slopes[name]
        if name != FIRST:
            came_out = slopes[name] @ weights[f"{name}.weight"].T
    return gradient, Chain(inputs, slopes)


def _after(array: JaxArray, other: Any) -> JaxArray:
    """The array with the other's first number as its own."""
    return array.at[0, 0].set(other[0, 0])


def next_noise(key: JaxArray, like: JaxArray) -> tuple[JaxArray, JaxArray]:
    """The next key, and noise of that shape."""
    key, now = jax.random.split(key)
    return key, jax.random.normal(now, like.shape, like.dtype)


def between(raw: Arrays, biases: Arrays, x: JaxArray, noise: JaxArray, *, form: Form) -> tuple[JaxArray, ...]:
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
