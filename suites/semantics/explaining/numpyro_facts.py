"""Sites of one run of a NumPyro model and guide: static facts as they are traced, numbers as arrays of that trace."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpyro.distributions.util import scale_and_mask

from elbo_compare.suites.semantics.explaining.facts import Side, SiteFacts
from elbo_compare.suites.tracing.numpyro_trace import divergence
from elbo_compare.suites.tracing.site import Node, Traced

UNMARKED = "AssertionError: a site of the guide that the model lacks needs infer={'is_auxiliary': True}"

Static = dict[str, Any]
Arrays = dict[str, Any]


def extract(run: Traced) -> tuple[dict[str, Static], dict[str, Arrays]]:
    """Of each site what the trace knows before any number is, and arrays that `sites_of` turns into numbers."""
    static: dict[str, Static] = {}
    arrays: dict[str, Arrays] = {}
    for name in run.names:
        model, guide = run.model.get(name), run.guide.get(name)
        observed = bool(model is not None and model.observed)
        static[name], arrays[name] = {"observed": observed, "error": ""}, {}
        for role, node in (("model", model), ("guide", guide)):
            if node is not None:
                static[name][role], arrays[name][role] = _side(node)
        if model is not None and guide is not None and not observed:
            arrays[name] |= _kl(guide, model)
        if guide is not None and model is None and not (guide.infer.get("is_auxiliary") or guide.observed):
            static[name]["error"] = UNMARKED
    return static, arrays


def columns(arrays: Mapping[str, Arrays]) -> Any:
    """log p - log q, minus the analytic KL or nan, and log q of each site: (sites, 3)."""
    zero, rows = jnp.zeros(()), []
    for each in arrays.values():
        log_p, log_q = (each[role]["log_prob"] if role in each else zero for role in ("model", "guide"))
        rows.append(jnp.stack([log_p - log_q, -each["kl"] if "kl" in each else jnp.full((), jnp.nan), log_q]))
    return jnp.stack(rows) if rows else jnp.zeros((0, 3))


def sites_of(static: Mapping[str, Static], arrays: Mapping[str, Arrays]) -> tuple[SiteFacts, ...]:
    """The sites of one draw."""
    return tuple(_site(name, each, arrays[name]) for name, each in static.items())


def _site(name: str, static: Static, arrays: Arrays) -> SiteFacts:
    sides = {role: _numbers(static[role], arrays[role]) for role in ("model", "guide") if role in static}
    return SiteFacts(
        name=name,
        model=sides.get("model"),
        guide=sides.get("guide"),
        observed=static["observed"],
        kl=float(arrays["kl"]) if "kl" in arrays else None,
        error=static["error"],
        exact_kl=_exact_beta(arrays) if "beta" in arrays else None,
    )


def _kl(guide: Node, model: Node) -> Arrays:
    """The term as TraceMeanField_ELBO forms it; nothing where it samples. Of two betas their concentrations too."""
    kl = divergence(guide, model)
    if kl is None:
        return {}
    found, q, p = {"kl": jnp.sum(kl)}, guide.base, model.base
    if (type(q).__name__, type(p).__name__) != ("Beta", "Beta"):
        return found
    shape = jnp.broadcast_shapes(q.batch_shape, p.batch_shape)
    given = (q.concentration1, q.concentration0, p.concentration1, p.concentration0)
    weight = jnp.broadcast_to(jnp.asarray(guide.scale, dtype=float), guide.fn.batch_shape)
    weight = weight.reshape(weight.shape + (1,) * (len(shape) - weight.ndim))
    return found | {"beta": jnp.stack([jnp.broadcast_to(each, shape) for each in (*given, weight)])}


def _exact_beta(arrays: Arrays) -> float:
    """KL(Beta || Beta) by SciPy, as the guide's scale weights it."""
    from scipy.special import betaln, digamma

    a, b, c, d, weight = np.asarray(arrays["beta"], dtype=float)
    kl = betaln(c, d) - betaln(a, b) + (a - c) * digamma(a) + (b - d) * digamma(b) + (c - a + d - b) * digamma(a + b)
    return float((weight * kl).sum())


