"""Which registered findings the search can express, and how a group of candidates is known for one. Read only after the
search has ended: it finds its candidates without the register.

The classes and whether value or gradient is off come from the register; the productions that a finding needs, which the
register has only in prose, are here. Every finding of the register is in `NEEDS`, in
`OUT_OF_REACH`, or among those of `compare.searching.divergences`.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from elbo_compare.suites.semantics.case import OF_PROGRAMS, Finding, Library, Unit
from elbo_compare.suites.semantics.findings import FINDINGS

VALUE, GRADIENT = "value", "gradient"


@dataclass(frozen=True, kw_only=True)
class Needs:
    """A shrunk candidate is the finding's where it uses all of `uses` and one of `any_of`; `reused`: of an object that
    has seen another pair."""

    uses: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    reused: bool = False


_DISCRETE_GUIDE = ("guide: bernoulli latent", "guide: categorical latent", "guide: poisson latent",
                   "auxiliary discrete site", "auxiliary discrete site in a plate",
                   "marked as not reparameterised")  # fmt: skip
_SCALES = ("scale on the model's latent", "scale on the guide's latent")
_MASKS = ("mask on the model's latent", "mask on the guide's latent")
_AUTOGUIDES = ("AutoNormal", "AutoDiagonalNormal", "AutoMultivariateNormal")
_AUTOMATIC = tuple(f"automatic guide: {name}" for name in _AUTOGUIDES)
NEEDS: Mapping[str, Needs] = {
    "FIND-PYRO-001": Needs(any_of=_SCALES),
    "FIND-PYRO-003": Needs(uses=("guide with dependence", "guide in another order")),
    "FIND-PYRO-004": Needs(uses=("latent in the model only",)),
    "FIND-PYRO-005": Needs(uses=("impossible data",)),
    "FIND-PYRO-006": Needs(uses=("Python global",)),
    "FIND-PYRO-007": Needs(any_of=_MASKS),
    "FIND-PYRO-008": Needs(any_of=("Delta with a log_density", *_AUTOMATIC)),
    "FIND-PYRO-010": Needs(uses=("guide: folded normal latent", "model: folded normal latent")),
    "FIND-PYRO-021": Needs(any_of=("dependence by branch", "dependence by item")),
    "FIND-PYRO-022": Needs(reused=True),
    "FIND-PYRO-023": Needs(uses=("prior_scale=1",)),
    "FIND-PYRO-027": Needs(any_of=_DISCRETE_GUIDE),
    "FIND-PYRO-029": Needs(uses=("summed out in the model",)),
    "FIND-PYRO-030": Needs(uses=("guide: factor",)),
    "FIND-PYRO-031": Needs(any_of=_DISCRETE_GUIDE),
    "FIND-NUMPYRO-001": Needs(any_of=_SCALES),
    "FIND-NUMPYRO-003": Needs(uses=("guide with dependence", "guide in another order")),
    "FIND-NUMPYRO-004": Needs(uses=("latent in the model only",)),
    "FIND-NUMPYRO-005": Needs(uses=("impossible data",)),
    "FIND-NUMPYRO-006": Needs(uses=("Python global",)),
    "FIND-NUMPYRO-008": Needs(any_of=_DISCRETE_GUIDE),
    "FIND-NUMPYRO-009": Needs(uses=("guide: kumaraswamy latent", "model: beta latent")),
    "FIND-NUMPYRO-012": Needs(uses=_MASKS),
    "FIND-NUMPYRO-015": Needs(uses=("mutable state",)),
    "FIND-NUMPYRO-016": Needs(
        any_of=("scale on the guide's latent", "mask on the guide's latent", "subsample, random")
    ),
    "FIND-NUMPYRO-017": Needs(uses=("guide: factor",)),
    "FIND-NUMPYRO-018": Needs(uses=("subsample, random",)),
}
_SIZES = "a plate of another size in the guide is no production"
OUT_OF_REACH: Mapping[str, str] = {
    "FIND-PYRO-002": _SIZES,
    "FIND-NUMPYRO-002": _SIZES,
    "FIND-PYRO-009": "bounds of two particles are searched without plates, of which these classes say other things",
    "FIND-PYRO-013": "runs of the model are not counted",
    "FIND-PYRO-014": "a weight by ranks of several particles, a step function that no nodes integrate",
    "FIND-PYRO-015": "differentiable_loss is not called, and an infinite loss has no gradient to compare",
    "FIND-PYRO-016": "a method that raises is no wrong number",
    "FIND-PYRO-020": "masks come from handlers, not from .mask() of a distribution",
    "FIND-PYRO-024": "a refusal that does not come is no wrong number",
    "FIND-PYRO-025": "needs training on one mini-batch after another",
    "FIND-PYRO-026": "the excess falls as 1/K, and is below what the draws tell",
    "FIND-NUMPYRO-007": "multi_sample_guide is no way of the search",
    "FIND-NUMPYRO-010": "data outside of a support are no production",
    "FIND-NUMPYRO-011": "the value is right on average; variances are not judged",
    "FIND-NUMPYRO-014": "needs an invalid step before",
}
BY_ID: Mapping[str, Finding] = {finding.id: finding for finding in FINDINGS if finding.library in OF_PROGRAMS}


def classes(finding: Finding) -> tuple[str, ...]:
    """The ELBO classes that the register names for it, without Jit; none: whichever class it is."""
    if "trace" in finding.quantities:
        return ()
    named = tuple(dict.fromkeys(re.findall(r"\b(?:Jit)?(\w+ELBO|EnergyDistance|Trace_MMD)\b", finding.title)))
    return named or (("TraceMeanField_ELBO",) if "mean_field" in finding.quantities else ())


def expressible(library: Library, among: Collection[str] = ()) -> list[str]:
    """The findings of a library that random pairs can show; `among`: in one of these classes, none: in any."""
    mine = [name for name in NEEDS if BY_ID[name].library is library]
    return [name for name in mine if not among or not classes(BY_ID[name]) or set(classes(BY_ID[name])) & set(among)]


def recognised(library: Library, elbo: str, kinds: Collection[str], core: Collection[str], *, reused: bool) -> str:
    """The finding that a group is known for, or nothing. `core`: the productions of the shrunk pair."""
    for name in expressible(library):
        finding, needs = BY_ID[name], NEEDS[name]
        named = classes(finding)
        fits = (
            (not named or elbo.removeprefix("Jit") in named)
            and set(needs.uses) <= set(core)
            and (not needs.any_of or bool(set(needs.any_of) & set(core)))
            and (finding.unit is not Unit.GRADIENT or set(kinds) <= {GRADIENT})
            and reused == needs.reused
        )
        if fits:
            return name
    return ""
