"""A Pyro pair's terms with its discrete latents summed over: the guide's in expectation, each state weighed by q; those
of the model alone within the densities that depend on them, log sum_c p(c) p(z|c)."""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor

from elbo_compare.suites.bridge.pairs.records import EXPECTED, Term, What
from elbo_compare.suites.bridge.pairs.site_terms import terms
from elbo_compare.suites.bridge.tape import Tape
from elbo_compare.suites.tracing.pyro_trace import divergence
from elbo_compare.suites.tracing.site import Traced

STATES = 64  # of one datum, of all discrete latents together
OWN = (What.LOG_LIKELIHOOD, What.LOG_Q, What.LOG_P, What.KL)

Columns = dict[str, Tensor]


def expected(
    run_at: Callable[[Mapping[str, Any], Tape], Traced], tape: Tape, again: bool
) -> tuple[Columns, dict[str, float]]:
    """(sum over the data of sum_s q(s) term(s), sum of the absolute elements) by term; empty where the discrete latents
    are not one a datum, or have more than `STATES` states.

    run_at: the pair at given latents, the others drawn from a tape. again: every state meets the same noise.
    """
    first = run_at({}, Tape(tape.seed))
    return _summed(run_at, tape, again, {name: node for name, node in first.guide.items() if node.discrete})


def _summed(
    run_at: Callable[[Mapping[str, Any], Tape], Traced], tape: Tape, again: bool, sites: Mapping[str, Any]
) -> tuple[Columns, dict[str, float]]:
    batches = {tuple(node.fn.batch_shape) for node in sites.values()}
    supports = {name: node.fn.enumerate_support(expand=False) for name, node in sites.items()}
    count = 1
    for each in supports.values():
        count *= len(each)
    if len(batches) != 1 or len(next(iter(batches))) != 1 or count > STATES:
        return {}, {}
    sums: Columns = {}
    sizes: dict[str, float] = {}
    for state in product(*(range(len(each)) for each in supports.values())):
        chosen = zip(sites.items(), state, strict=True)
        values = {name: supports[name][k].expand(node.value.shape) for (name, node), k in chosen}
        run = run_at(values, Tape(tape.seed) if again else tape)
        log_q: Any = sum((run.guide[name].fn.log_prob(value) for name, value in values.items()), torch.zeros(()))
        _add(run, log_q.exp(), sums, sizes)
    return sums, sizes


def marginal(run_at: Callable[[Mapping[str, Any]], Traced]) -> tuple[Columns, dict[str, float]]:
    """Every density with the discrete latents of the model alone summed out; empty where the guide has discrete ones
    too, or the model none.

    What does not change with a state stays as it is; what does is one density, log sum_c p(c) prod p(.|c), under the
    name of the latest site in it that is not summed out. run_at: the pair at given states, at one noise.
    """
    first = run_at({})
    if any(node.discrete for node in first.guide.values()):
        return {}, {}
    sites = {
        name: node
        for name, node in first.model.items()
        if node.discrete and not node.observed and name not in first.guide
    }
    supports = {name: node.fn.enumerate_support(expand=False) for name, node in sites.items()}
    states = list(product(*(range(len(each)) for each in supports.values())))
    if not sites or len(states) > STATES or len({tuple(node.fn.batch_shape) for node in first.model.values()}) != 1:
        return {}, {}
    densities: dict[str, list[Tensor]] = {}
    for state in states:
        chosen = zip(sites.items(), state, strict=True)
        run = run_at({name: supports[name][k].expand(node.value.shape) for (name, node), k in chosen})
        for name, node in run.model.items():
            densities.setdefault(name, []).append(node.log_prob)
    return _columns_of(first, sites, {name: torch.stack(each) for name, each in densities.items()})


def _columns_of(
    first: Traced, sites: Mapping[str, Any], densities: Mapping[str, Tensor]
) -> tuple[Columns, dict[str, float]]:
    """(value, sum of the absolute elements) by term; densities: (states, batch) of each of the model's sites."""
    depending = {name for name, each in densities.items() if not torch.equal(each, each[:1].expand_as(each))}
    joint = sum((each for name, each in densities.items() if name in depending | set(sites)), torch.zeros(()))
    kept = [name for name in first.model if name in depending and name not in sites]
    elements = {Term(What.LOG_Q, name, EXPECTED): node.log_prob for name, node in first.guide.items()}
    for name, each in densities.items():
        if name not in depending | set(sites):
            elements[_density(first, name)] = each[0]
    if kept:
        elements[_density(first, kept[-1])] = torch.logsumexp(joint, 0)
    return (
        {term.key: each.sum() for term, each in elements.items()},
        {term.key: float(each.detach().abs().sum()) for term, each in elements.items()},
    )


def _density(first: Traced, name: str) -> Term:
    return Term(What.LOG_LIKELIHOOD if first.model[name].observed else What.LOG_P, name, EXPECTED)


def _add(run: Traced, share: Tensor, sums: Columns, sizes: dict[str, float]) -> None:
    for term, elements, _ in terms(torch, run, divergence, EXPECTED, wide=False, probability=lambda *_: False):
        if term.what in OWN and elements.shape == share.shape:
            weighed = share * elements
            sums[term.key] = sums.get(term.key, torch.zeros(())) + weighed.sum()
            sizes[term.key] = sizes.get(term.key, 0.0) + float(weighed.detach().abs().sum())
