"""In which ways a pair is run: the public ELBO classes of a library, and what is done with their objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching.description import DISCRETE, Family, Pair, Via

BLOCKS = 32  # means of so many blocks are judged: independent, and near to normal


class Particles(StrEnum):
    """How the draws of a block are made."""

    LOOPED = "looped"
    VECTORISED = "vectorised"


@dataclass(frozen=True, kw_only=True)
class Way:
    """One ELBO class, with one of its options. `enumerated`: the guide's finite sites are enumerated in parallel.

    `reused`: the object has evaluated another pair before. `double`: float64, else float32.
    """

    elbo: str
    particles: Particles = Particles.VECTORISED
    enumerated: bool = False
    reused: bool = False
    double: bool = True

    @property
    def label(self) -> str:
        """Trace_ELBO, looped."""
        said = [self.elbo]
        said += [str(self.particles)] if self.particles is Particles.LOOPED else []
        said += [name for name, true in (("enumerated", self.enumerated), ("reused", self.reused)) if true]
        return ", ".join(said + ([] if self.double else ["float32"]))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Means of `per_block` draws of the loss in nats, one for each block, and of its gradient: block, entry of t."""

    values: Sequence[float] = ()
    gradients: Sequence[Sequence[float]] = ()
    per_block: int = 1
    raised: str = ""


_PYRO = ("Trace_ELBO", "TraceGraph_ELBO", "TraceMeanField_ELBO", "TraceEnum_ELBO")
# A bound over particles is the ELBO where there is one particle; more of them have another value.
ONE_PARTICLE = ("RenyiELBO", "TraceTMC_ELBO")
WAYS: Mapping[Library, tuple[Way, ...]] = {
    Library.PYRO: (
        *(Way(elbo=name) for name in _PYRO),
        *(Way(elbo=name, particles=Particles.LOOPED) for name in (*_PYRO, *ONE_PARTICLE)),
        Way(elbo="TraceEnum_ELBO", enumerated=True),
        *(Way(elbo=f"Jit{name}") for name in _PYRO),
        Way(elbo="JitTraceEnum_ELBO", enumerated=True),
        *(Way(elbo=f"Jit{name}", reused=True) for name in _PYRO if name != "TraceMeanField_ELBO"),  # it compiles anew
        *(Way(elbo=name, double=False) for name in _PYRO[:3]),
    ),
    Library.NUMPYRO: (
        *(Way(elbo=name) for name in (*_PYRO, "RenyiELBO")),
        Way(elbo="TraceEnum_ELBO", enumerated=True),
        *(Way(elbo=name, particles=Particles.LOOPED) for name in _PYRO[:3]),
    ),
}
# Other public classes, which optimise something else or need another kind of program: nobody searches them yet.
UNSEARCHED: Mapping[Library, tuple[str, ...]] = {
    Library.PYRO: ("TraceTailAdaptive_ELBO", "ReweightedWakeSleep", "EnergyDistance", "Trace_MMD"),
    Library.NUMPYRO: (),
}


def applicable(way: Way, pair: Pair, library: Library) -> bool:
    """Whether the library promises anything here: Python control flow is for looped, uncompiled particles."""
    expressions = [each for site in (*pair.model, *pair.guide) for each in site.parameters]
    python = any(parent.via is not Via.TENSOR for each in expressions for parent in each.parents)
    if python and (library is Library.NUMPYRO or way.particles is Particles.VECTORISED):
        return False
    if library is Library.NUMPYRO and any(plate.subsample for plate in pair.plates):
        return False
    finite = any(site.family in DISCRETE and site.family is not Family.POISSON for site in pair.guide)
    return finite or not way.enumerated


def per_block(way: Way, library: Library) -> int:
    """Draws in a block: what one call gives where it is vectorised, what patience allows where it is not."""
    if library is Library.NUMPYRO:
        return 750
    return 4 if way.particles is Particles.LOOPED else 1500
