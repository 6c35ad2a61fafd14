"""The exact ELBO of a Pyro pair: a sum over every state of its discrete draws, an integral over its normal ones."""

import math
from collections.abc import Callable, Mapping, Sequence
from time import process_time
from typing import Any

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.infer.util import is_validation_enabled
from pyro.poutine.messenger import Messenger
from pyro.poutine.subsample_messenger import _Subsample

from elbo_compare.suites.tracing.quadrature import MOST_RUNS, Rule, agree, integrated, nothing_drawn, rules

SECONDS = 2.0  # of CPU
WRAPPERS = ("Independent", "MaskedDistribution", "ExpandedDistribution")


class UnknownDrawError(Exception):
    """A draw that is neither a discrete one with a finite support nor a normal one."""


class _Odometer(Messenger):
    """Sets every discrete latent, element by element, to the values that `digits` number, and notes the radices; the
    noise of normal latents, of normal ones that are transformed too, is read from `noise` (zeros where it ends)."""

    def __init__(self, digits: list[int], noise: torch.Tensor | None) -> None:
        super().__init__()
        self.digits, self.noise = digits, noise
        self.radices: list[int] = []
        self.read = 0

    def _pyro_sample(self, msg: Any) -> None:
        fn = base = msg["fn"]
        if msg["is_observed"] or msg["value"] is not None:
            return
        if isinstance(fn, _Subsample):
            if fn.subsample_size is not None and fn.subsample_size < fn.size:
                raise UnknownDrawError
            return
        while type(base).__name__ in WRAPPERS:
            base = base.base_dist
        if type(base).__name__ == "Delta":
            return
        if not fn.has_rsample and getattr(fn, "has_enumerate_support", False):
            msg["value"] = self._chosen(fn)
        else:
            msg["value"] = self._moved(fn, base)

    def _chosen(self, fn: Any) -> torch.Tensor:
        support = fn.enumerate_support(expand=False)
        flat = support.reshape(support.shape[0], *fn.event_shape)
        chosen = []
        for _ in range(fn.batch_shape.numel()):
            place = len(self.radices)
            self.radices.append(len(flat))
            chosen.append(self.digits[place] if place < len(self.digits) else 0)
        return flat[torch.tensor(chosen, dtype=torch.long)].reshape(fn.batch_shape + fn.event_shape)

    def _moved(self, fn: Any, base: Any) -> torch.Tensor:
        """The value of a normal latent, or of one that is transformed, at the noise that comes next."""
        transforms = []
        while type(base).__name__ in (*WRAPPERS, "TransformedDistribution", "LogNormal"):
            transforms = [*getattr(base, "transforms", ()), *transforms]
            base = base.base_dist
        if self.noise is None or type(base).__name__ not in ("Normal", "MultivariateNormal"):
            raise UnknownDrawError
        # NumPy's: torch's own takes two seconds at its first call, for a package of symbols
        shape = np.broadcast_shapes(base.batch_shape, fn.batch_shape) if not transforms else base.batch_shape
        shape = (*shape, *base.event_shape)
        size, given = math.prod(shape), self.noise[self.read :]
        flat = given[:size] if len(given) >= size else torch.cat([given, given.new_zeros(size - len(given))])
        self.read += size
        noise = flat.reshape(shape).to(base.mean.dtype)
        tril = getattr(base, "scale_tril", None)
        value = base.loc + (base.scale * noise if tril is None else (tril @ noise.unsqueeze(-1)).squeeze(-1))
        for transform in transforms:
            value = transform(value)
        shape = fn.batch_shape + fn.event_shape
        return value if value.shape == shape else value.expand(shape)  # a cached inverse knows this very tensor


