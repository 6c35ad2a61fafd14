"""The KL term: the questioned line, its mean, its variance, and the closed form that it estimates."""

from elbo_compare.compare.claims import cells, expectation, pointwise
from elbo_compare.compare.claims.claim import Claim, Context, Judgement, Rows
from elbo_compare.compare.records import Procedure, Quantity, Strength
from elbo_compare.suites.contract import KLTerm

FAMILY = "KL term"

KL_OF_NORMALS = "KL(N(μ, diag σ²) ‖ N(0, I)) = Σ (μ² + σ² − 1)/2 − log σ"


def _deterministic(rows: Rows, _: Context) -> list[Judgement]:
    return [pointwise.within_rounding(rows.one(Quantity.KL_DETERMINISTIC), rows.cell.dtype)]


def _mean(rows: Rows, context: Context) -> list[Judgement]:
    if rows.some(Quantity.KL_DEVIATION):  # the exact variance is zero: KL-006 judges these draws one by one
        return []
    return [expectation.mean_equals(rows.one(Quantity.KL_MEAN), context)]


def _variance(rows: Rows, context: Context) -> list[Judgement]:
    if rows.some(Quantity.KL_DEVIATION):
        return []
    return [expectation.variance_equals(rows.one(Quantity.KL_VARIANCE), context)]


def _deviation(rows: Rows, _: Context) -> list[Judgement]:
    if cells.sampled(rows.cell) and not rows.some(Quantity.KL_DEVIATION):
        return []
    row = rows.one(Quantity.KL_DEVIATION)
    return [pointwise.distance_within(row, pointwise.rounding_tolerance(row.scale, rows.cell.dtype))]


CLAIMS = (
    Claim(
        id="KL-001",
        family=FAMILY,
        strength=Strength.EXACT,
        statement=f"analytic KL term = {KL_OF_NORMALS}",
        derivation=(
            "E_q[log q] = −Σ (log 2π + log σ² + 1)/2 and E_q[log p] = −Σ (log 2π + μ² + σ²)/2; their difference is "
            "the sum, in which 2π has cancelled."
        ),
        source="Kingma and Welling 2014 (arXiv 1312.6114), appendix B",
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.analytic, cells.plain, cells.not_oracle),
        judge=pointwise.rounded(Quantity.KL),
    ),
    Claim(
        id="KL-002",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="−(log p̃(z) − log q̃(z)) = log q(z|x) − log p(z) at the same z; p̃, q̃ without 0.5 log 2π",
        derivation=(
            "log q = log q̃ − (D/2) log 2π and log p = log p̃ − (D/2) log 2π, since q and p are normals of the same "
            "dimension D. The constants cancel for every z, so the questioned line is the sampled KL itself. A flow "
            "adds −log|det| to log q, a mixture of normals that all drop it drops it too; a Laplace prior does not, so "
            "there the hand-written code keeps both."
        ),
        source="Kingma and Welling 2014 (arXiv 1312.6114), eq. 6 (estimator L^A), one sample",
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.kl_term(KLTerm.SAMPLED), cells.not_oracle),
        judge=pointwise.rounded(Quantity.KL),
    ),
    Claim(
        id="KL-003",
        family=FAMILY,
        strength=Strength.EXACT,
        statement="½ [k(e = +1) + k(e = −1)] = KL(q ‖ p), k the sampled KL at z = μ + σ e",
        derivation=(
            "Per dimension k = c + a e + b e² with a = μσ, b = (σ² − 1)/2, c = μ²/2 − log σ. The mean over e = ±1 is "
            "c + b, and so is the mean over e ~ N(0, 1), because both have E e = 0 and E e² = 1."
        ),
        source="two-point Gauss-Hermite quadrature, exact to degree 3: Abramowitz and Stegun 1964, 25.4.46",
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.sampled, cells.plain),
        judge=_deterministic,
    ),
    Claim(
        id="KL-004",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement="E[sampled KL] = KL(q ‖ p), with the implementation's own random numbers",
        derivation="E_q[log q(z) − log p(z)] is the definition of KL(q ‖ p); the sample z ~ q makes it unbiased.",
        source="Kingma and Welling 2014 (arXiv 1312.6114), eqs. 5 and 6",
        tolerance=expectation.MEAN_TOLERANCE,
        reason=expectation.MEAN_REASON,
        procedure=Procedure.DRAW,
        applies_to=cells.every(cells.sampled, cells.plain),
        judge=_mean,
        statistical=True,
    ),
    Claim(
        id="KL-005",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement="Var[sampled KL] = Σ μ²σ² + (σ² − 1)²/2",
        derivation=(
            "Per dimension Var(a e + b e²) = a² + 2b², since e and e² are uncorrelated and Var e² = 2; dimensions are "
            "independent; a = μσ, b = (σ² − 1)/2."
        ),
        source="moments of the normal distribution; e.g. Johnson, Kotz and Balakrishnan 1994, chapter 13",
        tolerance=expectation.VARIANCE_TOLERANCE,
        reason=expectation.VARIANCE_REASON,
        procedure=Procedure.DRAW,
        applies_to=cells.every(cells.sampled, cells.plain),
        judge=_variance,
        statistical=True,
    ),
    Claim(
        id="KL-006",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="every draw of the analytic KL term = KL(q ‖ p) (and of the sampled one where q = p)",
        derivation=(
            "The analytic term does not contain z. At q = p the sampled term is log p(z) − log p(z) = 0 for every z. "
            "What has variance zero is compared draw by draw, not by its variance."
        ),
        source="Kingma and Welling 2014 (arXiv 1312.6114), eq. 7 (estimator L^B)",
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.DRAW,
        applies_to=cells.every(cells.core, cells.has_analytic_kl),
        judge=_deviation,
    ),
)
