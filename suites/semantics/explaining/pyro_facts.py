"""Sites of one run of a Pyro model and guide, as TraceMeanField_ELBO and its relatives see them."""

import math
from typing import Any

import numpy as np
import torch
from pyro.distributions.util import scale_and_mask

from elbo_compare.suites.semantics.explaining.facts import Side, SiteFacts
from elbo_compare.suites.tracing.pyro_trace import divergence, not_reparameterised
from elbo_compare.suites.tracing.site import Node, Traced

UNMARKED = "AssertionError: a site of the guide that the model lacks needs infer={'is_auxiliary': True}"


def sites_of(run: Traced) -> tuple[SiteFacts, ...]:
    """Every sample site of the run."""
    return tuple(_site(name, run.model.get(name), run.guide.get(name)) for name in run.names)


def terms_of(run: Traced, names: tuple[str, ...]) -> list[tuple[float, float, float]]:
    """(log p - log q, minus the analytic KL or nan, log q) of each site."""
    found = []
    for name in names:
        model, guide = run.model.get(name), run.guide.get(name)
        log_p, log_q = (0.0 if each is None else _sum(each.log_prob) for each in (model, guide))
        kl = _kl(model, guide)[0]
        found.append((log_p - log_q, math.nan if kl is None else -kl, log_q))
    return found


def _site(name: str, model: Node | None, guide: Node | None) -> SiteFacts:
    kl, error = _kl(model, guide)
    if guide is not None and model is None:
        error = not_reparameterised(guide) if guide.infer.get("is_auxiliary") else UNMARKED
    return SiteFacts(
        name=name,
        model=_side(model) if model is not None else None,
        guide=_side(guide) if guide is not None else None,
        observed=bool(model is not None and model.observed),
        kl=kl,
        error=error,
        deterministic=model is not None and _recorded(model),
    )


def _recorded(node: Node) -> bool:
    """A value that is written down without a density: of `deterministic`, or what a reparameterised site has become."""
    masked = node.own_mask and not any(bool(torch.as_tensor(each.kept).any()) for each in node.masks)
    return bool(node.infer.get("_deterministic")) or (node.observed and node.family == "Delta" and masked)


def _kl(model: Node | None, guide: Node | None) -> tuple[float | None, str]:
    """The site's KL as TraceMeanField_ELBO forms it (None: it samples), and what it raises."""
    if model is None or guide is None or model.observed:
        return None, ""
    error = not_reparameterised(guide)
    try:
        kl = None if error else divergence(guide, model)
    except (NotImplementedError, AssertionError, ValueError) as raised:
        return None, f"{type(raised).__name__}: {' '.join(str(raised).partition('Trace Shapes:')[0].split())[:200]}"
    return (None if kl is None else _sum(kl)), error


def _sum(elements: Any) -> float:
    return float(torch.as_tensor(elements).detach().sum())


def _side(node: Node) -> Side:
    fn, scale = node.fn, torch.as_tensor(node.scale, dtype=torch.float64)
    kept = torch.ones(fn.batch_shape, dtype=torch.float64)
    for each in node.masks:
        kept = kept * _over_batch(each.kept, fn.batch_shape)
    rows = float((kept * scale.expand(fn.batch_shape)).sum())
    log_density = getattr(node.base, "log_density", None)
    return Side(
        family=node.family,
        shown=node.shown,
        scale=(float(scale.min()), float(scale.max())) if scale.numel() else (1.0, 1.0),
        kept=float(kept.mean()) if kept.numel() else 1.0,
        own_mask=node.own_mask,
        mask_digest=_digest(kept),
        handler_digest="" if node.mask is None else _digest(_over_batch(node.mask, fn.batch_shape)),
        weight=rows * node.elements,
        plates=node.plates,
        log_prob=_sum(node.log_prob),
        log_density=_sum(log_density) if log_density is not None else 0.0,
        normal_dims=rows * node.normal_dims,
        draw=node.draw,
        discrete=node.discrete,
        enumerate="samples" if node.infer.get("num_samples") else str(node.infer.get("enumerate") or ""),
        baseline=bool(node.infer.get("baseline")),
        edge=_edge(node.base),
        clamp=_clamp(node),
        given=node.observed,
    )


def _digest(kept: torch.Tensor) -> str:
    return "" if bool((kept == 1).all()) else str(kept.tolist())


def _clamp(node: Node) -> float:
    """Nats by which clamp_probs raises the log density of Bernoulli data: where p lies within eps of 0 or 1."""
    if node.family != "BernoulliProbs" or not node.observed:
        return 0.0
    base = node.base
    with torch.no_grad():
        probs, value = torch.broadcast_tensors(base.probs.double(), torch.as_tensor(node.value).double())
        eps = torch.finfo(base.probs.dtype).eps
        exact = torch.xlogy(value, probs) + torch.special.xlog1py(1 - value, -probs)
        inside = (probs >= eps) & (probs <= 1 - eps)
        added = torch.where(inside, torch.zeros_like(exact), base.log_prob(node.value).double() - exact)
        added = added.nan_to_num(nan=0.0, posinf=math.inf)
        per_row = added.reshape(*node.fn.batch_shape, -1).sum(-1)
        return float(torch.as_tensor(scale_and_mask(per_row, scale=node.scale, mask=node.mask)).sum())


def _over_batch(mask: Any, batch: torch.Size) -> torch.Tensor:
    """The mask over the batch; where it lies inside to_event, the share that it keeps of each event."""
    kept = torch.as_tensor(mask, dtype=torch.float64)
    kept = kept.expand(np.broadcast_shapes(kept.shape, batch)) if kept.dim() <= len(batch) else kept
    return kept.reshape(*kept.shape[: len(batch)], -1).mean(-1) if kept.dim() > len(batch) else kept


def _edge(base: Any) -> bool:
    """A continuous Bernoulli whose probability is clamped; a uniform that ends at 0 or 1."""
    if type(base).__name__ == "ContinuousBernoulli":
        return bool((base.logits.abs() > -math.log(torch.finfo(base.logits.dtype).eps)).any())
    if type(base).__name__ == "Uniform":
        return bool((base.low == 0).any() or (base.high == 1).any())
    return False
