"""A NumPyro model and guide at a tape: what NumPyro's own ELBO objects return, and every term of every site."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import lax
from jax.core import Tracer
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO
from numpyro.primitives import Messenger

from elbo_compare.suites.bridge.pairs.jax_weights import JaxGradients, leaves_of, mapped, seeded
from elbo_compare.suites.bridge.pairs.records import (
    OWN_ONLY,
    SAMPLERS,
    Asked,
    Later,
    Run,
    SiteFacts,
    Term,
    Total,
    What,
    together,
)
from elbo_compare.suites.bridge.pairs.site_terms import facts, importance, moved, terms
from elbo_compare.suites.bridge.tape import Tape
from elbo_compare.suites.tracing.compiling import QUICK_TO_COMPILE
from elbo_compare.suites.tracing.numpyro_exact import exact_elbo
from elbo_compare.suites.tracing.numpyro_trace import Started, divergence, quiet, started, traced
from elbo_compare.suites.tracing.site import WRAPPERS, Traced

OBJECTIVES = {Total.TRACE: Trace_ELBO, Total.MEAN_FIELD: TraceMeanField_ELBO}
CUT = "@detached"


class Reading(Messenger):
    """The guide's latents are made from the tape's base noise, as its distributions make them from their own.

    Values put in by `handlers.substitute` would carry no gradient to the guide's parameters.

    values: by site, where they are given. through: the share of the gradient that passes through them (0: they are cut
    off). A family whose base noise is not known (a gamma, a discrete one) is drawn by NumPyro, under its key.
    """

    def __init__(
        self, fn: Callable[..., Any], tape: Any, values: Mapping[str, Any] | None = None, through: Any = None
    ) -> None:
        super().__init__(fn)
        self.tape, self.values, self.through = tape, values or {}, through

    def process_message(self, msg: Any) -> None:
        """NumPyro's hook: called before a site has its value."""
        if msg["type"] != "sample" or msg.get("is_observed") or msg["value"] is not None:
            return
        intermediates: list[Any] = []
        if msg["name"] in self.values:
            value = self.values[msg["name"]]
        else:
            value = from_noise(
                msg["fn"], msg["fn"].shape(msg["kwargs"].get("sample_shape", ())), self.tape, intermediates
            )
        if value is not None:
            self.tape.transformed |= bool(intermediates)
            msg["value"] = value if self.through is None else _passing(value, self.through)
            msg["intermediates"] = intermediates if self.through is None else []


def _passing(value: Any, share: Any) -> Any:
    """The value as it is, with a share of its gradient."""
    fixed = lax.stop_gradient(value)
    return fixed if isinstance(share, float) and not share else fixed + share * (value - fixed)


def from_noise(fn: Any, shape: tuple[int, ...], tape: Any, intermediates: list[Any]) -> Any | None:
    """A draw from a distribution as a function of the tape's base noise; None where that is not known."""
    while type(fn).__name__ in WRAPPERS:
        fn = fn.base_dist
    if isinstance(fn, dist.Normal):
        return fn.loc + fn.scale * tape.normal(shape, "numpyro.Normal")
    if isinstance(fn, dist.MultivariateNormal):
        noise = jnp.asarray(tape.normal(shape, "numpyro.MultivariateNormal"))
        return fn.loc + jnp.squeeze(jnp.matmul(fn.scale_tril, noise[..., None]), axis=-1)
    if isinstance(fn, dist.TransformedDistribution):
        value = from_noise(fn.base_dist, shape, tape, [])
        for transform in fn.transforms if value is not None else ():
            before = value
            value, between = transform.call_with_intermediates(before)
            intermediates.append([before, between])
        return value
    return None


class Noises:
    """What a compiled program reads in a tape's place: its draws as arguments. Without them it notes their shapes, and
    whether a latent has a transform with numbers of its own. sharpness: see `Asked`; None: not wanted."""

    def __init__(self, given: Sequence[Any] | None = None, sharpness: Any = None):
        self.given, self.shapes, self.transformed = given, [], False
        self.sharpness = sharpness

    def normal(self, shape: tuple[int, ...], by: str = "") -> Any:
        """The next draw."""
        self.shapes.append(tuple(shape))
        return jnp.zeros(shape) if self.given is None else self.given[len(self.shapes) - 1]


