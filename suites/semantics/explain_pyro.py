"""Runs a Pyro model and guide once and extracts what TraceMeanField_ELBO sees at each site."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyro
import torch
from pyro.distributions.util import scale_and_mask
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from pyro.infer.enum import get_importance_trace
from pyro.infer.util import check_fully_reparametrized
from torch.distributions.kl import kl_divergence

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.explain import Explanation, Plate, Side, Site, explain_site, pair_remarks

SEED = 0
GAUSSIAN = ("Normal", "MultivariateNormal", "LowRankMultivariateNormal", "LogNormal")


def explain(model: Callable, guide: Callable, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Explanation:
    """The explanation of one run under seed 0; parameters keep what the modules' import gave them.

    Lists of numbers in `args` become tensors of the default dtype. Raises what the model or the guide raises.
    """
    given = [torch.tensor(each, dtype=torch.get_default_dtype()) if isinstance(each, list) else each for each in args]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyro.set_rng_seed(SEED)
        guide(*given, **kwargs)  # an autoguide sets itself up on its first call, and draws while it does
        pyro.set_rng_seed(SEED)
        model_trace, guide_trace = get_importance_trace("flat", float("inf"), model, guide, given, kwargs)
        loss, error = _loss(TraceMeanField_ELBO(), model, guide, given, kwargs)
        trace_loss, _ = _loss(Trace_ELBO(), model, guide, given, kwargs)
    sites = [_site(name, model_trace, guide_trace) for name in _names(model_trace, guide_trace)]
    shared = [site.name for site in sites if site.model and site.guide]
    order = [name for name in guide_trace.nodes if name in shared]
    remark, finding = pair_remarks([name for name in model_trace.nodes if name in shared], order, Library.PYRO)
    return Explanation(
        library=Library.PYRO,
        versions=f"pyro-ppl {pyro.__version__}, torch {torch.__version__}",
        sites=tuple(explain_site(site, Library.PYRO) for site in sites),
        loss=loss,
        trace_loss=trace_loss,
        error=error,
        remarks=(remark,) if remark else (),
        findings=(finding,) if finding else (),
    )


def _loss(objective: Any, model: Callable, guide: Callable, args: Sequence[Any], kwargs: Mapping[str, Any]):
    pyro.set_rng_seed(SEED)
    try:
        return float(objective.loss(model, guide, *args, **kwargs)), ""
    except Exception as error:
        return float("nan"), f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _names(model_trace: Any, guide_trace: Any) -> list[str]:
    nodes = (*model_trace.nodes.items(), *guide_trace.nodes.items())
    return list(dict.fromkeys(name for name, node in nodes if node["type"] == "sample"))


def _site(name: str, model_trace: Any, guide_trace: Any) -> Site:
    model, guide = model_trace.nodes.get(name), guide_trace.nodes.get(name)
    observed = bool(model is not None and model["is_observed"])
    kl, error = None, ""
    if model is not None and guide is not None and not observed:
        try:
            check_fully_reparametrized(guide)
            kl = _analytic(guide, model)
        except (NotImplementedError, AssertionError, ValueError) as raised:
            error = f"{type(raised).__name__}: {' '.join(str(raised).split())[:200]}"
    if guide is not None and model is None and not guide["infer"].get("is_auxiliary"):
        error = "AssertionError: a site of the guide that the model lacks needs infer={'is_auxiliary': True}"
    return Site(
        name=name,
        model=_side(model) if model is not None else None,
        guide=_side(guide) if guide is not None else None,
        observed=observed,
        auxiliary=model is None,
        kl=kl,
        error=error,
    )


def _analytic(guide: Any, model: Any) -> float | None:
    """The term as TraceMeanField_ELBO forms it: the registered KL with the guide's scale and mask; None: it samples."""
    try:
        kl = kl_divergence(guide["fn"], model["fn"])
    except NotImplementedError:
        return None
    return float(torch.as_tensor(scale_and_mask(kl, scale=guide["scale"], mask=guide["mask"])).expand(
        guide["fn"].batch_shape).detach().sum())  # fmt: skip


def _side(node: Any) -> Side:
    fn, scale, mask = node["fn"], torch.as_tensor(node["scale"], dtype=torch.float64), node["mask"]
    base, own = _unwrapped(fn)
    kept = torch.ones(fn.batch_shape, dtype=torch.float64)
    for each in (mask, own):
        kept = kept * (1.0 if each is None else _over_batch(each, fn.batch_shape))
    log_density = getattr(base, "log_density", None)
    return Side(
        family=_family(base),
        shown=_shown(fn),
        scale=(float(scale.min()), float(scale.max())),
        kept=float(kept.mean()),
        own_mask=own is not None,
        mask_digest="" if bool((kept == 1).all()) else str(kept.tolist()),
        weight=float((kept * scale.expand(fn.batch_shape)).sum()) * fn.event_shape.numel(),
        plates=tuple(_plate(frame) for frame in node["cond_indep_stack"]),
        log_prob=float(scale_and_mask(fn.log_prob(node["value"]), scale=node["scale"], mask=mask).detach().sum()),
        log_density=float(torch.as_tensor(log_density).detach().sum()) if log_density is not None else 0.0,
        gaussian=_family(base) in GAUSSIAN,
        discrete=not fn.has_rsample and bool(getattr(fn, "has_enumerate_support", False)),
        edge=_edge(base),
    )


def _over_batch(mask: Any, batch: torch.Size) -> torch.Tensor:
    """The mask over the batch; where it lies inside to_event, the share that it keeps of each event."""
    kept = torch.as_tensor(mask, dtype=torch.float64)
    kept = kept.expand(torch.broadcast_shapes(kept.shape, batch)) if kept.dim() <= len(batch) else kept
    return kept.reshape(*kept.shape[: len(batch)], -1).mean(-1) if kept.dim() > len(batch) else kept


def _edge(base: Any) -> bool:
    """A continuous Bernoulli whose probability is clamped; a uniform that ends at 0 or 1."""
    if type(base).__name__ == "ContinuousBernoulli":
        return bool((base.logits.abs() > -math.log(torch.finfo(base.logits.dtype).eps)).any())
    if type(base).__name__ == "Uniform":
        return bool((base.low == 0).any() or (base.high == 1).any())
    return False


def _plate(frame: Any) -> Plate:
    return Plate(name=frame.name, size=int(frame.full_size or frame.size), rows=int(frame.size))


def _unwrapped(fn: Any) -> tuple[Any, Any]:
    """The innermost distribution below Independent and MaskedDistribution, and the mask on the way."""
    mask = None
    while type(fn).__name__ in ("Independent", "MaskedDistribution"):
        mask = fn._mask if type(fn).__name__ == "MaskedDistribution" else mask
        fn = fn.base_dist
    return fn, mask


def _family(base: Any) -> str:
    name = type(base).__name__
    return "BernoulliProbs" if name == "Bernoulli" and "probs" in base.__dict__ else name


def _shown(fn: Any) -> str:
    """Normal.to_event(1), batch (7,), event (2,)."""
    base, mask = _unwrapped(fn)
    name = type(base).__name__
    name += f".to_event({len(fn.event_shape) - len(base.event_shape)})" if fn.event_dim > base.event_dim else ""
    name += ".mask()" if mask is not None else ""
    return f"{name}, batch {tuple(fn.batch_shape)}, event {tuple(fn.event_shape)}"
