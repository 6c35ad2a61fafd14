"""A Pyro model and guide at a tape: what Pyro's own ELBO objects return, and every term of every site."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from pyro import poutine
from pyro.distributions.util import scale_and_mask
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO
from pyro.infer.enum import config_enumerate, get_importance_trace
from torch import Tensor
from torch.distributions.kl import kl_divergence

from elbo_compare.suites.bridge.pairs.columns import (
    Gaussian,
    Latent,
    Observed,
    latent_columns,
    observed_columns,
    rounding,
    sampled_otherwise,
)
from elbo_compare.suites.bridge.pairs.records import OWN_ONLY, SAMPLERS, Asked, Run, SiteFacts, Term, Total
from elbo_compare.suites.bridge.pairs.torch_weights import Gradients
from elbo_compare.suites.bridge.tape import Tape
from elbo_compare.suites.bridge.torch_tape import TorchTape

NAME = "pyro"


@dataclass(frozen=True, kw_only=True)
class PyroPair:
    """MODEL and GUIDE, which take the same arguments."""

    model: Callable[..., Any]
    guide: Callable[..., Any]

    def set_up(self, args: Sequence[Any]) -> None:
        """An autoguide makes its weights on its first call; so do parameters of Pyro's store."""
        with _quiet(), TorchTape(Tape(0)):
            self._traces(args)

    def run(self, args: Sequence[Any], tape: Tape, gradients: Gradients | None = None, asked: Asked = OWN_ONLY) -> Run:
        """Terms at the tape, at as many runs of the guide as are asked for; each ELBO object's loss there."""
        columns, scales, grads = {}, {}, {}
        drawn: tuple[Any, ...] = ()
        nesting = 0
        for draw, traces in self._draws(args, tape, asked):
            nesting = max(nesting, *map(_nesting, traces))
            drawn = drawn or tuple((each.kind.value, each.shape) for each in tape.drawn)
            for term, elements, size in _terms(traces[0], traces[1], draw, asked.wide):
                columns[term.key], scales[term.key] = elements.sum(), float(size)
            if gradients and draw == 1:
                with _quiet():
                    cut = self._traces(args, _cut(traces[1]))
                for term, elements, _ in _terms(cut[0], cut[1], draw, False):
                    grads[f"{term.key}@detached"] = gradients.of(elements.sum())
        if gradients:
            grads |= {key: gradients.of(each) for key, each in columns.items()}
        totals, errors, more = self._totals(args, tape, gradients, asked, nesting)
        return Run(
            values={key: float(each.detach()) for key, each in columns.items()} | totals,
            scales=scales,
            draws=drawn,
            gradients=grads | more,
            errors=errors,
        )

    def _draws(self, args: Sequence[Any], tape: Tape, asked: Asked) -> Iterator[tuple[int, Any]]:
        """(draw, traces): the guide run on the tape, again as often as asked; with `wide`, at other latents too."""
        with _quiet():
            first: Any = None
            for draw in range(1, asked.draws + 1):
                with TorchTape(tape):
                    traces = self._traces(args)
                first = first or traces
                yield draw, traces
            for draw in SAMPLERS if asked.wide else ():
                moved = _moved(first[1], draw)
                if moved is not None:
                    yield draw, self._traces(args, moved)

    def facts(self, args: Sequence[Any]) -> list[SiteFacts]:
        """The sites, in the guide's order, the observed ones last."""
        with _quiet(), TorchTape(Tape(0)):
            model_trace, guide_trace = self._traces(args)
        return [_facts(name, model_trace, guide_trace) for name in _names(model_trace, guide_trace)]

    def loss(self, args: Sequence[Any], total: Total) -> float:
        """One draw of an ELBO object's loss with torch's own random numbers."""
        with _quiet():
            return float(OBJECTS[total]().loss(self.model, self.guide, *args))

    def _traces(self, args: Sequence[Any], replayed: Any = None) -> tuple[Any, Any]:
        guide = self.guide if replayed is None else poutine.replay(self.guide, trace=replayed)
        return get_importance_trace("flat", float("inf"), self.model, guide, tuple(args), {})

    def _totals(self, args: Sequence[Any], tape: Tape, gradients: Gradients | None, asked: Asked, nesting: int):
        """What the library's public objects return: value and gradient of the loss that its SVI would minimise."""
        values, errors, grads = {}, {}, {}
        for total, make in OBJECTS.items():
            if asked.wide or (total is Total.ENUM and not asked.enumerate):
                continue
            try:
                with _quiet(), TorchTape(Tape(tape.seed, given=tape.given)):
                    model, guide = self._enumerated(total)
                    objective = make(max_plate_nesting=nesting) if total is Total.ENUM else make()
                    loss = objective.differentiable_loss(model, guide, *args)
            except (NotImplementedError, AssertionError, ValueError, RuntimeError) as error:
                errors[total.value] = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
                continue
            values[total.value] = float(torch.as_tensor(loss).detach())
            if gradients and isinstance(loss, Tensor):
                grads[total.value] = gradients.of(loss)
        return values, errors, grads

    def _enumerated(self, total: Total) -> tuple[Callable[..., Any], Callable[..., Any]]:
        if total is not Total.ENUM:
            return self.model, self.guide
        return config_enumerate(self.model), config_enumerate(self.guide)


