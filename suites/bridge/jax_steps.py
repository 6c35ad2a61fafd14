"""A traced JAX function as a list of steps that can be evaluated again: at other noise, without cuts, parts put in.

`jax.random.normal` shows in a trace as one named call, whatever key it has, under `vmap` too; the steps take its noise
from outside. A stop_gradient is a step of its own, and may be left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.extend import core

from elbo_compare.suites.bridge.tape import Drawn
from elbo_compare.suites.tracing.compiling import each_once

INLINE = ("jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2", "custom_vjp_call_jaxpr")
NORMAL, UNIFORM, DROPPING = "_normal_real", "_uniform", "_bernoulli"
OPAQUE = frozenset(
    ("_gumbel", "_gamma", "_beta", "_truncated_normal", "_exponential", "_laplace", "_randint", "_shuffle")
)
OURS = (str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "compare"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Op:
    """One step. kind: `bind` (a primitive), `draw` (noise from outside), `cut` (a stop_gradient)."""

    kind: str
    name: str
    reads: tuple[int, ...]
    makes: tuple[int, ...]
    equation: Any = None
    drawn: Drawn = Drawn.NORMAL
    shape: tuple[int, ...] = ()
    opaque: bool = False  # the first step of a draw that only JAX can make
    place: str = ""


@dataclass(kw_only=True)
class Steps:
    """A whole trace. inputs, outputs: numbers of arrays; constants: arrays by number."""

    ops: list[Op] = field(default_factory=list)
    constants: dict[int, Any] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    size: int = 0

    def behind(self, numbers: Iterable[int]) -> frozenset[int]:
        """The places of the steps that arrays are made by, and of those before them."""
        wanted, places = set(numbers), set()
        for place in reversed(range(len(self.ops))):
            if wanted.intersection(self.ops[place].makes):
                places.add(place)
                wanted.update(self.ops[place].reads)
        return frozenset(places)

    @property
    def draws(self) -> list[Op]:
        """The draws whose noise comes from outside, in order."""
        return [op for op in self.ops if op.kind == "draw"]

    @property
    def cuts(self) -> list[Op]:
        """The stop_gradients, in order."""
        return [op for op in self.ops if op.kind == "cut"]

    def evaluate(
        self,
        inputs: Sequence[Any],
        noises: Sequence[Any],
        *,
        restored: frozenset[int] | None = frozenset(),
        replaced: Mapping[int, Any] | None = None,
        only: frozenset[int] | None = None,
    ) -> list[Any]:
        """Every array by its number. restored: the cuts that are left out (None: all); replaced: step -> its result;
        only: the steps that are run (None: all), the others' arrays being None."""
        values: list[Any] = [None] * self.size
        for number, value in [*self.constants.items(), *zip(self.inputs, inputs, strict=True)]:
            values[number] = value
        noise, cut = iter(noises), -1
        for place, op in enumerate(self.ops):
            cut += op.kind == "cut"
            if only is not None and place not in only:
                if op.kind == "draw":
                    next(noise)
                continue
            read = [values[number] for number in op.reads]
            if op.kind == "draw":
                made = [next(noise) if op.drawn is Drawn.NORMAL else read[1] + (read[2] - read[1]) * next(noise)]
            elif op.kind == "cut" and (restored is None or cut in restored):
                made = read
            else:
                made = _bound(op.equation, read)
            if replaced and place in replaced:
                made = [replaced[place].reshape(made[0].shape), *made[1:]]
            for number, value in zip(op.makes, made, strict=True):
                values[number] = value
        return values


def _bound(equation: Any, read: list[Any]) -> list[Any]:
    found = equation.primitive.get_bind_params(equation.params)
    functions, params = found if isinstance(found, tuple) else ((), found)  # the pair is that of older releases
    made = equation.primitive.bind(*functions, *read, **params)
    return list(made) if equation.primitive.multiple_results else [made]


def traced(function: Any, *arguments: Any, once: bool = False) -> Steps:
    """The steps of `function(*arguments)`; inputs and outputs are the leaves, in order.

    once: steps that are alike stand once, draws by the same key among them.
    """
    closed = jax.make_jaxpr(function)(*arguments)
    if once:
        closed = closed.replace(jaxpr=each_once(closed.jaxpr))
    steps, numbers = Steps(), {}
    for variable in closed.jaxpr.invars:
        numbers[variable] = _new(steps)
        steps.inputs.append(numbers[variable])
    _constants(steps, numbers, closed)
    _walk(steps, numbers, closed.jaxpr, "")
    steps.outputs = [_number(steps, numbers, variable) for variable in closed.jaxpr.outvars]
    return steps


