"""Findings that show in how an object is used, not in one draw: each is tried on the very pair, by public calls."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from time import process_time
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.infer import TraceTailAdaptive_ELBO
from pyro.infer.util import is_validation_enabled

from elbo_compare.suites.semantics.explaining.applying import Candidate
from elbo_compare.suites.semantics.explaining.facts import ClassFacts, SiteFacts
from elbo_compare.suites.semantics.explaining.numbers import changed, numbers_of
from elbo_compare.suites.semantics.explaining.renyi_trials import scores_of_bound
from elbo_compare.suites.semantics.explaining.roles import Role, treatment
from elbo_compare.suites.semantics.explaining.tmc_trials import factors_left, scores_left
from elbo_compare.suites.tracing.pyro_trace import one_thread, quiet

DRAWS, SECONDS = 64, 2.0  # the seconds are for large pairs alone
SAME = 1e-6  # of the size of a loss: two calls under one seed differ by rounding alone
Elbo = Any


def trials(pair: Any) -> tuple[Candidate, ...]:
    """The findings that have their shape under one of the pair's classes, with what was observed."""
    found: list[Candidate] = []
    named = len([each for each in pair.classes if each.asked]) == 1
    for facts in pair.classes:
        if not facts.asked or facts.error:
            continue
        elbo = pair.elbos[facts.name]
        with quiet(), one_thread(), pyro.validation_enabled(is_validation_enabled()):
            bound = partial(scores_of_bound, named=named)
            called = (_called,) if named else ()
            for each in (_infinite, _subsampled, _ranked, _penalty, scores_left, factors_left, bound, *called):
                found += each(pair, facts, elbo)
            if type(elbo).__name__.startswith("Jit"):
                for each in (_numbers, _second_pair, _compiles_again):
                    found += each(pair, facts, elbo)
    return tuple(found)


def _loss(elbo: Elbo, pair: Any, seed: int, model: Callable | None = None, guide: Callable | None = None) -> float:
    pyro.set_rng_seed(seed)
    return float(elbo.loss(model or pair.model, guide or pair.guide, *pair.args, **pair.kwargs))


def _step(elbo: Elbo, pair: Any, seed: int, model: Callable | None = None) -> float:
    """The loss of a training step; the compiled objects compile this call."""
    return -pair.step(elbo, seed, (model or pair.model, pair.guide))[0]


def _fresh(elbo: Elbo) -> Elbo:
    """A copy that has compiled nothing."""
    other = copy.copy(elbo)
    for name in ("_loss_and_surrogate_loss", "_differentiable_loss", "_jit_differentiable_loss", "_loss_and_grads"):
        other.__dict__.pop(name, None)
    return other


def _warm(elbo: Elbo, pair: Any, model: Callable | None = None) -> float:
    """The loss of a second step: while the first is compiled, other random numbers are drawn."""
    _step(elbo, pair, 0, model)
    return _step(elbo, pair, 0, model)


def _numbers(pair: Any, facts: ClassFacts, elbo: Elbo) -> Iterator[Candidate]:
    """FIND-PYRO-006: an object that was compiled under another number, beside one compiled under the new one."""
    compiled = _fresh(elbo)
    kept = _warm(compiled, pair)
    for number in numbers_of(pair.model, pair.guide):
        with changed(number) as other:
            due, got = _warm(_fresh(elbo), pair) - kept, _step(compiled, pair, 0) - kept
        if abs(due) > SAME * (abs(kept) + 1):
            yield Candidate(
                id="FIND-PYRO-006", kind=facts.kind, measure="fact", seen=abs(got - due) > SAME * (abs(kept) + 1),
                fact=f"from {number.name} = {number.value:g} to {other:g} the loss has to move by {due:.4g} nats; "
                     f"it moves by {got:.4g}", condition=f"where {number.name} changes after the first step",
            )  # fmt: skip


def _second_pair(pair: Any, facts: ClassFacts, elbo: Elbo) -> Iterator[Candidate]:
    """FIND-PYRO-022: the second model is this one with its densities squared."""
    compiled, second = _fresh(elbo), poutine.scale(pair.model, scale=2.0)
    first, right = _warm(compiled, pair), _warm(_fresh(elbo), pair, second)
    got = _warm(compiled, pair, second)
    size = SAME * (abs(right) + 1)
    yield Candidate(
        id="FIND-PYRO-022", kind=facts.kind, measure="fact", seen=abs(got - first) < size < abs(right - first),
        fact=f"given this model at twice its scale, the object that has seen this model returns {got:.6g} nats "
             f"(this model: {first:.6g}); right is {right:.6g}",
        condition="where one object serves two pairs",
    )  # fmt: skip


def _compiles_again(pair: Any, facts: ClassFacts, elbo: Elbo) -> Iterator[Candidate]:
    """FIND-PYRO-013."""
    if facts.kind != "TraceMeanField_ELBO":
        return
    runs: list[int] = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        runs.append(1)
        return pair.model(*args, **kwargs)

    compiled = _fresh(elbo)
    for seed in range(3):
        runs.clear()
        _step(compiled, pair, seed, counted)
    fact = f"its third step runs the model's Python code {len(runs)} times, a compiled one never"
    yield Candidate(id="FIND-PYRO-013", kind=facts.kind, measure="fact", seen=bool(runs), fact=fact,
                    condition="in time alone")  # fmt: skip


def _infinite(pair: Any, facts: ClassFacts, elbo: Elbo) -> Iterator[Candidate]:
    """FIND-PYRO-015."""
    if facts.value not in (float("inf"), float("-inf")) or facts.kind == "TraceTailAdaptive_ELBO":
        return
    try:
        pyro.set_rng_seed(0)
        got = float(elbo.differentiable_loss(pair.model, pair.guide, *pair.args, **pair.kwargs))
    except (AttributeError, NotImplementedError):
        return
    yield Candidate(id="FIND-PYRO-015", kind=facts.kind, measure="fact", seen=got != -facts.value,
                    fact=f"its loss is {-facts.value} here, differentiable_loss returns {got}",
                    condition="where differentiable_loss is called")  # fmt: skip


