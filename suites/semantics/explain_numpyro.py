"""Runs a NumPyro model and guide once and extracts what TraceMeanField_ELBO sees at each site."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro import handlers
from numpyro.distributions.kl import kl_divergence
from numpyro.distributions.util import scale_and_mask
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.explain import Explanation, Plate, Side, Site, explain_site, pair_remarks

SEED = 0
GAUSSIAN = ("Normal", "MultivariateNormal", "LowRankMultivariateNormal", "LogNormal")
WRAPPERS = ("Independent", "MaskedDistribution", "ExpandedDistribution")


def explain(model: Callable, guide: Callable, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Explanation:
    """The explanation of one run under key 0, with each parameter at its initial value.

    Lists of numbers in `args` become arrays of the default dtype. Raises what the model or the guide raises.
    """
    given = [jnp.array(each, dtype=float) if isinstance(each, list) else each for each in args]
    key = jax.random.key(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        params = _params(key, model, guide, given, kwargs)
        guide_trace, model_trace = _traces(key, params, model, guide, given, kwargs)
        loss, error = _loss(TraceMeanField_ELBO(), key, params, model, guide, given, kwargs)
        trace_loss, _ = _loss(Trace_ELBO(), key, params, model, guide, given, kwargs)
    sites = [_site(name, model_trace, guide_trace) for name in _names(model_trace, guide_trace)]
    shared = [site.name for site in sites if site.model and site.guide]
    order = [name for name in guide_trace if name in shared]
    remark, finding = pair_remarks([name for name in model_trace if name in shared], order, Library.NUMPYRO)
    return Explanation(
        library=Library.NUMPYRO,
        versions=f"numpyro {numpyro.__version__}, jax {jax.__version__}",
        sites=tuple(explain_site(site, Library.NUMPYRO) for site in sites),
        loss=loss,
        trace_loss=trace_loss,
        error=error,
        remarks=(remark,) if remark else (),
        findings=(finding,) if finding else (),
    )


def _params(key: Any, model: Callable, guide: Callable, args: Sequence[Any], kwargs: Mapping[str, Any]):
    """Initial parameters of guide and model as SVI.init collects them, on their constrained supports."""
    guide_trace = handlers.trace(handlers.seed(guide, key)).get_trace(*args, **kwargs)
    replayed = handlers.replay(handlers.seed(model, key), guide_trace)
    model_trace = handlers.trace(replayed).get_trace(*args, **kwargs)
    nodes = (*guide_trace.values(), *model_trace.values())
    return {node["name"]: node["value"] for node in nodes if node["type"] == "param"}


def _traces(key, params, model: Callable, guide: Callable, args: Sequence[Any], kwargs: Mapping[str, Any]):
    """Guide and model traces with the keys of TraceMeanField_ELBO's single particle."""
    model_key, guide_key = jax.random.split(key)
    seeded = handlers.substitute(handlers.seed(guide, guide_key), data=params)
    guide_trace = handlers.trace(seeded).get_trace(*args, **kwargs)
    replayed = handlers.replay(handlers.seed(model, model_key), guide_trace)
    return guide_trace, handlers.trace(handlers.substitute(replayed, data=params)).get_trace(*args, **kwargs)


def _loss(objective: Any, key: Any, params: Any, model: Callable, guide: Callable, args: Any, kwargs: Any):
    try:
        return float(objective.loss(key, params, model, guide, *args, **kwargs)), ""
    except Exception as error:
        return float("nan"), f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _names(model_trace: Any, guide_trace: Any) -> list[str]:
    nodes = (*model_trace.items(), *guide_trace.items())
    return list(dict.fromkeys(name for name, node in nodes if node["type"] == "sample"))


