"""A likelihood of counts that several arrays of a run make: found by what the loss changes by, and then judged whole.

In place of the mean another array is put; what the loss changes by says which arrays are dispersion and dropout logits.
The counts need zeros and more than ones: elsewhere the parts of these densities are not told apart. Noise that no
network reads, as a library's size that scales the mean, is a latent too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, product

import numpy as np

from elbo_compare.compare.checking.counts import COUNT_TERMS
from elbo_compare.compare.checking.fitting import EXACT, Columns
from elbo_compare.compare.checking.identify import Standing, candidate_readings, identify
from elbo_compare.compare.checking.likelihoods import DataTerm
from elbo_compare.compare.checking.models.objective import Found, signature_of, worst_value
from elbo_compare.compare.checking.models.parts import Ends, Latent, affine, latent_values
from elbo_compare.compare.checking.models.priors import BETWEEN_SIZES, READ, DataPart, with_own_priors
from elbo_compare.compare.checking.models.probing import LESS, Probe, Probed, probe
from elbo_compare.compare.checking.names import WrittenAs
from elbo_compare.compare.checking.readings import Quantity
from elbo_compare.suites.contract import Array

MOST_MEANS, MOST_OTHERS = 8, 48
CHANGES = 3


def with_counts(probed: Probed, held: Sequence[float] = ()) -> tuple[Probed, Found] | None:
    """The probes with the arrays of a likelihood of counts, and what the loss is then; None where there is none.

    held: numbers that a person gave, which a prior may be made of.
    """
    every = np.concatenate([each.setting.x.ravel() for each in probed.probes])
    if probed.heavy or probed.positive or not (np.any(every == 0) and np.any(every > 1)) or np.any(every < 0):
        return None
    made, nearest = _with_unread(replace(probed, held=tuple(held))), None
    for packed, part in _parts(made):
        plain = _plain(packed, part)
        one = (packed, plain) if plain is not None else with_own_priors(packed, packed.latents, None, part=part)
        if one is None or (plain is None and one[1].standing is not Standing.RIGHT):
            continue  # up to a constant too much would fit, where a prior may be made of data
        if worst_value(one[1], made.program.roundoff).ratio <= 1:
            return one
        nearest = nearest or one  # with a guard, or without
    return nearest


def _with_unread(probed: Probed) -> Probed:
    """With the latents that no network reads, and probes that say their mean and sigma."""
    run, known = probed.first, frozenset[int]().union(*(each.draws for each in probed.latents))
    loss = run.draws[run.loss] if run.loss is not None else frozenset()
    more = [latent for draw in sorted(loss - known) if (latent := _unread(probed, draw)) is not None]
    if not more:
        return probed
    latents = (*probed.latents, *more)
    small = min(len(each.setting.x) for each in probed.probes) == LESS[0]
    return replace(probed, latents=latents, probes=probe(probed.program, probed.feed, latents, large=small))


def _unread(probed: Probed, draw: int) -> Latent | None:
    """The last array that is mean + sigma e of that draw alone."""
    first, program = probed.probes[0], probed.program
    places = [
        Latent(at=at, step=number, draws=(draw,), deep=False)
        for number, step in enumerate(first.run.steps)
        for at in step.makes
        if first.run.draws[at] == {draw} and program.shape(first.run, at)[:1] == (len(first.setting.x),)
    ]
    if not places:
        return None
    ends = Ends.of(program, first.setting, places[-1].step)
    for each in reversed(places):
        values = latent_values(program, first.setting, first.run, each, ends)
        if values is not None and np.any(values.sigma) and affine(values, program.roundoff):
            return each
    return None


def _parts(probed: Probed) -> Iterator[tuple[Probed, DataPart]]:
    """Every choice of arrays and term that explains what the loss changes by where the mean alone does."""
    last = probed.probes[-1]
    largest = {len(each.setting.x): each for each in probed.probes}
    others = _others(probed, last)
    positive = [each for each in others if probed.program.value(last.run, each).min() > 0]
    drawn = frozenset[int]().union(*(each.draws for each in probed.latents))
    sized = (each for each in sorted(positive) if probed.program.shape(last.run, each) == last.setting.x.shape)
    for mean in islice((each for each in sized if last.run.draws[each] & drawn), MOST_MEANS):
        step = next((n for n, each in enumerate(last.run.steps) if each.makes[:1] == (mean,)), None)
        seen = {size: _changed(probed, each, mean, step) for size, each in largest.items()} if step is not None else {}
        if not seen or not all(seen.values()):
            continue
        for term, theta in product(COUNT_TERMS, positive):
            for rest in [()] if term.arrays == 2 else [(each,) for each in others]:
                packed = replace(probed, packed=(theta, *rest))
                part = None if len({mean, *packed.packed}) < term.arrays else _part(packed, largest, mean, term, seen)
                if part is not None:
                    yield packed, part


def _others(probed: Probed, last: Probe) -> list[int]:
    """Arrays with a number for each observed dimension, or for each datum too; one of each value, in order."""
    found: dict[bytes, int] = {}
    width, ends = last.setting.x[0].size, (probed.probes[0], last)
    for number in range(1, len(last.run.arrays)):
        shapes = [probed.program.shape(each.run, number) for each in ends]
        by_datum = shapes == [(len(each.setting.x), width) for each in ends]
        if (by_datum or all(shape in ((width,), (1, width)) for shape in shapes)) and number != last.run.loss:
            value = probed.program.value(last.run, number)
            if np.isfinite(value).all():
                found.setdefault(value.tobytes(), number)
    return list(found.values())[:MOST_OTHERS]


def _changed(probed: Probed, one: Probe, mean: int, step: int) -> list[tuple[Array, float]]:
    """[(another mean, what the sum of the loss changes by)]; none where the model does not run with it."""
    rng, pairs = np.random.default_rng(5), []
    value = probed.program.value(one.run, mean)
    for _ in range(CHANGES):
        other = value * np.exp(rng.normal(0.0, 0.3, value.shape))
        run = probed.program.run(one.setting, {step: other})
        if run.error or run.loss is None:
            return []
        pairs.append((other, float(np.sum(probed.program.value(run, run.loss)) - np.sum(one.loss))))
    return pairs


def _part(
    packed: Probed, largest: dict[int, Probe], mean: int, term: DataTerm, seen: dict[int, list[tuple[Array, float]]]
) -> DataPart | None:
    weights = []
    for size, one in largest.items():
        x, output = one.setting.x.reshape(size, -1), packed.output_of(one, mean)
        with np.errstate(all="ignore"):
            before = term.elements(x, output).value.sum()
            others = [np.concatenate([o.reshape(size, -1), output[:, x.shape[1] :]], axis=1) for o, _ in seen[size]]
            expected = np.array([term.elements(x, other).value.sum() - before for other in others])
            ratios = np.array([change for _, change in seen[size]]) / expected
        if not np.isfinite(ratios).all() or ratios[0] <= 0 or not np.allclose(ratios, ratios[0], rtol=READ):
            return None
        weights.append(float(ratios[0]))
    sizes = list(largest)
    mean_of = len(sizes) > 1 and np.isclose(weights[0] * sizes[0], weights[-1] * sizes[-1], rtol=BETWEEN_SIZES)
    if not mean_of and not np.allclose(weights, weights[0], rtol=BETWEEN_SIZES):
        return None
    return DataPart(term=term, output=mean, weight=weights[0] * (sizes[0] if mean_of else 1), mean=bool(mean_of))


def _plain(packed: Probed, part: DataPart) -> Found | None:
    """What the loss is with N(0, I) for every prior, where that is right."""
    signature = signature_of(packed.label, positive=packed.positive)
    readings = [
        replace(each, data=part.term)
        for each in candidate_readings(signature, [Quantity.NEGATIVE_ELBO], "bernoulli")
        if each.spread is WrittenAs.SIGMA
    ]
    observations = tuple(packed.observation(each, part.output) for each in packed.probes)
    with np.errstate(all="ignore"):
        one = identify(Columns(observations), 0, signature, list(dict.fromkeys(readings)), (EXACT,))
    if one is None or one.standing is Standing.MISSING:
        return None
    return Found(identified=one, output=part.output, observations=observations, signature=signature)