def _new(steps: Steps) -> int:
    steps.size += 1
    return steps.size - 1


def _constants(steps: Steps, numbers: dict[Any, int], closed: Any) -> None:
    for variable, value in zip(closed.jaxpr.constvars, closed.consts, strict=True):
        numbers[variable] = _new(steps)
        steps.constants[numbers[variable]] = value


def _number(steps: Steps, numbers: dict[Any, int], variable: Any) -> int:
    if isinstance(variable, core.Literal):
        number = _new(steps)
        steps.constants[number] = variable.val
        return number
    return numbers[variable]


def _walk(steps: Steps, numbers: dict[Any, int], jaxpr: Any, within: str) -> None:
    for equation in jaxpr.eqns:
        reads = tuple(_number(steps, numbers, each) for each in equation.invars)
        name = str(equation.params.get("name", "")) if equation.primitive.name in INLINE else ""
        if name in (NORMAL, UNIFORM) and not within:
            makes = _made(steps, numbers, equation)
            kind = Drawn.NORMAL if name == NORMAL else Drawn.UNIFORM
            shape = tuple(equation.outvars[0].aval.shape)
            steps.ops.append(Op(kind="draw", name=name, reads=reads, makes=makes, drawn=kind, shape=shape))
        elif equation.primitive.name in INLINE and (inner := _inner(equation)) is not None:
            _inline(steps, numbers, equation, inner, reads, within or (name if name in (DROPPING, *OPAQUE) else ""))
        else:
            _plain(steps, numbers, equation, reads, within)


def _inner(equation: Any) -> Any:
    return equation.params.get("jaxpr") or equation.params.get("call_jaxpr")


def _inline(
    steps: Steps, numbers: dict[Any, int], equation: Any, inner: Any, reads: tuple[int, ...], within: str
) -> None:
    jaxpr = getattr(inner, "jaxpr", inner)
    own = dict(zip(jaxpr.invars, reads, strict=True))
    if hasattr(inner, "consts"):
        _constants(steps, own, inner)
    _walk(steps, own, jaxpr, within)
    for outer, variable in zip(equation.outvars, jaxpr.outvars, strict=True):
        numbers[outer] = _number(steps, own, variable)


def _made(steps: Steps, numbers: dict[Any, int], equation: Any) -> tuple[int, ...]:
    for variable in equation.outvars:
        numbers[variable] = _new(steps)
    return tuple(numbers[variable] for variable in equation.outvars)


def _plain(steps: Steps, numbers: dict[Any, int], equation: Any, reads: tuple[int, ...], within: str) -> None:
    name = equation.primitive.name
    cut = name == "stop_gradient"
    makes = _made(steps, numbers, equation)
    opaque = name == "random_bits"
    drawn = Drawn.DROPOUT if within == DROPPING else Drawn.OTHER
    kind = "cut" if cut else "bind"
    place = place_of(equation) if cut else ""
    steps.ops.append(
        Op(kind=kind, name=name, reads=reads, makes=makes, equation=equation, opaque=opaque, drawn=drawn, place=place)
    )


def place_of(equation: Any) -> str:
    """`file.py:12`: the innermost line outside of JAX and of us."""
    trace = getattr(equation.source_info, "traceback", None)
    for frame in trace.frames if trace is not None else ():
        file = frame.file_name
        if "site-packages" not in file and not file.startswith((*OURS, "<")) and "/jax/" not in file:
            return f"{Path(file).name}:{frame.line_num}"
    return ""


def noise_of(seed: int, keys: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """N(0, 1) noise of one draw: the same key gives the same noise, each row of a batch of keys its own.

    keys: (..., words) of uint32; shape: that of the draw, which begins with the batch's.
    """
    rows = keys.reshape(-1, keys.shape[-1])
    size = int(np.prod(shape)) // max(1, len(rows))
    made = [np.random.default_rng([seed, *map(int, row)]).standard_normal(size) for row in rows]
    return np.concatenate(made).astype(np.float32).astype(np.float64).reshape(shape)
