"""A NumPyro model and guide at a tape: what NumPyro's own ELBO objects return, and every term of every site."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import lax
from jax.core import Tracer
from numpyro import handlers
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO
from numpyro.primitives import Messenger

from elbo_compare.suites.bridge.pairs.jax_weights import JaxGradients, leaves_of, mapped
from elbo_compare.suites.bridge.pairs.records import OWN_ONLY, SAMPLERS, Asked, Run, SiteFacts, Term, Total
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

    values: by site, where they are given. cut: no gradient passes through them. A family whose base noise is not known
    (a gamma, a discrete one) is drawn by NumPyro, under its key.
    """

    def __init__(self, fn: Callable[..., Any], tape: Any, values: Mapping[str, Any] | None = None, cut: bool = False):
        super().__init__(fn)
        self.tape, self.values, self.cut = tape, values or {}, cut

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
            msg["value"] = lax.stop_gradient(value) if self.cut else value
            msg["intermediates"] = [] if self.cut else intermediates


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
    """What a compiled program reads in a tape's place: its draws as arguments. Without them it notes their shapes."""

    def __init__(self, given: Sequence[Any] | None = None):
        self.given, self.shapes = given, []

    def normal(self, shape: tuple[int, ...], by: str = "") -> Any:
        """The next draw."""
        self.shapes.append(tuple(shape))
        return jnp.zeros(shape) if self.given is None else self.given[len(self.shapes) - 1]


@dataclass(kw_only=True)
class NumPyroPair:
    """MODEL and GUIDE, which take the same arguments. began: what SVI would train, once it is made. compiled: programs
    by what they were compiled for."""

    model: Callable[..., Any]
    guide: Callable[..., Any]
    began: Started | None = None
    compiled: dict[Any, Any] = field(default_factory=dict)

    def weights(self, args: Sequence[Any]) -> tuple[Any, Any]:
        """(unconstrained parameters, mutable state) in the order in which a first call makes them, the guide first."""
        made: list[Any] = []

        def make(*given: Any) -> int:
            key = jax.random.key(0)
            guide = handlers.trace(handlers.seed(self.guide, key)).get_trace(*given)
            model = handlers.trace(handlers.replay(handlers.seed(self.model, key), guide)).get_trace(*given)
            nodes = [*guide.values(), *model.values()]
            kinds = ("param", "mutable")
            made[:] = [{n["name"]: _paths(n["value"]) for n in nodes if n["type"] == kind} for kind in kinds]
            return 0

        with quiet():
            self.began = started(self.model, self.guide, args, {})
            jax.eval_shape(make, *args)
        params, mutable = made
        return _ordered(self.began.params or {}, params), _ordered(self.began.mutable or {}, mutable)

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
            noises = [jnp.asarray(tape.normal(shape, "numpyro")) for shape in one.shapes]
            given = (params, state, noises, jax.random.key(tape.seed), list(args))
            values, scales = one.values(*given)
            none = {key: jnp.zeros(()) for key in values}
            keys = [Total.TRACE.value] if asked.lean else list(values)
            grads = gradients.of(keys, lambda weight: one.pull(none | dict(weight), *given)) if gradients else {}
        return Run(
            values={key: float(each) for key, each in values.items() if not key.endswith(CUT)},
            scales={key: float(each) for key, each in scales.items()},
            draws=tuple(("normal", shape) for shape in one.shapes[: one.first]),
            gradients=grads,
            errors=one.errors,
        )

    def _compiled(self, args: Sequence[Any], params: Any, state: Any, asked: Asked) -> "_Compiled":
        place = asked, tuple(jnp.shape(each) for each in args)
        if place not in self.compiled:
            one = _Compiled(pair=self, asked=asked)
            one.measure(params, state, list(args))
            self.compiled[place] = one
        return self.compiled[place]

    def facts(self, args: Sequence[Any], params: Any, state: Any) -> list[SiteFacts]:
        """The sites, in the guide's order, the observed ones last."""
        found: list[SiteFacts] = []

        def look(*given: Any) -> int:
            run = self._traced(given, self.held(params, state), Noises(), jax.random.key(0))
            found[:] = facts(run, _mean_scale)
            return 0

        with quiet():
            jax.eval_shape(look, *args)
        return found

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

    def terms(self, args: Sequence[Any], held: Any, reading: Any, key: Any, asked: Asked, cut: bool) -> Any:
        """(values, scales) of every term by its key."""
        values, scales = {}, {}
        runs: list[Traced] = []
        for draw, run in self._draws(args, held, reading, key, asked, cut):
            runs += [run] if draw > 0 else []
            for term, elements, size in _terms(run, draw, asked.wide and not cut):
                values[term.key + (CUT if cut else "")] = jnp.sum(elements)
                scales[term.key] = size
        bound = None if asked.wide or cut else importance(jnp, runs)
        if bound is not None:
            values[bound[0].key], scales[bound[0].key] = jnp.sum(bound[1]), bound[2]
        return values, scales

    def _draws(
        self, args: Sequence[Any], held: Any, reading: Any, key: Any, asked: Asked, cut: bool
    ) -> Iterator[tuple[int, Traced]]:
        first: Traced | None = None
        for draw in range(1, 2 if cut else asked.draws + 1):
            run = self._traced(args, held, reading, key, cut=cut)
            first = first or run
            yield draw, run
        for draw in SAMPLERS if first and asked.wide and not cut else ():
            values = moved(jnp, first, draw, lax.stop_gradient) if first else {}
            if values:
                yield draw, self._traced(args, held, reading, key, values)

    def _traced(
        self, args: Sequence[Any], held: Any, reading: Any, key: Any, values: Any = None, cut: bool = False
    ) -> Traced:
        return traced(self.model, Reading(self.guide, reading, values, cut), args, {}, held, key)


