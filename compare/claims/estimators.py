"""Other estimators of the same KL term or ELBO: their mean, their variance, and the libraries' other classes."""

from dataclasses import replace
from math import isinf

from elbo_compare.compare.claims import cells, expectation, pointwise
from elbo_compare.compare.claims.claim import Claim, Context, Judgement, Pairing, Rows
from elbo_compare.compare.records import Cell, Outcome, Procedure, Quantity, Strength
from elbo_compare.suites.contract import KLTerm

FAMILY = "estimators"
SCHULMAN = "Schulman 2020, Approximating KL divergence"
NO_VARIANCE = "the variance of r = p/q is infinite here (some σ² ≤ ½): no number of draws decides a mean or a variance"


def _mean(rows: Rows, context: Context) -> list[Judgement]:
    if rows.some(Quantity.KL_DEVIATION):
        return _every_draw(rows)
    if _infinite(rows):
        return [Judgement(outcome=Outcome.NOT_RUN, reason=NO_VARIANCE)]
    return [expectation.mean_equals(rows.one(Quantity.KL_MEAN), context)]


def _variance(rows: Rows, context: Context) -> list[Judgement]:
    if rows.some(Quantity.KL_DEVIATION):  # the exact variance is zero: EST-001 judges these draws one by one
        return []
    return [expectation.variance_equals(rows.one(Quantity.KL_VARIANCE), context)]


def _every_draw(rows: Rows) -> list[Judgement]:
    row = rows.one(Quantity.KL_DEVIATION)
    return [pointwise.distance_within(row, pointwise.rounding_tolerance(row.scale, rows.cell.dtype))]


def _infinite(rows: Rows) -> bool:
    return isinf(rows.one(Quantity.KL_VARIANCE).reference)


def _bias(rows: Rows, context: Context) -> list[Judgement]:
    """The mean against its exact value, both less the KL: what is shown is the bias."""
    if rows.some(Quantity.KL_DEVIATION):
        return _every_draw(rows)
    exact, row = rows.one(Quantity.KL_EXACT).reference, rows.one(Quantity.KL_MEAN)
    bias = replace(row, value=row.value - exact, reference=row.reference - exact, part="bias")
    return [expectation.mean_equals(bias, context)]


def _same(library: Rows, hand: Rows, _: Context) -> list[Judgement]:
    terms = (Quantity.ELBO, Quantity.KL)
    return [pointwise.worst([pointwise.both_within_rounding(library, hand, term) for term in terms])]


def _has_judged_variance(cell: Cell) -> bool:
    if cells.wide(cell) and cells.estimator_in("k3", "control-variate")(cell):
        return True
    return cells.plain(cell) and cells.estimator_in("antithetic", "elbo-5")(cell)


CLAIMS = (
    Claim(
        id="EST-001",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement="E[KL term] = KL(q ‖ p): k3, control variate, antithetic pair, scrambled Sobol points, five samples",
        derivation=(
            "E_q[r] = ∫ p = 1, so that r − 1 added to k1 = −log r, once or times a constant, leaves its mean. −e and a "
            "scrambled Sobol point have the distribution of e each, whatever ties them to their neighbours."
        ),
        source=f"{SCHULMAN}; Owen 1995 for the scrambling; Kingma and Welling 2014 (arXiv 1312.6114), eq. 6",
        tolerance=f"{expectation.MEAN_TOLERANCE} (16 u S for every draw where the variance is zero)",
        reason=expectation.MEAN_REASON,
        procedure=Procedure.DRAW,
        applies_to=cells.every(
            cells.estimator_in("k3", "control-variate", "antithetic", "sobol-8", "elbo-5"), cells.plain
        ),
        judge=_mean,
        statistical=True,
    ),
    Claim(
        id="EST-002",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement=(
            "Var[KL term]: antithetic 2 Σ b², five samples κ₂/5; where q is wider than p also k3 R − 1 + κ₂ − 2J, "
            "control variate κ₂ − J²/(R − 1); b = (σ² − 1)/2, κ₂ = Var k1, R = E r², J = KL(q‖p) + KL(p‖q)"
        ),
        derivation=(
            "In the pair the odd part a e cancels. Var r = R − 1 and Cov(k1, r) = E_q[−r log r] − KL = −J, which gives "
            "k3's variance and, at l = J/(R − 1), the least one. With σ ≥ 1 everywhere r is bounded; elsewhere r has a "
            "polynomial tail, under which no sample variance has a normal one, and no variance where a σ² ≤ ½, as in "
            "most trained VAEs: there it is described."
        ),
        source=f"{SCHULMAN}; Owen 2013, Monte Carlo theory, sections 8.2 and 8.9",
        tolerance=expectation.VARIANCE_TOLERANCE,
        reason=expectation.VARIANCE_REASON,
        procedure=Procedure.DRAW,
        applies_to=_has_judged_variance,
        judge=_variance,
        statistical=True,
    ),
    Claim(
        id="EST-003",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement="E[k2] − KL(q ‖ p) = (KL² + Var k1)/2 − KL, k2 = k1²/2: its bias",
        derivation="E[k1²] = (E k1)² + Var k1, and E k1 = KL. Near q = p the bias is small, elsewhere it is not.",
        source=f"{SCHULMAN}, k2",
        tolerance=expectation.MEAN_TOLERANCE,
        reason=expectation.MEAN_REASON,
        procedure=Procedure.DRAW,
        applies_to=cells.every(cells.estimator_in("k2"), cells.plain),
        judge=_bias,
        statistical=True,
    ),
    Claim(
        id="EST-004",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="KL term at the same z: k2 = k1²/2, k3 = r − 1 − log r, control variate = k1 + J/(R − 1) (r − 1)",
        derivation="k1 = log q(z|x) − log p(z) and r = exp(−k1); the dropped normalisers have cancelled in both.",
        source=SCHULMAN,
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(
            cells.not_oracle, cells.kl_term(KLTerm.HALF_SQUARE, KLTerm.RATIO, KLTerm.CONTROL_VARIATE)
        ),
        judge=pointwise.rounded(Quantity.KL),
    ),
    Claim(
        id="LIB-001",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement=(
            "TraceGraph_ELBO, JitTrace_ELBO, JitTraceMeanField_ELBO, JitTraceGraph_ELBO = the hand-written estimator: "
            "ELBO and KL term at the same noise"
        ),
        derivation=(
            "Where every sample is reparameterised nothing is left for TraceGraph_ELBO's score-function terms to do, "
            "and tracing a program changes no number. Their gradients are held against the oracle by GRAD-001."
        ),
        source="pyro.infer and numpyro.infer, the classes' documentation; Schulman et al. 2015 for TraceGraph_ELBO",
        tolerance=pointwise.PAIR_TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.library, cells.library_variant),
        subject="cell of another ELBO class of a library",
        pairing=Pairing(
            partner=cells.every(cells.implementation_in(cells.HAND), cells.core),
            key=cells.same_noise_as_core,
            judge=_same,
            wanted="hand-written implementation at the same noise",
        ),
    ),
)