OBJECTS: Mapping[Total, Callable[..., Any]] = {
    Total.TRACE: Trace_ELBO,
    Total.MEAN_FIELD: TraceMeanField_ELBO,
    Total.ENUM: TraceEnum_ELBO,
}


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _nesting(trace: Any) -> int:
    """Plates that lie within one another."""
    frames = (f for node in trace.nodes.values() if node["type"] == "sample" for f in node["cond_indep_stack"])
    return max((-frame.dim for frame in frames if frame.vectorized), default=0)


def _copied(trace: Any) -> Any:
    """With nodes of its own: a trace's own copy shares them."""
    copied = trace.copy()
    for name, node in trace.nodes.items():
        copied.nodes[name] = node.copy()
    return copied


def _cut(guide_trace: Any) -> Any:
    """A copy of the trace whose values lead to no weight."""
    cut = _copied(guide_trace)
    for node in cut.nodes.values():
        if node["type"] == "sample":
            node["value"] = node["value"].detach()
    return cut


def _names(model_trace: Any, guide_trace: Any) -> list[str]:
    def sites(trace: Any, observed: bool) -> list[str]:
        return [
            name for name, node in trace.nodes.items() if node["type"] == "sample" and node["is_observed"] == observed
        ]

    return list(dict.fromkeys([*sites(guide_trace, False), *sites(model_trace, False), *sites(model_trace, True)]))


def _moved(guide_trace: Any, draw: int) -> Any:
    """The trace with every Gaussian latent drawn otherwise: see `SAMPLERS`. None where no latent is Gaussian."""
    moved, some = _copied(guide_trace), False
    for node in moved.nodes.values():
        gaussian = _gaussian(node) if node["type"] == "sample" else None
        if gaussian is not None:
            noise = ((node["value"] - gaussian.mean) / gaussian.sigma).detach()
            node["value"], some = sampled_otherwise(torch, gaussian, noise, draw), True
    return moved if some else None


def _terms(model_trace: Any, guide_trace: Any, draw: int, wide: bool) -> Iterator[tuple[Term, Tensor, Any]]:
    """(term, elements, size) of every site."""
    for name in _names(model_trace, guide_trace):
        model, guide = model_trace.nodes.get(name), guide_trace.nodes.get(name)
        if model is not None and model["is_observed"]:
            site = _observed(model)
            for what, clamp, elements in observed_columns(torch, site, wide):
                yield Term(what, name, draw, clamp), elements, rounding(torch, what, site, elements.detach())
        else:
            for what, elements in latent_columns(torch, _latent(model, guide), wide):
                yield Term(what, name, draw), elements, elements.detach().abs().sum()


