"""A total written as a combination of a pair's terms: sum of coefficient x term + a constant, at each batch size.

Sets of terms are tried from the plainest to the most remote; the first one that reproduces every tape and both batch
sizes up to rounding is the formula. A fit that leaves a residual is no formula.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from elbo_compare.compare.matching.measured import Measured, Series
from elbo_compare.suites.bridge.pairs.columns import CLAMPS
from elbo_compare.suites.bridge.pairs.records import (
    BY_ROOT,
    BY_VARIANCE,
    EXPECTED,
    SAMPLERS,
    SWAPPED,
    SiteFacts,
    Term,
    What,
)
from elbo_compare.suites.contract import Array

# Roundings that a sum may be off by, in units of roundoff x the sum of its absolute terms. Every term comes out of
# networks, whose inner products of n numbers are off by about sqrt(n) roundings: 64 covers widths up to 4,096; the two
# sides round apart: times 2. The smallest planted difference (a guard of 1e-8) is a million times larger.
ROUNDINGS = 128.0
SOLVED = 1000.0  # times that, before the coefficients are rounded to plain numbers: what solving may amplify
DEPENDENT = 1e-9  # a column that others give up to this share of its length says nothing of its own
NEGLIGIBLE = 1e-9  # a coefficient whose term moves the sum by less than this share is 0, where rounding explains it


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """coefficients: term -> one per batch size; constant: in nats of a batch, one per size. off: the worst residual,
    allowed: what rounding explains there."""

    coefficients: Mapping[Term, tuple[float, ...]]
    constant: tuple[float, ...]
    off: float
    allowed: float

    @property
    def exact(self) -> bool:
        """Whether rounding explains the residual."""
        return self.off <= self.allowed


def nearly(total: Mapping[int, Series], found: Measured) -> Iterator[Fitted]:
    """The fit of every set of terms that leaves no more than a solution of equations rounds away, the plainest first;
    and the nearest of those that leave more, last."""
    nearest: Fitted | None = None
    for terms in candidates(found):
        one = fit(total, terms, found)
        if one is None:
            continue
        if one.off <= SOLVED * one.allowed:
            yield one
        if nearest is None or one.off / one.allowed < nearest.off / nearest.allowed:
            nearest = one
    if nearest is not None:
        yield nearest


def fit(total: Mapping[int, Series], terms: Sequence[Term], found: Measured) -> Fitted | None:
    """Least squares at each batch size; None where the terms can't be told apart, or are too many."""
    solutions, off, allowed = [], 0.0, 1.0
    for size in found.sizes:
        y, columns = total[size], [found.terms[term][size] for term in terms]
        solved = _solved(y, columns)
        if solved is None:
            return None
        bound = ROUNDINGS * found.unit * _size(solved, columns, y)
        plain = _without_negligible(solved, columns)
        solved = plain if (np.abs(_sum(plain, columns) - y.values) <= SOLVED * bound).all() else solved
        residual = np.abs(_sum(solved, columns) - y.values)
        worst = int(np.argmax(residual / bound))
        if not solutions or residual[worst] / bound[worst] > off / allowed:
            off, allowed = float(residual[worst]), float(bound[worst])
        solutions.append(solved)
    coefficients = {term: tuple(float(each[place]) for each in solutions) for place, term in enumerate(terms)}
    return Fitted(
        coefficients=coefficients, constant=tuple(float(each[-1]) for each in solutions), off=off, allowed=allowed
    )


def reproduced(total: Mapping[int, Series], one: Fitted, found: Measured) -> Fitted:
    """The same coefficients, held against every tape again (after they were rounded to plain numbers); the constant is
    what the tapes leave on average, or none where rounding explains that."""
    worst, constants = (0.0, 1.0), []
    for place, size in enumerate(found.sizes):
        columns = [found.terms[term][size] for term in one.coefficients]
        chosen = np.array([*(each[place] for each in one.coefficients.values()), 0.0])
        left = total[size].values - _sum(chosen, columns)
        bound = ROUNDINGS * found.unit * _size(chosen, columns, total[size])
        constants.append(0.0 if (np.abs(left) <= bound).all() else float(left.mean()))
        residual, bound = np.abs(left - constants[-1]), bound + ROUNDINGS * found.unit * abs(constants[-1])
        where = int(np.argmax(residual / bound))
        if residual[where] / bound[where] >= worst[0] / worst[1]:
            worst = float(residual[where]), float(bound[where])
    return Fitted(coefficients=one.coefficients, constant=tuple(constants), off=worst[0], allowed=worst[1])


