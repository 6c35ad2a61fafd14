"""What both sides gave at several tapes and two batch sizes, as arrays: what a formula is fitted to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from elbo_compare.suites.bridge.pairs.records import Run, SiteFacts, Term, Total, What
from elbo_compare.suites.contract import Array

SIZES = (5, 8)  # rows in a batch: two, so that a division by the batch is told from a number
TAPES = 14  # per size: more than any formula that is tried has terms
UNIT = 2.0**-53


@dataclass(frozen=True, kw_only=True)
class Series:
    """One number over the tapes of one batch size, and the sum of its absolute terms."""

    values: Array
    scales: Array


@dataclass(frozen=True, kw_only=True)
class Measured:
    """first: the totals of the first side (a loss; or a pair's). second: the second side's totals; terms: its terms, by
    batch size. sites: the second side's. gradients: of one run, by total or term, then by weight.

    first_sites, first_terms: where the first side is a pair too. unit: the unit roundoff of the dtype.
    """

    sizes: tuple[int, ...]
    first: Mapping[str, Mapping[int, Series]]
    second: Mapping[str, Mapping[int, Series]]
    terms: Mapping[Term, Mapping[int, Series]]
    sites: Sequence[SiteFacts]
    one: Run
    other: Run
    first_sites: Sequence[SiteFacts] = ()
    first_terms: Mapping[Term, Mapping[int, Series]] = field(default_factory=dict)
    unit: float = UNIT

    def per_datum(self, site: str) -> float:
        """Numbers of a site in one datum, as counted at the first batch size."""
        return next((each.elements for each in self.sites if each.name == site), 0) / self.sizes[0]


def gathered(runs: Mapping[int, Sequence[Run]], keys: Sequence[str]) -> dict[str, dict[int, Series]]:
    """Key -> batch size -> series, of the keys that every run has."""
    found: dict[str, dict[int, Series]] = {}
    for key in keys:
        if all(key in run.values for side in runs.values() for run in side):
            found[key] = {
                size: Series(
                    values=np.array([run.values[key] for run in side]),
                    scales=np.array([run.scales[key] if key in run.scales else _own_size(run, key) for run in side]),
                )
                for size, side in runs.items()
            }
    return found


def _own_size(run: Run, key: str) -> float:
    """A total's size: what its own terms add up to in absolute numbers."""
    own = (What.LOG_LIKELIHOOD, What.LOG_Q, What.LOG_P)
    return abs(run.values[key]) + sum(size for term, size in run.scales.items() if _what(term) in own)


def _what(key: str) -> What | None:
    return Term.of(key).what if "|" in key else None


def measured(
    first: Mapping[int, Sequence[Run]],
    second: Mapping[int, Sequence[Run]],
    sites: Sequence[SiteFacts],
    first_sites: Sequence[SiteFacts],
    unit: float,
) -> Measured:
    """Put the runs together; terms that are not finite everywhere are left out."""
    totals = [each.value for each in Total]
    sizes = tuple(first)

    def terms(runs: Mapping[int, Sequence[Run]]) -> dict[Term, dict[int, Series]]:
        keys = [key for key in runs[sizes[0]][0].values if key not in totals]
        return {
            Term.of(key): series
            for key, series in gathered(runs, keys).items()
            if all(np.isfinite(each.values).all() for each in series.values())
        }

    whole = gathered(second, [Total.ENUM.value]).get(Total.ENUM.value)
    theirs = terms(second) | ({Term(What.ENUMERATED, ""): whole} if whole else {})
    return Measured(
        sizes=sizes,
        first=gathered(first, totals),
        second=gathered(second, totals),
        terms=theirs,
        sites=sites,
        one=first[sizes[0]][0],
        other=second[sizes[0]][0],
        first_sites=first_sites,
        first_terms=terms(first) if first_sites else {},
        unit=unit,
    )
