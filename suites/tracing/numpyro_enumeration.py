"""The exact ELBO of a NumPyro pair whose latents are all discrete and few: every state in one vectorised run."""

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

STATES = 4096


class _Odometer(Messenger):
    """Sets every discrete latent, element by element, to the values that `digits` number, and notes the radices."""

    def __init__(self, fn: Callable, digits: Any) -> None:
        super().__init__(fn)
        self.digits, self.radices = digits, []

    def process_message(self, msg: Any) -> None:
        """Give the site its value."""
        if msg["type"] != "sample" or msg["is_observed"] or msg["value"] is not None:
            return
        fn = msg["fn"]
        support = fn.enumerate_support(expand=False)
        flat = support.reshape(support.shape[0], *fn.event_shape)
        n, place = math.prod(fn.batch_shape), len(self.radices)
        self.radices += [flat.shape[0]] * n
        digits = jnp.zeros(n, dtype=int) if self.digits is None else self.digits[place : place + n]
        msg["value"] = flat[digits].reshape(fn.batch_shape + fn.event_shape)


def enumerated(
    model: Callable, guide: Callable, args: Sequence[Any], kwargs: Mapping[str, Any], params: Any, constrained: Callable
) -> tuple[float, Any, int] | None:
    """(sum_z q(z) [log sum_y p(x, y, z) - log q(z)], its gradient in `params`, states): y is what the guide lacks.

    Scales and masks as written. None where there are more than 4096 states.
    """
    counts: list[list[int]] = [[], []]

    def densities(digits_q: Any, digits_p: Any, params: Any) -> Any:
        held = constrained(params)
        outer = _Odometer(handlers.substitute(handlers.seed(guide, jax.random.key(0)), data=held), digits_q)
        guide_trace = handlers.trace(outer).get_trace(*args, **kwargs)
        replayed = handlers.replay(handlers.seed(model, jax.random.key(1)), guide_trace)
        inner = _Odometer(handlers.substitute(replayed, data=held), digits_p)
        model_trace = handlers.trace(inner).get_trace(*args, **kwargs)
        counts[:] = [outer.radices, inner.radices]
        latents = [node for node in guide_trace.values() if node["type"] == "sample" and not node["is_observed"]]
        log_q = sum((jnp.sum(node["fn"].log_prob(node["value"])) for node in latents), jnp.zeros(()))
        return log_q, _scored(model_trace), _scored(guide_trace)

    jax.eval_shape(densities, None, None, params)
    states = [math.prod(each) for each in counts]
    if states[0] * states[1] > STATES:
        return None
    grids = [np.array(list(np.ndindex(*each)), dtype=int).reshape(size, len(each)) for each, size in
             zip(counts, states, strict=True)]  # fmt: skip

    def total(params: Any) -> Any:
        within = jax.vmap(densities, in_axes=(None, 0, None))
        grid_q, grid_p = map(jnp.asarray, grids)
        log_q, log_p, scored_q = jax.vmap(within, in_axes=(0, None, None))(grid_q, grid_p, params)
        return jnp.sum(jnp.exp(log_q[:, 0]) * (logsumexp(log_p, axis=1) - scored_q[:, 0]))

    value, slopes = jax.jit(jax.value_and_grad(total))(params)
    return float(value), slopes, states[0] * states[1]


def _scored(trace: Any) -> Any:
    nodes = [node for node in trace.values() if node["type"] == "sample"]
    return sum((jnp.sum(scale_and_mask(node["fn"].log_prob(node["value"]), node["scale"])) for node in nodes),
               jnp.zeros(()))  # fmt: skip