def exact_elbo(
    model: Callable, guide: Callable, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[torch.Tensor, str] | None:
    """(E_q[sum_z q(z) (log sum_y p(x, y, z) - log q(z))], the route): y is what the guide lacks; scales as written.

    None where a latent is neither discrete with a finite support nor normal, where something else is drawn at random
    (a subsample), where 600 runs or four seconds are not enough, where two rules of integration differ, or where a
    latent that the guide lacks is scaled.
    """
    try:
        nothing = torch.zeros(0, dtype=torch.float64)
        pyro.set_rng_seed(0)
        value, dimensions, states = _first(model, guide, args, kwargs, nothing)
        affordable = bool(rules(dimensions, states)) if dimensions else 1 < states <= MOST_RUNS
        if not affordable:
            return None
        pyro.set_rng_seed(1)
        began = process_time()  # of the second run, the first may import and fill caches
        if not agree(value, _first(model, guide, args, kwargs, nothing)[0]):
            return None
        spent = process_time() - began
        until, most = began + 2 * SECONDS, min(MOST_RUNS, int(SECONDS / max(spent, 1e-4)))
        if not dimensions:
            total, text = _integral(nothing_drawn(), (model, guide, args, kwargs), until), ""
        else:

            def integral(rule: Rule) -> tuple[float, torch.Tensor]:
                value = _integral(rule, (model, guide, args, kwargs), until)
                return float(value.detach()), value

            result = integrated(integral, dimensions, states, most)
            if result is None:
                return None
            total, text = result
    except UnknownDrawError:
        return None
    parts = [each for each in (f"sum over all {states} states" if states > 1 else "", text) if each]
    return (total, " and ".join(parts)) if parts else None


def _first(model: Callable, guide: Callable, args: Sequence[Any], kwargs: Mapping[str, Any],
           noise: torch.Tensor) -> tuple[float, int, int]:  # fmt: skip
    """log p - log q at the first state and no noise, the dimensions of the noise, and the states, the model's too."""
    guide_trace, outer = _run(poutine.trace(guide), [], noise, args, kwargs)
    replayed = poutine.trace(poutine.replay(model, trace=guide_trace))
    model_trace, inner = _run(replayed, [], None, args, kwargs)
    value = sum(map(_scored, model_trace.nodes.values())) - sum(map(_scored, guide_trace.nodes.values()))
    return float(torch.as_tensor(value).detach()), outer.read, math.prod(outer.radices) * math.prod(inner.radices)


def _integral(rule: Rule, pair: tuple, until: float) -> torch.Tensor:
    total = torch.tensor(0.0)
    for point, weight in zip(rule.points, rule.weights, strict=True):
        total = total + float(weight) * _summed(pair, torch.as_tensor(point), until)
    return total


def _summed(pair: tuple, noise: torch.Tensor, until: float) -> torch.Tensor:
    """The sum over all states at one point of the noise."""
    model, guide, args, kwargs = pair
    total, states = torch.tensor(0.0), 0
    digits: list[int] | None = []
    while digits is not None:
        guide_trace, outer = _run(poutine.trace(guide), digits, noise, args, kwargs)
        if outer.read != len(noise):
            raise UnknownDrawError  # another branch of the guide draws something else
        numbered = [node for node in guide_trace.nodes.values() if _numbered(node)]
        log_q: Any = sum((node["unscaled_log_prob"].sum() for node in numbered), torch.tensor(0.0))
        inner: list[torch.Tensor] = []
        below: list[int] | None = []
        while below is not None:
            replayed = poutine.trace(poutine.replay(model, trace=guide_trace))
            model_trace, within = _run(replayed, below, None, args, kwargs)
            if within.radices and not all(map(_plain, model_trace.nodes.values())):
                raise UnknownDrawError  # a sum over states of what is weighted or masked is no marginal
            inner.append(sum((_scored(node) for node in model_trace.nodes.values()), torch.tensor(0.0)))
            states += 1
            if states > MOST_RUNS or process_time() > until:
                raise UnknownDrawError
            below = _next(below, within.radices)
        log_p = torch.logsumexp(torch.stack(inner), 0) if len(inner) > 1 else inner[0]
        total = total + log_q.exp() * (log_p - sum(map(_scored, guide_trace.nodes.values())))
        digits = _next(digits, outer.radices)
    return total


def _run(traced: Any, digits: list[int], noise: torch.Tensor | None, args: Sequence[Any],
         kwargs: Mapping[str, Any]) -> tuple[Any, _Odometer]:  # fmt: skip
    with pyro.validation_enabled(is_validation_enabled()), _Odometer(digits, noise) as odometer:
        trace = traced.get_trace(*args, **kwargs)
    trace.compute_log_prob()
    return trace, odometer


def _numbered(node: Any) -> bool:
    latent = node["type"] == "sample" and not node["is_observed"] and not isinstance(node["fn"], _Subsample)
    return latent and not node["fn"].has_rsample and bool(getattr(node["fn"], "has_enumerate_support", False))


def _plain(node: Any) -> bool:
    """Whether a site counts once: no scale, and on a latent no mask."""
    if node["type"] != "sample" or isinstance(node["fn"], _Subsample):
        return True
    masked = node["mask"] is not None or type(node["fn"]).__name__ == "MaskedDistribution"
    return float(torch.as_tensor(node["scale"]).max()) == 1 and (node["is_observed"] or not masked)


def _scored(node: Any) -> Any:
    counts = node["type"] == "sample" and not isinstance(node["fn"], _Subsample)
    return node["log_prob_sum"] if counts else 0.0


def _next(digits: list[int], radices: list[int]) -> list[int] | None:
    """The next state; None after the last."""
    now = [*digits, *([0] * (len(radices) - len(digits)))]
    for place in reversed(range(len(radices))):
        if now[place] + 1 < radices[place]:
            return [*now[:place], now[place] + 1]
    return None
