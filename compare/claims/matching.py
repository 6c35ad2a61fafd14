"""The headline: is the hand-written estimator what the libraries compute? Judged between two programs, no oracle.

The subject of every verdict is the library (or the sampled estimator), so that a broken library turns its own row red.
"""

from elbo_compare.compare.claims import cells, expectation, pointwise
from elbo_compare.compare.claims.claim import Claim, Context, Judgement, Pairing, PairJudge, Rows
from elbo_compare.compare.claims.sides import Sides
from elbo_compare.compare.records import Outcome, Procedure, Quantity, Strength
from elbo_compare.suites.contract import Kind
from elbo_compare.suites.roster import named

FAMILY = "hand-written and library"
LIBRARIES = " or ".join(sorted(named(Kind.LIBRARY))) + " cell"


def _same(quantity: Quantity) -> PairJudge:
    def judge(library: Rows, hand: Rows, _: Context) -> list[Judgement]:
        return [pointwise.both_within_rounding(library, hand, quantity)]

    return judge


def _same_means(first: Rows, second: Rows, context: Context) -> list[Judgement]:
    return [expectation.means_equal(first.one(Quantity.ELBO_MEAN), second.one(Quantity.ELBO_MEAN), context)]


def _explained(sampled: Rows, analytic: Rows, _: Context) -> list[Judgement]:
    """ELBO_s - ELBO_a = -(KL_s - KL_a); and KL_s, KL_a part at this noise unless the exact KL is zero."""
    elbo = [rows.one(Quantity.ELBO) for rows in (sampled, analytic)]
    kl = [rows.one(Quantity.KL) for rows in (sampled, analytic)]
    dtype = sampled.cell.dtype
    allowed = pointwise.rounding_tolerance(sum(row.scale for row in (*elbo, *kl)), dtype)
    gap = elbo[0].value - elbo[1].value
    explained = pointwise.compared(gap, kl[1].value - kl[0].value, allowed, part="explained by the KL terms")
    return [
        explained,
        _parted(kl[0].value, kl[1].value, pointwise.rounding_tolerance(kl[0].scale + kl[1].scale, dtype)),
    ]


def _parted(sampled: float, analytic: float, rounding: float) -> Judgement:
    difference = sampled - analytic
    equal_distributions = abs(analytic) <= rounding
    apart = abs(difference) > rounding
    return Judgement(
        outcome=Outcome.AGREES if apart != equal_distributions else Outcome.DIFFERS,
        part="KL terms part",
        value=sampled,
        reference=analytic,
        difference=difference,
        tolerance=rounding,
        reason="q = p here, where the two terms must coincide" if equal_distributions else "",
    )


def _pointwise_claim(
    identifier: str,
    statement: str,
    derivation: str,
    library: cells.CellTest,
    estimator: cells.CellTest,
    judge: PairJudge,
    subject: str = LIBRARIES,
) -> Claim:
    sides = Sides(
        library=library,
        about=estimator,
        key=cells.same_noise,
        judge=judge,
        named=f"{subject} at the same noise",
        wanted="hand-written implementation at the same noise",
        plug_ins=subject != "",
    )
    return Claim(
        id=identifier,
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement=statement,
        derivation=derivation,
        source="Kingma and Welling 2014 (arXiv 1312.6114), eqs. 6 and 7; the libraries' public ELBO classes",
        tolerance=pointwise.PAIR_TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=sides.applies_to,
        subject=subject,
        pairing=sides.pairing,
    )


_SAMPLED = (
    "Eq. 6 at one z ~ q(z|x) is log p(x|z) + log p(z) − log q(z|x); its KL part is log q − log p = −(log p − log q), "
    "the questioned line. The library scores z under q and p with full normalisers, by hand both are dropped: "
    "−½ D log 2π − (−½ D log 2π) = 0 for every z, so the same z gives the same number, not only the same mean."
)
_OWN_DRAWS = Sides(
    library=cells.library,
    about=cells.every(cells.no_closed_form, cells.by_hand_too),
    key=cells.same_distribution,
    judge=_same_means,
    named="draws of a library",
    wanted="draws of a hand-written implementation",
    partner_by_hand=cells.no_closed_form,
)
_ANALYTIC = (
    "The registered KL of two normals is the sum of appendix B; where the library fell back to sampling it would part."
)

