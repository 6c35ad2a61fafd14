"""A prior that is not N(0, I): a Gaussian, or a mixture, whose mean and spread are arrays of the model's own run.

Learned priors, p(z|c), a hierarchy's p(z_1|z_2), VampPrior. First the reconstruction term is told apart: another array
is put in place of the decoder's output, and what the loss changes by is that term alone. What it leaves of the loss
must then be, at every run, the KL of each latent to a prior made of some arrays of the run; no name is asked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from elbo_compare.compare.checking.fitting import EXACT, Columns
from elbo_compare.compare.checking.identify import Standing, candidate_readings, identify
from elbo_compare.compare.checking.likelihoods import DataTerm, data_terms
from elbo_compare.compare.checking.models.objective import Found, signature_of
from elbo_compare.compare.checking.models.parts import Latent, Prior
from elbo_compare.compare.checking.models.probing import Probe, Probed
from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.compare.checking.oracle import sampled_kl_to_mixture
from elbo_compare.compare.checking.readings import Quantity
from elbo_compare.compare.checking.signature import Argument
from elbo_compare.suites.bridge.program import Run
from elbo_compare.suites.contract import Array

SAME = 1e-9  # relative to the loss: float64's rounding over some thousand additions
# Of a weight that is read off changes of the loss: a change may be a thousandth of the losses that it is the difference
# of, whose rounding is 1e-13 of them; from run to run at one batch size, and from one size to another.
READ, BETWEEN_SIZES = 1e-7, 1e-6
MOST_OUTPUTS, MOST_ARRAYS = 3, 40
# nats, of a KL from datum to datum: a p made of q itself, or of its multiple, is no prior, and would excuse a latent
# whose KL the loss lacks.
VARIES = 1e-9
POSITIVE = (WrittenAs.SIGMA, WrittenAs.VAR)
REAL = (WrittenAs.LOG_VAR, WrittenAs.LOG_SIGMA)
STANDARD = Prior()


@dataclass(frozen=True, kw_only=True)
class DataPart:
    """The reconstruction term of a loss. weight: of the term in the sum over the batch; mean: over the batch."""

    term: DataTerm
    output: int
    weight: float
    mean: bool


def data_part(probed: Probed, likelihood: str | None = None) -> DataPart | None:
    """The reconstruction term, from what the loss changes by where the decoder's output alone changes."""
    for output in probed.outputs()[:MOST_OUTPUTS]:
        step = next((n for n, each in enumerate(probed.first.steps) if each.makes[:1] == (output,)), None)
        if step is None:
            continue
        largest = {len(each.setting.x): each for each in probed.probes}
        seen = [_changed(probed, each, output, step) for each in largest.values()]
        for term in data_terms(likelihood):
            weights = [_weight(term, each) for each in seen]
            if all(weights):
                sizes = list(largest)
                mean = len(sizes) > 1 and np.isclose(weights[0] * sizes[0], weights[-1] * sizes[-1], rtol=BETWEEN_SIZES)
                if mean or np.allclose(weights, weights[0], rtol=BETWEEN_SIZES):
                    weight = float(weights[0] * sizes[0] if mean else weights[0])
                    return DataPart(term=term, output=output, weight=weight, mean=bool(mean))
    return None


Change = tuple[Array, Array, list[tuple[Array, float]]]


def _changed(probed: Probed, probe: Probe, output: int, step: int) -> Change:
    """(x, its output, [(another output, what the sum of the loss changes by)])."""
    rng, rows = np.random.default_rng(5), len(probe.setting.x)
    value = probed.program.value(probe.run, output)
    unit = value.min() > 0 and value.max() < 1
    pairs = []
    for _ in range(3):
        other = (
            0.5 * (value + rng.uniform(0.05, 0.95, value.shape)) if unit else value + rng.normal(0, 0.5, value.shape)
        )
        run = probed.program.run(probe.setting, {step: other})
        if run.error or run.loss is None:
            return probe.setting.x.reshape(rows, -1), value.reshape(rows, -1), []
        change = float(np.sum(probed.program.value(run, run.loss)) - np.sum(probe.loss))
        pairs.append((other.reshape(rows, -1), change))
    return probe.setting.x.reshape(rows, -1), value.reshape(rows, -1), pairs


