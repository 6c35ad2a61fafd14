"""The catalogue: every planted mutant and legitimate variant, by permanent ID."""

from elbo_compare.suites.mutants import (
    constants,
    flows,
    gradients,
    importance_weights,
    likelihoods,
    published_code,
    reductions,
    sampling,
    scales,
    signs,
    variants,
)
from elbo_compare.suites.mutants.variant import NOT_SEEN, Aspect, Flag, Kind, Variant

__all__ = ["CATALOGUE", "NOT_SEEN", "Aspect", "Flag", "Kind", "Variant", "legitimate", "mutants", "of_kind"]

_FAMILIES = (
    reductions,
    constants,
    signs,
    scales,
    gradients,
    sampling,
    likelihoods,
    importance_weights,
    flows,
    published_code,
    variants,
)
CATALOGUE: dict[str, Variant] = {
    variant.id: variant
    for variant in sorted((each for family in _FAMILIES for each in family.VARIANTS), key=lambda each: each.id)
}


def mutants() -> tuple[Variant, ...]:
    """The wrong ones, by ID."""
    return tuple(variant for variant in CATALOGUE.values() if not variant.legitimate)


def legitimate() -> tuple[Variant, ...]:
    """The legitimate ones, by ID."""
    return tuple(variant for variant in CATALOGUE.values() if variant.legitimate)


def of_kind(kind: Kind) -> tuple[Variant, ...]:
    """Mutants and legitimate variants of one kind, by ID."""
    return tuple(variant for variant in CATALOGUE.values() if variant.kind is kind)
