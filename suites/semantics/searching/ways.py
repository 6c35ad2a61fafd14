"""In which ways a pair is run: the public ELBO classes of a library, and what is done with their objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching.description import DISCRETE, Family, Pair, Via

BLOCKS = 32  # means of so many blocks are judged: independent, and near to normal


PYTHON_DRAWS = 32  # in a block of what follows Python: 0.4 of one draw's deviation
LOOPED_DRAWS = 8  # in a block of what is not vectorised: a margin of 0.9 standard deviations of one draw


TOGETHER = {"EnergyDistance": 200, "Trace_MMD": 200}  # particles of one call, which are compared with each other
ALONE_DRAWS = 12  # calls in a block, of classes that have one number for all their particles
DECOY_T, DECOY_SCALE = 2.5, 0.5  # of the guide that an object which is used again has seen before
PRIOR_SCALE = 1.0  # of EnergyDistance, where it has one


class Particles(StrEnum):
    """How the draws of a block are made."""

    LOOPED = "looped"
    VECTORISED = "vectorised"
    TWO = "two particles"


class Objective(StrEnum):
    """What a class estimates; `objectives` says it in formulas."""

    ELBO = "the ELBO"
    RENYI = "a bound of two particles"
    WAKE_SLEEP = "wake-sleep"
    ENERGY = "an energy distance"
    MMD = "a maximum mean discrepancy"


@dataclass(frozen=True, kw_only=True)
class Way:
    """One ELBO class, with one of its options. `enumerated`: the guide's finite sites are enumerated in parallel.

    `reused`: the object has evaluated another pair before; `updated`: this one, at other parameters and another state.
    `compiled`: under jax.jit. `through`: the value alone, by this method of SVI. `double`: float64, else float32.
    `option`: of the object, where it has another one than by default.
    """

    elbo: str
    particles: Particles = Particles.VECTORISED
    enumerated: bool = False
    reused: bool = False
    updated: bool = False
    compiled: bool = False
    through: str = ""
    double: bool = True
    option: str = ""

    @property
    def objective(self) -> Objective:
        """What the class estimates in this way."""
        if self.particles is Particles.TWO:
            return Objective.WAKE_SLEEP if self.elbo == "ReweightedWakeSleep" else Objective.RENYI
        return {"EnergyDistance": Objective.ENERGY, "Trace_MMD": Objective.MMD}.get(self.elbo, Objective.ELBO)

    @property
    def valued(self) -> bool:
        """Whether the class promises a value: TraceTailAdaptive_ELBO 'only supports computing gradients'."""
        return self.elbo != "TraceTailAdaptive_ELBO"

    @property
    def label(self) -> str:
        """Trace_ELBO, looped."""
        said = [self.elbo, *([f"by {self.through}"] if self.through else [])]
        said += [self.option] if self.option else []
        said += [str(self.particles)] if self.particles is not Particles.VECTORISED else []
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
ONE_PARTICLE = ("RenyiELBO", "TraceTMC_ELBO", "TraceTailAdaptive_ELBO")
WAYS: Mapping[Library, tuple[Way, ...]] = {
    Library.PYRO: (
        *(Way(elbo=name) for name in _PYRO),
        *(Way(elbo=name, particles=Particles.LOOPED) for name in (*_PYRO, *ONE_PARTICLE[:2])),
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
# Classes and uses that estimate something else than the ELBO, each by its documented objective: a search of their own.
RELATIVES: Mapping[Library, tuple[Way, ...]] = {
    Library.PYRO: (
        Way(elbo="RenyiELBO", particles=Particles.TWO),
        Way(elbo="ReweightedWakeSleep", particles=Particles.TWO),
        Way(elbo="TraceTailAdaptive_ELBO", particles=Particles.LOOPED),
        Way(elbo="EnergyDistance"),
        Way(elbo="EnergyDistance", option="prior_scale=1"),
        Way(elbo="Trace_MMD"),
    ),
    Library.NUMPYRO: (Way(elbo="RenyiELBO", particles=Particles.TWO),),
}


def follows_python(pair: Pair) -> bool:
    """Whether a parent's value goes through Python anywhere."""
    expressions = [each for site in (*pair.model, *pair.guide) for each in site.parameters]
    return any(parent.via is not Via.TENSOR for each in expressions for parent in each.parents)


def applicable(way: Way, pair: Pair, library: Library) -> bool:
    """Whether the library promises anything here: Python control flow is for looped, uncompiled particles."""
    python = follows_python(pair)
    if python and (library is Library.NUMPYRO or way.particles is Particles.VECTORISED):
        return False
    if library is Library.NUMPYRO and (
        any(plate.subsample for plate in pair.plates) or any(site.scored for site in pair.guide)
    ):  # fmt: skip
        return False
    if pair.kept and (library is Library.PYRO or not way.through):  # the state that an ELBO object alone reads is fresh
        return False
    sums = way.elbo.removeprefix("Jit") in ("TraceEnum_ELBO", "TraceTMC_ELBO")
    if any(site.summed for site in pair.model) and not sums:
        return False
    finite = any(site.family in DISCRETE and site.family is not Family.POISSON for site in pair.guide)
    return finite or not way.enumerated


_GAMMAS = (Family.GAMMA, Family.BETA, Family.DIRICHLET, Family.POISSON)


def per_block(way: Way, library: Library, pair: Pair) -> int:
    """Draws in a block: what one call gives where it is vectorised, what patience allows where it is not."""
    if library is Library.NUMPYRO:  # JAX draws gammas by rejection, all keys until the last is done
        return 60 if any(site.family in _GAMMAS for site in pair.guide) else 400
    if way.elbo in TOGETHER:
        return TOGETHER[way.elbo]
    if way.particles is Particles.TWO or way.elbo == "TraceTailAdaptive_ELBO":
        return ALONE_DRAWS
    if way.particles is Particles.LOOPED:
        return PYTHON_DRAWS if follows_python(pair) else LOOPED_DRAWS
    return 1500