@dataclass(kw_only=True)
class _Compiled:
    """A pair compiled for one batch size. shapes: of its draws, the first `first` at the guide's first run."""

    pair: NumPyroPair
    asked: Asked
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    first: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    programs: dict[str, Any] = field(default_factory=dict)

    def measure(self, params: Any, state: Any, args: list[Any]) -> None:
        """Note the draws' shapes; compiling waits for the first use."""
        once, noting = Noises(), Noises()
        for reading, asked in ((once, OWN_ONLY), (noting, self.asked)):

            def look(tree: Any, reading: Noises = reading, asked: Asked = asked) -> Any:
                return self.pair.terms(args, self.pair.held(tree, state), reading, jax.random.key(0), asked, False)[0]

            jax.eval_shape(look, params)
        self.shapes, self.first = noting.shapes, len(once.shapes)

    def values(self, *given: Any) -> Any:
        """(values, scales) by key; compiled on the first call."""
        return self._run("values", self._values, given)

    def pull(self, weight: Mapping[str, Any], *given: Any) -> Any:
        """The gradient of the values, weighed, by the tree of weights."""

        def back(weight: Any, tree: Any, *rest: Any) -> Any:
            found, pulled = jax.vjp(lambda each: self._values(each, *rest)[0], tree)
            return pulled({key: weight[key].astype(each.dtype) for key, each in found.items()})[0]

        return self._run("pull", back, (weight, *given))

    def _run(self, name: str, function: Callable[..., Any], given: Any) -> Any:
        if name not in self.programs:
            self.programs[name] = jax.jit(function).lower(*given).compile(compiler_options=QUICK_TO_COMPILE)
        return self.programs[name](*given)

    def _values(self, tree: Any, state: Any, noises: list[Any], key: Any, args: list[Any]) -> tuple[Any, Any]:
        held, moves = self.pair.held(tree, state), bool(jax.tree.leaves(state))
        values, scales = self.pair.terms(args, held, Noises(noises), key, self.asked, False)
        if self.asked.wide:
            return values, scales
        if not self.asked.lean:
            values |= self.pair.terms(args, held, Noises(noises), key, OWN_ONLY, True)[0]
        for total in (Total.TRACE,) if self.asked.lean else OBJECTIVES:
            try:
                values[total.value] = self.pair.loss(total, args, held, Noises(noises), key, moves=moves)
            except (NotImplementedError, AssertionError, ValueError, RuntimeError) as error:
                self.errors[total.value] = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        return values, scales


def _terms(run: Traced, draw: int, wide: bool) -> Iterator[tuple[Term, Any, Any]]:
    return terms(jnp, run, divergence, draw, wide=wide, probability=_within_unit)


def _within_unit(family: str, mean: Any) -> bool:
    """Of a mean that is computed nothing is known while compiling."""
    return family.startswith("Bernoulli")


def _mean_scale(scale: Any) -> float:
    """1 where the scale is computed from the data."""
    return 1.0 if isinstance(scale, Tracer) else float(np.mean(np.asarray(scale)))


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
