"""A hand-written JAX loss at a tape: traced once for each shape, its noise read, its gradient taken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from elbo_compare.suites.bridge.jax_steps import Op, Steps, traced
from elbo_compare.suites.bridge.pairs.jax_holders import Held
from elbo_compare.suites.bridge.pairs.jax_weights import JaxGradients, seeded
from elbo_compare.suites.bridge.pairs.records import NAMED, OWN_ONLY, Asked, ProgramError, Run, SiteFacts, Total
from elbo_compare.suites.bridge.tape import Drawn, Tape
from elbo_compare.suites.bridge.user_arrays import leaves
from elbo_compare.suites.tracing.compiling import QUICK_TO_COMPILE

WRAPPING = ("random_wrap", "random_unwrap", "copy", "copy_p")  # a key in another form


@dataclass(kw_only=True)
class _Program:
    """One trace. same: draw -> the earlier one of the same key and shape, whose noise it has. compiled: by whether it
    gives a gradient too."""

    steps: Steps
    output: int
    same: dict[int, int]
    compiled: dict[bool, Any] = field(default_factory=dict)


class JaxLoss:
    """LOSS, with the interface of `numpyro_pair.NumPyroPair`.

    Two draws with one key meet one noise, as in JAX; every other draw reads the tape in the order of the program.
    """

    def __init__(self, loss: Callable[..., Any]):
        self.held = Held(loss)
        self._programs: dict[Any, _Program] = {}

    def weights(self, args: Sequence[Any]) -> tuple[Any, Any]:
        """(path -> array, no state)."""
        return self.held.weights, {}

    def facts(self, args: Sequence[Any], params: Any, state: Any) -> list[SiteFacts]:
        """A loss has no sites."""
        return []

    def run(
        self,
        args: Sequence[Any],
        params: Any,
        state: Any,
        tape: Tape,
        gradients: JaxGradients | None = None,
        asked: Asked = OWN_ONLY,
    ) -> Run:
        """The loss's value at the tape, and with `gradients` its gradient. One value per datum is summed."""
        one = self._program(args, params)
        noises, found = [], {}
        for place, op in enumerate(one.steps.draws):
            if place not in one.same:
                found[place] = _noise(tape, op)
            noises.append(found[one.same.get(place, place)])
        given = (params, noises, list(args), seeded(tape.seed))
        (value, size), slope = _run(one, given, slopes=gradients is not None)
        grads = gradients.of([Total.LOSS.value], lambda _: slope) if gradients else {}
        opaque = [(op.drawn.value, op.shape) for op in one.steps.ops if op.opaque]
        return Run(
            values={Total.LOSS.value: float(value)},
            scales={Total.LOSS.value: float(size)},
            draws=(*((draw.kind.value, draw.shape) for draw in tape.drawn), *opaque),
            gradients=grads,
        )

    def _program(self, args: Sequence[Any], params: Any) -> _Program:
        place = tuple((jnp.shape(each), str(each.dtype)) for each in args)
        if place not in self._programs:
            names: list[str] = []

            def program(weights: Any, rows: Any, key: Any) -> list[Any]:
                made = [(n, v) for n, v in leaves(self.held.call(weights, rows, key)) if _is_number(v)]
                names[:] = [name for name, _ in made]
                return [jnp.asarray(value) for _, value in made]

            steps = traced(program, params, list(args), seeded(0))
            self._programs[place] = _Program(steps=steps, output=_loss_of(names, steps), same=_repeated(steps))
        return self._programs[place]


def _run(one: _Program, given: Any, *, slopes: bool) -> Any:
    """((sum, sum of the absolute elements), the gradient of the sum by the weights, None without `slopes`): one program
    for both, where both are wanted at these shapes."""

    def value(weights: Any, noises: Any, rows: Any, key: Any) -> tuple[Any, Any]:
        inputs = jax.tree.leaves((weights, rows, key))
        made = one.steps.evaluate(inputs, noises)[one.steps.outputs[one.output]]
        return jnp.sum(made), jnp.sum(jnp.abs(made))

    def sloped(*each: Any) -> Any:
        found, pulled, size = jax.vjp(lambda weights: value(weights, *each[1:]), each[0], has_aux=True)
        return (found, size), pulled(jnp.ones_like(found))[0]

    slopes = slopes or True in one.compiled
    if slopes not in one.compiled:
        function = sloped if slopes else lambda *each: (value(*each), None)
        one.compiled[slopes] = jax.jit(function).lower(*given).compile(compiler_options=QUICK_TO_COMPILE)
    return one.compiled[slopes](*given)


def _noise(tape: Tape, op: Op) -> Any:
    return tape.normal(op.shape, op.name) if op.drawn is Drawn.NORMAL else tape.uniform(op.shape, by=op.name)


def _repeated(steps: Steps) -> dict[int, int]:
    """Draws that have the key and the shape of an earlier one."""
    makers = {number: op for op in steps.ops for number in op.makes}
    seen: dict[Any, int] = {}
    same = {}
    for place, op in enumerate(steps.draws):
        key = op.reads[0]
        while key in makers and makers[key].name in WRAPPING:
            key = makers[key].reads[0]
        first = seen.setdefault((key, op.shape, op.drawn), place)
        if first != place:
            same[place] = first
    return same


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jnp.floating))


def _loss_of(names: Sequence[str], steps: Steps) -> int:
    """Which output would be minimised: the first that is called loss, else the first."""
    if not names:
        raise ProgramError("the loss returned no array and no number: return what is minimised")
    named = [place for place, name in enumerate(names) if name.rpartition(".")[2].lower() in NAMED]
    return named[0] if named else 0
