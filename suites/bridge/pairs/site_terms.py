"""The terms of a traced pair, site by site, and what is said of its sites: written once over torch and jax.numpy."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from elbo_compare.suites.bridge.pairs.columns import (
    Gaussian,
    Latent,
    Observed,
    latent_columns,
    observed_columns,
    rounding,
    sampled_otherwise,
    tempered_columns,
)
from elbo_compare.suites.bridge.pairs.records import SiteFacts, Term, What
from elbo_compare.suites.tracing.site import Draw, Node, Traced

Divergence = Callable[[Node, Node], Any]
COORDINATES = 8  # latents of a datum that are told apart
MADE_OF = ("Probs", "Logits")  # what the libraries append to a family: of what it is made


def terms(
    xp: Any,
    run: Traced,
    divergence: Divergence,
    draw: int,
    *,
    wide: bool,
    probability: Callable[[str, Any], bool],
    sharpness: Any = None,
) -> Iterator[tuple[Term, Any, Any]]:
    """(term, elements, size of their rounding) of every site.

    divergence: the library's. probability: (family, mean) -> whether the mean lies in (0, 1), as far as that is known.
    sharpness: see `Asked`; None: not wanted.
    """
    for name in run.latents_first:
        model, guide = run.model.get(name), run.guide.get(name)
        if model is not None and model.observed:
            site = _observed(xp, model, probability)
            columns = observed_columns(xp, site, wide, guards=draw == 1)
            tempered = () if sharpness is None or draw != 1 else tempered_columns(xp, site, sharpness)
            for what, clamp, elements in (*columns, *tempered):
                yield Term(what, name, draw, clamp), elements, rounding(xp, what, site, elements)
        else:
            latent = _latent(xp, model, guide, divergence)
            for what, elements in latent_columns(xp, latent, wide):
                yield Term(what, name, draw), elements, abs(elements).sum()
            if wide and draw == 1:
                yield from _coordinates(xp, latent, name)


def importance(xp: Any, runs: Sequence[Traced]) -> tuple[Term, Any, Any] | None:
    """sum over the data of log mean_k exp(log p - log q) over several runs of the guide; None where a site has another
    batch than the rest."""
    weights = []
    for run in runs:
        parts = [node.log_prob for node in run.model.values()] + [-node.log_prob for node in run.guide.values()]
        if len({tuple(each.shape) for each in parts}) != 1 or not len(parts[0].shape):
            return None
        weights.append(sum(parts[1:], start=parts[0]))
    if len(weights) < 2:
        return None
    stacked = xp.stack(weights)
    largest = xp.amax(stacked, 0)
    elements = largest + xp.log(xp.exp(stacked - largest).mean(0))
    return Term(What.IMPORTANCE, "", len(runs)), elements, abs(stacked).sum()


def _coordinates(xp: Any, site: Latent, name: str) -> Iterator[tuple[Term, Any, Any]]:
    """The analytic KL of two Gaussians, number by number of one datum, where they are few."""
    q, p = site.guide, site.prior
    if q is None or p is None or len(site.value.shape) < 2 or site.value.shape[-1] > COORDINATES:
        return
    ratio, shift = q.sigma / p.sigma, (q.mean - p.mean) / p.sigma
    elements = site.weight * 0.5 * (ratio**2 + shift**2 - 1.0 - 2.0 * xp.log(ratio))
    for place in range(site.value.shape[-1]):
        yield Term(What.COORDINATE, f"{name}[{place}]"), elements[..., place], abs(elements).sum()


def moved(xp: Any, run: Traced, draw: int, cut: Callable[[Any], Any]) -> dict[str, Any]:
    """Every Gaussian latent's value by another sampler at the same base noise, by site: see `SAMPLERS`. cut: an array
    without the path to its weights."""
    found = {}
    for name, node in run.guide.items():
        gaussian = None if node.observed else gaussian_of(xp, node)
        if gaussian is not None:
            noise = cut((node.value - gaussian.mean) / gaussian.sigma)
            found[name] = sampled_otherwise(xp, gaussian, noise, draw)
    return found


def gaussian_of(xp: Any, node: Node | None) -> Gaussian | None:
    """Mean and standard deviation in the shape of the value; None for another family."""
    if node is None or node.family != "Normal":
        return None
    shape = node.value.shape
    return Gaussian(mean=xp.broadcast_to(node.base.loc, shape), sigma=xp.broadcast_to(node.base.scale, shape))


def facts(run: Traced, mean_scale: Callable[[Any], float]) -> list[SiteFacts]:
    """The sites, in the guide's order, the observed ones last. mean_scale: of a site's scale, as far as it is known."""
    return [_facts(name, run.model, run.guide, mean_scale) for name in run.latents_first]


def _facts(
    name: str, model_sites: Mapping[str, Node], guide_sites: Mapping[str, Node], mean_scale: Callable[[Any], float]
) -> SiteFacts:
    model, guide = model_sites.get(name), guide_sites.get(name)
    node = guide if model is None or (guide is not None and not guide.observed) else model
    if node is None:
        raise KeyError(name)
    family = node.family
    for suffix in MADE_OF:
        family = family.removesuffix(suffix)
    shape = tuple(node.value.shape)
    elements = 1
    for size in shape:
        elements *= int(size)
    return SiteFacts(
        name=name,
        observed=bool(model is not None and model.observed),
        elements=elements,
        family=family,
        shown=f"{family}, {shape}",
        reparameterised=node.draw is not Draw.SCORE,
        discrete=node.discrete,
        guide_scale=1.0 if guide is None else mean_scale(guide.scale),
        model_scale=1.0 if model is None else mean_scale(model.scale),
    )


def _spread(weight: Any, rank: int, elements: Any) -> Any:
    """An array over `rank` batch dimensions, made to broadcast over what lies within them."""
    return weight.reshape(*weight.shape, *(1,) * (len(elements.shape) - rank)) if len(weight.shape) else weight


def _weight(xp: Any, node: Node, elements: Any, *, masked: bool = True) -> Any:
    """Scale times masks over the elements."""
    weight = _spread(xp.asarray(node.scale, dtype=elements.dtype), len(node.fn.batch_shape), elements)
    for mask in node.masks if masked else ():
        weight = weight * _spread(xp.asarray(mask.kept, dtype=elements.dtype), mask.rank, elements)
    return weight


def _observed(xp: Any, node: Node, probability: Callable[[str, Any], bool]) -> Observed:
    base, value, family = node.base, node.value, node.family
    try:
        mean = None if "Categorical" in family else xp.broadcast_to(base.mean, value.shape)
    except (NotImplementedError, ValueError, RuntimeError, AttributeError):
        mean = None  # there is none, or of another shape than the data
    normal, bernoulli = mean is not None and family == "Normal", mean is not None and family.startswith("Bernoulli")
    return Observed(
        value=value,
        log_p=node.log_prob,
        mean=mean,
        sigma=xp.broadcast_to(base.scale, value.shape) if normal else None,
        spread=xp.broadcast_to(base.scale, value.shape)
        if family in ("Normal", "Laplace") and mean is not None
        else None,
        logits=xp.broadcast_to(base.logits, value.shape) if bernoulli else None,
        classes=_classes(xp, base, value) if family.startswith("Categorical") else None,
        probability=mean is not None and probability(family, mean),
        weight=_weight(xp, node, value if mean is None else mean),
        unmasked=_unmasked(xp, node) if node.masks else None,
        alone=_alone(xp, node),
    )


def _classes(xp: Any, base: Any, value: Any) -> Any | None:
    """The logits of a categorical law, one row for each number of the value."""
    try:
        return xp.broadcast_to(base.logits, (*value.shape, base.logits.shape[-1]))
    except (AttributeError, ValueError, RuntimeError):
        return None


def _alone(xp: Any, node: Node) -> dict[What, Any]:
    """log x! and combinatorial coefficients of a law of counts, by the site's scale and masks."""
    x, family, count = node.value, node.family, getattr(node.base, "total_count", None)
    gamma = _log_gamma(xp)
    if family.startswith("Multinomial") and count is not None:
        elements = gamma(x.sum(-1) + 1.0) - gamma(x + 1.0).sum(-1)
        return {What.LOG_CHOOSE: _weight(xp, node, elements) * elements}
    if family.startswith("Binomial") and count is not None:
        elements = gamma(count + 1.0) - gamma(x + 1.0) - gamma(count - x + 1.0)
        return {What.LOG_CHOOSE: _weight(xp, node, elements) * elements}
    if family == "Poisson" or family.startswith(("NegativeBinomial", "GammaPoisson")):
        elements = -gamma(x + 1.0)
        return {What.LOG_FACTORIAL: _weight(xp, node, elements) * elements}
    return {}


