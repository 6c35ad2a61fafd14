"""Runs a person's JAX model as it stands: traced once for each shape, evaluated at noise from a tape, differentiated.

JAX's switch for float64 is on while a program runs, and afterwards what it was.
"""

import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elbo_compare.suites.bridge.jax_steps import OURS, Steps, noise_of, traced
from elbo_compare.suites.bridge.jax_views import View, as_float, view_of
from elbo_compare.suites.bridge.pairs.jax_weights import seeded
from elbo_compare.suites.bridge.program import Cut, Run, Setting, Step
from elbo_compare.suites.bridge.tape import Draw, Drawn
from elbo_compare.suites.bridge.user_arrays import leaves
from elbo_compare.suites.contract import Array
from elbo_compare.suites.tracing.compiling import QUICK_TO_COMPILE

Enter = Callable[[Any], Any]
NUMBERS, PRODUCTS = re.compile(r"\d+"), re.compile(r"(\d+) ?\* ?(\d+)")


@dataclass(kw_only=True)
class Traced:
    """One trace: its steps, what came out by name, and what each array depends on."""

    steps: Steps
    names: list[str]
    draws: list[frozenset[int]]
    weighs: list[bool]
    of_x: list[bool]
    kinds: list[tuple[Drawn, tuple[int, ...], str]]
    compiled: dict[Any, Any] = field(default_factory=dict)


