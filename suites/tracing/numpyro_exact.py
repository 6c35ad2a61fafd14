"""The exact ELBO of a NumPyro pair: every state of its discrete draws and every node of its normal ones in one run."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from numpyro import handlers
from numpyro.distributions.util import scale_and_mask
from numpyro.primitives import Messenger

from elbo_compare.suites.tracing.compiling import QUICK_TO_COMPILE
from elbo_compare.suites.tracing.quadrature import Rule, agree, integrated, nothing_drawn, rules

STATES = 4096
SIZES = (1, 8, 64, 256, 600)  # of rules: compiling takes longer than a few nodes more
WRAPPERS = ("Independent", "MaskedDistribution", "ExpandedDistribution")


class UnknownDrawError(Exception):
    """A draw that is neither a discrete one with a finite support nor a normal one."""


class _Odometer(Messenger):
    """Sets every discrete latent, element by element, to the values that `digits` number, and notes the radices; the
    noise of normal latents, of normal ones that are transformed too, is read from `noise` (zeros where it is None)."""

    def __init__(self, fn: Callable, digits: Any, noise: Any, *, normal: bool) -> None:
        super().__init__(fn)
        self.digits, self.noise, self.normal = digits, noise, normal
        self.radices: list[int] = []
        self.read = 0

    def process_message(self, msg: Any) -> None:
        """Give the site its value."""
        if msg["type"] == "plate" and msg["value"] is None and msg["args"][1] not in (None, msg["args"][0]):
            raise UnknownDrawError  # a subsample that is drawn
        if msg["type"] != "sample" or msg["is_observed"] or msg["value"] is not None:
            return
        fn = base = msg["fn"]
        while type(base).__name__ in WRAPPERS:
            base = base.base_dist
        if type(base).__name__ == "Delta":
            return
        if not fn.has_rsample and getattr(fn, "has_enumerate_support", False):
            msg["value"] = self._chosen(fn)
        else:
            msg["value"] = self._moved(fn, base)

    def _chosen(self, fn: Any) -> Any:
        support = fn.enumerate_support(expand=False)
        flat = support.reshape(support.shape[0], *fn.event_shape)
        n, place = math.prod(fn.batch_shape), len(self.radices)
        self.radices += [flat.shape[0]] * n
        digits = jnp.zeros(n, dtype=int) if self.digits is None else self.digits[place : place + n]
        return flat[digits].reshape(fn.batch_shape + fn.event_shape)

    def _moved(self, fn: Any, base: Any) -> Any:
        transforms: list[Any] = []
        while type(base).__name__ in (*WRAPPERS, "TransformedDistribution", "LogNormal"):
            transforms = [*getattr(base, "transforms", ()), *transforms]
            base = base.base_dist
        if not self.normal or type(base).__name__ not in ("Normal", "MultivariateNormal"):
            raise UnknownDrawError
        # A transform keeps the batch on the left: what the innermost base lacks of it is broadcast.
        lacking = len(fn.batch_shape) + len(fn.event_shape) - len(base.batch_shape) - len(base.event_shape)
        shape = (*fn.shape()[: max(lacking, 0)], *base.batch_shape, *base.event_shape) if transforms else fn.shape()
        size = math.prod(shape)
        flat = jnp.zeros(size) if self.noise is None else self.noise[self.read : self.read + size]
        self.read += size
        noise = flat.reshape(shape)
        tril = getattr(base, "scale_tril", None)
        value = base.loc + (base.scale * noise if tril is None else (tril @ noise[..., None])[..., 0])
        for transform in transforms:
            value = transform(value)
        return jnp.broadcast_to(value, fn.shape())


class _Densities:
    """(log q of the states, log p, log q) at given digits and noise; afterwards it knows which draws there are."""

    def __init__(self, model: Callable, guide: Callable, args: Sequence[Any], kwargs: Mapping[str, Any],
                 constrained: Callable) -> None:  # fmt: skip
        self._model, self._guide, self._args, self._kwargs = model, guide, args, kwargs
        self._constrained = constrained
        self.radices: tuple[list[int], list[int]] = ([], [])  # of the guide's states, and of the model's
        self.dimensions, self.scaled = 0, False

    def __call__(self, digits_q: Any, digits_p: Any, noise: Any, params: Any, seed: Any = 0) -> Any:
        held = self._constrained(params)
        seeded = handlers.substitute(handlers.seed(self._guide, jax.random.key(seed)), data=held)
        outer = _Odometer(seeded, digits_q, noise, normal=True)
        guide_trace = handlers.trace(outer).get_trace(*self._args, **self._kwargs)
        replayed = handlers.replay(handlers.seed(self._model, jax.random.key(seed + 1)), guide_trace)
        inner = _Odometer(handlers.substitute(replayed, data=held), digits_p, None, normal=False)
        model_trace = handlers.trace(inner).get_trace(*self._args, **self._kwargs)
        self.radices, self.dimensions = (outer.radices, inner.radices), outer.read
        self.scaled = bool(inner.radices) and _scaled(model_trace)  # a sum over such states is no marginal
        numbered = [node for node in guide_trace.values() if _numbered(node)]
        log_q = sum((jnp.sum(node["fn"].log_prob(node["value"])) for node in numbered), jnp.zeros(()))
        return log_q, _scored(model_trace), _scored(guide_trace)

    def nowhere(self, params: Any, seed: Any) -> Any:
        """log p - log q at the first state without noise: the same under every seed, or something else is drawn."""
        _, log_p, log_q = self(None, None, None, params, seed)
        return log_p - log_q


def exact_elbo(
    model: Callable, guide: Callable, args: Sequence[Any], kwargs: Mapping[str, Any], params: Any, constrained: Callable
) -> tuple[float, Any, str] | None:
    """(E_q[sum_z q(z) (log sum_y p(x, y, z) - log q(z))], its gradient in `params`, the route).

    y is what the guide lacks; scales and masks as written. None where a latent is neither discrete with a finite
    support nor normal, where something else is drawn at random, where it takes more than 4096 states or 600 nodes, or
    where two rules differ.
    """
    densities = _Densities(model, guide, args, kwargs, constrained)
    try:
        jax.eval_shape(densities.nowhere, params, 0)  # what is drawn, before anything is compiled
    except UnknownDrawError:
        return None
    states, dimensions = [math.prod(each) for each in densities.radices], densities.dimensions
    total = states[0] * states[1]
    affordable = total > 1 if not dimensions else bool(rules(dimensions, total))
    if densities.scaled or total > STATES or not affordable:
        return None
    run = jax.jit(densities.nowhere).lower(params, 0).compile(compiler_options=QUICK_TO_COMPILE)
    if not agree(float(run(params, 0)), float(run(params, 10))):
        return None
    grids = [np.array(list(np.ndindex(*radices)), dtype=int).reshape(size, len(radices))
             for radices, size in zip(densities.radices, states, strict=True)]  # fmt: skip
    integral = _Integral(densities, grids, params)
    if dimensions:
        found = integrated(integral, dimensions, total)
        if found is None:
            return None
        (value, slopes), text = found
    else:
        (value, slopes), text = integral(nothing_drawn())[1], ""
    parts = [each for each in (f"sum over all {total} states" if total > 1 else "", text) if each]
    return value, slopes, " and ".join(parts)


class _Integral:
    """(value, (value, gradient)) by a rule. Rules are filled up to a few sizes, and each size is compiled once."""

    def __init__(self, densities: Callable, grids: Sequence[np.ndarray], params: Any) -> None:
        self._densities, self._params = densities, params
        self._grids = tuple(map(jnp.asarray, grids))
        self._compiled: dict[int, Callable] = {}

    def __call__(self, rule: Rule) -> tuple[float, tuple[float, Any]]:
        size = next(each for each in SIZES if each >= len(rule.points))
        lacking = size - len(rule.points)  # the first point again, of no weight
        given = (self._params, jnp.asarray(np.concatenate([rule.points, np.repeat(rule.points[:1], lacking, 0)])),
                 jnp.asarray(np.concatenate([rule.weights, np.zeros(lacking)])))  # fmt: skip
        if size not in self._compiled:
            lowered = jax.jit(jax.value_and_grad(self._total)).lower(*given)
            self._compiled[size] = lowered.compile(compiler_options=QUICK_TO_COMPILE)
        value, slopes = self._compiled[size](*given)
        return float(value), (float(value), slopes)

    def _total(self, params: Any, points: Any, weights: Any) -> Any:
        within = jax.vmap(self._densities, in_axes=(None, 0, None, None))
        states = jax.vmap(within, in_axes=(0, None, None, None))
        log_q, log_p, scored_q = jax.vmap(states, in_axes=(None, None, 0, None))(*self._grids, points, params)
        at_noise = jnp.sum(jnp.exp(log_q[..., 0]) * (logsumexp(log_p, axis=-1) - scored_q[..., 0]), axis=-1)
        return jnp.sum(weights * at_noise)


def _numbered(node: Any) -> bool:
    latent = node["type"] == "sample" and not node["is_observed"]
    return latent and not node["fn"].has_rsample and bool(getattr(node["fn"], "has_enumerate_support", False))


def _scaled(trace: Any) -> bool:
    return any(
        node["scale"] is not None or (_numbered(node) and type(node["fn"]).__name__ == "MaskedDistribution")
        for node in trace.values() if node["type"] == "sample"
    )  # fmt: skip


def _scored(trace: Any) -> Any:
    nodes = [node for node in trace.values() if node["type"] == "sample"]
    return sum((jnp.sum(scale_and_mask(node["fn"].log_prob(node["value"]), node["scale"])) for node in nodes),
               jnp.zeros(()))  # fmt: skip
