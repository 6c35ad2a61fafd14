"""Two sides: code by hand and a library's public ELBO objects. Who is held against whom.

The subject of a verdict is a library, or a third party's implementation of either kind; its partner on the other side
is always one of ours, so that a broken plug-in turns its own row red and never a library's.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from elbo_compare.compare.claims import cells
from elbo_compare.compare.claims.cells import CellTest
from elbo_compare.compare.claims.claim import Pairing, PairJudge
from elbo_compare.compare.records import Cell


@dataclass(frozen=True, kw_only=True)
class Sides:
    """`library`: which libraries; `about`: the cells that are compared; `key`: what two of them must share. `named`
    and `wanted` are words for the library's cells and for those by hand that a subject looks for."""

    library: CellTest
    about: CellTest
    key: Callable[[Cell], Hashable]
    judge: PairJudge
    named: str
    wanted: str
    partner_by_hand: CellTest | None = None  # where cells by hand are wanted that `about` leaves out
    plug_ins: bool = True  # whether those by hand are subjects: not where none of ours is such a library

    def applies_to(self, cell: Cell) -> bool:
        """The libraries' cells, third parties' included, and those of plug-ins by hand."""
        return self.about(cell) and (self.library(cell) or (self.plug_ins and cells.plug_in_by_hand(cell)))

    @property
    def pairing(self) -> Pairing:
        """Ours on the other side at the same key."""
        return Pairing(
            partner=self._is_partner,
            key=lambda cell: (cells.library(cell), self.key(cell)),
            subject_key=lambda cell: (not cells.library(cell), self.key(cell)),
            judge=self.judge,
            wanted=lambda cell: self.wanted if cells.library(cell) else self.named,
        )

    def _is_partner(self, cell: Cell) -> bool:
        if cell.implementation in cells.HAND:
            return (self.partner_by_hand or self.about)(cell)
        return cells.ours(cell) and self.library(cell) and self.about(cell)
