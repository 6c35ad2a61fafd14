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

from elbo_compare.suites.tracing.quadrature import Rule, agree, integrated, nothing_drawn

STATES = 4096
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


def exact_elbo(
    model: Callable, guide: Callable, args: Sequence[Any], kwargs: Mapping[str, Any], params: Any, constrained: Callable
) -> tuple[float, Any, str] | None:
    """(E_q[sum_z q(z) (log sum_y p(x, y, z) - log q(z))], its gradient in `params`, the route).

    y is what the guide lacks; scales and masks as written. None where a latent is neither discrete with a finite
    support nor normal, where something else is drawn at random, where it takes more than 4096 states or 600 nodes, or
    where two rules differ.
    """
    counts: dict[str, Any] = {}

    def densities(digits_q: Any, digits_p: Any, noise: Any, params: Any, seed: int = 0) -> Any:
        held = constrained(params)
        seeded = handlers.substitute(handlers.seed(guide, jax.random.key(seed)), data=held)
        outer = _Odometer(seeded, digits_q, noise, normal=True)
        guide_trace = handlers.trace(outer).get_trace(*args, **kwargs)
        replayed = handlers.replay(handlers.seed(model, jax.random.key(seed + 1)), guide_trace)
        inner = _Odometer(handlers.substitute(replayed, data=held), digits_p, None, normal=False)
        model_trace = handlers.trace(inner).get_trace(*args, **kwargs)
        counts.update(q=outer.radices, p=inner.radices, noise=outer.read, scaled=_scaled(model_trace))
        numbered = [node for node in guide_trace.values() if _numbered(node)]
        log_q = sum((jnp.sum(node["fn"].log_prob(node["value"])) for node in numbered), jnp.zeros(()))
        return log_q, _scored(model_trace), _scored(guide_trace)

    try:
        first, again = (jax.jit(lambda params, seed=seed: densities(None, None, None, params, seed))(params)
                        for seed in (0, 10))  # fmt: skip
    except UnknownDrawError:
        return None
    if not agree(float(first[1] - first[2]), float(again[1] - again[2])) or (counts["p"] and counts["scaled"]):
        return None
    states = [math.prod(counts[side]) for side in ("q", "p")]
    if states[0] * states[1] > STATES:
        return None
    grids = [np.array(list(np.ndindex(*counts[side])), dtype=int).reshape(size, len(counts[side]))
             for side, size in zip(("q", "p"), states, strict=True)]  # fmt: skip
    total = states[0] * states[1]
    if counts["noise"]:
        found = integrated(lambda rule: _integral(densities, rule, grids, params), counts["noise"], total)
        if found is None:
            return None
        (value, slopes), text = found
    else:
        (value, slopes), text = _integral(densities, nothing_drawn(), grids, params)[1], ""
    parts = [each for each in (f"sum over all {total} states" if total > 1 else "", text) if each]
    return (value, slopes, " and ".join(parts)) if parts else None


def _integral(
    densities: Callable, rule: Rule, grids: Sequence[np.ndarray], params: Any
) -> tuple[float, tuple[float, Any]]:
    grid_q, grid_p = map(jnp.asarray, grids)

    def total(params: Any) -> Any:
        within = jax.vmap(densities, in_axes=(None, 0, None, None))
        states = jax.vmap(within, in_axes=(0, None, None, None))
        log_q, log_p, scored_q = jax.vmap(states, in_axes=(None, None, 0, None))(
            grid_q, grid_p, jnp.asarray(rule.points), params
        )
        at_noise = jnp.sum(jnp.exp(log_q[..., 0]) * (logsumexp(log_p, axis=-1) - scored_q[..., 0]), axis=-1)
        return jnp.sum(jnp.asarray(rule.weights) * at_noise)

    value, slopes = jax.jit(jax.value_and_grad(total))(params)
    return float(value), (float(value), slopes)


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
