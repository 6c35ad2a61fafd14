"""What the gradient of Pyro's RenyiELBO lacks where the guide is not reparameterised, tried on the pair."""

import copy
from collections.abc import Iterator
from time import process_time
from typing import Any

import numpy as np
import pyro
import torch
from pyro.distributions.score_parts import ScoreParts
from pyro.infer import RenyiELBO

from elbo_compare.suites.semantics.explaining.applying import Candidate
from elbo_compare.suites.semantics.explaining.facts import ClassFacts
from elbo_compare.suites.tracing.site import Draw

DRAWS, SECONDS = 128, 3.0  # the seconds are for large pairs alone
FEW, BRIEF_S = 32, 1.0  # where every class is explained


def scores_of_bound(pair: Any, facts: ClassFacts, elbo: Any, *, named: bool) -> Iterator[Candidate]:
    """FIND-PYRO-031: the class's gradient beside the bound's own, d L + (L - b) grad log q(z) of all its particles.

    L: the bound of one call, differentiated with its draws fixed in d L; b: the mean of L over the other half of the
    draws, which takes spread away and no mean. The first half picks the direction, the second half is told. A draw that
    is reparameterised in part is refused by the class. named: it is the only class that is explained, so that more
    draws are taken.
    """
    names = tuple(sorted(
        site.name for site in pair.sites if not site.observed and site.guide is not None and not site.guide.given
        and site.guide.draw is Draw.SCORE
    ))  # fmt: skip
    if facts.kind != "RenyiELBO" or not names or not pair.directions or pair.within_model:
        return
    fixed = copy.copy(elbo)
    fixed.__class__ = _Fixed
    _score(fixed, pair, 0)  # which may guess the nesting of the plates, and draw while it does
    draws, seconds = (DRAWS, SECONDS) if named else (FEW, BRIEF_S)
    until = process_time() + seconds
    values, scores, gaps = [], [], []
    for seed in range(pair.first_trial, pair.first_trial + 2 * draws):
        value, moved = pair.step(fixed, seed)
        values.append(value)
        scores.append(pair.along(_score(fixed, pair, seed)))
        gaps.append(pair.step(elbo, seed)[1] - moved)
        if process_time() > until:
            break
    half = max(len(values) // 2, 1)
    means = [float(np.mean(values[half:] or values)), float(np.mean(values[:half]))]
    lacking = [gap - (value - means[k >= half]) * score
               for k, (gap, value, score) in enumerate(zip(gaps, values, scores, strict=True))]  # fmt: skip
    sums = np.abs(np.sum(lacking[:half], axis=0))
    if not sums.any():
        return  # no parameter moves the site
    worst = int(sums.argmax())
    told = lacking[half:] if len(sums) > 1 else lacking  # of one direction none is picked
    fact = f"in the gradient along {pair.directions[worst]}, beside the score of {', '.join(names)} times the bound"
    yield Candidate(id="FIND-PYRO-031", kind=facts.kind, sites=names, measure="trial", fact=fact,
                    draws=tuple(float(each[worst]) for each in told))  # fmt: skip


def _score(fixed: "_Fixed", pair: Any, seed: int) -> torch.Tensor:
    """log q of the particles that the class draws under a seed, of what has no path."""
    pyro.set_rng_seed(seed)
    fixed.score = torch.zeros(())
    for _ in fixed._get_traces(pair.model, pair.guide, pair.args, pair.kwargs):
        pass
    return fixed.score


class _Fixed(RenyiELBO):
    """The library's object, which takes its draws for fixed ones, and adds up log q of those without a path."""

    score: torch.Tensor = torch.zeros(())

    def _get_trace(self, model: Any, guide: Any, args: Any, kwargs: Any) -> Any:
        model_trace, guide_trace = super()._get_trace(model, guide, args, kwargs)
        nodes: dict[str, Any] = dict(guide_trace.nodes)
        none: Any = 0  # Pyro's own mark of a site without a score: a number, and no tensor
        for node in nodes.values():
            if node["type"] == "sample" and not node["is_observed"] and not node["fn"].has_rsample:
                log_q = node["score_parts"].log_prob
                self.score = self.score + torch.as_tensor(log_q).sum()
                node["score_parts"] = ScoreParts(log_q, none, log_q)
        return model_trace, guide_trace
