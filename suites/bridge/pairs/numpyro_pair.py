"""A NumPyro model and guide at a tape: what NumPyro's own ELBO objects return, and every term of every site."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import lax
from jax.core import Tracer
from numpyro import handlers
from numpyro.distributions.kl import kl_divergence
from numpyro.distributions.util import scale_and_mask
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO
from numpyro.primitives import Messenger

from elbo_compare.suites.bridge.pairs.columns import (
    Gaussian,
    Latent,
    Observed,
    latent_columns,
    observed_columns,
    rounding,
    sampled_otherwise,
)
from elbo_compare.suites.bridge.pairs.jax_weights import JaxGradients, leaves_of, mapped
from elbo_compare.suites.bridge.pairs.records import OWN_ONLY, SAMPLERS, Asked, Run, SiteFacts, Term, Total
from elbo_compare.suites.bridge.tape import Tape

OBJECTIVES = {Total.TRACE: Trace_ELBO, Total.MEAN_FIELD: TraceMeanField_ELBO}
CUT = "@detached"
WRAPPERS = ("Independent", "MaskedDistribution", "ExpandedDistribution")


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


@dataclass(frozen=True, kw_only=True)
class NumPyroPair:
    """MODEL and GUIDE, which take the same arguments. compiled: programs by what they were compiled for."""

    model: Callable[..., Any]
    guide: Callable[..., Any]
    compiled: dict[Any, Any] = field(default_factory=dict)

    def weights(self, args: Sequence[Any]) -> tuple[Any, Any]:
        """(parameters, mutable state) as they are made on a first call, the guide's first."""
        made: list[Any] = []

        def make(*given: Any) -> list[Any]:
            key = jax.random.key(0)
            guide = handlers.trace(handlers.seed(self.guide, key)).get_trace(*given)
            model = handlers.trace(handlers.replay(handlers.seed(self.model, key), guide)).get_trace(*given)
            nodes = [*guide.values(), *model.values()]
            made[:] = ({n["name"]: n["value"] for n in nodes if n["type"] == kind} for kind in ("param", "mutable"))
            return [leaf for tree in made for _, leaf in leaves_of(tree)]

        with _quiet():
            leaves = iter(jax.jit(make)(*args))
        values = [{path: next(leaves) for path, _ in leaves_of(tree)} for tree in made]
        params, state = (mapped(tree, lambda path, _, of=of: of[path]) for tree, of in zip(made, values, strict=True))
        return params, state

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
        with _quiet():
            one = self._compiled(args, params, state, asked)
            noises = [jnp.asarray(tape.normal(shape, "numpyro")) for shape in one.shapes]
            given = (params, state, noises, jax.random.key(tape.seed), list(args))
            values, scales = one.values(*given)
            grads = gradients.of(list(values), lambda weight: one.pull(weight, *given)) if gradients else {}
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
            guide, model = self.traces(given, params | state, Noises(), jax.random.key(0))
            found[:] = [_facts(name, model, guide) for name in _names(model, guide)]
            return 0

        with _quiet():
            jax.eval_shape(look, *args)
        return found

    def loss(self, total: Total, args: Sequence[Any], params: Any, reading: Any, key: Any) -> Any:
        """The library's own loss at the noise that `reading` has."""
        guide = Reading(self.guide, reading)
        return OBJECTIVES[total]().loss(key, params, self.model, guide, *args)

    def terms(self, args: Sequence[Any], params: Any, reading: Any, key: Any, asked: Asked, cut: bool) -> Any:
        """(values, scales) of every term by its key."""
        values, scales = {}, {}
        for draw, traces in self._draws(args, params, reading, key, asked, cut):
            for term, elements, size in _terms(traces[0], traces[1], draw, asked.wide and not cut):
                values[term.key + (CUT if cut else "")] = jnp.sum(elements)
                scales[term.key] = size
        return values, scales

    def _draws(
        self, args: Sequence[Any], params: Any, reading: Any, key: Any, asked: Asked, cut: bool
    ) -> Iterator[tuple[int, Any]]:
        first: Any = None
        for draw in range(1, 2 if cut else asked.draws + 1):
            guide, model = self.traces(args, params, reading, key, cut=cut)
            first = first or guide
            yield draw, (model, guide)
        for draw in SAMPLERS if asked.wide and not cut else ():
            moved = _moved(first, draw)
            if moved:
                guide, model = self.traces(args, params, reading, key, moved)
                yield draw, (model, guide)

    def traces(
        self, args: Sequence[Any], params: Any, reading: Any, key: Any, values: Any = None, cut: bool = False
    ) -> tuple[Any, Any]:
        """(guide, model) traces with the keys of an ELBO object's single particle."""
        model_key, guide_key = jax.random.split(key)
        read = Reading(self.guide, reading, values, cut)
        guide = handlers.trace(handlers.substitute(handlers.seed(read, guide_key), data=params)).get_trace(*args)
        moved = {name: node["value"] for name, node in guide.items() if node["type"] == "mutable"}
        replayed = handlers.replay(handlers.seed(self.model, model_key), guide)
        return guide, handlers.trace(handlers.substitute(replayed, data=params | moved)).get_trace(*args)