def _site(name: str, model_trace: Any, guide_trace: Any) -> Site:
    model, guide = model_trace.get(name), guide_trace.get(name)
    observed = bool(model is not None and model["is_observed"])
    kl, error = None, ""
    if model is not None and guide is not None and not observed:
        try:
            kl = float(jnp.sum(scale_and_mask(kl_divergence(guide["fn"], model["fn"]), scale=guide["scale"])))
        except NotImplementedError:
            kl = None
    if guide is not None and model is None and not (guide["infer"].get("is_auxiliary") or guide["is_observed"]):
        error = "AssertionError: a site of the guide that the model lacks needs infer={'is_auxiliary': True}"
    return Site(
        name=name,
        model=_side(model, _sizes(model_trace)) if model is not None else None,
        guide=_side(guide, _sizes(guide_trace)) if guide is not None else None,
        observed=observed,
        auxiliary=model is None,
        kl=kl,
        error=error,
    )


def _side(node: Any, sizes: Mapping[str, int]) -> Side:
    fn, batch = node["fn"], node["fn"].batch_shape
    base, mask = _unwrapped(fn)
    scale = np.asarray(1.0 if node["scale"] is None else node["scale"], dtype=float)
    kept = _over_batch(True if mask is None else mask, batch)
    log_prob = (
        fn.log_prob(node["value"], node["intermediates"]) if node["intermediates"] else fn.log_prob(node["value"])
    )
    log_density = getattr(base, "log_density", None)
    elements = int(np.prod(fn.event_shape, dtype=int))
    return Side(
        family=type(base).__name__,
        shown=_shown(fn, base, mask),
        scale=(float(scale.min()), float(scale.max())),
        kept=float(kept.mean()),
        own_mask=mask is not None,
        mask_digest="" if bool((kept == 1).all()) else str(kept.tolist()),
        weight=float((kept * np.broadcast_to(scale, batch)).sum()) * elements,
        plates=tuple(
            Plate(name=each.name, size=sizes.get(each.name, each.size), rows=each.size)
            for each in node["cond_indep_stack"]
        ),
        log_prob=float(jnp.sum(scale_and_mask(log_prob, node["scale"]))),
        log_density=float(jnp.sum(log_density)) if log_density is not None else 0.0,
        gaussian=type(base).__name__ in GAUSSIAN,
        discrete=bool(base.is_discrete),
        edge=_edge(base, node),
    )


def _sizes(trace: Any) -> dict[str, int]:
    """The plates' full sizes; the frame at a site knows the drawn rows alone."""
    return {name: int(node["args"][0]) for name, node in trace.items() if node["type"] == "plate"}


def _over_batch(mask: Any, batch: tuple[int, ...]) -> Any:
    """The mask over the batch; where it lies inside to_event, the share that it keeps of each event."""
    kept = np.asarray(mask, dtype=float)
    if kept.ndim > len(batch):
        return kept.reshape(*kept.shape[: len(batch)], -1).mean(-1)
    return np.broadcast_to(kept, batch)


def _edge(base: Any, node: Any) -> bool:
    """A beta with a concentration of 8 or more; data of a Bernoulli that are neither 0 nor 1."""
    family = type(base).__name__
    if family == "Beta":
        return bool(jnp.max(jnp.maximum(base.concentration0, base.concentration1)) >= 8)
    value = node["value"]
    return family.startswith("Bernoulli") and bool(jnp.any((value != 0) & (value != 1)))


def _unwrapped(fn: Any) -> tuple[Any, Any]:
    """The innermost distribution below the wrappers, and the mask on the way."""
    mask = None
    while type(fn).__name__ in WRAPPERS:
        mask = fn._mask if type(fn).__name__ == "MaskedDistribution" else mask
        fn = fn.base_dist
    return fn, mask


def _shown(fn: Any, base: Any, mask: Any) -> str:
    """Normal.to_event(1), batch (7,), event (2,)."""
    name = type(base).__name__
    name += f".to_event({fn.event_dim - base.event_dim})" if fn.event_dim > base.event_dim else ""
    name += ".mask()" if mask is not None else ""
    return f"{name}, batch {tuple(fn.batch_shape)}, event {tuple(fn.event_shape)}"