def _log_prob(node: Any) -> Tensor:
    return scale_and_mask(node["fn"].log_prob(node["value"]), scale=node["scale"], mask=node["mask"])


def _weight(node: Any, elements: Tensor) -> Any:
    """Scale times mask over the batch, made to broadcast over the event."""
    weight = torch.as_tensor(node["scale"], dtype=elements.dtype)
    if node["mask"] is not None:
        weight = weight * torch.as_tensor(node["mask"]).to(elements.dtype)
    rank = elements.dim() - len(node["fn"].batch_shape)
    return weight.reshape(*weight.shape, *(1,) * rank) if weight.dim() else weight


def _observed(node: Any) -> Observed:
    base, value = _base(node["fn"]), node["value"]
    try:
        mean = base.mean
    except NotImplementedError:
        mean = None
    fits = mean is not None and mean.shape == value.shape
    name = type(base).__name__
    return Observed(
        value=value,
        log_p=_log_prob(node),
        mean=mean if fits else None,
        sigma=base.stddev if fits and name == "Normal" else None,
        logits=base.logits if fits and name == "Bernoulli" else None,
        probability=mean is not None and fits and bool(((mean > 0) & (mean < 1)).all()),
        weight=_weight(node, value),
        unmasked=_unmasked(node, base),
    )


def _unmasked(node: Any, base: Any) -> Any | None:
    """The log density without its masks, element by element; None where there is none."""
    fn = node["fn"]
    while type(fn).__name__ == "Independent":
        fn = fn.base_dist
    if node["mask"] is None and type(fn).__name__ != "MaskedDistribution":
        return None
    elements = base.log_prob(node["value"])
    scale = torch.as_tensor(node["scale"], dtype=elements.dtype)
    return elements * scale.reshape(*scale.shape, *(1,) * (elements.dim() - len(node["fn"].batch_shape)))


def _latent(model: Any, guide: Any) -> Latent:
    node = guide if guide is not None else model
    zero = torch.zeros(())
    kl = None
    if model is not None and guide is not None:
        try:
            kl = scale_and_mask(kl_divergence(guide["fn"], model["fn"]), scale=guide["scale"], mask=guide["mask"])
        except NotImplementedError:
            kl = None
    return Latent(
        value=node["value"],
        log_q=_log_prob(guide) if guide is not None else zero,
        log_p=_log_prob(model) if model is not None else zero,
        kl=kl,
        guide=_gaussian(guide),
        prior=_gaussian(model),
        weight=_weight(node, node["value"]),
    )


def _gaussian(node: Any) -> Gaussian | None:
    if node is None:
        return None
    base, value = _base(node["fn"]), node["value"]
    if type(base).__name__ != "Normal":
        return None
    return Gaussian(mean=base.mean.expand(value.shape), sigma=base.stddev.expand(value.shape))


def _base(fn: Any) -> Any:
    while type(fn).__name__ in ("Independent", "MaskedDistribution"):
        fn = fn.base_dist
    return fn


def _facts(name: str, model_trace: Any, guide_trace: Any) -> SiteFacts:
    model, guide = model_trace.nodes.get(name), guide_trace.nodes.get(name)
    node = guide if guide is not None and not guide["is_observed"] else model
    fn = node["fn"]
    return SiteFacts(
        name=name,
        observed=bool(model is not None and model["is_observed"]),
        elements=int(node["value"].numel()),
        family=type(_base(fn)).__name__,
        shown=f"{type(_base(fn)).__name__}, {tuple(node['value'].shape)}",
        reparameterised=bool(fn.has_rsample),
        discrete=bool(getattr(fn, "has_enumerate_support", False)),
        guide_scale=float(torch.as_tensor(guide["scale"]).double().mean()) if guide is not None else 1.0,
        model_scale=float(torch.as_tensor(model["scale"]).double().mean()) if model is not None else 1.0,
        masked=node["mask"] is not None,
    )