class JaxProgram:
    """A view and one way to its loss. enter: x -> everything that comes out, the loss under "loss"."""

    framework = "jax"

    def __init__(self, view: View, enter: Enter, *, single: bool = False):
        self.view, self.enter = view, enter
        self.dtype = jnp.float32 if single else jnp.float64
        self.roundoff = 2.0**-24 if single else 2.0**-53
        self._traces: dict[Any, Traced] = {}

    @contextmanager
    def wide(self) -> Iterator[None]:
        """Within: float64 in JAX; afterwards its switch is what it was."""
        with quickly_compiled(), _set("jax_enable_x64", True):
            yield

    def weights(self) -> dict[str, bool]:
        """See `Program`; in JAX every weight is trained."""
        return dict.fromkeys(self._named(self.view.weights), True)

    def _named(self, tree: Any) -> dict[str, Any]:
        found, _ = jax.tree_util.tree_flatten_with_path(tree)
        return {
            ".".join(re.findall(r"[A-Za-z_0-9]+", jax.tree_util.keystr(path))) or "weights": each
            for path, each in found
        }

    def run(self, setting: Setting, replaced: Mapping[int, Any] | None = None) -> Run:
        """See `Program`. replaced: step -> what is put in place of its first result."""
        run = Run(restored=setting.restored is None)
        with self.wide():
            try:
                x = jnp.asarray(setting.x, self.dtype)
                self.view.begin(x, jnp.asarray(seeded(0)))
                self.view.weights = as_float(self.view.weights, self.dtype)
                self.view.state = as_float(self.view.state, self.dtype)
                one = self._trace(x, setting)
                if not one.steps.cuts:  # nothing to undo: one program for both
                    setting = replace(setting, restored=frozenset())
                inputs = self._inputs(x, setting)
                noises = self._noises(one, inputs, setting)
                values = self._values(one, inputs, noises, setting, replaced)
            except Exception as error:  # whatever the model raises is told, not raised
                run.error = told(error)
                return run
        run.arrays, run.draws, run.weighs, run.of_x = values, one.draws, one.weighs, one.of_x
        run.steps = [Step(op=op.name, reads=op.reads, makes=op.makes, place=op.place) for op in one.steps.ops]
        given = iter(noises)
        run.drawn = [
            Draw(kind=kind, shape=shape, noise=np.asarray(next(given)) if by != "jax" else None, by=by)
            for kind, shape, by in one.kinds
        ]
        run.cuts = [Cut(number=n, op="stop_gradient", place=op.place) for n, op in enumerate(one.steps.cuts)]
        run.outputs = dict(zip(one.names, one.steps.outputs, strict=True))
        run.loss = run.outputs.get("loss")
        run.asked = (one, inputs, noises, setting)  # type: ignore[attr-defined]
        return run

    def _inputs(self, x: Any, setting: Setting) -> list[Any]:
        weights = self.view.weights
        if setting.moved:
            weights = moved(weights, setting.moved)
        return [*jax.tree_util.tree_leaves(weights), x, seeded(setting.masks)]

    def _trace(self, x: Any, setting: Setting) -> Traced:
        key = (x.shape, setting.training or not self.view.moded)
        if key not in self._traces:
            names: list[str] = []

            def program(weights: Any, x: Any, random: Any) -> list[Any]:
                before = self.view.weights, self.view.key
                self.view.weights, self.view.key, self.view.training = weights, random, setting.training
                try:
                    found = [(n, v) for n, v in leaves(self.enter(x)) if isinstance(v, (jax.Array, np.ndarray, float))]
                finally:
                    self.view.weights, self.view.key = before
                names[:] = [name for name, _ in found]
                return [jnp.asarray(value) for _, value in found]

            steps = traced(program, self.view.weights, x, seeded(0))
            self._traces[key] = depending(steps, names)
        return self._traces[key]

    def _noises(self, one: Traced, inputs: list[Any], setting: Setting) -> list[Any]:
        if not one.steps.draws:
            return []
        if "keys" not in one.compiled:
            before = one.steps.behind(op.reads[0] for op in one.steps.draws)

            def keys(inputs: list[Any]) -> list[Any]:
                empty = [jnp.zeros(op.shape, self.dtype) for op in one.steps.draws]
                values = one.steps.evaluate(inputs, empty, only=before)
                return [jax.random.key_data(values[op.reads[0]]) for op in one.steps.draws]

            one.compiled["keys"] = jitted(keys)
        noises = []
        for place, (op, data) in enumerate(zip(one.steps.draws, one.compiled["keys"](inputs), strict=True)):
            noise = noise_of(setting.seed, np.asarray(data), op.shape)
            if op.drawn is Drawn.UNIFORM:
                noise = (1 + np.tanh(noise)) / 2
            if setting.filled is not None:
                noise = np.full(op.shape, setting.filled)
            if place < len(setting.given):
                noise = np.asarray(setting.given[place]).reshape(op.shape)
            noises.append(jnp.asarray(noise, self.dtype))
        return noises

    def _values(
        self, one: Traced, inputs: list[Any], noises: list[Any], setting: Setting, replaced: Mapping[int, Any] | None
    ) -> list[Any]:
        if replaced:
            return one.steps.evaluate(inputs, noises, restored=setting.restored, replaced=replaced)
        known = ("values", setting.restored)
        if known not in one.compiled:
            one.compiled[known] = jitted(
                lambda inputs, noises: [_kept(v) for v in one.steps.evaluate(inputs, noises, restored=setting.restored)]
            )
        return one.compiled[known](inputs, noises)

    def value(self, run: Run, number: int) -> Array:
        """See `Program`."""
        return np.asarray(run.arrays[number], np.float64)

    def shape(self, run: Run, number: int) -> tuple[int, ...]:
        """See `Program`."""
        return tuple(np.shape(run.arrays[number])) if run.arrays[number] is not None else (-1,)

    def pull_back(self, run: Run, cotangents: Mapping[int, Array]) -> dict[str, Array]:
        """See `Program`."""
        one, inputs, noises, setting = run.asked  # type: ignore[attr-defined]
        whole = setting.until < 0  # a run that ends early is at noise where a loss may overflow: 0 x infinity there
        count, kind = len(inputs) - 2, ("pull", setting.restored, whole)
        numbers = one.compiled.get((*kind, "numbers"), ())
        if not (set(numbers) >= set(cotangents) if whole else set(numbers) == set(cotangents)):
            loss = [run.loss] if whole and run.loss is not None else []  # one program for all: compiling costs most
            numbers = tuple(dict.fromkeys([*(numbers if whole else ()), *cotangents, *loss]))
            one.compiled[*kind, "numbers"], one.compiled[kind] = numbers, _pulling(one.steps, numbers, setting.restored)
        with self.wide():
            pulled = one.compiled[kind]
            shapes = [(self.shape(run, n), run.arrays[n].dtype) for n in numbers]
            parts = [
                np.asarray(cotangents[n], dtype).reshape(shape) if n in cotangents else np.zeros(shape, dtype)
                for n, (shape, dtype) in zip(numbers, shapes, strict=True)
            ]
            found = pulled(inputs[:count], inputs[count:], noises, parts)
        names = list(self._named(self.view.weights))
        return {name: np.asarray(part, np.float64) for name, part in zip(names, found, strict=True)}


