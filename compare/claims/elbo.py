"""The whole ELBO: its value, its likelihood term, its mean over own draws, and its place below log p(x)."""

from elbo_compare.compare.claims import cells, expectation, pointwise
from elbo_compare.compare.claims.claim import Claim, Context, Judgement, Pairing, Rows
from elbo_compare.compare.records import Procedure, Quantity, Strength

FAMILY = "ELBO"


def _own_mean(subject: Rows, oracle: Rows, context: Context) -> list[Judgement]:
    return [expectation.means_equal(subject.one(Quantity.ELBO_MEAN), oracle.one(Quantity.ELBO_MEAN), context)]


def _ties(rows: Rows, _: Context) -> list[Judgement]:
    ties = rows.all(Quantity.TIE) if rows.cell.implementation == cells.PYRO else rows.some(Quantity.TIE)
    if not ties:  # each draw is itself what the implementation's object returned
        return []
    return [pointwise.worst([pointwise.within_rounding(row, rows.cell.dtype) for row in ties])]


def below_evidence(rows: Rows, context: Context) -> list[Judgement]:
    """E[value] <= log p(x); where every draw should be the same number, no draw above it."""
    evidence = rows.one(Quantity.LOG_EVIDENCE).reference
    if not rows.some(Quantity.ELBO_DEVIATION):
        return [expectation.mean_not_above(rows.one(Quantity.ELBO_MEAN), evidence, context)]
    # The exact variance is zero: no mean lies above the largest draw.
    draws = rows.one(Quantity.ELBO_DEVIATION)
    allowed = pointwise.rounding_tolerance(draws.scale, rows.cell.dtype)
    return [pointwise.compared(draws.largest, min(draws.largest, evidence), allowed, n=draws.n)]


CLAIMS = (
    Claim(
        id="ELBO-001",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="ELBO(x, e) = log p(x|z) − KL term at z = μ + σ e, the same e for everybody",
        derivation=(
            "Given the noise an estimator is a function, and two programs for one function agree up to rounding. In a "
            "library only the guide's draw is replaced by z = μ + σ e; the library itself still scores z and sums."
        ),
        source="Kingma and Welling 2014 (arXiv 1312.6114), eqs. 6 and 7",
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.not_oracle, cells.elbo),
        judge=pointwise.rounded(Quantity.ELBO),
    ),
    Claim(
        id="ELBO-002",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="likelihood term = log p(x|z) at the same z, fully normalised",
        derivation=(
            "Bernoulli: Σ x l − log(1 + exp l) at logits l; normal: −Σ ((x − m)/τ)²/2 + log τ + ½ log 2π. Here a "
            "dropped constant would not cancel. A library that reports no such term gets ELBO + KL, labelled derived."
        ),
        source="Kingma and Welling 2014 (arXiv 1312.6114), appendix C",
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.not_oracle, cells.elbo, cells.has_likelihood),
        judge=pointwise.rounded(Quantity.LOG_LIKELIHOOD),
    ),
    Claim(
        id="ELBO-003",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement="E[ELBO] with own random numbers = E[ELBO] of the oracle with its own",
        derivation=(
            "Where no closed form exists the mean over independent draws of a separate float64 program stands in for "
            "it; both errors enter the interval. It sees what the same noise hides: wrong random numbers."
        ),
        source="Kingma and Welling 2014 (arXiv 1312.6114), eq. 3; Schuirmann 1987 for the equivalence test",
        tolerance=expectation.TWO_SAMPLE_TOLERANCE,
        reason=expectation.TWO_SAMPLE_REASON,
        procedure=Procedure.DRAW,
        applies_to=cells.every(cells.not_oracle, cells.no_closed_form, cells.finite_variance),
        subject="draws of another implementation",
        pairing=Pairing(
            partner=cells.implementation_in(frozenset({cells.ORACLE})),
            key=cells.same_distribution_as_oracle,
            judge=_own_mean,
            wanted=f"draws of {cells.ORACLE}",
        ),
        statistical=True,
    ),
    Claim(
        id="ELBO-004",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="mean of a block's draws = what the library's public ELBO object returns under the same seed",
        derivation=(
            "A library that returns one mean over particles is asked for single draws through its own weights. If the "
            "ELBO class were broken, or the draws not its own, the two would part."
        ),
        source="pyro.infer.Trace_ELBO, TraceMeanField_ELBO: `loss` averages over `num_particles`",
        tolerance="16 u S, S the mean |draw| or, where log q and log p(z) cancel, the absolute terms at |noise| = 1",
        reason=pointwise.REASON,
        procedure=Procedure.DRAW,
        applies_to=cells.not_oracle,
        judge=_ties,
    ),
    Claim(
        id="ORD-001",
        family=FAMILY,
        strength=Strength.ORDERING,
        statement="E[ELBO] ≤ log p(x)",
        derivation="log p(x) = E[ELBO] + KL(q(z|x) ‖ p(z|x)), and a KL divergence is never negative.",
        source="Jordan, Ghahramani, Jaakkola and Saul 1999; Kingma and Welling 2014 (arXiv 1312.6114), eq. 1",
        tolerance="not above log p(x) by 0.05 standard deviations of one draw (16 u S where the variance is zero)",
        reason="At the exact posterior the two are equal, so that only a margin lets sampling decide.",
        procedure=Procedure.DRAW,
        applies_to=cells.every(cells.core, cells.linear_gaussian),
        judge=below_evidence,
        statistical=True,
    ),
)
