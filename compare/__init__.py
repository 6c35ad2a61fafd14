"""The same VAE in every framework: how it is run and judged. `compare.load(DIR)` gives the results as frames."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compare.frames import Results, load

__all__ = ["Results", "load"]


def __getattr__(name: str) -> Any:
    """`load` and `Results` are imported when they are first asked for: they bring pandas."""
    if name in __all__:
        from compare import frames

        return getattr(frames, name)
    raise AttributeError(f"module 'compare' has no attribute {name!r}")
