"""Which cells mean something: an estimator that is defined on the problem, by an implementation that could have it.

What is left out is left out by definition, so that a report is not full of rows that say so: a library has the ELBO
classes that it has, its classes' names mean nothing by hand, and some KL terms have no closed form. What an
implementation could have and has not (a KL that a library did not register) stays in the plan and ends as *not run*,
with its reason.
"""

from elbo_compare.compare.claims import cells
from elbo_compare.compare.records import Cell, Procedure
from elbo_compare.suites.contract import KLTerm
from elbo_compare.suites.estimators import ESTIMATORS

BY_HAND = cells.HAND | {cells.ORACLE}
DIFFERENTIATE = frozenset(
    {
        *(Procedure.GRADIENT, Procedure.SPREAD, Procedure.TIME),
        *(Procedure.FIT, Procedure.FIT_PATH, Procedure.FIT_PAIRS),
    }
)


def meant(cell: Cell) -> bool:
    """Whether the cell is worth planning. A third party's implementation says itself what it has not."""
    return _is_defined(cell) and _could_have(cell) and not _needs_gradients_of_the_oracle(cell)


def _is_defined(cell: Cell) -> bool:
    """An analytic KL needs a Gaussian q and the standard normal prior, the optimal control variate a diagonal one."""
    term = ESTIMATORS[cell.estimator].kl_term
    if term is KLTerm.CONTROL_VARIATE:
        return cells.plain(cell)
    return term is not KLTerm.ANALYTIC or cells.has_analytic_kl(cell)


def _needs_gradients_of_the_oracle(cell: Cell) -> bool:
    """Where the oracle's gradient is not derived by hand it has directional derivatives, which train nothing."""
    return cell.implementation == cells.ORACLE and cell.procedure in DIFFERENTIATE and not cells.derived_by_hand(cell)


def _could_have(cell: Cell) -> bool:
    if cells.ours(cell) and cells.library(cell):
        return cell.implementation in ESTIMATORS[cell.estimator].library_classes
    return cell.implementation not in BY_HAND or not cells.library_variant(cell)
