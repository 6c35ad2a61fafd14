"""A Pyro model and guide, run once as Pyro's own ELBO objects run them, and read site by site."""

import logging
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.distributions.util import is_identically_zero, scale_and_mask
from pyro.infer.enum import get_importance_trace
from pyro.infer.util import check_fully_reparametrized
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import prune_subsample_sites
from torch.distributions.kl import kl_divergence

from elbo_compare.suites.tracing.site import Node, Plate, Traced


def traced(
    model: Callable[..., Any],
    guide: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    values: Mapping[str, Any] | None = None,
) -> Traced:
    """One run of the guide and of the model against it. values: of the guide's latents by name, where they are given.

    Raises what the model or the guide raises, and what Pyro says of a pair that does not fit together.
    """
    given = guide if values is None else Given(values)(guide)
    found = get_importance_trace("flat", float("inf"), model, given, tuple(args), dict(kwargs))
    model_nodes, guide_nodes = map(_nodes, found)
    return Traced(model=model_nodes, guide=guide_nodes)


def drawn_names(
    model: Callable[..., Any], guide: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], seed: int
) -> set[str]:
    """The sites of one run; no density is computed."""
    pyro.set_rng_seed(seed)
    with torch.no_grad():
        guide_trace = poutine.trace(guide).get_trace(*args, **kwargs)
        model_trace = poutine.trace(poutine.replay(model, trace=guide_trace)).get_trace(*args, **kwargs)
    found = (prune_subsample_sites(each) for each in (guide_trace, model_trace))
    return {name for trace in found for name, record in trace.nodes.items() if record.get("type") == "sample"}


def divergence(guide: Node, model: Node) -> Any | None:
    """The registered KL over the batch, by the guide's scale and mask, as TraceMeanField_ELBO forms it; None where it
    samples. Raises what the library raises while it forms it."""
    try:
        kl = kl_divergence(guide.fn, model.fn)
    except NotImplementedError:
        return None
    found = torch.as_tensor(scale_and_mask(kl, scale=guide.scale, mask=guide.mask))
    return found.expand(guide.fn.batch_shape)


def not_reparameterised(guide: Node) -> str:
    """What TraceMeanField_ELBO raises for a site that has no reparameterised draw; else empty."""
    try:
        check_fully_reparametrized(guide.record)
    except (NotImplementedError, ValueError, KeyError) as raised:
        return f"{type(raised).__name__}: {' '.join(str(raised).split())[:200]}"
    return ""


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings, and the random numbers of the caller go on where they were."""
    before = random.getstate(), np.random.get_state()
    log = logging.getLogger("pyro")  # which says on standard error what nesting of plates it has guessed
    level = log.level
    log.setLevel(logging.WARNING)
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            log.setLevel(level)
            random.setstate(before[0])
            np.random.set_state(before[1])


@contextmanager
def one_thread() -> Iterator[None]:
    """torch computes in one thread: where other work keeps the cores busy, its threads wait for one another by turning
    (a VAE of 784 pixels: 8 seconds of CPU for 1.3)."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Given(Messenger):
    """Latents have the values that they are given."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        self.values = values

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] in self.values and not msg["is_observed"]:
            msg["value"], msg["done"] = self.values[msg["name"]], True


def _nodes(trace: Any) -> dict[str, Node]:
    return {name: _node(name, record) for name, record in trace.nodes.items() if record["type"] == "sample"}


def _node(name: str, record: Any) -> Node:
    frames, parts = record["cond_indep_stack"], record.get("score_parts")  # the guide's alone have parts
    return Node(
        name=name,
        fn=record["fn"],
        value=record["value"],
        observed=bool(record["is_observed"]),
        log_prob=record["log_prob"],
        scale=record["scale"],
        mask=record["mask"],
        infer=record["infer"] or {},
        plates=tuple(_plate(frame, record["fn"].batch_shape) for frame in frames),
        nesting=max((-frame.dim for frame in frames if frame.vectorized), default=0),
        partly=record["fn"].has_rsample and parts is not None and not is_identically_zero(parts.score_function),
        record=record,
    )


def _plate(frame: Any, batch: Sequence[int]) -> Plate:
    """A plate that was given no size (-1 in Pyro) has the rows of the batch at its dimension."""
    rows = int(frame.size)
    if rows < 0:
        rows = int(batch[frame.dim]) if frame.vectorized and len(batch) >= -frame.dim else 1
    size = int(frame.full_size or rows)
    return Plate(name=frame.name, size=size if size >= 0 else rows, rows=rows, vectorised=bool(frame.vectorized))