def _weight(term: DataTerm, seen: Change) -> float:
    """The term's weight in the changes; 0 where it does not explain them."""
    x, value, pairs = seen
    with np.errstate(all="ignore"):
        before = term.elements(x, value).value.sum()
        expected = np.array([term.elements(x, other).value.sum() - before for other, _ in pairs])
        found = np.array([change for _, change in pairs])
        ratios = found / expected
    if len(pairs) < 3 or not np.isfinite(ratios).all() or not np.any(found):
        return 0.0
    return float(ratios[0]) if np.allclose(ratios, ratios[0], rtol=READ) and ratios[0] > 0 else 0.0


def with_own_priors(
    probed: Probed, latents: Sequence[Latent], likelihood: str | None, part: DataPart | None = None
) -> tuple[Probed, Found] | None:
    """The probes with a prior for each latent, and what the loss is then; None where no arrays of its own fit.

    part: the reconstruction term, where it is known.
    """
    if probed.heavy or any(each.base is not None for each in latents) or probed.positive:
        return None
    full = probed.with_latents(latents)
    if any(values is None for each in full.probes for values in each.latents):
        return None
    part = part or data_part(full, likelihood)
    if part is None:
        return None
    left = _left(full, part)
    if left is None:
        return None
    few = range(0, len(full.probes), max(1, len(full.probes) // 5))  # what fits these is put to all of them
    some = replace(full, probes=tuple(full.probes[n] for n in few))
    for priors in _chosen(some, part, [left[n] for n in few]):
        made = replace(full, priors=priors)
        found = _identified(made, part, likelihood)
        if found is not None:
            return made, found
    return None


def _rows(part: DataPart, per_datum: Array, own: Array) -> Array:
    """Values of each datum as the loss combines them."""
    if own.size == len(per_datum) > 1:
        return per_datum
    return np.atleast_1d(per_datum.mean() if part.mean else per_datum.sum())


def _left(probed: Probed, part: DataPart) -> list[Array] | None:
    """Of each probe the loss without its reconstruction term."""
    left = []
    for each in probed.probes:
        one = probed.observation(each, part.output)
        with np.errstate(all="ignore"):
            data = part.weight * part.term.elements(one.inputs[Role.X], one.inputs[Role.OUTPUT]).value.sum(1)
        left.append(each.loss.ravel() - _rows(part, data, each.loss))
    return left if all(np.isfinite(each).all() for each in left) else None


def _chosen(probed: Probed, part: DataPart, left: list[Array]) -> Iterator[tuple[Prior, ...]]:
    """Every choice of priors under which what is left is the KL, up to one constant for each datum."""
    factor = 1.0 if part.term.weighted else part.weight
    scale = max(float(np.abs(each.loss).max()) for each in probed.probes)
    ones = [_rows(part, np.ones(len(each.setting.x)), each.loss) for each in probed.probes]
    for sampled in (False, True):
        tables = [_table(probed, part, place, sampled=sampled) for place, _ in enumerate(probed.latents)]
        *before, (last, table) = tables
        if not all(priors for priors, _ in tables):
            continue
        for choice in product(*(range(len(priors)) for priors, _ in before)):
            so_far = np.concatenate(left) - factor * sum((t[n] for n, (_, t) in zip(choice, before, strict=True)), 0.0)
            rest = (so_far - factor * table) / np.concatenate(ones)
            near = np.ptp(rest, axis=1) * np.concatenate(ones).max() <= SAME * scale
            for at in np.flatnonzero(near):
                yield (*(priors[n] for n, (priors, _) in zip(choice, before, strict=True)), last[at])


def _table(probed: Probed, part: DataPart, place: int, *, sampled: bool) -> tuple[list[Prior], Array]:
    """The priors that one latent may have, and the KL to each at every probe, as the loss combines its data: (prior,
    value)."""
    means, spreads = _candidates(probed, place)
    blocks, spans = [], []
    for each in probed.probes:
        values, run = each.latents[place], each.run
        assert values is not None
        shape = values.mean.shape
        q = -np.log(values.sigma**2)
        of_q = q / 2 - values.noise**2 / 2 if sampled else q / 2 - 0.5
        mean = np.stack([probed.prior_values(run, one, shape)[0] for one in means])[:, None]
        log_var = np.stack([probed.prior_values(run, one, shape)[1] for one in spreads])
        with np.errstate(all="ignore"):
            far = (values.z - mean) ** 2 if sampled else values.sigma**2 + (values.mean - mean) ** 2
            kl = (of_q + (log_var + far * np.exp(-log_var)) / 2).sum(-1)  # mean spread datum
        flat = kl.reshape(-1, shape[0])
        spans.append(flat)
        if each.loss.size != shape[0] or shape[0] == 1:
            flat = flat.mean(1, keepdims=True) if part.mean else flat.sum(1, keepdims=True)
        blocks.append(flat)
    priors = [replace(spread, mean=mean.mean) for mean in means for spread in spreads]
    table = np.concatenate(blocks, axis=1)
    mixtures = [*_mixtures(probed, place)] if sampled else []
    table = np.concatenate([table, *(_mixed(probed, part, place, each)[None] for each in mixtures)])
    fine = np.atleast_1d(np.isfinite(table).all(axis=1))
    fine[: len(priors)] &= (
        np.max([each.max(1) for each in spans], 0) - np.min([each.min(1) for each in spans], 0) > VARIES
    )
    return [prior for prior, good in zip([*priors, *mixtures], fine, strict=True) if good], table[fine]


def _mixed(probed: Probed, part: DataPart, place: int, prior: Prior) -> Array:
    """The sampled KL to a mixture at every probe."""
    found = []
    for each in probed.probes:
        values = each.latents[place]
        assert values is not None
        means, log_vars = probed.prior_values(each.run, prior, values.mean.shape)
        with np.errstate(all="ignore"):
            kl = sampled_kl_to_mixture(
                values.z, values.mean, np.abs(values.sigma), WrittenAs.SIGMA, means, log_vars
            ).value.sum(1)
        found.append(_rows(part, kl, each.loss))
    return np.concatenate(found)


def _candidates(probed: Probed, place: int) -> tuple[list[Prior], list[Prior]]:
    """(each mean, each spread in each form that its sign allows) that a latent's prior may have, 0 and 1 first."""
    run, values, latent = probed.probes[-1].run, probed.probes[-1].latents[place], probed.latents[place]
    assert values is not None
    single = _sized(probed, latent, values.mean.shape[1])
    means = [STANDARD, *(Prior(mean=each) for each in single)]
    spreads = [Prior(spread=n, form=form) for n in single for form in _forms(probed, run, n)]
    return means, [STANDARD, *spreads]


def _forms(probed: Probed, run: Run, number: int) -> tuple[WrittenAs, ...]:
    return (*REAL, *(POSITIVE if probed.program.value(run, number).min() > 0 else ()))


def _mixtures(probed: Probed, place: int) -> Iterator[Prior]:
    """Every pair of arrays (components, latent) of weights alone."""
    run, values = probed.probes[-1].run, probed.probes[-1].latents[place]
    assert values is not None
    mixed = _weighing(probed, run, values.mean.shape[1])
    for mean, spread in product(mixed, mixed):
        if mean != spread and _squeezed(probed, run, mean) == _squeezed(probed, run, spread):
            yield from (Prior(mean=mean, spread=spread, form=f, mixture=True) for f in _forms(probed, run, spread))


def _sized(probed: Probed, latent: Latent, width: int) -> list[int]:
    """Arrays of a latent's width, for each datum or for all, one of each value."""
    found: dict[bytes, int] = {}
    first, last = probed.probes[0], probed.probes[-1]
    for number in range(len(last.run.arrays)):
        shapes = [probed.program.shape(each.run, number) for each in (first, last)]
        by_datum = shapes == [(len(each.setting.x), width) for each in (first, last)]
        for_all = shapes[0] == shapes[1] and shapes[0] in ((width,), (1, width))
        if (by_datum or for_all) and last.run.draws[number] != frozenset(latent.draws):  # z_2 of z_1 makes p(z_1|z_2)
            value, before = (probed.program.value(each.run, number) for each in (last, first))
            constant = np.array_equal(value.ravel()[:width], before.ravel()[:width])  # is not taken for meant
            if np.isfinite(value).all() and (not constant or set(value.ravel()) <= set(probed.held)):
                found.setdefault(value.tobytes(), number)
    return list(found.values())[-MOST_ARRAYS:]


def _weighing(probed: Probed, run: Run, width: int) -> list[int]:
    """Arrays (components, latent) that are made of weights alone."""
    found: dict[bytes, int] = {}
    for number in range(len(run.arrays)):
        shape = _squeezed(probed, run, number)
        alone = not run.draws[number] and not run.of_x[number]
        if alone and len(shape) == 2 and shape[1] == width and shape[0] > 1:
            value = probed.program.value(run, number)
            if np.isfinite(value).all():
                found.setdefault(value.tobytes(), number)
    return list(found.values())[-MOST_ARRAYS:]


def _squeezed(probed: Probed, run: Run, number: int) -> tuple[int, ...]:
    return tuple(size for size in probed.program.shape(run, number) if size != 1)


def _identified(probed: Probed, part: DataPart, likelihood: str | None) -> Found | None:
    """What the loss is, with these priors."""
    plain = signature_of(probed.label, positive=probed.positive)
    arguments = (
        Argument(name="p mean", role=Role.PRIOR_MEAN, form=WrittenAs.PLAIN),
        Argument(name="p log_var", role=Role.PRIOR_SPREAD, form=WrittenAs.LOG_VAR, forms=(WrittenAs.LOG_VAR,)),
    )
    signature = replace(plain, arguments=(*plain.arguments, *arguments))
    mixture = any(each.mixture for each in probed.priors)
    readings = [
        replace(each, spread=WrittenAs.SIGMA, prior=WrittenAs.LOG_VAR, mixture=mixture, data=part.term)
        for each in candidate_readings(signature, [Quantity.NEGATIVE_ELBO], likelihood)
        if not each.joint and (part.term.arrays > 1 or each.data is part.term) and (each.sampled or not mixture)
    ]
    observations = tuple(probed.observation(each, part.output) for each in probed.probes)
    with np.errstate(all="ignore"):
        one = identify(Columns(observations), 0, signature, list(dict.fromkeys(readings)), (EXACT,))
    if one is None or one.standing is Standing.MISSING:
        return None
    return Found(identified=one, output=part.output, observations=observations, signature=signature)


def told(probed: Probed) -> str:
    """`p(z) is a mixture of 5 Gaussians of its own arrays`."""
    words = []
    for place, prior in enumerate(probed.priors):
        name = "p(z)" if len(probed.priors) == 1 else f"the prior of latent {place + 1}"
        if prior.mixture:
            assert prior.mean is not None
            count = _squeezed(probed, probed.first, prior.mean)[0]
            words.append(f"{name} is a mixture of {count} Gaussians (VampPrior, Tomczak and Welling 2018)")
        elif prior != STANDARD:
            first = next(n for n in (prior.mean, prior.spread) if n is not None)
            other = any(probed.first.draws[n] for n in (prior.mean, prior.spread) if n is not None)
            kind = "made of another latent" if other else "made of the data" if probed.first.of_x[first] else ""
            values = np.concatenate(
                [probed.program.value(probed.first, n).ravel() for n in (prior.mean, prior.spread) if n is not None]
            )
            if probed.held and set(values) <= set(probed.held):
                words.append(f"{name} is the Gaussian that was given")
                continue
            words.append(f"{name} is a Gaussian {kind}" if kind else f"{name} is a learned Gaussian")
    return "; ".join(words)
