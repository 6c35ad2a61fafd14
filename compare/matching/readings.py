"""What a formula is as a whole: a mean of particles, one logarithm taken for another, a bare sum of squares."""

import math
from collections.abc import Iterator

from elbo_compare.compare.matching.fitting import ALONE
from elbo_compare.compare.matching.measured import Measured
from elbo_compare.compare.matching.naming import Named
from elbo_compare.suites.bridge.pairs.records import BY_ROOT, BY_VARIANCE, SWAPPED, SiteFacts, Term, What

OWN = (What.LOG_LIKELIHOOD, What.LOG_Q, What.LOG_P)
# A fitted number against another that it may be: its own rounding is below 1e-9 of it, that of a constant beside terms
# of some hundred nats below 1e-7. Numbers that are the same by themselves, as one spread for all data: float64's.
FITTED, STEADY = 1e-6, 1e-9


def as_beta(one: Named) -> float:
    """1 / the weight of the likelihood, where the rest has the weight 1; 0 where it is something else."""
    own = [each for each in one.terms if each.weight and each.term.what not in ALONE]
    data = {each.weight for each in own if each.term.what is What.LOG_LIKELIHOOD and each.term.draw == 1}
    rest = {each.weight for each in own if each.term.what is not What.LOG_LIKELIHOOD}
    plain = all(each.reduction == one.reduction for each in own) and rest == {1.0} and len(data) == 1
    return 1.0 / data.pop() if plain and min(data) > 0 and data != {1.0} else 0.0


def misread(one: Named) -> str:
    """Where draw and KL have another power of the pair's sigma throughout: one logarithm is taken for another."""
    draws = {each.term.draw for each in one.terms if each.weight and each.term.what is What.LOG_LIKELIHOOD}
    parts = {each.term.what: each.weight for each in one.terms if each.weight and each.term.what not in OWN}
    sites = ", ".join(sorted({each.term.site for each in one.terms if each.weight and each.term.what in parts}))
    if draws == {BY_ROOT} and parts == {What.LOG_VAR: -0.25, What.MEAN2: 0.5, What.SIGMA: 0.5}:
        return f"what is log sigma of {sites} in the pair is read as log sigma^2, in the draw and in the KL"
    if draws == {BY_VARIANCE} and parts == {What.LOG_VAR: -1.0, What.MEAN2: 0.5, What.VAR2: 0.5}:
        return f"what is log sigma^2 of {sites} in the pair is read as log sigma, in the draw and in the KL"
    parts = {what: weight for what, weight in parts.items() if what is not What.PRIOR_LOG_VAR}
    if draws == {SWAPPED} and parts in (
        {What.MEAN: -0.5, What.LOG_VAR2: 0.5, What.EXP_MEAN: 0.5},
        {What.MEAN: -0.5, What.NOISE2: -0.5},
    ):
        return f"the mean and log sigma^2 of q({sites}) are swapped, in the draw and in the KL"
    return ""


def squares(one: Named, found: Measured) -> Iterator[str]:
    """A normal likelihood of a fixed spread that weighs, beside the KL, as a bare sum of squares does; a Laplace's as
    a bare sum of absolute errors."""
    for site in found.sites:
        own = [each for each in one.terms if each.term == Term(What.LOG_LIKELIHOOD, site.name)]
        spread = log_variance(Term(What.OBSERVED_LOG_VAR, site.name), site, found)
        latent = {(each.weight, each.reduction) for each in one.terms
                  if each.term.what in (What.KL, What.LOG_Q, What.LOG_P) and each.weight}  # fmt: skip
        if not own or spread is None or len(latent) != 1:
            continue
        weight, reduction = next(iter(latent))
        variance = math.exp(-spread)
        bare = {"Normal": {2 * variance: "the squared error", variance: "half of the squared error"},
                "Laplace": {variance**0.5: "the absolute error"}}.get(site.family, {})  # fmt: skip
        for share, said in bare.items():
            if abs(own[0].weight / weight - share) < FITTED * share and reduction == own[0].reduction:
                yield f"{said} of {site.name} stands instead of log p({site.name})"


def log_variance(term: Term, site: SiteFacts, found: Measured) -> float | None:
    """What a site's variance is the exponential of, where one number holds for all of it; negative for an observed one,
    whose column has the sign of a log density."""
    columns = found.terms.get(term)
    if columns is None:
        return None
    ends = [(each.values.min(), each.values.max(), size) for size, each in columns.items()]
    each_datum = [value / (size * found.per_datum(site.name)) for low, high, size in ends for value in (low, high)]
    scale = site.model_scale
    if max(each_datum) - min(each_datum) > STEADY * (1.0 + abs(each_datum[0])) or scale != 1.0:
        return None
    return float(each_datum[0])


def particles(one: Named) -> int:
    """How many draws are averaged, each with all of its terms; 0 where it is none or one."""
    present = [each for each in one.terms if each.weight]
    draws = {each.term.draw for each in present}
    even = all(each.weight == 1.0 and each.reduction == one.reduction and each.term.what in OWN for each in present)
    return len(draws) if even and len(draws) > 1 and abs(one.factor * len(draws) - 1.0) < STEADY else 0
