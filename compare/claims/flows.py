"""Flows that are linear given x: q(z_T|x) = N(F μ, F S² F'), so that the sampled KL has a closed mean and variance."""

from elbo_compare.compare.claims import cells, expectation, pointwise
from elbo_compare.compare.claims.claim import CellJudge, Claim, Context, Judgement, Rows
from elbo_compare.compare.records import Procedure, Quantity, Strength
from elbo_compare.suites.contract import Flow

FAMILY = "linear flows"
LINEAR_IAF = "Tomczak and Welling 2017 (arXiv 1706.02326)"
HOUSEHOLDER = "Tomczak and Welling 2016 (arXiv 1611.09630)"
CLOSED = "(tr F S² F' + |F μ|² − D − ln det S²)/2"
QUADRATIC = "With z_T = F (μ + S e) and |det F| = 1 the sampled KL is k = (|z_T|² − |e|² − ln det S²)/2, quadratic in e"
_SAMPLED = cells.every(cells.sampled, cells.linear_flow)


def _within(quantity: Quantity) -> CellJudge:
    return lambda rows, _: [pointwise.within_rounding(rows.one(quantity), rows.cell.dtype)]


def _mean(rows: Rows, context: Context) -> list[Judgement]:
    return [expectation.mean_equals(rows.one(Quantity.KL_MEAN), context)]


def _variance(rows: Rows, context: Context) -> list[Judgement]:
    return [expectation.variance_equals(rows.one(Quantity.KL_VARIANCE), context)]


CLAIMS = (
    Claim(
        id="FLOW-001",
        family=FAMILY,
        strength=Strength.EXACT,
        statement="Householder flow: sampled KL = ½ Σ (μ + σe)² − e² − log σ², as without the flow, draw by draw",
        derivation=(
            "A product of reflections is orthogonal: |H z₀| = |z₀| and |det H| = 1, so that neither log p(z_T), which "
            "depends on |z_T| alone, nor log q moves, draw by draw. The flow shapes q for the decoder, not the KL."
        ),
        source=HOUSEHOLDER,
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.not_oracle, cells.sampled, lambda cell: cells.flow(cell) is Flow.HOUSEHOLDER),
        judge=_within(Quantity.KL_OF_HEADS),
    ),
    Claim(
        id="FLOW-002",
        family=FAMILY,
        strength=Strength.EXACT,
        statement=f"mean of the sampled KL over e = ±√D uᵢ, i = 1..D (the unit vectors) = {CLOSED}",
        derivation=f"{QUADRATIC}; over those 2D points its mean is that over N(0, I): mean 0 and covariance I.",
        source=f"spherical-radial cubature of degree 3: Arasaratnam and Haykin 2009, section IV; {LINEAR_IAF}",
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=_SAMPLED,
        judge=_within(Quantity.FLOW_KL_DETERMINISTIC),
    ),
    Claim(
        id="FLOW-003",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement=f"E[sampled KL] = {CLOSED}, with the implementation's own random numbers",
        derivation=f"{QUADRATIC}, and E e e' = I.",
        source=LINEAR_IAF,
        tolerance=expectation.MEAN_TOLERANCE,
        reason=expectation.MEAN_REASON,
        procedure=Procedure.DRAW,
        applies_to=_SAMPLED,
        judge=_mean,
        statistical=True,
    ),
    Claim(
        id="FLOW-004",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement="Var[sampled KL] = |S F'F μ|² + tr((S F'F S − I)²)/2",
        derivation=f"{QUADRATIC}: Var(a'e + e'Me/2) = |a|² + tr(M²)/2 with a = S F'F μ, M = S F'F S − I.",
        source=LINEAR_IAF,
        tolerance=expectation.VARIANCE_TOLERANCE,
        reason=expectation.VARIANCE_REASON,
        procedure=Procedure.DRAW,
        applies_to=_SAMPLED,
        judge=_variance,
        statistical=True,
    ),
    Claim(
        id="FLOW-005",
        family=FAMILY,
        strength=Strength.EXACT,
        statement=f"analytic KL term of the multivariate normal q(z_T|x) = {CLOSED}",
        derivation=(
            "Given x the flow is a matrix, so that q(z_T|x) is a multivariate normal, whose KL to N(0, I) could be had "
            "without sampling. The questioned line samples all the same: it then serves any flow and any prior."
        ),
        source=f"{LINEAR_IAF}; Kingma and Welling 2014 (arXiv 1312.6114), appendix B, for the diagonal case",
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.not_oracle, cells.analytic, cells.linear_flow),
        judge=_within(Quantity.KL),
    ),
)
