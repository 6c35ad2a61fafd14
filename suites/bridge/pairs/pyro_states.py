"""A Pyro pair's terms in expectation over its guide's discrete latents: each state in turn, weighed by q."""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor

from elbo_compare.suites.bridge.pairs.records import EXPECTED, What
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
    sites = {name: node for name, node in first.guide.items() if node.discrete}
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


def _add(run: Traced, share: Tensor, sums: Columns, sizes: dict[str, float]) -> None:
    for term, elements, _ in terms(torch, run, divergence, EXPECTED, wide=False, probability=lambda *_: False):
        if term.what in OWN and elements.shape == share.shape:
            weighed = share * elements
            sums[term.key] = sums.get(term.key, torch.zeros(())) + weighed.sum()
            sizes[term.key] = sizes.get(term.key, 0.0) + float(weighed.detach().abs().sum())