def _solved(y: Series, columns: Sequence[Series]) -> Array | None:
    matrix = np.stack([*(each.values for each in columns), np.ones(len(y.values))], axis=1)
    if matrix.shape[0] < matrix.shape[1] + 2 or not np.isfinite(matrix).all() or not np.isfinite(y.values).all():
        return None
    length = np.linalg.norm(matrix, axis=0)
    kept = length > 0
    kept[-1] = not any(_constant(each) for each in columns)
    scaled = matrix[:, kept] / length[kept]
    values = np.linalg.svd(scaled, compute_uv=False)
    if values[-1] < DEPENDENT * values[0]:
        return None
    found = np.zeros(matrix.shape[1])
    found[kept] = np.linalg.lstsq(scaled, y.values, rcond=None)[0] / length[kept]
    return found


def _without_negligible(solved: Array, columns: Sequence[Series]) -> Array:
    """Without what hardly moves the sum: a rounding, or a number of float32 among those of float64."""
    lengths = np.array([*(np.linalg.norm(each.values) for each in columns), len(columns[0].values) ** 0.5])
    moved = np.abs(solved) * lengths
    return np.where(moved < NEGLIGIBLE * max(moved.max(), 1e-300), 0.0, solved)


def _constant(column: Series) -> bool:
    size = np.abs(column.values).max()
    return bool(size > 0 and np.ptp(column.values) < 1e-12 * size)


def _sum(solved: Array, columns: Sequence[Series]) -> Array:
    parts = [c * each.values for c, each in zip(solved, columns, strict=False)]
    return np.sum([*parts, np.full_like(parts[0], solved[-1]) if parts else np.full(1, solved[-1])], axis=0)


def _size(solved: Array, columns: Sequence[Series], y: Series) -> Array:
    parts = [abs(c) * each.scales for c, each in zip(solved, columns, strict=False)]
    return np.sum([*parts, np.abs(y.values) + abs(solved[-1])], axis=0) + 1e-300


SAMPLED = (What.LOG_Q, What.LOG_P)
ANALYTIC = (What.KL,)
SAMPLED_PARTS = (What.LOG_VAR, What.NOISE2, What.PRIOR_RESIDUAL2, What.PRIOR_LOG_VAR)
ANALYTIC_PARTS = (What.LOG_VAR, What.MEAN2, What.VAR, What.PRIOR_LOG_VAR)
PARTS = (SAMPLED_PARTS, ANALYTIC_PARTS, (*ANALYTIC_PARTS, What.SIGMA), (*ANALYTIC_PARTS, What.VAR2))
# The KL's parts where what a network gives is taken for the logarithm of another power of sigma, in the draw as well.
MISREAD = {
    BY_ROOT: (*ANALYTIC_PARTS, What.SIGMA),
    BY_VARIANCE: (*ANALYTIC_PARTS, What.VAR2),
    SWAPPED: (What.MEAN, What.LOG_VAR2, What.EXP_MEAN, What.PRIOR_LOG_VAR),
}
LIKELIHOODS = (
    What.UNMASKED,
    What.SQUARED_ERROR,
    What.CROSS_ENTROPY,
    What.TWICE_SIGMOID,
    What.LOGITS_SQUARED_ERROR,
    What.ABSOLUTE_ERROR,
)
ALONE = (What.LOG_FACTORIAL, What.LOG_CHOOSE)  # what the data alone determine: a loss may leave it out


def candidates(found: Measured) -> Iterator[list[Term]]:
    """Sets of terms, the plainest first: the pair's own; stand-ins for a likelihood; a Gaussian's parts; another
    sampler's latents."""
    if Term(What.ENUMERATED, "") in found.terms:
        yield [Term(What.ENUMERATED, "")]
    yield from ([term] for term in found.terms if term.what is What.IMPORTANCE)
    latents = [each for each in found.sites if not each.observed]
    observed = [each for each in found.sites if each.observed]
    plain = _likelihoods(observed, found, What.LOG_LIKELIHOOD)
    plain += [term for term in found.terms if term.what in ALONE and term.draw == 1]
    others = list(_other_likelihoods(observed, found))
    kls = list(_kls(latents, found))
    yield from _own(plain, kls, latents, found)
    for chosen in ([each] for each in latents) if len(latents) == 1 else (*([each] for each in latents), latents):
        yield from _standard_priors(chosen, plain, kls, found)
    yield from (likelihood + kl for kl in kls for likelihood in others)
    for likelihood in (plain, *others):
        for parts in PARTS:
            yield likelihood + _there([Term(what, site.name) for site in latents for what in parts], found)
    yield plain + [term for term in found.terms if term.what is What.COORDINATE]
    for draw in sorted({term.draw for term in found.terms if term.draw in SAMPLERS}):
        for likelihood in (plain, *(each for each in others if not any(term.clamp for term in each))):
            moved = _there(_at(likelihood, draw), found)
            yield from (moved + kl for kl in (*kls, *(_at(kl, draw) for kl in kls[:1])))
            if draw in MISREAD:
                yield moved + _there([Term(what, site.name) for site in latents for what in MISREAD[draw]], found)
            if draw == SWAPPED:
                sampled = [Term(what, site.name) for site in latents for what in (What.MEAN, What.NOISE2)]
                priors = [Term(What.LOG_P, site.name, SWAPPED) for site in latents]
                yield moved + _there([*priors, *sampled], found)


