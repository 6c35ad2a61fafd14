"""Implementation names -> classes: ours by the roster, third parties' by entry points. Imports none until asked.

The roster's guests are plug-ins as a third party's are; they come with this package, and each runs in an environment of
its own.
"""

from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import Any

from elbo_compare.suites.contract import Implementation, Kind
from elbo_compare.suites.roster import BY_NAME, GUEST, GUESTS, ROSTER

GROUP = "elbo_compare.implementations"
NAMELESS = "a package without a name"
OURS = "elbo-compare"  # the distribution; an older one of ours declared entry points where now there is the roster
PLUG_IN_KINDS = (Kind.HAND, Kind.LIBRARY)


def installed() -> dict[str, EntryPoint]:
    """Every implementation by name, third parties' included; no module is imported. See `refused`."""
    ours = {row.name: EntryPoint(name=row.name, value=row.target, group=GROUP) for row in (*ROSTER, *GUESTS)}
    theirs = {entry.name: entry for entry in third_parties() if entry.name not in ours}
    return dict(sorted((ours | theirs).items()))


def third_parties() -> list[EntryPoint]:
    """What other distributions declare, by name; metadata that can't be read declare nothing. See `unreadable`."""
    entries = (entry for entry in _declared()[0] if origin(entry) != OURS)
    return sorted(entries, key=lambda entry: entry.name)


def _declared() -> tuple[list[EntryPoint], list[str]]:
    """Every entry point of the group, and a line for each distribution whose entry points can't be read."""
    try:
        return list(entry_points(group=GROUP)), []
    except Exception:  # one damaged file of whatever package: find out which, and do without it
        entries, lines = dict[str, list[EntryPoint]](), []
        for distribution in distributions():
            name = named(distribution)
            try:
                entries.setdefault(name, list(distribution.entry_points.select(group=GROUP)))
            except Exception as error:
                why = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
                lines.append(f"The entry points of {name} can't be read ({why}): install it again, or remove it.")
        return [entry for each in entries.values() for entry in each], lines


def refused() -> list[str]:
    """A line for every plug-in whose name is taken, by one of ours or by another distribution's."""
    taken, lines = dict.fromkeys((*BY_NAME, *GUEST), "elbo-compare itself"), []
    for entry in third_parties():
        if entry.name in taken:
            lines.append(
                f"Implementation {entry.name!r} of {origin(entry)} has the name of one of {taken[entry.name]}: "
                "give it another in its entry point, or uninstall it."
            )
        taken.setdefault(entry.name, origin(entry))
    return lines


def unreadable() -> list[str]:
    """A line for every distribution whose entry points can't be read: what it declares, if anything, is not seen."""
    return _declared()[1]


def malformed(entry: EntryPoint) -> str | None:
    """Why an entry point names no class, or None."""
    module, colon, name = entry.value.partition(":")
    if colon and all(part.strip().isidentifier() for part in (*module.split("."), *name.split("."))):
        return None
    return f"its entry point says {entry.value!r} where module:class is needed"


def origin(entry: EntryPoint) -> str:
    """The distribution that declares an entry point."""
    return named(entry.dist) if entry.dist is not None else NAMELESS


def named(distribution: Distribution, *, version: bool = False) -> str:
    """A distribution's name as its metadata have it, where they can be read; with its version."""
    try:
        name = distribution.name or NAMELESS
        return f"{name} {distribution.version}" if version else name
    except Exception:  # of another encoding, without a name
        return NAMELESS


def requires(name: str) -> list[str]:
    """What the distribution of an implementation requires; nothing where its metadata can't be read."""
    entry = installed().get(name)
    try:
        return list(entry.dist.requires or ()) if entry is not None and entry.dist is not None else []
    except Exception:
        return []


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
