"""What Pyro's tensor Monte Carlo leaves out of a pair or counts twice, tried with the library's own object."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import process_time
from typing import Any

import numpy as np
import pyro
import torch
from pyro.distributions.util import scale_and_mask
from pyro.infer import tracetmc_elbo
from pyro.ops import packed
from pyro.poutine.messenger import Messenger
from pyro.poutine.subsample_messenger import _Subsample

from elbo_compare.suites.semantics.explaining.applying import Candidate
from elbo_compare.suites.semantics.explaining.facts import ClassFacts
from elbo_compare.suites.tracing.site import Draw

DRAWS, ALIKE, SECONDS = 64, 8, 2.0  # draws that are all the same end it; the seconds are for large pairs alone
Elbo = Any


def scores_left(pair: Any, facts: ClassFacts, elbo: Elbo) -> Iterator[Candidate]:
    """FIND-PYRO-027: the gradient lacks log-estimate * grad log q(z) of each discrete z that is drawn once.

    A mean of the estimates of the other half is taken off: grad log q is zero on average. The first half of the draws
    picks the direction, the second half is told. Sites are told by what they are: another draw may have other names.
    """
    names = {site.name for site in pair.sites if not site.observed and site.guide is not None and not site.guide.given
             and site.guide.draw is Draw.SCORE and not site.guide.enumerate}  # fmt: skip
    if facts.kind != "TraceTMC_ELBO" or not names or not pair.directions or elbo.num_particles > 1 or pair.within_model:
        return
    values, slopes = [], []
    for seed in _seeds(pair, 2 * DRAWS):  # few draws of a discrete site are no evidence
        scored = _Scored()
        pyro.set_rng_seed(seed)
        loss = elbo.differentiable_loss(pair.model, scored(pair.guide), *pair.args, **pair.kwargs)
        values.append(-float(loss))
        slopes.append(pair.along(scored.total))
    half = len(values) // 2
    means = [sum(values[half:]) / len(values[half:]), sum(values[:half]) / max(half, 1)]
    lacking = [(means[k >= half] - value) * slope for k, (value, slope) in enumerate(zip(values, slopes, strict=True))]
    sums = np.abs(np.sum(lacking[: max(half, 1)], axis=0))
    if not sums.any():
        return  # no parameter moves the site
    worst = int(sums.argmax())
    fact = f"in the gradient along {pair.directions[worst]}: the score of {', '.join(sorted(names))} is missing"
    yield Candidate(id="FIND-PYRO-027", kind=facts.kind, sites=tuple(sorted(names)), measure="trial", fact=fact,
                    draws=tuple(float(each[worst]) for each in lacking[half:]))  # fmt: skip


def factors_left(pair: Any, facts: ClassFacts, elbo: Elbo) -> Iterator[Candidate]:
    """FIND-PYRO-029 and 030: the class beside itself with the factor that it counts twice, or leaves out."""
    if facts.kind != "TraceTMC_ELBO":
        return
    latents = [site for site in pair.sites if not site.observed and not site.deterministic]
    summed = {site.name for site in latents if site.guide is None and site.model and site.model.enumerate
              and site.model.enumerate != "samples"}  # fmt: skip
    given = {site.name for site in latents if site.guide is not None and site.guide.given}
    for identifier, names, mended in (
        ("FIND-PYRO-029", summed, _counted_once), ("FIND-PYRO-030", given, _with_observed),
    ):  # fmt: skip
        if names:
            draws = []
            for seed in _seeds(pair):
                got = -_loss(elbo, pair, seed)
                with mended():
                    draws.append(got + _loss(elbo, pair, seed))
                if len(draws) == ALIKE and max(draws) - min(draws) <= 1e-6 * (abs(got) + 1):
                    break
            yield Candidate(id=identifier, kind=facts.kind, sites=tuple(sorted(names)), measure="trial",
                            draws=tuple(draws))  # fmt: skip


def _seeds(pair: Any, draws: int = DRAWS) -> Iterator[int]:
    until = process_time() + SECONDS
    for seed in range(pair.first_trial, pair.first_trial + draws):
        yield seed
        if process_time() > until:
            return


def _loss(elbo: Elbo, pair: Any, seed: int) -> float:
    pyro.set_rng_seed(seed)
    return float(elbo.loss(pair.model, pair.guide, *pair.args, **pair.kwargs))


class _Scored(Messenger):
    """Adds up log q of the sites that are drawn once without being reparameterised, by their scale and mask."""

    def __init__(self) -> None:
        super().__init__()
        self.total = torch.zeros(())

    def _pyro_post_sample(self, msg: Any) -> None:
        if msg["is_observed"] or isinstance(msg["fn"], _Subsample) or (msg["infer"] or {}).get("enumerate"):
            return
        if not msg["fn"].has_rsample:
            log_q = scale_and_mask(msg["fn"].log_prob(msg["value"]), scale=msg["scale"], mask=msg["mask"])
            self.total = self.total + torch.as_tensor(log_q).sum()


@contextmanager
def _replaced(name: str, function: Callable) -> Iterator[None]:
    before = getattr(tracetmc_elbo, name)
    setattr(tracetmc_elbo, name, function)
    try:
        yield
    finally:
        setattr(tracetmc_elbo, name, before)


def _counted_once() -> Any:
    """Without the DiCE factor of the sites that the model alone enumerates, which have no proposal."""
    right = tracetmc_elbo._compute_dice_factors

    def factors(model_trace: Any, guide_trace: Any) -> Any:
        kept = model_trace.copy()
        for name in [name for name, node in model_trace.nodes.items() if _summed(node) and name not in guide_trace]:
            kept.remove_node(name)
        return right(kept, guide_trace)

    return _replaced("_compute_dice_factors", factors)


def _summed(node: Any) -> bool:
    latent = node["type"] == "sample" and not node["is_observed"]
    infer = node.get("infer") or {}
    return latent and bool(infer.get("enumerate")) and not infer.get("num_samples")


def _with_observed() -> Any:
    """With -log q of what the guide observes and the model does not."""
    right = tracetmc_elbo._compute_tmc_factors

    def factors(model_trace: Any, guide_trace: Any) -> Any:
        given = [node for name, node in guide_trace.nodes.items() if node["type"] == "sample" and node["is_observed"]
                 and not (name in model_trace and model_trace.nodes[name]["is_observed"])]  # fmt: skip
        own = [packed.neg(node["packed"]["log_prob"]) for node in given]
        return [*right(model_trace, guide_trace), *own]

    return _replaced("_compute_tmc_factors", factors)
