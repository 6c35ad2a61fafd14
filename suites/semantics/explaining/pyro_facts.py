"""Sites of one run of a Pyro model and guide, as TraceMeanField_ELBO and its relatives see them."""

import math
from typing import Any

import torch
from pyro.distributions.util import scale_and_mask
from pyro.infer.util import check_fully_reparametrized
from torch.distributions.kl import kl_divergence

from elbo_compare.suites.semantics.explaining.facts import Draw, Plate, Side, Site

GAUSSIAN = ("Normal", "MultivariateNormal", "LowRankMultivariateNormal", "LogNormal")
WRAPPERS = ("Independent", "MaskedDistribution", "ExpandedDistribution")
UNMARKED = "AssertionError: a site of the guide that the model lacks needs infer={'is_auxiliary': True}"


def sites_of(model_trace: Any, guide_trace: Any) -> tuple[Site, ...]:
    """Every sample site of the two traces, whose log densities were computed when they were drawn."""
    nodes = (*model_trace.nodes.items(), *guide_trace.nodes.items())
    names = dict.fromkeys(name for name, node in nodes if node["type"] == "sample")
    return tuple(_site(name, model_trace.nodes.get(name), guide_trace.nodes.get(name)) for name in names)


def terms_of(model_trace: Any, guide_trace: Any, names: tuple[str, ...]) -> list[tuple[float, float, float]]:
    """(log p - log q, minus the analytic KL or nan, log q) of each site."""
    found = []
    for name in names:
        model, guide = model_trace.nodes.get(name), guide_trace.nodes.get(name)
        log_p = float(model["log_prob_sum"].detach()) if model is not None else 0.0
        log_q = float(guide["log_prob_sum"].detach()) if guide is not None else 0.0
        kl = _kl(model, guide)[0]
        found.append((log_p - log_q, math.nan if kl is None else -kl, log_q))
    return found


def _site(name: str, model: Any, guide: Any) -> Site:
    kl, error = _kl(model, guide)
    if guide is not None and model is None:
        error = _not_reparameterised(guide) if guide["infer"].get("is_auxiliary") else UNMARKED
    return Site(
        name=name,
        model=_side(model) if model is not None else None,
        guide=_side(guide) if guide is not None else None,
        observed=bool(model is not None and model["is_observed"]),
        kl=kl,
        error=error,
    )


def _kl(model: Any, guide: Any) -> tuple[float | None, str]:
    """The site's KL as TraceMeanField_ELBO forms it (None: it samples), and what it raises."""
    if model is None or guide is None or model["is_observed"]:
        return None, ""
    error = _not_reparameterised(guide)
    try:
        return (None if error else _analytic(guide, model)), error
    except (NotImplementedError, AssertionError, ValueError) as raised:
        return None, f"{type(raised).__name__}: {' '.join(str(raised).split())[:200]}"


def _not_reparameterised(guide: Any) -> str:
    try:
        check_fully_reparametrized(guide)
    except (NotImplementedError, ValueError, KeyError) as raised:
        return f"{type(raised).__name__}: {' '.join(str(raised).split())[:200]}"
    return ""


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
    rows = float((kept * scale.expand(fn.batch_shape)).sum())
    log_density = getattr(base, "log_density", None)
    return Side(
        family=_family(base),
        shown=_shown(fn),
        scale=(float(scale.min()), float(scale.max())) if scale.numel() else (1.0, 1.0),
        kept=float(kept.mean()) if kept.numel() else 1.0,
        own_mask=own is not None,
        mask_digest="" if bool((kept == 1).all()) else str(kept.tolist()),
        weight=rows * fn.event_shape.numel(),
        plates=tuple(_plate(frame) for frame in node["cond_indep_stack"]),
        log_prob=float(node["log_prob_sum"].detach()),
        log_density=float(torch.as_tensor(log_density).detach().sum()) if log_density is not None else 0.0,
        normal_dims=rows * _normal_dims(fn),
        draw=_draw(fn, base),
        discrete=not fn.has_rsample and bool(getattr(fn, "has_enumerate_support", False)),
        enumerate="samples" if node["infer"].get("num_samples") else str(node["infer"].get("enumerate") or ""),
        baseline=bool(node["infer"].get("baseline")),
        edge=_edge(base),
        clamp=_clamp(node, base, fn),
    )


def _draw(fn: Any, base: Any) -> Draw:
    if type(base).__name__ == "Delta":
        return Draw.POINT
    return Draw.REPARAMETERISED if fn.has_rsample else Draw.SCORE


def _normal_dims(fn: Any) -> float:
    """Dimensions of one batch element whose density has the factor (2 pi)^(-1/2)."""
    base, outer = _unwrapped(fn)[0], fn.batch_shape.numel()
    while type(base).__name__ in ("TransformedDistribution", "MixtureSameFamily", *WRAPPERS):
        mixture = type(base).__name__ == "MixtureSameFamily"
        base = base.component_distribution if mixture else base.base_dist
        outer *= fn_components(base) if mixture else 1
    if type(base).__name__ not in GAUSSIAN or outer == 0:
        return 0.0
    return base.shape().numel() / outer


def fn_components(component: Any) -> int:
    """The number of components of a mixture: the last batch dimension of its component distribution."""
    return component.batch_shape[-1] if component.batch_shape else 1


def _clamp(node: Any, base: Any, fn: Any) -> float:
    """Nats by which clamp_probs raises the log density of Bernoulli data: where p lies within eps of 0 or 1."""
    if _family(base) != "BernoulliProbs" or not node["is_observed"]:
        return 0.0
    with torch.no_grad():
        probs, value = torch.broadcast_tensors(base.probs.double(), torch.as_tensor(node["value"]).double())
        eps = torch.finfo(base.probs.dtype).eps
        exact = torch.xlogy(value, probs) + torch.special.xlog1py(1 - value, -probs)
        inside = (probs >= eps) & (probs <= 1 - eps)
        added = torch.where(inside, torch.zeros_like(exact), base.log_prob(node["value"]).double() - exact)
        added = added.nan_to_num(nan=0.0, posinf=math.inf)
        per_row = added.reshape(*fn.batch_shape, -1).sum(-1)
        return float(torch.as_tensor(scale_and_mask(per_row, scale=node["scale"], mask=node["mask"])).sum())


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
    while type(fn).__name__ in WRAPPERS:
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
