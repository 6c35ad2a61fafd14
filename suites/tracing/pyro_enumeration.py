"""The exact ELBO of a Pyro pair whose latents are all discrete and few: a sum over every state, by running the pair."""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.infer.util import is_validation_enabled
from pyro.poutine.messenger import Messenger
from pyro.poutine.subsample_messenger import _Subsample

STATES, SECONDS = 600, 1.0


class _Odometer(Messenger):
    """Sets every discrete latent, element by element, to the values that `digits` number, and notes the radices."""

    def __init__(self, digits: list[int]) -> None:
        super().__init__()
        self.digits, self.radices = digits, []

    def _pyro_sample(self, msg: Any) -> None:
        if msg["is_observed"] or msg["value"] is not None or isinstance(msg["fn"], _Subsample):
            return
        fn = msg["fn"]
        support = fn.enumerate_support(expand=False)
        flat = support.reshape(support.shape[0], *fn.event_shape)
        chosen = []
        for _ in range(fn.batch_shape.numel()):
            place = len(self.radices)
            self.radices.append(len(flat))
            chosen.append(self.digits[place] if place < len(self.digits) else 0)
        msg["value"] = flat[torch.tensor(chosen, dtype=torch.long)].reshape(fn.batch_shape + fn.event_shape)


def enumerated(
    model: Callable, guide: Callable, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[torch.Tensor, int] | None:
    """(sum_z q(z) [log sum_y p(x, y, z) - log q(z)], states): y is what the guide lacks; scales and masks as written.

    None where there are more than 600 states, a second is not enough, or a latent that the guide lacks is scaled.
    """
    until, states, total = monotonic() + SECONDS, 0, torch.tensor(0.0)
    digits: list[int] | None = []
    while digits is not None:
        guide_trace, radices = _run(poutine.trace(guide), digits, args, kwargs)
        latents = [node for node in guide_trace.nodes.values() if _latent(node)]
        log_q = sum((node["unscaled_log_prob"].sum() for node in latents), torch.tensor(0.0))
        inner: list[torch.Tensor] = []
        below: list[int] | None = []
        while below is not None:
            replayed = poutine.trace(poutine.replay(model, trace=guide_trace))
            model_trace, inside = _run(replayed, below, args, kwargs)
            if inside and any(float(torch.as_tensor(node["scale"]).max()) != 1 for node in model_trace.nodes.values()
                              if node["type"] == "sample"):  # fmt: skip
                return None
            inner.append(sum((_scored(node) for node in model_trace.nodes.values()), torch.tensor(0.0)))
            states += 1
            if states > STATES or monotonic() > until:
                return None
            below = _next(below, inside)
        log_p = torch.logsumexp(torch.stack(inner), 0) if len(inner) > 1 else inner[0]
        total = total + log_q.exp() * (log_p - sum(map(_scored, guide_trace.nodes.values())))
        digits = _next(digits, radices)
    return total, states


def _run(traced: Any, digits: list[int], args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, list[int]]:
    with pyro.validation_enabled(is_validation_enabled()), _Odometer(digits) as odometer:
        trace = traced.get_trace(*args, **kwargs)
    trace.compute_log_prob()
    return trace, odometer.radices


def _latent(node: Any) -> bool:
    return node["type"] == "sample" and not node["is_observed"] and not isinstance(node["fn"], _Subsample)


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
