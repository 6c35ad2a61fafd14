"""Which registered findings the grammar can express, and how a group of candidates is known for one. Read only after
the search has ended: it finds its candidates without the register.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from elbo_compare.suites.semantics.case import Library

VALUE, GRADIENT = "value", "gradient"


@dataclass(frozen=True, kw_only=True)
class Trait:
    """A shrunk candidate is the finding's where its class is one of `elbos` (without Jit) and it uses all of `uses`;
    `reused`: of an object that has seen another pair. `kinds`: what may be off."""

    elbos: tuple[str, ...]
    uses: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    kinds: tuple[str, ...] = (VALUE, GRADIENT)
    reused: bool = False


_MEAN_FIELD = ("TraceMeanField_ELBO",)
_GRAPHS = ("Trace_ELBO", "TraceMeanField_ELBO")
_DISCRETE_GUIDE = ("guide: bernoulli latent", "guide: categorical latent", "guide: poisson latent")
_SCALES = ("scale on the model's latent", "scale on the guide's latent")
_MASKS = ("mask on the model's latent", "mask on the guide's latent")
TRAITS: Mapping[Library, Mapping[str, Trait]] = {
    Library.PYRO: {
        "FIND-PYRO-001": Trait(elbos=_MEAN_FIELD, any_of=_SCALES),
        "FIND-PYRO-003": Trait(elbos=_MEAN_FIELD, uses=("guide with dependence", "guide in another order")),
        "FIND-PYRO-004": Trait(elbos=("Trace_ELBO", "TraceGraph_ELBO", "TraceMeanField_ELBO", "TraceEnum_ELBO",
                                      "RenyiELBO", "TraceTMC_ELBO"), uses=("latent in the model only",)),
        "FIND-PYRO-007": Trait(elbos=_MEAN_FIELD, any_of=_MASKS),
        "FIND-PYRO-008": Trait(elbos=_MEAN_FIELD, uses=("Delta with a log_density",)),
        "FIND-PYRO-021": Trait(elbos=("TraceGraph_ELBO",), any_of=("dependence by branch", "dependence by item"),
                               kinds=(GRADIENT,)),
        "FIND-PYRO-027": Trait(elbos=("TraceTMC_ELBO",), any_of=(*_DISCRETE_GUIDE, "auxiliary discrete site"),
                               kinds=(GRADIENT,)),
        "FIND-PYRO-022": Trait(elbos=("Trace_ELBO", "TraceGraph_ELBO", "TraceEnum_ELBO"), reused=True),
    },
    Library.NUMPYRO: {
        "FIND-NUMPYRO-001": Trait(elbos=_MEAN_FIELD, any_of=_SCALES),
        "FIND-NUMPYRO-003": Trait(elbos=_MEAN_FIELD, uses=("guide with dependence", "guide in another order")),
        "FIND-NUMPYRO-004": Trait(elbos=("Trace_ELBO", "TraceGraph_ELBO", "TraceMeanField_ELBO", "TraceEnum_ELBO",
                                         "RenyiELBO"), uses=("latent in the model only",)),
        "FIND-NUMPYRO-008": Trait(elbos=_GRAPHS, any_of=(*_DISCRETE_GUIDE, "auxiliary discrete site"),
                                  kinds=(GRADIENT,)),
    },
}  # fmt: skip


def recognised(library: Library, elbo: str, kinds: Collection[str], core: Collection[str], *, reused: bool) -> str:
    """The finding that a group is known for, or nothing. `core`: the productions of the shrunk pair."""
    for identifier, trait in TRAITS[library].items():
        fits = (
            elbo.removeprefix("Jit") in trait.elbos
            and set(trait.uses) <= set(core)
            and (not trait.any_of or bool(set(trait.any_of) & set(core)))
            and set(kinds) <= set(trait.kinds)
            and reused == trait.reused
        )
        if fits:
            return identifier
    return ""