def _called(pair: Any, facts: ClassFacts, elbo: Elbo) -> Iterator[Candidate]:
    """FIND-PYRO-016."""
    try:
        pyro.set_rng_seed(0)
        elbo(_Module(pair.model), _Module(pair.guide))(*pair.args, **pair.kwargs)
    except (AttributeError, NotImplementedError) as error:
        yield Candidate(id="FIND-PYRO-016", kind=facts.kind, measure="fact", condition="SVI works",
                        fact=f"elbo(model, guide)(...) raises {type(error).__name__}")  # fmt: skip
    except Exception:  # another reason is no such finding
        return


class _Module(torch.nn.Module):
    def __init__(self, function: Callable) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def _subsampled(pair: Any, facts: ClassFacts, elbo: Elbo) -> Iterator[Candidate]:
    """FIND-PYRO-009: N/B inside the log-mean-exp, against N/B times the bound of the mini-batch."""
    if facts.kind not in ("RenyiELBO", "TraceTMC_ELBO") or (facts.kind == "TraceTMC_ELBO" and not _samples(pair)):
        return
    factor = None if pair.within_model else _common_factor(pair.sites)
    if factor is None or (elbo.num_particles == 1 and facts.kind == "RenyiELBO"):
        return
    model, guide = (poutine.scale(each, scale=1 / factor) for each in (pair.model, pair.guide))
    until, draws = process_time() + SECONDS, []
    for seed in range(pair.first_trial, pair.first_trial + DRAWS):
        draws.append(factor * _loss(elbo, pair, seed, model, guide) - _loss(elbo, pair, seed))
        if process_time() > until:
            break
    local = tuple(site.name for site in pair.sites if site.guide is not None and not site.observed)
    yield Candidate(id="FIND-PYRO-009", kind=facts.kind, sites=local, measure="trial", draws=tuple(draws))


def _samples(pair: Any) -> bool:
    """Whether tensor Monte Carlo draws several samples of a site."""
    return any(Role.SAMPLES in treatment(site, "TraceTMC_ELBO", pair.library).roles for site in pair.sites)


def _common_factor(sites: tuple[SiteFacts, ...]) -> float | None:
    """N/B where every site lies in the subsampled plate; None where there is none, or another weight beside it."""
    sides = [side for site in sites if not site.deterministic for side in (site.model, site.guide) if side is not None]
    factors = {side.batch_factor for side in sides} | {end for side in sides for end in side.scale}
    factor = next(iter(factors), 1.0)
    local = any(site.guide is not None and not site.observed for site in sites)
    return factor if len(factors) == 1 and factor != 1 and local else None


class _Ranked(TraceTailAdaptive_ELBO):
    """The library's object with each particle weighted by its own rank."""

    def _differentiable_loss_particle(self, model_trace: Any, guide_trace: Any) -> tuple[float, torch.Tensor]:
        log_ratio: Any = 0.0
        for sign, trace in ((1, model_trace), (-1, guide_trace)):
            for node in trace.nodes.values():
                if node["type"] == "sample":
                    log_ratio = log_ratio + sign * node["log_prob"].reshape(self.num_particles, -1).sum(-1)
        rank = (torch.argsort(torch.argsort(log_ratio)) + 1).to(log_ratio.dtype)
        weight = rank.pow(self.tail_adaptive_beta).detach()
        return float("inf"), -(log_ratio * weight).sum() / weight.sum()


def _ranked(pair: Any, facts: ClassFacts, elbo: Elbo) -> Iterator[Candidate]:
    """FIND-PYRO-014: two particles have their own ranks, more of them others'. The score of log q is not tried.

    The first half of the draws picks the direction, the second half is told.
    """
    if facts.kind != "TraceTailAdaptive_ELBO" or elbo.num_particles < 3 or not pair.directions:
        return
    right = copy.copy(elbo)
    right.__class__ = _Ranked
    until, gaps = process_time() + SECONDS, []
    for seed in range(pair.first_trial, pair.first_trial + DRAWS):
        gaps.append(pair.step(elbo, seed)[1] - pair.step(right, seed)[1])
        if process_time() > until:
            break
    half = len(gaps) // 2
    means = [abs(sum(float(gap[k]) for gap in gaps[:half])) for k in range(len(pair.directions))]
    worst = max(range(len(means)), key=means.__getitem__)
    fact = f"in the gradient along {pair.directions[worst]}, beside weights by the particles' own ranks"
    yield Candidate(id="FIND-PYRO-014", kind=facts.kind, measure="trial", fact=fact,
                    draws=tuple(float(gap[worst]) for gap in gaps[half:]))  # fmt: skip


def _penalty(pair: Any, facts: ClassFacts, elbo: Elbo) -> Iterator[Candidate]:
    """FIND-PYRO-026: E loss = a + b / K, so that the excess b / K is twice the fall of the mean loss from K to 2 K."""
    if facts.kind != "Trace_MMD":
        return
    twice = copy.copy(elbo)
    twice.num_particles = 2 * elbo.num_particles
    until, draws = process_time() + SECONDS, []
    for seed in range(pair.first_trial, pair.first_trial + DRAWS):
        draws.append(-2 * (_loss(elbo, pair, seed) - _loss(twice, pair, seed)))
        if process_time() > until:
            break
    yield Candidate(id="FIND-PYRO-026", kind=facts.kind, measure="trial", draws=tuple(draws))
