"""What a claim is: a statement with a permanent ID, a source, a tolerance with its reason, and a judging function.

A claim sees rows only. It returns judgements; `compare.judging.judge` adds which cell they are about.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import nan

from elbo_compare.compare.records import Cell, CellResult, Measurement, Outcome, Procedure, Quantity, Strength
from elbo_compare.compare.statistics import MEAN_MARGIN, VARIANCE_MARGIN, ErrorBudget


class Scope(StrEnum):
    """What a claim is judged on.

    >>> Scope('pair').name
    'PAIR'
    """

    CELL = "cell"
    PAIR = "pair"


class RowMissingError(LookupError):
    """A cell that ended well does not hold a row that a claim needs.

    >>> try:
    ...     raise RowMissingError('the cell ended well but holds no row kl')
    ... except LookupError as error:
    ...     print(error)
    the cell ended well but holds no row kl
    """


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a judgement depends on besides rows. Margins as in `compare.statistics`; `latent` gives a cell's number of
    latent dimensions, which no row holds.

    >>> context = Context(latent=lambda cell: 40)
    >>> print(context.mean_margin, context.variance_margin, context.budget.tests)
    0.05 0.1 2000
    """

    latent: Callable[[Cell], int]
    budget: ErrorBudget = ErrorBudget()  # noqa: RUF009 - frozen
    mean_margin: float = MEAN_MARGIN
    variance_margin: float = VARIANCE_MARGIN


class Rows:
    """One result's measurements by quantity, indexed once.

    >>> from elbo_compare.compare.records import CellResult, Measurement, Quantity, Status
    >>> from elbo_compare.compare.claims.cells import EXAMPLE
    >>> row = Measurement(quantity=Quantity.KL, value=1.25, reference=1.25, scale=3.0)
    >>> rows = Rows(CellResult(cell=EXAMPLE, status=Status.OK, measurements=(row,)))
    >>> print(rows.one(Quantity.KL).value, rows.some(Quantity.ELBO))
    1.25 []
    """

    def __init__(self, result: CellResult) -> None:
        self.cell = result.cell
        self.result = result

    @cached_property
    def _by_quantity(self) -> dict[Quantity, list[Measurement]]:
        groups: dict[Quantity, list[Measurement]] = defaultdict(list)
        for row in self.result.measurements:
            groups[row.quantity].append(row)
        return groups

    def some(self, quantity: Quantity) -> list[Measurement]:
        """Every row of a quantity, in the order in which they were measured; maybe none."""
        return self._by_quantity.get(quantity, [])

    def all(self, quantity: Quantity) -> list[Measurement]:
        """Every row of a quantity. Raises RowMissingError where there is none."""
        rows = self.some(quantity)
        if not rows:
            raise RowMissingError(f"the cell ended well but holds no row {quantity}")
        return rows

    def one(self, quantity: Quantity) -> Measurement:
        """The only row of a quantity. Raises RowMissingError unless there is exactly one."""
        rows = self.all(quantity)
        if len(rows) > 1:
            raise RowMissingError(f"the cell holds {len(rows)} rows {quantity} where one was expected")
        return rows[0]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict before it is known which cell it is about; the fields are those of `Verdict`.
    `difference` is value - reference with its sign.

    >>> judgement = Judgement(outcome=Outcome.AGREES, value=1.0, reference=1.5, difference=-0.5, tolerance=0.6)
    >>> print(judgement.outcome, judgement.difference, judgement.unit)
    agrees -0.5 nats
    """

    outcome: Outcome
    part: str = ""
    value: float = nan
    reference: float = nan
    difference: float = nan
    tolerance: float = nan
    low: float = nan
    high: float = nan
    n: int = 1
    unit: str = "nats"
    reason: str = ""


CellJudge = Callable[[Rows, Context], list[Judgement]]
PairJudge = Callable[[Rows, Rows, Context], list[Judgement]]


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """Which second cells a claim's subject is compared with: those that satisfy `partner` and share its `key`.
    `subject_key`: the key of the partner that a subject looks for, where it is not its own. `wanted` names partners in
    the reason of a verdict *not run*, for every subject or for each.

    >>> from elbo_compare.compare.claims import by_id
    >>> print(by_id('DEV-001').pairing.wanted)
    cell of this implementation on the CPU
    """

    partner: Callable[[Cell], bool]
    key: Callable[[Cell], Hashable]
    judge: PairJudge
    wanted: str | Callable[[Cell], str]
    subject_key: Callable[[Cell], Hashable] | None = None

    def wanted_by(self, subject: Cell) -> str:
        """The partners of this subject, in words."""
        return self.wanted if isinstance(self.wanted, str) else self.wanted(subject)

    def key_wanted(self, subject: Cell) -> Hashable:
        """The key of the partners of this subject."""
        return self.key(subject) if self.subject_key is None else self.subject_key(subject)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement that can be false.

    `applies` picks the cells that it is about, which `subject` names ("": nobody misses them); exactly one of `judge`
    (one cell) and `pairing` (two) is given. `statistical` claims spend from the error budget. `id` is permanent: a
    claim that is withdrawn leaves its number unused.

    >>> from elbo_compare.compare.claims import by_id
    >>> claim = by_id('KL-005')
    >>> print(claim.scope, claim.strength, claim.statistical)
    cell in expectation True
    >>> print(claim.statement)
    Var[sampled KL] = Σ μ²σ² + (σ² − 1)²/2
    """

    id: str
    family: str
    strength: Strength
    statement: str
    derivation: str
    source: str
    tolerance: str
    reason: str
    procedure: Procedure
    applies_to: Callable[[Cell], bool]
    subject: str = "cell that it is about"
    judge: CellJudge | None = None
    pairing: Pairing | None = None
    statistical: bool = False

    def __post_init__(self) -> None:
        if (self.judge is None) == (self.pairing is None):
            raise ValueError(
                f"Claim {self.id} is judged on one cell or on a pair: give `judge` or `pairing`, not both."
            )

    @property
    def scope(self) -> Scope:
        """CELL or PAIR."""
        return Scope.CELL if self.pairing is None else Scope.PAIR

    def applies(self, cell: Cell) -> bool:
        """Is this cell a subject of the claim?"""
        return cell.procedure is self.procedure and self.applies_to(cell)

    def is_partner(self, cell: Cell) -> bool:
        """Is this cell one that a subject may be compared with?"""
        return self.pairing is not None and cell.procedure is self.procedure and self.pairing.partner(cell)
