"""Verdicts in columns: a million of them take a sixth of what as many records would."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from elbo_compare.compare.claims.claim import Judgement
from elbo_compare.compare.records import Cell, Outcome, Verdict

TEXTS = ("part", "other", "unit", "reason")
NUMBERS = ("value", "reference", "difference", "tolerance", "low", "high")
ABOUT = (
    *("key", "label", "problem", "weights", "dataset", "implementation", "estimator"),
    *("procedure", "dtype", "device", "seed"),
)
OUTCOMES = tuple(Outcome)
FIELDS = tuple(each.name for each in fields(Verdict))


@dataclass(kw_only=True)
class _Columns:
    """The verdicts of one claim, in the order in which they were given."""

    cell: array = field(default_factory=lambda: array("i"))
    outcome: array = field(default_factory=lambda: array("b"))
    n: array = field(default_factory=lambda: array("q"))
    texts: dict[str, array] = field(default_factory=lambda: {name: array("i") for name in TEXTS})
    numbers: dict[str, array] = field(default_factory=lambda: {name: array("d") for name in NUMBERS})


class Verdicts:
    """Verdicts on `cells`, claim by claim in the order of `claims`; iterating makes the records anew."""

    def __init__(self, cells: Sequence[Cell], claims: Iterable[str]) -> None:
        self.cells = cells
        self._by_claim = {claim: _Columns() for claim in claims}
        self._texts: dict[str, int] = {}
        self._counts: Counter[Outcome] = Counter()

    def add(self, claim: str, cell: int, judgement: Judgement, other: str = "") -> None:
        """A claim's judgement on the cell of that number (and on a pair of it, with the cell labelled `other`)."""
        columns = self._by_claim[claim]
        columns.cell.append(cell)
        columns.outcome.append(OUTCOMES.index(judgement.outcome))
        columns.n.append(int(judgement.n))
        for name, numbers in columns.numbers.items():
            numbers.append(getattr(judgement, name))
        for name, codes in columns.texts.items():
            text = other if name == "other" else str(getattr(judgement, name))
            codes.append(self._texts.setdefault(text, len(self._texts)))
        self._counts[judgement.outcome] += 1

    def __len__(self) -> int:
        return self._counts.total()

    def __iter__(self) -> Iterator[Verdict]:
        return self.of(*self._by_claim)

    @property
    def counts(self) -> Counter[Outcome]:
        """How many there are of each outcome."""
        return self._counts

    def of(self, *claims: str) -> Iterator[Verdict]:
        """Those of some claims, in the claims' own order."""
        words = list(self._texts)
        for claim, columns in self._by_claim.items():
            if claim in claims:
                yield from self._records(claim, columns, words, range(len(columns.cell)))

    def that(self, *outcomes: Outcome) -> Iterator[Verdict]:
        """Those of some outcomes, in the claims' own order."""
        words, codes = list(self._texts), {OUTCOMES.index(outcome) for outcome in outcomes}
        for claim, columns in self._by_claim.items():
            rows = [row for row, code in enumerate(columns.outcome) if code in codes]
            yield from self._records(claim, columns, words, rows)

    def columns(self, size: int) -> Iterator[dict[str, np.ndarray]]:
        """All of them as columns by the names of `Verdict`'s fields, `size` rows at a time."""
        words = np.array(list(self._texts), dtype=object)
        rest = ((claim, start) for claim, each in self._by_claim.items() for start in range(0, len(each.cell), size))
        pieces: list[tuple[str, slice]] = []
        held = 0
        for claim, start in rest:
            stop = min(start + size, len(self._by_claim[claim].cell))
            if held and held + stop - start > size:
                yield self._joined(pieces, words)
                pieces, held = [], 0
            pieces.append((claim, slice(start, stop)))
            held += stop - start
        if pieces:
            yield self._joined(pieces, words)

    def _joined(self, pieces: list[tuple[str, slice]], words: np.ndarray) -> dict[str, np.ndarray]:
        """The rows of some pieces, each a claim and its rows, one below the other. What is said of cells is made for
        those of these rows: of all, it would be the largest thing in memory."""
        parts = [(claim, self._by_claim[claim], rows) for claim, rows in pieces]

        def of(numbers: Callable[[_Columns], array]) -> np.ndarray:
            return np.concatenate([np.array(numbers(columns)[rows]) for _, columns, rows in parts])

        numbers, cell = np.unique(of(lambda columns: columns.cell), return_inverse=True)
        cells = [self.cells[number] for number in numbers]
        about = {name: np.array([str(getattr(each, name)) for each in cells], dtype=object) for name in ABOUT[:-1]}
        about["seed"] = np.array([each.seed for each in cells], dtype=np.int64)
        claims = [np.full(rows.stop - rows.start, claim, dtype=object) for claim, _, rows in parts]
        found = {
            "claim": np.concatenate(claims),
            "outcome": np.array([str(each) for each in OUTCOMES], dtype=object)[of(lambda columns: columns.outcome)],
            "n": of(lambda columns: columns.n),
        }
        found |= {name: values[cell] for name, values in about.items()}
        found |= {name: words[of(lambda columns, name=name: columns.texts[name])] for name in TEXTS}
        found |= {name: of(lambda columns, name=name: columns.numbers[name]) for name in NUMBERS}
        return {name: found[name] for name in FIELDS}

    def _records(self, claim: str, columns: _Columns, words: list[str], rows: Iterable[int]) -> Iterator[Verdict]:
        about: dict[str, Any] = {}
        latest = -1
        for row in rows:
            number = columns.cell[row]
            if number != latest:
                cell, latest = self.cells[number], number
                about = {name: getattr(cell, name) for name in ABOUT}
            yield Verdict(
                claim=claim,
                outcome=OUTCOMES[columns.outcome[row]],
                n=columns.n[row],
                **about,
                **{name: words[codes[row]] for name, codes in columns.texts.items()},
                **{name: numbers[row] for name, numbers in columns.numbers.items()},
            )
