"""Implementation names -> classes: ours by the roster, third parties' by entry points. Imports none until asked."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from elbo_compare.suites.contract import Implementation, Kind
from elbo_compare.suites.roster import BY_NAME, ROSTER

GROUP = "elbo_compare.implementations"
OURS = "elbo-compare"  # the distribution; an older one of ours declared entry points where now there is the roster
PLUG_IN_KINDS = (Kind.HAND, Kind.LIBRARY)


def installed() -> dict[str, EntryPoint]:
    """Every implementation by name, third parties' included; no module is imported. See `refused`."""
    ours = {row.name: EntryPoint(name=row.name, value=row.target, group=GROUP) for row in ROSTER}
    theirs = {entry.name: entry for entry in third_parties() if entry.name not in ours}
    return dict(sorted((ours | theirs).items()))


def third_parties() -> list[EntryPoint]:
    """What other distributions declare, by name."""
    entries = (entry for entry in entry_points(group=GROUP) if entry.dist is None or entry.dist.name != OURS)
    return sorted(entries, key=lambda entry: entry.name)


def refused() -> list[str]:
    """A line for every plug-in whose name is taken, by one of ours or by another distribution's."""
    taken, lines = dict.fromkeys(BY_NAME, "elbo-compare itself"), []
    for entry in third_parties():
        if entry.name in taken:
            lines.append(
                f"Implementation {entry.name!r} of {origin(entry)} has the name of one of {taken[entry.name]}: "
                "give it another in its entry point, or uninstall it."
            )
        taken.setdefault(entry.name, origin(entry))
    return lines


def malformed(entry: EntryPoint) -> str | None:
    """Why an entry point names no class, or None."""
    module, colon, name = entry.value.partition(":")
    if colon and all(part.strip().isidentifier() for part in (*module.split("."), *name.split("."))):
        return None
    return f"its entry point says {entry.value!r} where module:class is needed"


def origin(entry: EntryPoint) -> str:
    """The distribution that declares an entry point."""
    return entry.dist.name if entry.dist is not None else "a package without a name"


def load(name: str) -> Implementation:
    """Import one implementation and return an instance.

    Raises KeyError for an unknown name, ImportError where its framework is missing, and ValueError where a plug-in's
    entry point or kind is none.
    """
    entries = installed()
    if name not in entries:
        raise KeyError(f"No implementation {name!r}. Installed: {', '.join(entries)}.")
    if (why := malformed(entries[name])) is not None:
        raise ValueError(f"Implementation {name!r} of {origin(entries[name])} can't be loaded: {why}.")
    implementation = entries[name].load()()
    library_of(name, implementation)
    return implementation


def library_of(name: str, implementation: Any) -> str:
    """The library through whose ELBO objects a third party's implementation goes: its `framework`; "" by hand, ours.

    Raises ValueError for a kind that a plug-in can't have.
    """
    kind = Kind.HAND if name in BY_NAME else getattr(implementation, "kind", Kind.HAND)
    if kind not in PLUG_IN_KINDS:
        raise ValueError(f"Implementation {name!r} says kind = {kind!r}; a plug-in's is Kind.HAND or Kind.LIBRARY.")
    return str(implementation.framework) if kind == Kind.LIBRARY else ""
