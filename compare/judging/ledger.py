"""The constants ledger: by how much each implementation's terms differ from the fully normalised ones, and why.

One row per prior, implementation, precision, device and quantity, over all sampled-kl cells evaluated at the same
noise: whether a dropped normaliser cancels depends on the prior.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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
    groups: dict[tuple[str, str, int, str, int], list[_Entry]] = defaultdict(list)
    for result in results:
        cell = result.cell
        if result.status is not Status.OK or cell.procedure is not Procedure.EVALUATE or not cells.sampled(cell):
            continue
        for row in result.measurements:
            if row.quantity in QUANTITIES and row.reference == row.reference:
                prior = PRIORS.index(cells.prior(cell))
                key = (cell.implementation, cell.dtype, prior, cell.device, QUANTITIES.index(row.quantity))
                groups[key].append(_entry(cell, row, latent(cell)))
    return [_row(QUANTITIES[key[-1]], groups[key]) for key in sorted(groups)]


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


def _row(quantity: Quantity, entries: Sequence[_Entry]) -> LedgerRow:
    constants = {entry.constant for entry in entries}
    unexplained = [entry for entry in entries if entry.constant is Constant.UNEXPLAINED]
    shown = max(unexplained or entries, key=lambda entry: (entry.latent, entry.cell.problem))
    worst = max(unexplained or entries, key=lambda entry: entry.deviation)
    constant = constants.pop() if len(constants) == 1 else Constant.MIXED
    return LedgerRow(
        implementation=shown.cell.implementation,
        prior=str(cells.prior(shown.cell)),
        dtype=shown.cell.dtype,
        device=shown.cell.device,
        quantity=str(quantity),
        constant=Constant.UNEXPLAINED if unexplained else constant,
        offset_nats=shown.offset,
        offset_constants=shown.offset / (shown.latent * HALF_LOG_TWO_PI),
        latent=shown.latent,
        problem=shown.cell.problem,
        deviation_nats=worst.deviation,
        tolerance_nats=worst.tolerance,
        cells=len(entries),
    )