def _side(node: Node) -> tuple[Static, Arrays]:
    base, batch = node.base, node.fn.batch_shape
    log_density = getattr(base, "log_density", None)
    kept = jnp.ones(batch)
    for each in node.masks:
        kept = kept * _over_batch(each.kept, batch)
    static = {
        "family": node.family, "shown": node.shown, "own_mask": node.own_mask, "batch": tuple(batch),
        "elements": node.elements, "normal_dims": node.normal_dims, "draw": node.draw, "plates": node.plates,
        "discrete": node.discrete, "enumerate": str(node.infer.get("enumerate") or ""),
        "given": node.observed, "infer_kl": str(node.infer.get("kl") or ""),
    }  # fmt: skip
    arrays = {
        "scale": jnp.asarray(node.scale, dtype=float), "kept": kept, "log_prob": jnp.sum(node.log_prob),
        "log_density": jnp.sum(log_density) if log_density is not None else jnp.zeros(()),
        "edge": _edge(node), "clamp": _clamp(node),
    }  # fmt: skip
    return static, arrays


def _numbers(static: Static, arrays: Arrays) -> Side:
    scale, kept = np.asarray(arrays["scale"], dtype=float), np.asarray(arrays["kept"], dtype=float)
    rows = float((kept * np.broadcast_to(scale, static["batch"])).sum())
    return Side(
        family=static["family"],
        shown=static["shown"],
        scale=(float(scale.min()), float(scale.max())) if scale.size else (1.0, 1.0),
        kept=float(kept.mean()) if kept.size else 1.0,
        own_mask=static["own_mask"],
        mask_digest="" if bool((kept == 1).all()) else str(kept.tolist()),
        weight=rows * static["elements"],
        plates=static["plates"],
        log_prob=float(arrays["log_prob"]),
        log_density=float(arrays["log_density"]),
        normal_dims=rows * static["normal_dims"],
        draw=static["draw"],
        discrete=static["discrete"],
        enumerate=static["enumerate"],
        edge=bool(arrays["edge"]),
        clamp=float(arrays["clamp"]),
        given=static["given"],
        infer_kl=static["infer_kl"],
    )


def _clamp(node: Node) -> Any:
    """Nats by which clamp_probs raises the log density of Bernoulli data: where it moves p."""
    base = node.base
    if type(base).__name__ != "BernoulliProbs" or not node.observed:
        return jnp.zeros(())
    probs, value = jnp.broadcast_arrays(base.probs, jnp.asarray(node.value))
    limits = jnp.finfo(probs.dtype)
    outside = (probs < limits.tiny) | (probs > 1 - limits.eps)
    exact = jnp.where(value == 1, jnp.log(probs), jnp.log1p(-probs))
    added = jnp.where(outside & ((value == 0) | (value == 1)), base.log_prob(node.value) - exact, 0.0)
    rows = added.reshape((*node.fn.batch_shape, -1)).sum(-1) if added.size else jnp.zeros(())
    return jnp.sum(scale_and_mask(rows, node.scale))


def _over_batch(mask: Any, batch: tuple[int, ...]) -> Any:
    """The mask over the batch; where it lies inside to_event, the share that it keeps of each event."""
    kept = jnp.asarray(mask, dtype=float)
    if kept.ndim > len(batch):
        return kept.reshape(*kept.shape[: len(batch)], -1).mean(-1)
    return jnp.broadcast_to(kept, batch)


def _edge(node: Node) -> Any:
    """A beta with a concentration of 8 or more; data of a Bernoulli that are neither 0 nor 1."""
    base, family, value = node.base, type(node.base).__name__, node.value
    if family == "Beta":
        return jnp.max(jnp.maximum(base.concentration0, base.concentration1)) >= 8
    return jnp.any((value != 0) & (value != 1)) if family.startswith("Bernoulli") else jnp.zeros((), dtype=bool)