CLAIMS = (
    _pointwise_claim(
        "MATCH-001",
        "−(log p̃(z) − log q̃(z)) by hand = KL term of pyro.infer.Trace_ELBO at the same noise",
        _SAMPLED,
        cells.of_library(cells.PYRO),
        cells.sampled,
        _same(Quantity.KL),
        "pyro cell",
    ),
    _pointwise_claim(
        "MATCH-002",
        "−(log p̃(z) − log q̃(z)) by hand = KL term of numpyro.infer.Trace_ELBO at the same noise",
        _SAMPLED,
        cells.of_library(cells.NUMPYRO),
        cells.sampled,
        _same(Quantity.KL),
        "numpyro cell",
    ),
    _pointwise_claim(
        "MATCH-003",
        "hand-written sampled ELBO = Trace_ELBO (Pyro, NumPyro) at the same noise",
        "ELBO = log p(x|z) − KL term. The likelihood is the same function everywhere (ELBO-002), fully normalised by "
        "hand too; with MATCH-001 and MATCH-002 so is the ELBO.",
        cells.library,
        cells.sampled,
        _same(Quantity.ELBO),
    ),
    _pointwise_claim(
        "MATCH-004",
        "hand-written analytic KL = KL term of TraceMeanField_ELBO (Pyro, NumPyro)",
        _ANALYTIC,
        cells.library,
        cells.analytic,
        _same(Quantity.KL),
    ),
    _pointwise_claim(
        "MATCH-005",
        "hand-written ELBO with analytic KL = TraceMeanField_ELBO (Pyro, NumPyro) at the same noise",
        _ANALYTIC,
        cells.library,
        cells.analytic,
        _same(Quantity.ELBO),
    ),
    Claim(
        id="MATCH-006",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement="E[ELBO] by hand = E[ELBO] of the library, each with its own random numbers",
        derivation="The noise differs, the distribution of the noise does not; so neither do the means.",
        source="Kingma and Welling 2014 (arXiv 1312.6114), eq. 3; Schuirmann 1987 for the equivalence test",
        tolerance=expectation.TWO_SAMPLE_TOLERANCE,
        reason=expectation.TWO_SAMPLE_REASON,
        procedure=Procedure.DRAW,
        applies_to=_OWN_DRAWS.applies_to,
        subject="pyro or numpyro cell",
        pairing=_OWN_DRAWS.pairing,
        statistical=True,
    ),
    Claim(
        id="MATCH-007",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="sampled ELBO − analytic-KL ELBO = KL(q‖p) − sampled KL ≠ 0 at the same noise, unless q = p",
        derivation=(
            "Both estimators share log p(x|z), so all of their difference is the difference of the KL terms. It is not "
            "zero for a single draw: Trace_ELBO and TraceMeanField_ELBO agree in expectation, not sample by sample."
        ),
        source="Kingma and Welling 2014 (arXiv 1312.6114), eq. 6 minus eq. 7",
        tolerance="16 u (sum of the four S); and, for the KL terms to part, more than 16 u (S₁ + S₂)",
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.sampled, cells.has_analytic_kl),
        subject="sampled-kl cell",
        pairing=Pairing(
            partner=cells.analytic,
            key=cells.same_noise_any_estimator,
            judge=_explained,
            wanted="analytic-kl cell of this implementation at the same noise",
        ),
    ),
    Claim(
        id="MATCH-008",
        family=FAMILY,
        strength=Strength.EXPECTATION,
        statement="E[sampled ELBO] = E[ELBO with analytic KL], for each implementation",
        derivation="E[sampled KL] = KL(q‖p), so taking the KL term's expectation by hand does not move the mean.",
        source="Kingma and Welling 2014 (arXiv 1312.6114), eqs. 6 and 7",
        tolerance=expectation.TWO_SAMPLE_TOLERANCE,
        reason=expectation.TWO_SAMPLE_REASON,
        procedure=Procedure.DRAW,
        applies_to=cells.every(cells.sampled, cells.no_closed_form, cells.plain),
        subject="sampled-kl draws",
        pairing=Pairing(
            partner=cells.every(cells.analytic, cells.no_closed_form),
            key=cells.same_mean,
            judge=_same_means,
            wanted="analytic-kl draws of this implementation",
        ),
        statistical=True,
    ),
    _pointwise_claim(
        "MATCH-009",
        "−(log p̃(z) − log q̃(z)) by hand = KL term of another library's public ELBO object at the same noise",
        _SAMPLED,
        cells.of_further_library,
        cells.sampled,
        _same(Quantity.KL),
        "",
    ),
)
