"""The catalogue: every planted mutant and legitimate variant, by permanent ID."""

from suites.mutants import reductions
from suites.mutants.variant import NOT_SEEN, Flag, Kind, Variant

__all__ = ["CATALOGUE", "NOT_SEEN", "Flag", "Kind", "Variant", "legitimate", "mutants", "of_kind"]

CATALOGUE: dict[str, Variant] = {variant.id: variant for variant in (*reductions.VARIANTS,)}


def mutants() -> tuple[Variant, ...]:
    """The wrong ones, by ID."""
    return tuple(variant for variant in CATALOGUE.values() if not variant.legitimate)


def legitimate() -> tuple[Variant, ...]:
    """The legitimate ones, by ID."""
    return tuple(variant for variant in CATALOGUE.values() if variant.legitimate)


def of_kind(kind: Kind) -> tuple[Variant, ...]:
    """Mutants and legitimate variants of one kind, by ID."""
    return tuple(variant for variant in CATALOGUE.values() if variant.kind is kind)
