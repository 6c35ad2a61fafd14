"""The constants ledger: by how much each implementation's terms differ from the fully normalised ones, and why.

One row per prior, implementation, precision, device and quantity, over all sampled-kl cells evaluated at the same
noise: whether a dropped normaliser cancels depends on the prior.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from elbo_compare.compare.claims import cells
from elbo_compare.compare.claims.constants import HALF_LOG_TWO_PI
from elbo_compare.compare.claims.pointwise import rounding_tolerance
from elbo_compare.compare.judging.judge import latent_size
from elbo_compare.compare.records import Cell, CellResult, Measurement, Procedure, Quantity, Status
from elbo_compare.suites.contract import Prior

PRIORS = tuple(Prior)
DENSITIES = (Quantity.LOG_Q, Quantity.LOG_PRIOR)
QUANTITIES = (*DENSITIES, Quantity.KL, Quantity.LOG_LIKELIHOOD, Quantity.ELBO)


class Constant(StrEnum):
    """What became of 0.5 log 2π per latent dimension."""

    KEPT = "kept"  # a single density, fully normalised
    DROPPED = "dropped"  # a single density, larger by latent * 0.5 log 2π
    NONE = "none"  # a term in which nothing is missing: it cancels, or was never dropped
    MIXED = "mixed"  # kept in some cells, dropped in others
    UNEXPLAINED = "unexplained"  # an offset that is neither


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """One entry. `offset_nats` = value - normalised value, in the cell with the most latent dimensions (`latent`);
    `offset_constants` is the same in units of latent * 0.5 log 2π. `deviation_nats` is the largest distance, over all
    `cells`, between the offset and the constant named; `tolerance_nats` is what rounding allows in that cell."""

    implementation: str
    prior: str
    dtype: str
    device: str
    quantity: str
    constant: Constant
    offset_nats: float
    offset_constants: float
    latent: int
    problem: str
    deviation_nats: float
    tolerance_nats: float
    cells: int


@dataclass(frozen=True, kw_only=True)
class _Entry:
    cell: Cell
    latent: int
    offset: float
    constant: Constant
    deviation: float
    tolerance: float


def ledger(results: Iterable[CellResult], latent: Callable[[Cell], int] = latent_size) -> list[LedgerRow]:
    """The ledger's rows, ordered by implementation, dtype, prior, device, and quantity as in `QUANTITIES`."""
    book = Ledger(latent)
    for result in results:
        book.note(result)
    return book.rows()


class Ledger:
    """The ledger while results are noted one by one; what it holds grows with its rows, not with the cells."""

    def __init__(self, latent: Callable[[Cell], int] = latent_size) -> None:
        self._latent = latent
        self._groups: dict[tuple[str, str, int, str, int], _Group] = defaultdict(_Group)

    def noting(self, results: Iterable[CellResult]) -> Iterator[CellResult]:
        """The results as they are, each noted on its way."""
        for result in results:
            self.note(result)
            yield result

    def note(self, result: CellResult) -> None:
        """Enter what one cell says."""
        cell = result.cell
        if result.status is not Status.OK or cell.procedure is not Procedure.EVALUATE or not cells.sampled(cell):
            return
        for row in result.measurements:
            if row.quantity in QUANTITIES and row.reference == row.reference:
                prior = PRIORS.index(cells.prior(cell))
                key = (cell.implementation, cell.dtype, prior, cell.device, QUANTITIES.index(row.quantity))
                self._groups[key].enter(_entry(cell, row, self._latent(cell)))

    def rows(self) -> list[LedgerRow]:
        """What was noted, in order."""
        return [_row(QUANTITIES[key[-1]], self._groups[key]) for key in sorted(self._groups)]


def _entry(cell: Cell, row: Measurement, latent: int) -> _Entry:
    offset, dropped = row.value - row.reference, latent * HALF_LOG_TWO_PI
    candidates = [(0.0, Constant.NONE)]
    if row.quantity in DENSITIES:
        candidates = [(0.0, Constant.KEPT), (dropped, Constant.DROPPED)]
    deviation, constant = min((abs(offset - expected), name) for expected, name in candidates)
    tolerance = rounding_tolerance(row.scale + (dropped if row.quantity in DENSITIES else 0.0), cell.dtype)
    if not deviation <= tolerance:
        constant = Constant.UNEXPLAINED
    return _Entry(cell=cell, latent=latent, offset=offset, constant=constant, deviation=deviation, tolerance=tolerance)


@dataclass
class _Group:
    """The entries of one row: how many, which constants, and the two that the row shows, of those that nothing
    explains where there are any. Of equal entries the one with the smallest key stands, whatever the order."""

    count: int = 0
    constants: set[Constant] = field(default_factory=set)
    shown: _Entry | None = None
    worst: _Entry | None = None

    def enter(self, entry: _Entry) -> None:
        """Count an entry in."""
        unexplained = entry.constant is Constant.UNEXPLAINED
        if unexplained and Constant.UNEXPLAINED not in self.constants:
            self.shown = self.worst = None  # those before it were explained
        elif not unexplained and Constant.UNEXPLAINED in self.constants:
            self.count += 1
            self.constants.add(entry.constant)
            return
        self.count += 1
        self.constants.add(entry.constant)
        self.shown = _later(self.shown, entry, lambda each: (each.latent, each.cell.problem))
        self.worst = _later(self.worst, entry, lambda each: (each.deviation,))


def _later(one: _Entry | None, other: _Entry, rank: Callable[[_Entry], tuple]) -> _Entry:
    """The entry of the higher rank, of two equal ones that with the smaller key."""
    if one is None or rank(other) > rank(one):
        return other
    return other if rank(other) == rank(one) and other.cell.key < one.cell.key else one


def _row(quantity: Quantity, group: _Group) -> LedgerRow:
    shown, worst = group.shown, group.worst
    assert shown is not None
    assert worst is not None
    constant = next(iter(group.constants)) if len(group.constants) == 1 else Constant.MIXED
    return LedgerRow(
        implementation=shown.cell.implementation,
        prior=str(cells.prior(shown.cell)),
        dtype=shown.cell.dtype,
        device=shown.cell.device,
        quantity=str(quantity),
        constant=Constant.UNEXPLAINED if Constant.UNEXPLAINED in group.constants else constant,
        offset_nats=shown.offset,
        offset_constants=shown.offset / (shown.latent * HALF_LOG_TWO_PI),
        latent=shown.latent,
        problem=shown.cell.problem,
        deviation_nats=worst.deviation,
        tolerance_nats=worst.tolerance,
        cells=group.count,
    )
