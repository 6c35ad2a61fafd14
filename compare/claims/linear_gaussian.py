"""The linear-Gaussian VAE, p(x|z) = N(Wz + b, τ²I): everything about its ELBO is a quadratic form in the noise.

S = diag σ, A = S W'W S / τ², g = S W'(x − b − Wμ)/τ², a = Sμ, M = S² − I; the sampled ELBO is
const + (g − a)'e − e'(A + M)e/2, the one with the analytic KL const + g'e − e'Ae/2.
"""

from elbo_compare.compare.claims import cells, expectation, pointwise
from elbo_compare.compare.claims.claim import Claim, Context, Judgement, Rows
from elbo_compare.compare.records import Procedure, Quantity, Strength

FAMILY = "linear-Gaussian VAE"
SOURCE = "Lucas, Tucker, Grosse and Norouzi 2019 (arXiv 1911.02469), section 4, for the model and its ELBO"
QUADRATIC_FORM = "Var(h'e − e'Be/2) = |h|² + tr(B²)/2 for e ~ N(0, I): odd and even parts are uncorrelated."


def _mean(rows: Rows, context: Context) -> list[Judgement]:
    if cells.at_posterior(rows.cell) and rows.some(Quantity.ELBO_DEVIATION):  # LG-004 judges these draws one by one
        return []
    return [expectation.mean_equals(rows.one(Quantity.ELBO_MEAN), context)]


def _variance(rows: Rows, context: Context) -> list[Judgement]:
    return [expectation.variance_equals(rows.one(Quantity.ELBO_VARIANCE), context)]


def _deviation(rows: Rows, _: Context) -> list[Judgement]:
    row = rows.one(Quantity.ELBO_DEVIATION)
    return [pointwise.distance_within(row, pointwise.rounding_tolerance(row.scale, rows.cell.dtype))]


def _deterministic(rows: Rows, _: Context) -> list[Judgement]:
    return [pointwise.within_rounding(rows.one(Quantity.ELBO_DETERMINISTIC), rows.cell.dtype)]


def _variance_claim(identifier: str, statement: str, derivation: str, applies_to: cells.CellTest) -> Claim:
    return Claim(
        id=identifier,
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement=statement,
        derivation=derivation,
        source=SOURCE,
        tolerance=expectation.VARIANCE_TOLERANCE,
        reason=expectation.VARIANCE_REASON,
        procedure=Procedure.DRAW,
        applies_to=applies_to,
        judge=_variance,
        statistical=True,
    )


CLAIMS = (
    Claim(
        id="LG-001",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement="E[ELBO] = log p(x) − KL(q(z|x) ‖ p(z|x)), for both estimators",
        derivation=(
            "p(z|x) = N(M⁻¹W'(x − b)/τ², M⁻¹), M = I + W'W/τ², and p(x) = N(b, WW' + τ²I) are known, so the right-hand "
            "side is; the left-hand side equals it by the definition of the ELBO."
        ),
        source=SOURCE,
        tolerance=expectation.MEAN_TOLERANCE,
        reason=expectation.MEAN_REASON,
        procedure=Procedure.DRAW,
        applies_to=cells.every(cells.core, cells.linear_gaussian),
        judge=_mean,
        statistical=True,
    ),
    _variance_claim(
        "LG-002",
        "Var[sampled ELBO] = |g − a|² + tr((A + M)²)/2",
        QUADRATIC_FORM + " Likelihood and KL term share the noise, so that their coefficients add before squaring.",
        cells.every(cells.off_posterior, cells.sampled),
    ),
    _variance_claim(
        "LG-003",
        "Var[ELBO with analytic KL] = Var[log p(x|z)] = |g|² + tr(A²)/2",
        QUADRATIC_FORM
        + " Only the likelihood term is random. It is smaller than the sampled ELBO's variance exactly if "
        "Cov(log p(x|z), −KL term) > −Var(KL term)/2, so the analytic KL is not always the quieter choice.",
        cells.every(cells.off_posterior, cells.analytic),
    ),
    Claim(
        id="LG-004",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="q(z|x) = p(z|x) ⇒ sampled ELBO = log p(x) for every draw",
        derivation="log p(x|z) + log p(z) − log q(z|x) = log p(x) + log p(z|x) − log q(z|x), and the last two cancel.",
        source="Roeder, Wu and Duvenaud 2017 (arXiv 1703.09194), section 2",
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.DRAW,
        applies_to=cells.every(cells.at_posterior, cells.sampled),
        judge=_deviation,
    ),
    _variance_claim(
        "LG-005",
        "q(z|x) = p(z|x) ⇒ Var[ELBO with analytic KL] = |g|² + tr(A²)/2 > 0",
        QUADRATIC_FORM + " At the exact posterior the sampled KL cancels this noise (LG-004); the analytic KL cannot.",
        cells.every(cells.at_posterior, cells.analytic),
    ),
    Claim(
        id="LG-006",
        family=FAMILY,
        strength=Strength.EXACT,
        statement="mean of ELBO(x, e) over e = ±√D uᵢ, i = 1..D (the unit vectors) = E[ELBO]",
        derivation="A quadratic in e has the same mean over those 2D points as over N(0, I): mean 0 and covariance I.",
        source="spherical-radial cubature of degree 3: Arasaratnam and Haykin 2009, section IV",
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.core, cells.linear_gaussian),
        judge=_deterministic,
    ),
)
