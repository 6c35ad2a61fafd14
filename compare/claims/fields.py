"""Checked fields: sign, reduction and units are measured, not believed."""

from elbo_compare.compare.claims import cells, pointwise
from elbo_compare.compare.claims.claim import Claim, Context, Judgement, Rows
from elbo_compare.compare.records import Measurement, Outcome, Procedure, Quantity, Strength
from elbo_compare.suites.contract import Reduction

FAMILY = "sign, reduction and units"


def _reduced_scale(rows: Rows, reduction: Reduction) -> float:
    """Sum of absolute terms of the raw loss: the ELBO's per datum, times the rows of the batch where it is a sum."""
    scale = rows.one(Quantity.ELBO).scale
    return scale * rows.cell.size if reduction is Reduction.SUM else scale


def _fields(row: Measurement) -> Reduction:
    """The reduction in "<sign> <reduction>". Raises ValueError for anything but + or - and a known reduction."""
    sign, _, reduction = row.part.partition(" ")
    if sign not in ("+", "-"):
        raise ValueError(f"a raw loss has sign + or -, not {sign!r}")
    return Reduction(reduction)


def _raw_loss(rows: Rows, _: Context) -> list[Judgement]:
    row = rows.one(Quantity.RAW_LOSS)
    try:
        reduction = _fields(row)
    except ValueError as error:
        return [Judgement(outcome=Outcome.DIFFERS, part=row.part, value=row.value, reason=str(error))]
    allowed = pointwise.rounding_tolerance(_reduced_scale(rows, reduction), rows.cell.dtype)
    return [pointwise.compared(row.value, row.reference, allowed, part=row.part)]


def _additive(rows: Rows, _: Context) -> list[Judgement]:
    split = rows.one(Quantity.RAW_LOSS_SPLIT)
    try:
        reduction = _fields(rows.one(Quantity.RAW_LOSS))
    except ValueError as error:
        return [Judgement(outcome=Outcome.DIFFERS, value=split.value, reason=str(error))]
    # Both sides are computed, each within the rounding of the same absolute terms.
    allowed = 2 * pointwise.rounding_tolerance(_reduced_scale(rows, reduction), rows.cell.dtype)
    return [pointwise.compared(split.value, split.reference, allowed)]


CLAIMS = (
    Claim(
        id="UNIT-001",
        family=FAMILY,
        strength=Strength.FIELD,
        statement="raw loss = sign × reduction over the batch of ELBO, with the recorded sign and reduction",
        derivation=(
            "Libraries return −Σ ELBO, hand-written code the mean of KL − log p(x|z). The factor (batch size) and the "
            "sign are checked on the number that the loss returned, so that nats per datum mean the same in every row."
        ),
        source="pyro.infer.ELBO.loss, numpyro.infer.ELBO.loss: a loss is minimised and plates are summed",
        tolerance="16 u S, S of the ELBO reduced in the same way",
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=lambda cell: True,
        judge=_raw_loss,
    ),
    Claim(
        id="UNIT-002",
        family=FAMILY,
        strength=Strength.FIELD,
        statement="raw losses of ragged sub-batches, combined by the reduction, = raw loss of the whole batch",
        derivation=(
            "The ELBO of independent data is a sum over data. A KL averaged over the batch beside a summed likelihood, "
            "or noise drawn anew for each term, is not additive."
        ),
        source="Kingma and Welling 2014 (arXiv 1312.6114), eq. 1: log p(x¹, …, xᴺ) = Σ log p(xⁱ)",
        tolerance="2 × 16 u S: both sides are computed",
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.not_oracle, cells.splits),
        judge=_additive,
    ),
)
