"""Sites of one run of a NumPyro model and guide: static facts as they are traced, numbers as arrays of that trace."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpyro.distributions.kl import kl_divergence
from numpyro.distributions.util import scale_and_mask

from elbo_compare.suites.semantics.explaining.facts import Draw, Plate, Side, Site

GAUSSIAN = ("Normal", "MultivariateNormal", "LowRankMultivariateNormal", "LogNormal")
WRAPPERS = ("Independent", "MaskedDistribution", "ExpandedDistribution")
UNMARKED = "AssertionError: a site of the guide that the model lacks needs infer={'is_auxiliary': True}"

Static = dict[str, Any]
Arrays = dict[str, Any]


def extract(model_trace: Any, guide_trace: Any) -> tuple[dict[str, Static], dict[str, Arrays]]:
    """Of each site what the trace knows before any number is, and arrays that `sites_of` turns into numbers."""
    nodes = (*model_trace.items(), *guide_trace.items())
    names = dict.fromkeys(name for name, node in nodes if node["type"] == "sample")
    static: dict[str, Static] = {}
    arrays: dict[str, Arrays] = {}
    for name in names:
        model, guide = model_trace.get(name), guide_trace.get(name)
        observed = bool(model is not None and model["is_observed"])
        static[name], arrays[name] = {"observed": observed, "error": ""}, {}
        for role, node, trace in (("model", model, model_trace), ("guide", guide, guide_trace)):
            if node is not None:
                static[name][role], arrays[name][role] = _side(node, _sizes(trace))
        if model is not None and guide is not None and not observed:
            arrays[name] |= _kl(guide, model)
        if guide is not None and model is None and not (guide["infer"].get("is_auxiliary") or guide["is_observed"]):
            static[name]["error"] = UNMARKED
    return static, arrays


def columns(arrays: Mapping[str, Arrays]) -> Any:
    """log p - log q, minus the analytic KL or nan, and log q of each site: (sites, 3)."""
    zero, rows = jnp.zeros(()), []
    for each in arrays.values():
        log_p, log_q = (each[role]["log_prob"] if role in each else zero for role in ("model", "guide"))
        rows.append(jnp.stack([log_p - log_q, -each["kl"] if "kl" in each else jnp.full((), jnp.nan), log_q]))
    return jnp.stack(rows) if rows else jnp.zeros((0, 3))


def sites_of(static: Mapping[str, Static], arrays: Mapping[str, Arrays]) -> tuple[Site, ...]:
    """The sites of one draw."""
    return tuple(_site(name, each, arrays[name]) for name, each in static.items())


def _site(name: str, static: Static, arrays: Arrays) -> Site:
    sides = {role: _numbers(static[role], arrays[role]) for role in ("model", "guide") if role in static}
    return Site(
        name=name,
        model=sides.get("model"),
        guide=sides.get("guide"),
        observed=static["observed"],
        kl=float(arrays["kl"]) if "kl" in arrays else None,
        error=static["error"],
        exact_kl=_exact_beta(arrays) if "beta" in arrays else None,
    )


def _kl(guide: Any, model: Any) -> Arrays:
    """The term as TraceMeanField_ELBO forms it; nothing where it samples. Of two betas their concentrations too."""
    try:
        kl = jnp.sum(scale_and_mask(kl_divergence(guide["fn"], model["fn"]), scale=guide["scale"]))
    except NotImplementedError:
        return {}
    q, p = _unwrapped(guide["fn"])[0], _unwrapped(model["fn"])[0]
    if (type(q).__name__, type(p).__name__) != ("Beta", "Beta"):
        return {"kl": kl}
    shape = jnp.broadcast_shapes(q.batch_shape, p.batch_shape)
    given = (q.concentration1, q.concentration0, p.concentration1, p.concentration0)
    scale = 1.0 if guide["scale"] is None else guide["scale"]
    weight = jnp.broadcast_to(jnp.asarray(scale, dtype=float), guide["fn"].batch_shape)
    weight = weight.reshape(weight.shape + (1,) * (len(shape) - weight.ndim))
    return {"kl": kl, "beta": jnp.stack([jnp.broadcast_to(each, shape) for each in (*given, weight)])}


def _exact_beta(arrays: Arrays) -> float:
    """KL(Beta || Beta) by SciPy, as the guide's scale weights it."""
    from scipy.special import betaln, digamma

    a, b, c, d, weight = np.asarray(arrays["beta"], dtype=float)
    kl = betaln(c, d) - betaln(a, b) + (a - c) * digamma(a) + (b - d) * digamma(b) + (c - a + d - b) * digamma(a + b)
    return float((weight * kl).sum())


