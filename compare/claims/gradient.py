"""Gradients: of every parameter at the same noise, and of the encoder's outputs under own random numbers."""

from compare.claims import cells, expectation, pointwise
from compare.claims.claim import Claim, Context, Judgement, Rows
from compare.records import Procedure, Quantity, Strength

FAMILY = "gradient"


def _every_parameter(rows: Rows, _: Context) -> list[Judgement]:
    dtype = rows.cell.dtype
    return [
        pointwise.worst(
            [
                pointwise.distance_within(row, pointwise.rounding_tolerance(row.scale, dtype))
                for row in rows.all(Quantity.GRADIENT_DISTANCE)
            ]
        )
    ]


def _variance(rows: Rows, context: Context) -> list[Judgement]:
    traces = rows.all(Quantity.GRADIENT_VARIANCE)
    return [expectation.variance_equals(row, context) for row in traces if row.reference != 0]


def _mean(rows: Rows, context: Context) -> list[Judgement]:
    projections = rows.all(Quantity.GRADIENT_PROJECTION)
    return [expectation.mean_equals(row, context) for row in projections if row.scale != 0]


CLAIMS = (
    Claim(
        id="GRAD-001",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="|∇_w ELBO − ∇_w ELBO*|₂ = 0 for every parameter tensor w, at the same noise",
        derivation=(
            "z = μ + σ e makes the ELBO a smooth function of the weights at fixed e; its gradient is unique. A "
            "detached sample, mean or density leaves every value right and fails here."
        ),
        source="Kingma and Welling 2014 (arXiv 1312.6114), section 2.3; the reference is derived by hand",
        tolerance=(
            "16 u S per tensor, normwise; S = |sums of absolute terms in the tensor's last accumulation| + "
            "|g₃₂ − g₆₄| / 2⁻²⁴, the oracle in either precision"
        ),
        reason=(
            f"{pointwise.REASON} What is rounded on the way to that accumulation passes through the whole network; no "
            "sum of absolute terms bounds it usefully, so it is measured on the oracle's own code in float32."
        ),
        procedure=Procedure.EVALUATE,
        applies_to=cells.not_oracle,
        judge=_every_parameter,
    ),
    Claim(
        id="GRAD-002",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement="tr Cov[∇_μ ELBO] and tr Cov[∇_logσ² ELBO] as known; for the KL alone Σ σ² and Σ (μ²σ² + 2σ⁴)/4",
        derivation=(
            "k = c + a e + b e² at z = μ + σ e gives dk/dμ = z, so Var = σ², and dk/d log σ² = (z σ e − 1)/2, so "
            "Var = σ² Var(μ e + σ e²)/4 = (μ²σ² + 2σ⁴)/4. With a linear decoder both stay quadratic forms in e."
        ),
        source="Roeder, Wu and Duvenaud 2017 (arXiv 1703.09194), section 3, for the reparameterised total derivative",
        tolerance=expectation.VARIANCE_TOLERANCE,
        reason=expectation.VARIANCE_REASON,
        procedure=Procedure.GRADIENT,
        applies_to=cells.closed_form,
        judge=_variance,
        statistical=True,
    ),
    Claim(
        id="GRAD-003",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement="E[u·∇ ELBO] = u·∇ E[ELBO] along u = (1, …, 1)/√D, for the mean and the log-variance head",
        derivation="Under reparameterisation derivative and expectation exchange, so the gradient draw is unbiased.",
        source="Kingma and Welling 2014 (arXiv 1312.6114), section 2.4; Rezende, Mohamed and Wierstra 2014, eq. 7",
        tolerance=expectation.MEAN_TOLERANCE,
        reason=expectation.MEAN_REASON,
        procedure=Procedure.GRADIENT,
        applies_to=cells.closed_form,
        judge=_mean,
        statistical=True,
    ),
)