@dataclass(kw_only=True)
class _Compiled:
    """A pair compiled for one batch size. shapes: of its draws, the first `first` at the guide's first run."""

    pair: NumPyroPair
    asked: Asked
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    first: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    values: Any = None
    pull: Any = None

    def measure(self, params: Any, state: Any, args: list[Any]) -> None:
        """Note the draws' shapes; compiling waits for the first use."""
        once, noting = Noises(), Noises()
        for reading, asked in ((once, OWN_ONLY), (noting, self.asked)):

            def look(tree: Any, reading: Noises = reading, asked: Asked = asked) -> Any:
                return self.pair.terms(args, tree | state, reading, jax.random.key(0), asked, False)[0]

            jax.eval_shape(look, params)
        self.shapes, self.first = noting.shapes, len(once.shapes)
        self.values = jax.jit(self._values)

        def pull(weight: Any, tree: Any, *given: Any) -> Any:
            found, back = jax.vjp(lambda each: self._values(each, *given)[0], tree)
            return back({key: weight[key].astype(each.dtype) for key, each in found.items()})[0]

        self.pull = jax.jit(pull)

    def _values(self, tree: Any, state: Any, noises: list[Any], key: Any, args: list[Any]) -> tuple[Any, Any]:
        params = tree | state
        values, scales = self.pair.terms(args, params, Noises(noises), key, self.asked, False)
        if self.asked.wide:
            return values, scales
        values |= self.pair.terms(args, params, Noises(noises), key, OWN_ONLY, True)[0]
        for total in OBJECTIVES:
            try:
                values[total.value] = self.pair.loss(total, args, params, Noises(noises), key)
            except (NotImplementedError, AssertionError, ValueError, RuntimeError) as error:
                self.errors[total.value] = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        return values, scales


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _names(model: Any, guide: Any) -> list[str]:
    def sites(trace: Any, observed: bool) -> list[str]:
        return [name for name, node in trace.items() if node["type"] == "sample" and node["is_observed"] == observed]

    return list(dict.fromkeys([*sites(guide, False), *sites(model, False), *sites(model, True)]))


def _moved(guide: Any, draw: int) -> dict[str, Any]:
    """Every Gaussian latent's value by another sampler, by site: see `SAMPLERS`."""
    found = {}
    for name, node in guide.items():
        gaussian = _gaussian(node) if node["type"] == "sample" else None
        if gaussian is not None:
            noise = lax.stop_gradient((node["value"] - gaussian.mean) / gaussian.sigma)
            found[name] = sampled_otherwise(jnp, gaussian, noise, draw)
    return found


def _terms(model_trace: Any, guide_trace: Any, draw: int, wide: bool) -> Iterator[tuple[Term, Any, Any]]:
    """(term, elements, size) of every site."""
    for name in _names(model_trace, guide_trace):
        model, guide = model_trace.get(name), guide_trace.get(name)
        if model is not None and model["is_observed"]:
            site = _observed(model)
            for what, clamp, elements in observed_columns(jnp, site, wide):
                yield Term(what, name, draw, clamp), elements, rounding(jnp, what, site, elements)
        else:
            for what, elements in latent_columns(jnp, _latent(model, guide), wide):
                yield Term(what, name, draw), elements, jnp.abs(elements).sum()


