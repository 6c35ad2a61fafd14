"""The claims, by family, in the order in which a report lists them. IDs are permanent."""

from elbo_compare.compare.claims import (
    bounds,
    choosing,
    constants,
    device,
    elbo,
    estimators,
    fields,
    flows,
    gradient,
    kl,
    likelihood,
    linear_gaussian,
    matching,
    training,
)
from elbo_compare.compare.claims.claim import Claim, Context, Judgement, Rows, Scope

FAMILIES = (
    *(matching, kl, elbo, flows, bounds, estimators),
    *(gradient, linear_gaussian, likelihood, training, choosing, fields, constants, device),
)
CLAIMS: tuple[Claim, ...] = tuple(claim for family in FAMILIES for claim in family.CLAIMS)
_BY_ID = {claim.id: claim for claim in CLAIMS}


def by_id(identifier: str) -> Claim:
    """The claim of this ID. Raises KeyError with the known IDs.

    >>> print(by_id('KL-002').statement)
    −(log p̃(z) − log q̃(z)) = log q(z|x) − log p(z) at the same z; p̃, q̃ without 0.5 log 2π
    """
    if identifier not in _BY_ID:
        raise KeyError(f"No claim {identifier!r}. Known: {', '.join(_BY_ID)}.")
    return _BY_ID[identifier]


__all__ = ["CLAIMS", "Claim", "Context", "Judgement", "Rows", "Scope", "by_id"]
