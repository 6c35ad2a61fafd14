"""Gradients: of every parameter at the same noise, and of the encoder's outputs under own random numbers."""

from dataclasses import replace

from elbo_compare.compare.claims import cells, expectation, pointwise
from elbo_compare.compare.claims.claim import Claim, Context, Judgement, Pairing, Rows
from elbo_compare.compare.records import Measurement, Outcome, Procedure, Quantity, Strength
from elbo_compare.suites.contract import GradientForm

FAMILY = "gradient"


def _every_parameter(rows: Rows, _: Context) -> list[Judgement]:
    right = _worst_distance(rows.all(Quantity.GRADIENT_DISTANCE), rows.cell.dtype)
    told = rows.some(Quantity.GRADIENT_REGISTERED)
    return [_as_registered(right, told, rows.cell.dtype) if told else right]


def _worst_distance(rows: list[Measurement], dtype: str) -> Judgement:
    return pointwise.worst(
        [pointwise.distance_within(row, pointwise.rounding_tolerance(row.scale, dtype)) for row in rows]
    )


def _as_registered(right: Judgement, told: list[Measurement], dtype: str) -> Judgement:
    """Of a library with a finding on its gradient: where that one and the right one part by more than two roundings,
    it must be the finding's, and a right one says that the finding no longer shows."""
    finding = told[0].note
    allowed = {row.part: pointwise.rounding_tolerance(row.scale, dtype) for row in told}
    if all(row.reference <= 2 * allowed[row.part] for row in told):
        return right
    if right.outcome is Outcome.AGREES:
        reason = f"{finding} no longer shows here: the gradient is the right one"
        return replace(right, outcome=Outcome.DIFFERS, reason=reason)
    found = _worst_distance(told, dtype)
    if found.outcome is not Outcome.AGREES:
        return right
    reason = f"not right, but as {finding} has it: off the right one by {abs(right.difference):.3g} in {right.part}"
    return replace(found, outcome=Outcome.REGISTERED, reason=reason)


def _variance(rows: Rows, context: Context) -> list[Judgement]:
    traces = rows.all(Quantity.GRADIENT_VARIANCE)
    return [expectation.variance_equals(row, context) for row in traces if row.reference != 0]


def _mean(rows: Rows, context: Context) -> list[Judgement]:
    projections = rows.all(Quantity.GRADIENT_PROJECTION)
    return [expectation.mean_equals(row, context) for row in projections if row.scale != 0]


def _along(rows: list[Measurement], dtype: str, *, to_zero: bool = False) -> list[Judgement]:
    """The derivatives along the oracle's directions against the oracle's, or against zero; the worst decides."""
    targets = [0.0 if to_zero else row.reference for row in rows]
    return [
        pointwise.worst(
            [
                pointwise.compared(
                    row.value, target, pointwise.rounding_tolerance(row.scale, dtype), part=row.part, n=row.n
                )
                for row, target in zip(rows, targets, strict=True)
            ]
        )
    ]


def _directions(rows: Rows, _: Context) -> list[Judgement]:
    return _along(rows.all(Quantity.GRADIENT_DIRECTION), rows.cell.dtype)


def _vanishes(rows: Rows, _: Context) -> list[Judgement]:
    encoder = [row for row in rows.all(Quantity.GRADIENT_DIRECTION) if row.part.startswith("encoder.")]
    return _along(encoder, rows.cell.dtype, to_zero=True)


def _same_mean(subject: Rows, partner: Rows, context: Context) -> list[Judgement]:
    others = {row.part: row for row in partner.all(Quantity.GRADIENT_PROJECTION)}
    projections = subject.all(Quantity.GRADIENT_PROJECTION)
    return [expectation.means_equal(row, others[row.part], context) for row in projections]


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
        applies_to=cells.every(cells.not_oracle, cells.derived_by_hand),
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
        applies_to=cells.every(cells.core, cells.closed_form),
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
        applies_to=cells.every(cells.core, cells.closed_form),
        judge=_mean,
        statistical=True,
    ),
    Claim(
        id="GRAD-004",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="⟨∇_w ELBO, v⟩ = D_v ELBO* for every parameter tensor w along a random vector v, same noise",
        derivation=(
            "Through a flow, a mixture prior or importance weights a gradient derived by hand is pages long, a "
            "directional derivative is one line: Im f(w + i h v)/h, without a difference, so that h may be 10⁻³⁰. A "
            "wrong gradient agrees along a random direction with probability zero."
        ),
        source="Squire and Trapp 1998, SIAM Review 40, 110, for the complex step",
        tolerance="16 u S per tensor, S the absolute terms of ⟨∇_w ELBO, v⟩ as the oracle's code rounds them",
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.not_oracle, lambda cell: not cells.derived_by_hand(cell)),
        judge=_directions,
    ),
    Claim(
        id="GRAD-005",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement="sticking the landing: tr Cov[∇_μ KL term] = Σ (σ − 1/σ)², tr Cov[∇_logσ²] = Σ (μ²σ² + 2(σ² − 1)²)/4",
        derivation=(
            "Without the score of log q the gradient runs through z alone: dk/dz = z − (z − μ)/σ² = μ + (σ − 1/σ) e, "
            "times dz/dμ = 1 and dz/d log σ² = σ e/2. With a linear decoder it stays a quadratic form in e."
        ),
        source="Roeder, Wu and Duvenaud 2017 (arXiv 1703.09194), section 3",
        tolerance=expectation.VARIANCE_TOLERANCE,
        reason=expectation.VARIANCE_REASON,
        procedure=Procedure.GRADIENT,
        applies_to=cells.every(cells.estimator_in("stl"), cells.closed_form),
        judge=_variance,
        statistical=True,
    ),
    Claim(
        id="GRAD-006",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement="E[u·∇ DReG-5] = E[u·∇ IWAE-5] along u = (1, …, 1)/√D, for the mean and the log-variance head",
        derivation=(
            "The score term of the IWAE gradient is reparameterised once more; what comes out has the same expectation "
            "and squared normalised weights."
        ),
        source="Tucker et al. 2019 (arXiv 1810.04152)",
        tolerance=expectation.TWO_SAMPLE_TOLERANCE,
        reason=expectation.TWO_SAMPLE_REASON,
        procedure=Procedure.GRADIENT,
        applies_to=cells.estimator_in("dreg-5"),
        subject="dreg-5 gradient draws",
        pairing=Pairing(
            partner=cells.estimator_in("iwae-5"),
            key=cells.same_mean,
            judge=_same_mean,
            wanted="iwae-5 gradient draws of this implementation",
        ),
        statistical=True,
    ),
    Claim(
        id="GRAD-007",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="q(z|x) = p(z|x) ⇒ the encoder's gradient is 0 for any noise: sticking the landing and DReG",
        derivation=(
            "There log w = log p(x) for every z, so d log w/dz = 0, and both gradients are made of nothing else. The "
            "ordinary gradient keeps the score of log q, whose variance is the Fisher information."
        ),
        source="Roeder, Wu and Duvenaud 2017 (arXiv 1703.09194), section 3; Tucker et al. 2019 (arXiv 1810.04152)",
        tolerance="16 u S per tensor, as GRAD-004",
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(
            cells.not_oracle,
            cells.at_posterior,
            cells.gradient_form(GradientForm.STICKING_THE_LANDING, GradientForm.DOUBLY_REPARAMETERISED),
        ),
        judge=_vanishes,
    ),
)
