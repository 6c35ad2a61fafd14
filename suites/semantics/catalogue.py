"""All cases of the semantics suite, by family; IDs are permanent."""

from elbo_compare.suites.semantics.case import Case
from elbo_compare.suites.semantics.families import (
    delta,
    discrete,
    distances,
    divergence,
    edges,
    fallback,
    gradient,
    guests,
    inference,
    plate,
    relatives,
    runtime,
    scale,
    structure,
    support,
    surrogates,
)

FAMILIES: dict[str, tuple[Case, ...]] = {
    "scale and mask": scale.CASES,
    "plates and particles": plate.CASES,
    "fallback to sampling": fallback.CASES,
    "Delta and autoguides": delta.CASES,
    "divergences": divergence.CASES,
    "edges and batches of divergences": edges.CASES,
    "gradients": gradient.CASES,
    "relatives of Trace_ELBO": relatives.CASES,
    "discrete latents": discrete.CASES,
    "objectives that are no ELBO": distances.CASES,
    "support": support.CASES,
    "structure": structure.CASES,
    "compilation and random numbers": runtime.CASES,
    "surrogates and divergences": surrogates.CASES,
    "other libraries": guests.CASES + inference.CASES,
}
CASES: tuple[Case, ...] = tuple(case for cases in FAMILIES.values() for case in cases)
BY_ID: dict[str, Case] = {case.id: case for case in CASES}
