"""The dropped normaliser: which single density carries it, and that the KL and the ELBO do not."""

import math
from math import isfinite

from elbo_compare.compare.claims import cells, pointwise
from elbo_compare.compare.claims.claim import Claim, Context, Judgement, Rows
from elbo_compare.compare.records import Measurement, Outcome, Procedure, Quantity, Strength

FAMILY = "constants"

# Per dimension, in nats: 0.9189385332046727.
HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def _kept_or_dropped(rows: Rows, context: Context) -> list[Judgement]:
    dropped = context.latent(rows.cell) * HALF_LOG_TWO_PI
    densities = (Quantity.LOG_Q, Quantity.LOG_PRIOR)
    return [_nearest_constant(rows.one(density), dropped, rows.cell.dtype) for density in densities]


def _nearest_constant(row: Measurement, dropped: float, dtype: str) -> Judgement:
    """The offset from the normalised density against 0 (kept) or `dropped`, whichever is nearer."""
    offset = row.value - row.reference
    allowed = pointwise.rounding_tolerance(row.scale + dropped, dtype)
    constant = dropped if isfinite(offset) and abs(offset - dropped) < abs(offset) else 0.0
    part = f"{row.quantity}: {'dropped' if constant else 'kept'}"
    if allowed >= dropped / 2:
        reason = f"rounding of {allowed:.3g} nats hides a constant of {dropped:.3g}"
        return Judgement(
            outcome=Outcome.INCONCLUSIVE, part=str(row.quantity), value=offset, tolerance=allowed, reason=reason
        )
    return pointwise.compared(offset, constant, allowed, part=part, n=row.n)


def _cancels(rows: Rows, _: Context) -> list[Judgement]:
    log_q, log_prior, kl = (rows.one(quantity) for quantity in (Quantity.LOG_Q, Quantity.LOG_PRIOR, Quantity.KL))
    dtype = rows.cell.dtype
    densities = pointwise.rounding_tolerance(log_q.scale + log_prior.scale, dtype)
    offsets = (log_q.value - log_q.reference, log_prior.value - log_prior.reference)
    return [
        pointwise.compared(*offsets, densities, part="log q and log p(z) offsets", n=kl.n),
        pointwise.compared(
            kl.value - kl.reference, 0.0, pointwise.rounding_tolerance(kl.scale, dtype), part="KL", n=kl.n
        ),
    ]


CLAIMS = (
    Claim(
        id="CONST-001",
        family=FAMILY,
        strength=Strength.FIELD,
        statement="log q(z|x) and log p(z) as written − fully normalised ∈ {0, ½ D log 2π}",
        derivation=(
            "A density of D independent normals carries −½ D log 2π. Kept, the offset is 0; dropped, it is "
            "+0.9189 D nats, and an entropy or a single density reported from it is wrong by that much."
        ),
        source="Kingma and Welling 2014 (arXiv 1312.6114), appendix B, for the normalised forms",
        tolerance="16 u (S + ½ D log 2π) around either constant",
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.not_oracle, cells.core),
        judge=_kept_or_dropped,
    ),
    Claim(
        id="CONST-002",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="offset(log q) = offset(log p(z)), so that offset(KL) = 0",
        derivation="KL = log q − log p(z): equal constants cancel, whatever they are. Dropping one alone would not.",
        source="the definition of the sampled KL, Kingma and Welling 2014 (arXiv 1312.6114), eq. 6",
        tolerance="16 u (S of log q + S of log p(z)), and 16 u S of the KL",
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.not_oracle, cells.sampled),
        judge=_cancels,
    ),
)