def _log_gamma(xp: Any) -> Callable[[Any], Any]:
    if hasattr(xp, "lgamma"):
        return lambda x: xp.lgamma(xp.as_tensor(x, dtype=xp.get_default_dtype()))
    from jax.scipy.special import gammaln

    return lambda x: gammaln(xp.asarray(x, dtype=float))


def _log_det(xp: Any, node: Node | None) -> Any | None:
    """log |d value / d base| of a transformed distribution, by the site's scale and masks: what its base's density is
    divided by. None without a transform, and where the value can't be taken back."""
    transforms = [] if node is None else getattr(node.base, "transforms", [])
    if node is None or not transforms:
        return None
    value, between = node.value, (node.record or {}).get("intermediates")
    try:
        if between:
            value = between[0][0]
        else:
            for transform in reversed(transforms):
                value = transform.inv(value) if hasattr(transform, "inv") else transform._inverse(value)
        elements = node.base.base_dist.log_prob(value)
        own = node.base.log_prob(node.value, *([between] if between else []))
    except (NotImplementedError, ValueError, TypeError, KeyError, RuntimeError):
        return None
    while len(elements.shape) > len(own.shape):
        elements = elements.sum(-1)
    return (elements - own) * _weight(xp, node, own)


def _unmasked(xp: Any, node: Node) -> Any:
    """The scaled log density without its masks, element by element."""
    elements = node.base.log_prob(node.value)
    return elements * _weight(xp, node, elements, masked=False)


def _latent(xp: Any, model: Node | None, guide: Node | None, divergence: Divergence) -> Latent:
    node = guide if guide is not None else model
    if node is None:
        raise ValueError("a site that neither has")
    zero = xp.zeros(())
    return Latent(
        value=node.value,
        log_q=zero if guide is None else guide.log_prob,
        log_p=zero if model is None else model.log_prob,
        kl=None if model is None or guide is None else divergence(guide, model),
        guide=gaussian_of(xp, guide),
        prior=gaussian_of(xp, model),
        weight=_weight(xp, node, node.value) if str(node.value.dtype).rpartition("float")[1] else 1.0,
        log_det_q=_log_det(xp, guide),
        log_det_p=_log_det(xp, model),
    )