@dataclass(kw_only=True)
class NumPyroPair:
    """MODEL and GUIDE, which take the same arguments. began: what SVI would train, once it is made; order: its names,
    as a first call makes them. compiled: programs by what they were compiled for; noted: draws by the data's shapes."""

    model: Callable[..., Any]
    guide: Callable[..., Any]
    began: Started | None = None
    order: dict[str, dict[str, Any]] = field(default_factory=dict)
    compiled: dict[Any, Any] = field(default_factory=dict)
    noted: dict[Any, Noises] = field(default_factory=dict)

    def weights(self, args: Sequence[Any]) -> tuple[Any, Any]:
        """(unconstrained parameters, mutable state) in the order in which a first call makes them, the guide first;
        shapes in their places where nothing is lost by it: see `first_values`."""
        order = _Order()
        with quiet(), order:
            self.began = started(self.model, self.guide, args, {}, shapes=True)
        self.order = order.found
        return self._in_order(self.began.params, self.began.mutable)

    def first_values(self) -> tuple[Any, Any]:
        """The values of `weights`."""
        with quiet():
            return self._in_order(*self.began.values()) if self.began and self.began.values else ({}, {})

    def _in_order(self, params: Any, mutable: Any) -> tuple[Any, Any]:
        return _ordered(params or {}, self.order["param"]), _ordered(mutable or {}, self.order["mutable"])

    def held(self, params: Any, state: Any) -> dict[str, Any]:
        """What an ELBO object is handed."""
        if self.began is None:
            raise ValueError("weights() comes first")
        return self.began.held(params, state)

    def run(
        self,
        args: Sequence[Any],
        params: Any,
        state: Any,
        tape: Tape,
        gradients: JaxGradients | None = None,
        asked: Asked = OWN_ONLY,
    ) -> Run:
        """Terms at the tape, at as many runs of the guide as are asked for; each ELBO object's loss there."""
        with quiet():
            one = self._compiled(args, params, state, asked)
            noises: list[Any] = [tape.normal(shape, "numpyro") for shape in one.shapes]
            noises += [jnp.asarray(asked.sharpness)] if asked.sharpness else []
            given = (params, state, noises, seeded(tape.seed), list(args))
            values, scales = one.values(given, slopes=gradients is not None and not asked.wide)
            grads = one.gradients(list(values), gradients, given) if gradients else {}
        return Run(
            values={key: float(each) for key, each in values.items() if not key.endswith(CUT)},
            scales={key: float(each) for key, each in scales.items()},
            draws=tuple(("normal", shape) for shape in one.shapes[: one.first]),
            gradients=grads,
            errors=one.errors,
        )

    def _compiled(self, args: Sequence[Any], params: Any, state: Any, asked: Asked) -> "_Compiled":
        place = replace(asked, enumerate=False, sharpness=float(bool(asked.sharpness))), _shapes(args)
        if place not in self.compiled:
            one = _Compiled(pair=self, asked=asked)
            one.measure(params, state, list(args))
            self.compiled[place] = one
        return self.compiled[place]

    def facts(self, args: Sequence[Any], params: Any, state: Any) -> list[SiteFacts]:
        """The sites, in the guide's order, the observed ones last."""
        found: list[SiteFacts] = []
        noting = self.noted[_shapes(args)] = Noises()

        def look(*given: Any) -> int:
            run = self._traced(given, self.held(params, state), noting, jax.random.key(0))
            found[:] = facts(run, _mean_scale)
            return 0

        with quiet():
            jax.eval_shape(look, *args)
        return found

    def draws(self, args: Sequence[Any], params: Any, state: Any) -> Noises:
        """The draws of one run of the guide on these data, noted once."""
        if _shapes(args) not in self.noted:
            self.facts(args, params, state)
        return self.noted[_shapes(args)]

    def exact(self, args: Sequence[Any], params: Any, state: Any, gradients: JaxGradients) -> Run | None:
        """Minus the ELBO summed over every state of the discrete latents; None where they are too many."""
        with quiet():
            found = exact_elbo(self.model, self.guide, args, {}, params, lambda tree: self.held(tree, state))
        if found is None:
            return None
        slopes = jax.tree.map(lambda leaf: -leaf, found[1])
        by_weight = gradients.of([Total.TRACE.value], lambda _: slopes)
        return Run(values={Total.TRACE.value: -found[0]}, gradients=by_weight)

    def loss(self, total: Total, args: Sequence[Any], held: Any, reading: Any, key: Any, *, moves: bool) -> Any:
        """The library's own loss at the noise that `reading` has, by the call that SVI.update makes. moves: there is
        mutable state."""
        elbo, guide = OBJECTIVES[total](), Reading(self.guide, reading)
        if moves:
            return elbo.loss_with_mutable_state(key, held, self.model, guide, *args)["loss"]
        return elbo.loss(key, held, self.model, guide, *args)

    def terms(self, args: Sequence[Any], held: Any, reading: Any, key: Any, asked: Asked, through: Any = None) -> Any:
        """(values, scales) of every term by its key. through: see `Reading`."""
        values, scales = {}, {}
        runs: list[Traced] = []
        for draw, run in self._draws(args, held, reading, key, asked, through):
            runs += [run] if draw > 0 else []
            for term, elements, size in _terms(run, draw, asked.wide, getattr(reading, "sharpness", None)):
                values[term.key] = jnp.sum(elements)
                scales[term.key] = size
        bound = None if asked.wide else importance(jnp, runs)
        if bound is not None:
            values[bound[0].key], scales[bound[0].key] = jnp.sum(bound[1]), bound[2]
        return values, scales

    def _draws(
        self, args: Sequence[Any], held: Any, reading: Any, key: Any, asked: Asked, through: Any
    ) -> Iterator[tuple[int, Traced]]:
        first: Traced | None = None
        for draw in range(1, asked.draws + 1):
            run = self._traced(args, held, reading, key, through=through)
            first = first or run
            yield draw, run
        for draw in SAMPLERS if first and asked.moved else ():
            values = moved(jnp, first, draw, lax.stop_gradient) if first else {}
            if values:
                yield draw, self._traced(args, held, reading, key, values)

    def _traced(
        self, args: Sequence[Any], held: Any, reading: Any, key: Any, values: Any = None, through: Any = None
    ) -> Traced:
        return traced(self.model, Reading(self.guide, reading, values, through), args, {}, held, key)


