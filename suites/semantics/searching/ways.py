"""In which ways a pair is run: the public ELBO classes of a library, and what is done with their objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching.description import DISCRETE, Family, Pair, Via

BLOCKS = 32  # means of so many blocks are judged: independent, and near to normal


LOOPED_DRAWS = 8  # in a block of what is not vectorised: a margin of 0.9 standard deviations of one draw


class Particles(StrEnum):
    """How the draws of a block are made."""

    LOOPED = "looped"
    VECTORISED = "vectorised"


@dataclass(frozen=True, kw_only=True)
class Way:
    """One ELBO class, with one of its options. `enumerated`: the guide's finite sites are enumerated in parallel.

    `reused`: the object has evaluated another pair before; `updated`: this one, at other parameters and another state.
    `compiled`: under jax.jit. `through`: the value alone, by this method of SVI. `double`: float64, else float32.
    """

    elbo: str
    particles: Particles = Particles.VECTORISED
    enumerated: bool = False
    reused: bool = False
    updated: bool = False
    compiled: bool = False
    through: str = ""
    double: bool = True

    @property
    def label(self) -> str:
        """Trace_ELBO, looped."""
        said = [self.elbo, *([f"by {self.through}"] if self.through else [])]
        said += [str(self.particles)] if self.particles is Particles.LOOPED else []
        flags = ("enumerated", "reused", "updated", "compiled")
        said += [name for name in flags if getattr(self, name)]
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
        *(Way(elbo=f"Jit{name}", updated=True) for name in _PYRO),
        *(Way(elbo=name, updated=True) for name in _PYRO[:3]),
        *(Way(elbo=name, double=False) for name in _PYRO[:3]),
    ),
    Library.NUMPYRO: (
        *(Way(elbo=name) for name in (*_PYRO, "RenyiELBO")),
        Way(elbo="TraceEnum_ELBO", enumerated=True),
        *(Way(elbo=name, particles=Particles.LOOPED) for name in _PYRO[:3]),
        *(Way(elbo=name, compiled=True) for name in _PYRO),
        *(Way(elbo=name, compiled=True, updated=True) for name in _PYRO[:3]),
        *(Way(elbo=name, double=False) for name in _PYRO[:3]),
        *(
            Way(elbo=name, through=f"SVI.{method}")
            for name in ("Trace_ELBO", "TraceMeanField_ELBO")
            for method in ("evaluate", "update")
        ),
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
    if library is Library.NUMPYRO and (
        any(plate.subsample for plate in pair.plates) or any(site.scored for site in pair.guide)
    ):  # fmt: skip
        return False
    if pair.kept and (library is Library.PYRO or not way.through):  # the state that an ELBO object alone reads is fresh
        return False
    if any(site.summed for site in pair.model) and not way.elbo.endswith("TraceEnum_ELBO"):
        return False
    finite = any(site.family in DISCRETE and site.family is not Family.POISSON for site in pair.guide)
    return finite or not way.enumerated


_GAMMAS = (Family.GAMMA, Family.BETA, Family.DIRICHLET, Family.POISSON)


def per_block(way: Way, library: Library, pair: Pair) -> int:
    """Draws in a block: what one call gives where it is vectorised, what patience allows where it is not."""
    if library is Library.NUMPYRO:  # JAX draws gammas by rejection, all keys until the last is done
        return 60 if any(site.family in _GAMMAS for site in pair.guide) else 400
    return LOOPED_DRAWS if way.particles is Particles.LOOPED else 1500
