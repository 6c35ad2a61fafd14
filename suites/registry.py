"""Implementation names -> classes, through entry points. Imports nothing until an implementation is asked for."""

from importlib.metadata import EntryPoint, entry_points

from elbo_compare.suites.contract import Implementation

GROUP = "elbo_compare.implementations"


def installed() -> dict[str, EntryPoint]:
    """Every registered implementation by name, third parties' included; no module is imported."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}


def load(name: str) -> Implementation:
    """Import one implementation and return an instance.

    Raises KeyError for an unknown name and ImportError where its framework is missing.
    """
    entries = installed()
    if name not in entries:
        raise KeyError(f"No implementation {name!r}. Installed: {', '.join(entries)}.")
    return entries[name].load()()