class _Order(Messenger):
    """Which parameters and mutable states a first call makes, in order, by kind: name -> its tree of paths."""

    def __init__(self) -> None:
        super().__init__(None)
        self.found: dict[str, dict[str, Any]] = {"param": {}, "mutable": {}}

    def postprocess_message(self, msg: Any) -> None:
        """NumPyro's hook: called when a site has its value."""
        if msg["type"] in self.found:
            self.found[msg["type"]].setdefault(msg["name"], _paths(msg["value"]))


@dataclass(kw_only=True)
class _Compiled:
    """A pair compiled for one batch size. shapes: of its draws, the first `first` at the guide's first run.

    A gradient comes from a program that gives the values too: the only one to be compiled where both are wanted. Of the
    wide terms most explain nothing, and their gradients wait until one is read.
    """

    pair: NumPyroPair
    asked: Asked
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    first: int = 0
    transformed: bool = False
    errors: dict[str, str] = field(default_factory=dict)
    programs: dict[bool, Any] = field(default_factory=dict)

    def measure(self, params: Any, state: Any, args: list[Any]) -> None:
        """Note the draws' shapes; compiling waits for the first use."""
        once = self.pair.draws(args, params, state)
        self.shapes, self.first, self.transformed = self.asked.draws * once.shapes, len(once.shapes), once.transformed
        if not self.asked.moved:
            return
        noting = Noises()  # other samplers draw again what is not normal

        def look(tree: Any) -> Any:
            return self.pair.terms(args, self.pair.held(tree, state), noting, jax.random.key(0), self.asked)[0]

        jax.eval_shape(look, params)
        self.shapes = noting.shapes

    def values(self, given: Any, *, slopes: bool) -> Any:
        """(values, scales) by key."""
        return self._sloped(given)[:2] if slopes or True in self.programs else self._run(False, self._values, given)

    def gradients(self, keys: list[str], records: JaxGradients, given: Any) -> Later:
        """By key, then by weight; a term's with the latents cut off too."""
        if self.asked.lean:
            return records.of([Total.TRACE.value], lambda key: self._sloped(given, keys.index(key))[2])
        found = records.of(keys, lambda key: self._sloped(given, keys.index(key))[2])
        if self.asked.wide or self.transformed:
            return found
        own = [key for key in keys if "|" in key and (Term.of(key).draw, Term.of(key).what) != (1, What.IMPORTANCE)]
        cut = records.of(own, lambda key: self._sloped(given, keys.index(key), 0.0)[2])
        return together(found, Later({key + CUT: partial(cut.__getitem__, key) for key in own}))

    def _sloped(self, given: Any, place: int = -1, through: float = 1.0) -> Any:
        return self._run(True, self._with_slope, (np.int64(place), np.float64(through), *given))

    def _run(self, slopes: bool, function: Callable[..., Any], given: Any) -> Any:
        if slopes not in self.programs:
            self.programs[slopes] = jax.jit(function).lower(*given).compile(compiler_options=QUICK_TO_COMPILE)
        return self.programs[slopes](*given)

    def _with_slope(self, place: Any, through: Any, tree: Any, *rest: Any) -> Any:
        """(values, scales, the gradient of the value in that place by the weights)."""
        passing = None if self.transformed or self.asked.wide or self.asked.lean else through

        def own(each: Any) -> Any:
            values, scales = self._values(each, *rest, passing=passing)
            if self.transformed and not (self.asked.wide or self.asked.lean):
                values |= self._cut(each, *rest)
            return values, scales

        values, pulled, scales = jax.vjp(own, tree, has_aux=True)
        chosen = {key: jnp.asarray(at == place, each.dtype) for at, (key, each) in enumerate(values.items())}
        return values, scales, pulled(chosen)[0]

    def _cut(self, tree: Any, state: Any, noises: list[Any], key: Any, args: list[Any]) -> dict[str, Any]:
        """The terms with the latents cut off, where a transform's own numbers have to go too."""
        held, typed = self.pair.held(tree, state), jax.random.wrap_key_data(key)
        found = self.pair.terms(args, held, Noises(noises), typed, OWN_ONLY, 0.0)[0]
        return {f"{name}{CUT}": value for name, value in found.items()}

    def _values(
        self, tree: Any, state: Any, noises: list[Any], key: Any, args: list[Any], passing: Any = None
    ) -> tuple[Any, Any]:
        held, moves, typed = self.pair.held(tree, state), bool(jax.tree.leaves(state)), jax.random.wrap_key_data(key)
        reading = Noises(noises[:-1], noises[-1]) if self.asked.sharpness else Noises(noises)
        values, scales = self.pair.terms(args, held, reading, typed, self.asked, passing)
        if self.asked.wide or self.asked.sharpness:
            return values, scales
        for total in (Total.TRACE,) if self.asked.lean else OBJECTIVES:
            try:
                values[total.value] = self.pair.loss(total, args, held, Noises(noises), typed, moves=moves)
            except (NotImplementedError, AssertionError, ValueError, RuntimeError) as error:
                self.errors[total.value] = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        return values, scales


