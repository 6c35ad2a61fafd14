"""Which releases are run, with what beside them, and what has to be done to one so that it runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from elbo_compare.suites.roster import LIBRARIES, RELEASED_AS
from elbo_compare.suites.semantics.case import Library

# Final releases, oldest first. Before 1.4.0 Pyro does not import with the Python and torch of today; before 0.12.1
# NumPyro does not with the oldest JAX that Python 3.11 has a wheel of.
VERSIONS: Mapping[Library, tuple[str, ...]] = {
    Library.PYRO: (
        *("1.4.0", "1.5.0", "1.5.1", "1.5.2", "1.6.0", "1.7.0", "1.8.0", "1.8.1", "1.8.2", "1.8.3", "1.8.4"),
        *("1.8.5", "1.8.6", "1.9.0", "1.9.1", "1.9.2"),
    ),
    Library.NUMPYRO: (
        *("0.12.1", "0.13.0", "0.13.1", "0.13.2", "0.14.0", "0.15.0", "0.15.1", "0.15.2", "0.15.3", "0.16.0"),
        *("0.16.1", "0.17.0", "0.18.0", "0.19.0", "0.20.0", "0.20.1", "0.21.0", "0.22.0"),
    ),
    Library.TFP: ("0.20.1", "0.21.0", "0.22.0", "0.22.1", "0.23.0", "0.24.0", "0.25.0"),
    # The last of some minor versions: PyMC has made sixty releases since 5.0.
    Library.PYMC: (
        *("5.4.1", "5.6.1", "5.8.2", "5.10.4", "5.12.0", "5.14.0", "5.16.2", "5.18.2", "5.20.1", "5.22.0", "5.25.1"),
        "5.28.5",
    ),
}
# The JAX of a release's time: the newest one on the day that its wheel was built, but 0.4.18 where that is older:
# before 0.4.16 there is no `jax.random.key`, with which nearly every program begins, and of 0.4.14 to 0.4.17 no
# jaxlib is left.
JAX_OF: Mapping[Library, Mapping[str, str]] = {
    Library.NUMPYRO: {
        **dict.fromkeys(("0.12.1", "0.13.0", "0.13.1", "0.13.2"), "0.4.18"),
        "0.14.0": "0.4.25",
        "0.15.0": "0.4.28",
        "0.15.1": "0.4.30",
        "0.15.2": "0.4.31",
        "0.15.3": "0.4.33",
        "0.16.0": "0.4.35",
        "0.16.1": "0.4.36",
        "0.17.0": "0.5.0",
        "0.18.0": "0.5.2",
        "0.19.0": "0.7.0",
        "0.20.0": "0.9.0",
        "0.20.1": "0.9.2",
        "0.21.0": "0.10.0",
        "0.22.0": "0.10.2",
    },
    Library.TFP: {
        "0.20.1": "0.4.18",
        "0.21.0": "0.4.18",
        "0.22.0": "0.4.20",
        "0.22.1": "0.4.20",
        "0.23.0": "0.4.20",
        "0.24.0": "0.4.25",
        "0.25.0": "0.4.35",
    },
}
# What a release asks for without an upper bound, and did not know in its day.
BESIDE: Mapping[Library, tuple[str, ...]] = {Library.PYMC: ("cachetools<7",)}
AHEAD = {  # for the newest one of its day
    "0.12.1": "JAX 0.4.18 for 0.4.11",
    "0.13.0": "JAX 0.4.18 for 0.4.14",
    **dict.fromkeys(("0.13.1", "0.13.2"), "JAX 0.4.18 for 0.4.16"),
}
OLD_JAX = 30  # 0.4.30: the first JAX whose wheels know NumPy 2 and SciPy 1.13 well
OLD_ARRAYS = ("numpy==1.26.4", "scipy==1.11.4")
# Before these PyMC stands on a pytensor that asks NumPy for what NumPy 2 has dropped, and then for what 1.26 has; the
# ArviZ that it is content with asks Matplotlib for what 3.9 and later have dropped.
OLD_PYTENSOR = {"5.16.2": OLD_ARRAYS, "5.10.0": ("numpy==1.25.2", "scipy==1.11.4", "matplotlib==3.8.4")}


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

# NumPyro before 0.13.1 and TensorFlow Probability before 0.21.0 know the keys of `jax.random.PRNGKey` only, and the
# programs make theirs with `jax.random.key`.
RAW_KEYS = Patch(
    file="jax/random.py",
    begins="  key as key,",
    becomes="  PRNGKey as key,\n",
    words="jax.random.key is PRNGKey here, whose keys it knows",
)
TYPED_KEYS_SINCE: Mapping[Library, str] = {Library.NUMPYRO: "0.13.1", Library.TFP: "0.21.0"}


@dataclass(frozen=True, kw_only=True)
class Release:
    """One version of a library: laid over the installed packages, or in an environment with the JAX of its time."""

    library: Library
    version: str

    @property
    def distribution(self) -> str:
        """The name that a package registry has it under. TensorFlow Probability's nightly builds are no releases."""
        return RELEASED_AS.get(self.library) or LIBRARIES[self.library].distributions[0]

    @property
    def requirement(self) -> str:
        """`pyro-ppl==1.8.3`."""
        return f"{self.distribution}=={self.version}"

    @property
    def is_apart(self) -> bool:
        """Whether it runs in an environment of its own."""
        return apart(self.library)

    @property
    def requirements(self) -> tuple[str, ...]:
        """What its environment holds; a version that is not in the table gets the JAX that pip finds to fit."""
        if self.library not in JAX_OF:
            ends = OLD_PYTENSOR if self.library is Library.PYMC else {}
            old = [arrays for end, arrays in ends.items() if place(self.version) < place(end)]
            return (self.requirement, *BESIDE.get(self.library, ()), *(old[-1] if old else ()))
        jax = JAX_OF.get(self.library, {}).get(self.version)
        beside = ("funsor",) if self.library is Library.NUMPYRO else ()
        if jax is None:
            return (self.requirement, "jax", *beside)
        era, old = place(jax), OLD_ARRAYS if place(jax) < (0, 4, OLD_JAX) else ()
        newer = () if old or era >= (0, 6) else ("scipy<1.15", "numpy<2.2")
        binary = (f"jaxlib=={jax}",) if old else ()  # later ones say themselves which they need
        return (self.requirement, f"jax=={jax}", *binary, *beside, *old, *newer)

    @property
    def remark(self) -> str:
        """What is not of its time."""
        return AHEAD.get(self.version, "") if self.library is Library.NUMPYRO else ""

    @property
    def patches(self) -> tuple[Patch, ...]:
        """What is tried on its files and on what lies beside it; where the line is not, all is left as it is."""
        if place(self.version) < place(TYPED_KEYS_SINCE.get(self.library, "")):
            return (RAW_KEYS,)
        return (OLD_TORCH,) if self.library is Library.PYRO else ()


def apart(library: Library) -> bool:
    """Whether each release of a library runs in an environment of its own, with the frameworks of its time."""
    return library in JAX_OF or bool(LIBRARIES[library].environment)


def releases(library: Library) -> tuple[Release, ...]:
    """The matrix of one library, oldest first."""
    return tuple(Release(library=library, version=version) for version in VERSIONS[library])


def place(version: str) -> tuple[int, ...]:
    """Its place in the order of versions."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())