def _log_prob(node: Any) -> Any:
    given = [node["intermediates"]] if node["intermediates"] else []
    return scale_and_mask(node["fn"].log_prob(node["value"], *given), node["scale"])


def _unwrapped(fn: Any) -> tuple[Any, Any]:
    """The innermost distribution below the wrappers, and the mask on the way."""
    mask = None
    while type(fn).__name__ in WRAPPERS:
        mask = fn._mask if type(fn).__name__ == "MaskedDistribution" else mask
        fn = fn.base_dist
    return fn, mask


def _weight(node: Any, elements: Any) -> Any:
    """Scale times mask over the batch, made to broadcast over the event."""
    mask = _unwrapped(node["fn"])[1]
    weight = jnp.asarray(1.0 if node["scale"] is None else node["scale"], float)
    weight = weight if mask is None else weight * jnp.asarray(mask, float)
    rank = elements.ndim - len(node["fn"].batch_shape)
    return weight.reshape(*weight.shape, *(1,) * rank) if weight.ndim else weight


def _observed(node: Any) -> Observed:
    base, mask = _unwrapped(node["fn"])
    value = node["value"]
    try:
        mean = jnp.broadcast_to(base.mean, value.shape)
    except (NotImplementedError, ValueError):
        mean = None
    name = type(base).__name__
    normal, bernoulli = mean is not None and name == "Normal", mean is not None and name.startswith("Bernoulli")
    plain = None if mask is None else scale_and_mask(_without_mask(node["fn"]).log_prob(value), node["scale"])
    return Observed(
        value=value,
        log_p=_log_prob(node),
        mean=mean,
        sigma=jnp.broadcast_to(base.scale, value.shape) if normal else None,
        logits=jnp.broadcast_to(base.logits, value.shape) if bernoulli else None,
        probability=bernoulli,  # of a mean that is computed nothing is known while compiling
        weight=_weight(node, value),
        unmasked=plain,
    )


def _without_mask(fn: Any) -> Any:
    return fn.base_dist if type(fn).__name__ == "MaskedDistribution" else fn


def _latent(model: Any, guide: Any) -> Latent:
    node = guide if guide is not None else model
    kl = None
    if model is not None and guide is not None:
        try:
            kl = scale_and_mask(kl_divergence(guide["fn"], model["fn"]), guide["scale"])
        except NotImplementedError:
            kl = None
    return Latent(
        value=node["value"],
        log_q=_log_prob(guide) if guide is not None else jnp.zeros(()),
        log_p=_log_prob(model) if model is not None else jnp.zeros(()),
        kl=kl,
        guide=_gaussian(guide),
        prior=_gaussian(model),
        weight=_weight(node, node["value"]),
    )


def _gaussian(node: Any) -> Gaussian | None:
    if node is None:
        return None
    base = _unwrapped(node["fn"])[0]
    if type(base).__name__ != "Normal":
        return None
    shape = node["value"].shape
    return Gaussian(mean=jnp.broadcast_to(base.loc, shape), sigma=jnp.broadcast_to(base.scale, shape))


def _facts(name: str, model_trace: Any, guide_trace: Any) -> SiteFacts:
    model, guide = model_trace.get(name), guide_trace.get(name)
    node = guide if guide is not None and not guide["is_observed"] else model
    base, mask = _unwrapped(node["fn"])
    return SiteFacts(
        name=name,
        observed=bool(model is not None and model["is_observed"]),
        elements=int(node["value"].size),
        family=type(base).__name__.replace("BernoulliProbs", "Bernoulli").replace("BernoulliLogits", "Bernoulli"),
        shown=f"{type(base).__name__}, {tuple(node['value'].shape)}",
        reparameterised=bool(getattr(base, "reparametrized_params", ())) or not base.is_discrete,
        discrete=bool(base.is_discrete and base.has_enumerate_support),
        guide_scale=_scale(guide),
        model_scale=_scale(model),
        masked=mask is not None,
    )


def _scale(node: Any) -> float:
    """The mean of a site's scale; 1 where it has none, or where it is computed from the data."""
    scale = None if node is None else node["scale"]
    return 1.0 if scale is None or isinstance(scale, Tracer) else float(np.mean(np.asarray(scale)))