def _terms(run: Traced, draw: int, wide: bool, sharpness: Any = None) -> Iterator[tuple[Term, Any, Any]]:
    return terms(jnp, run, divergence, draw, wide=wide, probability=_within_unit, sharpness=sharpness)


def _within_unit(family: str, mean: Any) -> bool:
    """Of a mean that is computed nothing is known while compiling."""
    return family.startswith("Bernoulli")


def _mean_scale(scale: Any) -> float:
    """1 where the scale is computed from the data."""
    return 1.0 if isinstance(scale, Tracer) else float(np.mean(np.asarray(scale)))


def _shapes(args: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(jnp.shape(each) for each in args)


def _paths(tree: Any) -> Any:
    """The tree with each array's path within it in its place: its order, without its numbers."""
    return mapped(tree, lambda path, _: path)


def _ordered(tree: Mapping[str, Any], order: Mapping[str, Any]) -> dict[str, Any]:
    """The tree in the order in which it was made: JAX's own maps sort the keys of a dict."""
    leaves = dict(leaves_of(tree))

    def again(value: Any, prefix: str) -> Any:
        if isinstance(value, Mapping):
            return {key: again(each, f"{prefix}.{key}") for key, each in value.items()}
        return leaves[prefix]

    plain = {name for name, value in order.items() if isinstance(value, (Mapping, str))}
    return {name: again(order[name], name) if name in plain else tree[name] for name in (*order, *tree) if name in tree}
