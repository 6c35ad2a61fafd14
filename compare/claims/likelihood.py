"""log p(x) by importance sampling, where it is known: on the linear-Gaussian VAE."""

from math import isfinite, sqrt

from elbo_compare.compare.claims import cells, pointwise
from elbo_compare.compare.claims.claim import Claim, Context, Judgement, Rows
from elbo_compare.compare.records import Outcome, Procedure, Quantity, Strength
from elbo_compare.compare.statistics import MINIMUM_DRAWS, equivalence

FAMILY = "log p(x) by importance sampling"
SOURCE = (
    "Burda, Grosse and Salakhutdinov 2016 (arXiv 1509.00519), eq. 8 and theorem 1; Tomczak and Welling 2016 "
    "(arXiv 1611.09630), section 4, for its use with 5,000 samples"
)
MARGIN_NATS = 0.05


def _equals_log_px(rows: Rows, context: Context) -> list[Judgement]:
    """Mean over the data of (estimate - log p(x)); its error is the draws' alone, since the data are the same.

    The first-order bias -(scale^2) / (2 n) is part of the difference: it is what the claim allows for.
    """
    data = rows.all(Quantity.LOG_PX)
    mean = rows.one(Quantity.LOG_PX_MEAN)
    error = sqrt(sum(row.standard_error**2 for row in data)) / len(data)
    difference = mean.value - mean.reference
    if not isfinite(error) or not isfinite(mean.reference):
        reason = f"nothing to compare with: reference {mean.reference}, standard error {error}"
        return [Judgement(outcome=Outcome.INCONCLUSIVE, value=mean.value, reason=reason)]
    found = equivalence(difference, error, MARGIN_NATS, context.budget.per_test)
    draws = data[0].n * len(data)
    outcome, reason = found.outcome, ""
    if draws < MINIMUM_DRAWS:
        outcome, reason = Outcome.INCONCLUSIVE, f"{draws} draws are too few: a normal tail needs {MINIMUM_DRAWS}"
    elif outcome is Outcome.INCONCLUSIVE:
        reason = f"after {draws} draws the interval still reaches across the margin"
    return [
        Judgement(
            outcome=outcome,
            value=mean.value,
            reference=mean.reference,
            difference=difference,
            tolerance=MARGIN_NATS,
            low=found.low,
            high=found.high,
            n=draws,
            reason=reason,
        )
    ]


def _every_weight(rows: Rows, _: Context) -> list[Judgement]:
    """Every log weight, and so the estimate, against log p(x)."""
    dtype, judged = rows.cell.dtype, []
    estimates = {row.index: row for row in rows.all(Quantity.LOG_PX)}
    for row in rows.all(Quantity.LOG_WEIGHT_DEVIATION):
        allowed = pointwise.rounding_tolerance(row.scale, dtype)
        estimate = estimates[row.index]
        judged.append(pointwise.compared(row.value, 0.0, allowed, part=f"log weights, datum {row.index}", n=row.n))
        judged.append(
            pointwise.compared(
                estimate.value, estimate.reference, allowed, part=f"estimate, datum {row.index}", n=estimate.n
            )
        )
    return [pointwise.worst(judged)]


CLAIMS = (
    Claim(
        id="LIK-001",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement="log (1/n) Σ wᵢ = log p(x), wᵢ = p(x|zᵢ) p(zᵢ)/q(zᵢ|x), zᵢ ~ q(z|x), averaged over test data",
        derivation=(
            "E w = ∫ p(x, z) dz = p(x) whatever q is, and p(x) = N(b, WW' + τ²I) is known. The logarithm of a mean is "
            "biased by −Var(w)/(2 n p(x)²) to first order, and its error is sd(w)/(p(x) √n) (delta method)."
        ),
        source=SOURCE,
        tolerance=f"{MARGIN_NATS} nats per datum; the interval at the budget's level must lie inside",
        reason=(
            "Published tables part models by tenths of a nat: half a tenth keeps their first decimal. With the planned "
            "50,000 draws at each of 10 data the standard error is about 0.004 and the bias below 0.0002 nats; a shift "
            "such as log 10, from a wrong number of samples, is forty-six times the margin."
        ),
        procedure=Procedure.LIKELIHOOD,
        applies_to=cells.off_posterior,
        subject="linear-gaussian cell off the exact posterior",
        judge=_equals_log_px,
        statistical=True,
    ),
    Claim(
        id="LIK-002",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="q(z|x) = p(z|x) ⇒ log wᵢ = log p(x) for every draw, and so is log (1/n) Σ wᵢ",
        derivation="w = p(x, z)/p(z|x) = p(x): no variance is left, one sample is enough, and any lost constant shows.",
        source=SOURCE,
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.LIKELIHOOD,
        applies_to=cells.at_posterior,
        subject="linear-gaussian cell at the exact posterior",
        judge=_every_weight,
    ),
)