def _side(node: Any, sizes: Mapping[str, int]) -> tuple[Static, Arrays]:
    fn, batch = node["fn"], node["fn"].batch_shape
    base, mask = _unwrapped(fn)
    scale = jnp.asarray(1.0 if node["scale"] is None else node["scale"], dtype=float)
    log_prob = (
        fn.log_prob(node["value"], node["intermediates"]) if node["intermediates"] else fn.log_prob(node["value"])
    )
    log_density = getattr(base, "log_density", None)
    infer = node.get("infer") or {}
    family = type(base).__name__
    static = {
        "family": family, "shown": _shown(fn, base, mask), "own_mask": mask is not None, "batch": tuple(batch),
        "elements": int(np.prod(fn.event_shape, dtype=int)), "normal_dims": _normal_dims(fn), "draw": _draw(fn, base),
        "plates": tuple(Plate(name=each.name, size=sizes.get(each.name, each.size), rows=each.size)
                        for each in node["cond_indep_stack"]),
        "discrete": not fn.has_rsample and bool(getattr(fn, "has_enumerate_support", False)),
        "enumerate": str(infer.get("enumerate") or ""),
    }  # fmt: skip
    arrays = {
        "scale": scale, "kept": _over_batch(True if mask is None else mask, batch),
        "log_prob": jnp.sum(scale_and_mask(log_prob, node["scale"])),
        "log_density": jnp.sum(log_density) if log_density is not None else jnp.zeros(()),
        "edge": _edge(base, node), "clamp": _clamp(base, node),
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
    )


def _draw(fn: Any, base: Any) -> Draw:
    if type(base).__name__ == "Delta":
        return Draw.POINT
    return Draw.REPARAMETERISED if fn.has_rsample else Draw.SCORE


def _normal_dims(fn: Any) -> float:
    """Dimensions of one batch element whose density has the factor (2 pi)^(-1/2)."""
    outer, base = int(np.prod(fn.batch_shape, dtype=int)), fn
    while type(base).__name__ in ("TransformedDistribution", "MixtureSameFamily", *WRAPPERS):
        mixture = type(base).__name__ == "MixtureSameFamily"
        base = base.component_distribution if mixture else base.base_dist
        outer *= (base.batch_shape[-1] if base.batch_shape else 1) if mixture else 1
    if type(base).__name__ not in GAUSSIAN or outer == 0:
        return 0.0
    inner = int(np.prod((*base.batch_shape, *base.event_shape), dtype=int))
    # An expanded distribution's base may lack the batch: its event alone is then what one element holds.
    return inner / outer if inner >= outer else float(np.prod(fn.event_shape, dtype=int))


def _clamp(base: Any, node: Any) -> Any:
    """Nats by which clamp_probs raises the log density of Bernoulli data: where it moves p."""
    if type(base).__name__ != "BernoulliProbs" or not node["is_observed"]:
        return jnp.zeros(())
    probs, value = jnp.broadcast_arrays(base.probs, jnp.asarray(node["value"]))
    limits = jnp.finfo(probs.dtype)
    outside = (probs < limits.tiny) | (probs > 1 - limits.eps)
    exact = jnp.where(value == 1, jnp.log(probs), jnp.log1p(-probs))
    added = jnp.where(outside & ((value == 0) | (value == 1)), base.log_prob(node["value"]) - exact, 0.0)
    scale = 1.0 if node["scale"] is None else node["scale"]
    batch = node["fn"].batch_shape
    rows = jnp.broadcast_to(added, added.shape).reshape((*batch, -1)).sum(-1) if added.size else jnp.zeros(())
    return jnp.sum(rows * scale)


def _sizes(trace: Any) -> dict[str, int]:
    """The plates' full sizes; the frame at a site knows the drawn rows alone."""
    return {name: int(node["args"][0]) for name, node in trace.items() if node["type"] == "plate"}


def _over_batch(mask: Any, batch: tuple[int, ...]) -> Any:
    """The mask over the batch; where it lies inside to_event, the share that it keeps of each event."""
    kept = jnp.asarray(mask, dtype=float)
    if kept.ndim > len(batch):
        return kept.reshape(*kept.shape[: len(batch)], -1).mean(-1)
    return jnp.broadcast_to(kept, batch)


def _edge(base: Any, node: Any) -> Any:
    """A beta with a concentration of 8 or more; data of a Bernoulli that are neither 0 nor 1."""
    family = type(base).__name__
    if family == "Beta":
        return jnp.max(jnp.maximum(base.concentration0, base.concentration1)) >= 8
    value = node["value"]
    return jnp.any((value != 0) & (value != 1)) if family.startswith("Bernoulli") else jnp.zeros((), dtype=bool)


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
