"""Judging numbers that rounding alone may part: the tolerance, and the comparison."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf, isfinite, isnan, nan

from elbo_compare.compare.claims.claim import CellJudge, Context, Judgement, Rows
from elbo_compare.compare.records import Measurement, Outcome, Quantity

UNIT_ROUNDOFF = {"float32": 2.0**-24, "float64": 2.0**-53}

# A value computed in floating point is off by at most (number of roundings on the longest path) * u * (sum of absolute
# terms) (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1). The terms that are summed have each
# been through about ten roundings here (subtract, divide, square, halve, exponential at 1 to 2 ulp, logarithm, their
# sum), blocked or pairwise sums of up to 10^4 terms add a handful more, and errors of either sign mostly cancel: 16.
# It is the same for both precisions; what differs is u.
ROUNDING_FACTOR = 16.0

TOLERANCE = "16 u S: u the unit roundoff (2⁻⁵³ or 2⁻²⁴), S the sum of the absolute terms, cancellation included"
PAIR_TOLERANCE = "16 u (S₁ + S₂): the sum of what either is allowed against the float64 oracle"
REASON = (
    "Two correct programs differ by rounding only, which is at most (roundings on the longest path) × u × S "
    "(Higham 2002, section 3.1); about ten roundings per term and a few per summation tree make 16."
)


def rounding_tolerance(scale: float, dtype: str) -> float:
    """c u scale, in the unit of `scale` (a sum of absolute terms).

    >>> print(rounding_tolerance(3.0, 'float64') == 16 * 2.0**-53 * 3.0)
    True
    """
    return ROUNDING_FACTOR * UNIT_ROUNDOFF[dtype] * scale


def compared(
    value: float, reference: float, tolerance: float, *, part: str = "", n: int = 1, unit: str = "nats"
) -> Judgement:
    """AGREES iff |value - reference| <= tolerance. A value that is not finite DIFFERS; a reference or tolerance that is
    not finite leaves it INCONCLUSIVE, since nothing was compared.

    >>> for value in (1.0, 1.5, float('nan')):
    ...     print(value, compared(value, 1.0, 0.25).outcome)
    1.0 agrees
    1.5 differs
    nan differs
    """
    difference, reason = value - reference, ""
    if not isfinite(value):
        outcome, reason = Outcome.DIFFERS, f"the value is {value}"
    elif not isfinite(reference) or not isfinite(tolerance):
        outcome, reason = Outcome.INCONCLUSIVE, f"the reference is {reference} and the tolerance {tolerance}"
    else:
        outcome = Outcome.AGREES if abs(difference) <= tolerance else Outcome.DIFFERS
    return Judgement(
        outcome=outcome,
        part=part,
        value=value,
        reference=reference,
        difference=difference,
        tolerance=tolerance,
        n=n,
        unit=unit,
        reason=reason,
    )


def within_rounding(row: Measurement, dtype: str) -> Judgement:
    """A row against its reference, allowed c u scale.

    >>> row = Measurement(quantity=Quantity.KL, value=1.25 + 1e-15, reference=1.25, scale=3.0)
    >>> print(within_rounding(row, 'float64').outcome, within_rounding(row, 'float32').tolerance > 1e-6)
    agrees True
    """
    tolerance = rounding_tolerance(row.scale, dtype)
    return compared(row.value, row.reference, tolerance, part=row.part, n=row.n, unit=row.unit)


def rounded(quantity: Quantity) -> CellJudge:
    """Judges the one row of a quantity by `within_rounding`.

    >>> from elbo_compare.compare.claims import by_id
    >>> print(by_id('ELBO-001').judge.__qualname__, by_id('ELBO-001').judge is not by_id('ELBO-002').judge)
    rounded.<locals>.judge True
    """

    def judge(rows: Rows, _: Context) -> list[Judgement]:
        return [within_rounding(rows.one(quantity), rows.cell.dtype)]

    return judge


def distance_within(row: Measurement, tolerance: float) -> Judgement:
    """A row whose value is a distance |a - a*| (its reference is |a*|), allowed `tolerance`.

    >>> row = Measurement(quantity=Quantity.PATH_DISTANCE, part='decoder.output.bias', value=1e-13, reference=2.0)
    >>> print(distance_within(row, 1e-12).outcome, distance_within(row, 1e-12).part)
    agrees decoder.output.bias
    """
    return compared(row.value, 0.0, tolerance, part=row.part, n=row.n, unit=row.unit)


def both_within_rounding(subject: Rows, partner: Rows, quantity: Quantity) -> Judgement:
    """Two implementations' values at the same noise, allowed the sum of what each is allowed against the oracle.

    >>> from elbo_compare.compare.records import CellResult, Status
    >>> from elbo_compare.compare.claims.cells import EXAMPLE
    >>> def rows(value):
    ...     row = Measurement(quantity=Quantity.KL, value=value, scale=3.0)
    ...     return Rows(CellResult(cell=EXAMPLE, status=Status.OK, measurements=(row,)))
    >>> print(both_within_rounding(rows(1.25), rows(1.5), Quantity.KL).outcome)
    differs
    """
    mine, other = subject.one(quantity), partner.one(quantity)
    tolerance = rounding_tolerance(mine.scale, subject.cell.dtype) + rounding_tolerance(other.scale, partner.cell.dtype)
    judgement = compared(mine.value, other.value, tolerance, part=str(quantity), n=mine.n)
    if isnan(other.value) and judgement.outcome is Outcome.INCONCLUSIVE:
        return replace(judgement, reason="the other cell's value is nan")
    return judgement


def worst(judgements: Sequence[Judgement]) -> Judgement:
    """The judgement that decides: one that DIFFERS before one INCONCLUSIVE before one that AGREES, then the largest
    |difference| / tolerance. Where several differ, the reason names them.

    >>> parts = [compared(value, 1.0, 0.25, part=f'step {i}') for i, value in enumerate((1.0, 1.5, 3.0))]
    >>> print(worst(parts).part, worst(parts).reason, sep='; ')
    step 2; 2 of 3: step 1, step 2
    """
    decisive = max(judgements, key=_severity)
    if len(judgements) == 1 or decisive.outcome is Outcome.AGREES:
        return decisive
    alike = [each for each in judgements if each.outcome is decisive.outcome]
    names = ", ".join(each.part or "?" for each in alike[:8]) + (", ..." if len(alike) > 8 else "")
    detail = f" ({decisive.reason})" if decisive.reason else ""
    return replace(decisive, reason=f"{len(alike)} of {len(judgements)}: {names}{detail}")


def _severity(judgement: Judgement) -> tuple[int, float]:
    rank = (Outcome.AGREES, Outcome.INCONCLUSIVE, Outcome.DIFFERS).index(judgement.outcome)
    return rank, relative_size(judgement.difference, judgement.tolerance)


def relative_size(difference: float, tolerance: float) -> float:
    """|difference| / tolerance; 0 for 0 / 0, and infinite for a difference that is not a number.

    >>> print(relative_size(-0.5, 0.25), relative_size(0.0, 0.0), relative_size(1.0, 0.0))
    2.0 0.0 inf
    """
    if difference == 0:
        return 0.0
    if isnan(difference):
        return inf
    return abs(difference) / tolerance if tolerance else (nan if isnan(tolerance) else inf)