def _pulling(steps: Steps, numbers: tuple[int, ...], restored: frozenset[int] | None) -> Any:
    """(weights, the other inputs, noises, a cotangent for each of the arrays) -> the sum, by weight."""
    needed = steps.behind(numbers)

    def pulled(weights: list[Any], rest: list[Any], noises: list[Any], parts: list[Any]) -> Any:
        def chosen(weights: list[Any]) -> list[Any]:
            values = steps.evaluate([*weights, *rest], noises, restored=restored, only=needed)
            return [values[number] for number in numbers]

        return jax.vjp(chosen, weights)[1](parts)[0]

    return jitted(pulled)


@contextmanager
def _set(switch: str, value: Any) -> Iterator[None]:
    before = jax.config.read(switch)
    jax.config.update(switch, value)
    try:
        yield
    finally:
        jax.config.update(switch, before)


def quickly_compiled() -> AbstractContextManager[None]:
    """Within, XLA leaves its costly optimisations: each program here runs a few times, compiling is what it costs."""
    return _set("jax_disable_most_optimizations", True)


def jitted(function: Callable[..., Any]) -> Callable[..., Any]:
    """`jax.jit`, compiled quickly."""
    return jax.jit(function, compiler_options=QUICK_TO_COMPILE)


def _kept(value: Any) -> Any:
    """A float array; anything else is left out."""
    return value if value is not None and jnp.issubdtype(jnp.result_type(value), jnp.floating) else None


def moved(weights: Any, by: float) -> Any:
    """Every weight moved by normal noise of that size over the root of its inputs, from a seed of its own."""
    found, shape = jax.tree_util.tree_flatten(weights)
    rng = np.random.default_rng(1999)
    made = []
    for each in map(np.asarray, found):  # by NumPy: JAX would compile a sum for each shape
        noise = rng.standard_normal(each.shape).astype(each.dtype)
        made.append(each + (by * noise / max(1, int(np.prod(each.shape[:-1]))) ** 0.5).astype(each.dtype))
    return jax.tree_util.tree_unflatten(shape, made)


def depending(steps: Steps, names: list[str]) -> Traced:
    """What each array of a trace depends on."""
    draws: list[frozenset[int]] = [frozenset() for _ in range(steps.size)]
    weighs, of_x = [False] * steps.size, [False] * steps.size
    for number in steps.inputs[:-2]:
        weighs[number] = True
    of_x[steps.inputs[-2]] = True
    kinds: list[tuple[Drawn, tuple[int, ...], str]] = []
    sampled = 0
    for op in steps.ops:
        own: frozenset[int] = frozenset()
        if op.kind == "draw" or (op.opaque and op.drawn is not Drawn.DROPOUT):
            own = frozenset([sampled])
            sampled += 1
            shape = op.shape if op.kind == "draw" else tuple(op.equation.outvars[0].aval.shape)
            kinds.append((op.drawn, shape, op.name.strip("_") if op.kind == "draw" else "jax"))
        elif op.opaque:
            kinds.append((Drawn.DROPOUT, tuple(op.equation.outvars[0].aval.shape), "jax"))
        reads = own.union(*(draws[each] for each in op.reads))
        for number in op.makes:
            draws[number] = reads
            of_x[number] = any(of_x[each] for each in op.reads)
            weighs[number] = any(weighs[each] for each in op.reads) and not (reads or of_x[number])
    return Traced(steps=steps, names=names, draws=draws, weighs=weighs, of_x=of_x, kinds=kinds)


