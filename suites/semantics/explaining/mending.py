"""What has to change in a pair for Trace_ELBO to compute what was meant by it, where it does not as the pair stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elbo_compare.suites.semantics.explaining.facts import SiteFacts


@dataclass(frozen=True, kw_only=True)
class Mending:
    """`unscored`: latents that the guide lacks and nobody enumerates; their q is their prior, and log p - log q is 0.
    `factors`: what the scale of a guide's site has to be multiplied by, where its plate is that of the mini-batch."""

    unscored: tuple[str, ...]
    factors: Mapping[str, float]


def mending(sites: Sequence[SiteFacts]) -> Mending:
    """The changes; both empty for a pair that says what is meant."""
    latents = [site for site in sites if site.model is not None and not site.observed]
    return Mending(
        unscored=tuple(each.name for each in latents if each.guide is None and each.model and not each.model.enumerate),
        factors={
            site.name: site.model.batch_factor / site.guide.batch_factor
            for site in latents if site.model and site.guide
            if any(p.name == q.name and p.size != q.size for p in site.model.plates for q in site.guide.plates)
        },
    )  # fmt: skip


def mending_text(changes: Mending) -> str:
    """The mended pair in words; empty where nothing changes."""
    parts = [f"the prior as q({name})" for name in changes.unscored]
    parts += [f"{factor:g} times log q({name})" for name, factor in changes.factors.items()]
    return " and ".join(parts)


def has_exact(sites: Sequence[SiteFacts]) -> bool:
    """Whether the pair as it is written says what is meant: an exact value of it is asked for then alone."""
    changes = mending(sites)
    return any(not site.observed for site in sites) and not changes.factors and not changes.unscored