def _own(
    plain: list[Term], kls: Sequence[list[Term]], latents: Sequence[SiteFacts], found: Measured
) -> Iterator[list[Term]]:
    """The pair's own terms: at the guide's draw, at later ones, summed over discrete latents, without determinants."""
    if any(term.what is What.KL and _steady(term, found) for kl in kls for term in kl):
        yield plain + kls[1]  # a global latent's: else a constant would take its place
    if any(term.draw == EXPECTED for term in found.terms):
        yield from (_there(_at(plain + kl, EXPECTED), found) for kl in kls[:3])
    for kl in kls:
        yield from _distinct([plain + kl, *(_at(plain, draw) + kl for draw in _drawn_again(found))])
    for what in (What.LOG_DET_Q, What.LOG_DET_P):
        determinants = _there([Term(what, site.name) for site in latents], found)
        if determinants:
            yield plain + kls[0] + determinants
    yield [term for draw in (1, *_drawn_again(found)) for term in _at(plain + kls[0], draw)]  # several particles


def _standard_priors(
    sites: Sequence[SiteFacts], plain: list[Term], kls: Sequence[list[Term]], found: Measured
) -> Iterator[list[Term]]:
    """log N(0, I), or the KL to it in closed form, where the model has another prior."""
    for own, other in ((What.LOG_P, What.STANDARD), (What.KL, What.KL_STANDARD)):
        stands = {Term(own, site.name): Term(other, site.name) for site in sites}
        if all(each in found.terms for each in stands.values()):
            for kl in kls[:2]:
                if any(each in stands for each in kl):
                    yield plain + [stands.get(each, each) for each in kl]


def _steady(term: Term, found: Measured) -> bool:
    """Whether a term is the same at every tape of a batch size."""
    return all(_constant(each) for each in found.terms[term].values())


def _distinct(sets: Sequence[list[Term]]) -> Iterator[list[Term]]:
    seen: list[list[Term]] = []
    for each in sets:
        if each not in seen:
            seen.append(each)
            yield each


def _kls(latents: Sequence[SiteFacts], found: Measured) -> Iterator[list[Term]]:
    """Sampled, analytic, both; at the first draw, at the second, at all of them."""
    sampled = _there([Term(what, site.name) for site in latents for what in SAMPLED], found)
    analytic = [
        term for site in latents for term in (_there([Term(What.KL, site.name)], found) or
        _there([Term(what, site.name) for what in SAMPLED], found))
    ]  # fmt: skip
    yield sampled
    if analytic != sampled:
        yield analytic
        yield sampled + [term for term in analytic if term not in sampled]
    for draw in _drawn_again(found):
        yield _at(sampled, draw)
        yield sampled + _at(sampled, draw)
        yield analytic + _at(sampled, draw)


def kls_of(found: Measured) -> Iterator[list[Term]]:
    """Every form of the latents' own terms: sampled, analytic, both."""
    yield from _kls([each for each in found.sites if not each.observed], found)


def _drawn_again(found: Measured) -> list[int]:
    return sorted({term.draw for term in found.terms if term.draw > 1})


def _at(terms: Sequence[Term], draw: int) -> list[Term]:
    return [Term(each.what, each.site, draw, each.clamp) for each in terms]


def _likelihoods(observed: Sequence[SiteFacts], found: Measured, what: What, clamp: float = 0.0) -> list[Term]:
    return _there([Term(what, site.name, 1, clamp) for site in observed], found)


def _other_likelihoods(observed: Sequence[SiteFacts], found: Measured) -> Iterator[list[Term]]:
    """One site's likelihood replaced, the others as they are; all of them, where there are few."""
    choices: list[list[list[Term]]] = []
    for site in observed:
        own = [Term(What.LOG_LIKELIHOOD, site.name)]
        parts = [Term(What.STANDARDISED_ERROR, site.name), Term(What.OBSERVED_LOG_VAR, site.name)]
        others = [[Term(what, site.name)] for what in LIKELIHOODS] + [parts]
        others += [[Term(What.CROSS_ENTROPY, site.name, 1, sign * clamp)] for clamp in CLAMPS for sign in (1, -1)]
        choices.append([own, *(each for each in others if len(_there(each, found)) == len(each))])
    for place, options in enumerate(choices):
        for option in options[1:]:
            rest = [choice[0] for other, choice in enumerate(choices) if other != place]
            yield [term for part in (*rest, option) for term in part]
    if 1 < len(choices) < 3:
        for chosen in product(*(options[1:6] for options in choices)):
            yield [term for part in chosen for term in part]


def _there(terms: Sequence[Term], found: Measured) -> list[Term]:
    """Those that were measured and are not zero throughout."""
    return [
        term
        for term in terms
        if term in found.terms and any(np.abs(each.values).max() > 0 for each in found.terms[term].values())
    ]