def told(error: BaseException) -> str:
    """`ValueError: what it says, in line 12 of file.py`."""
    text = (str(error).strip().splitlines() or ["no message"])[0][:300]
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in f.filename and not f.filename.startswith((*OURS, "<"))
    ]
    where = f", in line {frames[-1].lineno} of {Path(frames[-1].filename).name}" if frames else ""
    return f"{type(error).__name__}: {text}{where}"


def open_program(model: Any, enter: Enter, *, single: bool = False) -> JaxProgram:
    """A program of one view; in float32 where it can't be run in float64."""
    return JaxProgram(model, enter, single=single)


def prepared(model: Any) -> View:
    """The view that the ways to a loss call."""
    return view_of(model)


@contextmanager
def kept(model: Any) -> Iterator[None]:
    """A JAX module is never written to; what is compiled meanwhile is compiled quickly."""
    with quickly_compiled():
        yield


def layer_sizes(model: Any) -> list[tuple[str, int, int]]:
    """(kind, in, out) of every layer that says how wide its input is; of a linen module, sizes that it holds."""
    view = view_of(model)
    found = [_layer(each) for each in _parts(view) if hasattr(each, "in_features") or hasattr(each, "in_channels")]
    return [each for each in found if each is not None] or [("linear", size, size) for size in _sizes(view)]


def _parts(view: View) -> list[Any]:
    module = getattr(view, "module", None)
    if module is None or not hasattr(view, "merge"):
        return []
    seen: list[Any] = []

    def visit(each: Any, depth: int = 0) -> None:
        if depth > 6 or any(each is other for other in seen):
            return
        seen.append(each)
        held = list(vars(each).values()) if hasattr(each, "__dict__") else []
        held += list(each.values()) if isinstance(each, dict) else list(each) if isinstance(each, (list, tuple)) else []
        for value in held:
            if not isinstance(value, (jax.Array, np.ndarray, str, int, float, type)):
                visit(value, depth + 1)

    visit(module)
    return seen


def _layer(each: Any) -> tuple[str, int, int] | None:
    try:
        if hasattr(each, "in_features"):
            return "linear", int(each.in_features), int(each.out_features)
        return f"conv{getattr(each, 'num_spatial_dims', 2)}", int(each.in_channels), int(each.out_channels)
    except (TypeError, ValueError):
        return None


def _sizes(view: View) -> list[int]:
    """Whole numbers that the module holds or its file names: the widest may be the data's."""
    module = getattr(view, "module", None)
    held = (
        [v for v in vars(module).values() if isinstance(v, int) and not isinstance(v, bool)]
        if module is not None
        else []
    )
    weights = [each.shape[0] for each in jax.tree_util.tree_leaves(view.weights) if np.ndim(each) == 2]
    try:
        text = Path(str(traceback_file(view.owner))).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    named = [int(a) * int(b) for a, b in PRODUCTS.findall(text)] + [int(n) for n in NUMBERS.findall(text)]
    named = [n for n in named if 3 < n < 5000]
    return list(
        dict.fromkeys([*weights[:1], *sorted({n for n in named if n >= 64}, reverse=True), *held, *sorted(set(named))])
    )


def traceback_file(owner: Any) -> str:
    """The file that defines a class."""
    import sys

    return getattr(sys.modules.get(owner.__module__), "__file__", "") or ""
