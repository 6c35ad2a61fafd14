"""Which releases are run, and what has to be done to one so that it runs beside the installed frameworks."""

from collections.abc import Mapping
from dataclasses import dataclass

from elbo_compare.suites.roster import BY_NAME
from elbo_compare.suites.semantics.case import Library

# Final releases, oldest first. Before 1.4.0 Pyro does not import with the Python and torch of today.
VERSIONS: Mapping[Library, tuple[str, ...]] = {
    Library.PYRO: (
        *("1.4.0", "1.5.0", "1.5.1", "1.5.2", "1.6.0", "1.7.0", "1.8.0", "1.8.1", "1.8.2", "1.8.3", "1.8.4"),
        *("1.8.5", "1.8.6", "1.9.0", "1.9.1", "1.9.2"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A line of one file that keeps a release from running here, and what it becomes; `words`: for the table."""

    file: str
    begins: str
    becomes: str
    words: str


# pyro-ppl 1.3 to 1.8.3 refuse torch 2 by an assertion, which later releases no longer have.
OLD_TORCH = Patch(
    file="pyro/distributions/torch_patch.py",
    begins="assert torch.__version__.startswith(",
    becomes="pass\n",
    words="its assertion of torch 1 was taken out",
)


@dataclass(frozen=True, kw_only=True)
class Release:
    """One version of a library, laid over the installed one."""

    library: Library
    version: str

    @property
    def distribution(self) -> str:
        """The name that a package registry has it under."""
        return BY_NAME[self.library].distributions[0]

    @property
    def requirement(self) -> str:
        """`pyro-ppl==1.8.3`."""
        return f"{self.distribution}=={self.version}"

    @property
    def patches(self) -> tuple[Patch, ...]:
        """What is tried on its files; a release without the line is left as it is."""
        return (OLD_TORCH,) if self.library is Library.PYRO else ()


def releases(library: Library) -> tuple[Release, ...]:
    """The matrix of one library, oldest first."""
    return tuple(Release(library=library, version=version) for version in VERSIONS[library])


def place(version: str) -> tuple[int, ...]:
    """Its place in the order of versions."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())
