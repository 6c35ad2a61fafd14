"""Bounds on log p(x) from several log weights: ELBO with five samples, IWAE, Rényi."""

from functools import partial

from elbo_compare.compare.claims import cells, elbo, expectation, pointwise
from elbo_compare.compare.claims.claim import Claim, Context, Judgement, Pairing, Rows
from elbo_compare.compare.claims.sides import Sides
from elbo_compare.compare.records import Cell, Procedure, Quantity, Strength
from elbo_compare.suites.contract import KLTerm
from elbo_compare.suites.estimators import SAMPLED_KL

FAMILY = "bounds"
BURDA = "Burda, Grosse and Salakhutdinov 2016 (arXiv 1509.00519), theorem 1"
RENYI = "Li and Turner 2016 (arXiv 1602.02311), section 3"
# The bound below each: power means of the same weights, of exponent 1 − α, never fall as the exponent rises.
BELOW_POINTWISE = {
    "elbo-5": "renyi-2",
    "renyi-half": "elbo-5",
    "iwae-5": "renyi-half",
    "renyi-minus-1": "iwae-5",
}
BELOW_IN_MEAN = {"iwae-5": SAMPLED_KL.name, "iwae-20": "iwae-5"}


def _same(subject: Rows, partner: Rows, _: Context) -> list[Judgement]:
    return [pointwise.both_within_rounding(subject, partner, Quantity.ELBO)]


def _not_below(subject: Rows, lower: Rows, _: Context) -> list[Judgement]:
    upper, under = subject.one(Quantity.ELBO), lower.one(Quantity.ELBO)
    allowed = pointwise.rounding_tolerance(upper.scale + under.scale, subject.cell.dtype)
    return [pointwise.compared(upper.value, max(upper.value, under.value), allowed, n=upper.n)]


def _mean_not_below(subject: Rows, lower: Rows, context: Context) -> list[Judgement]:
    means = (lower.one(Quantity.ELBO_MEAN), subject.one(Quantity.ELBO_MEAN))
    return [expectation.mean_not_above_other(*means, context)]


def _evidence(rows: Rows, _: Context) -> list[Judgement]:
    value, evidence = rows.one(Quantity.ELBO), rows.one(Quantity.LOG_EVIDENCE)
    allowed = pointwise.rounding_tolerance(value.scale, rows.cell.dtype)
    return [pointwise.compared(value.value, evidence.reference, allowed, n=value.n)]


def _below(chain: dict[str, str], key, cell: Cell):
    return key(chain[cell.estimator], cell)


_BY_HAND_AND_LIBRARY = Sides(
    library=cells.library,
    about=lambda cell: cells.renyi(cell) or cell.estimator == "elbo-5",
    key=cells.same_noise,
    judge=_same,
    named="cell of a library at the same noise",
    wanted="hand-written implementation at the same noise",
    partner_by_hand=lambda cell: True,
)

CLAIMS = (
    Claim(
        id="BOUND-001",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="hand-written bound of K log weights = RenyiELBO, Trace_ELBO(num_particles = 5), at the same noise",
        derivation=(
            "Each of the K particles is given its noise; the library scores them and combines them over the particles, "
            "within the plate of the data: one bound per datum, then the sum."
        ),
        source=f"{BURDA}; {RENYI}; pyro.infer.RenyiELBO, numpyro.infer.RenyiELBO",
        tolerance=pointwise.PAIR_TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=_BY_HAND_AND_LIBRARY.applies_to,
        subject="pyro or numpyro cell of a bound",
        pairing=_BY_HAND_AND_LIBRARY.pairing,
    ),
    Claim(
        id="BOUND-002",
        family=FAMILY,
        strength=Strength.ORDERING,
        statement="Rényi α = 2 ≤ ELBO ≤ Rényi α = ½ ≤ IWAE ≤ Rényi α = −1, for the same five samples",
        derivation=(
            "Each is the log of a power mean of the same five weights, of exponent 1 − α = −1, 0, ½, 1, 2, and by "
            "Jensen's inequality a power mean never falls as its exponent rises. So it holds for every noise."
        ),
        source=f"{RENYI}; Hardy, Littlewood and Pólya 1952, Inequalities, theorem 16",
        tolerance=pointwise.PAIR_TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.estimator_in(*BELOW_POINTWISE), cells.has_likelihood),
        subject="cell of a bound of five samples",
        pairing=Pairing(
            partner=cells.estimator_in(*BELOW_POINTWISE.values()),
            key=lambda cell: cells.same_noise_named(cell.estimator, cell),
            subject_key=partial(_below, BELOW_POINTWISE, cells.same_noise_named),
            judge=_not_below,
            wanted="cell of the bound below it at the same noise",
        ),
    ),
    Claim(
        id="BOUND-003",
        family=FAMILY,
        strength=Strength.ORDERING,
        statement="E[IWAE-K] ≤ log p(x), and so for every Rényi bound of α ≥ 0",
        derivation=(
            "E[(1/K) Σ w] = p(x), and the logarithm is concave; a smaller power mean of the weights is below that. For "
            "α < 0 nothing of the kind holds: there the bound may lie above log p(x)."
        ),
        source=f"{BURDA}; {RENYI}",
        tolerance="not above log p(x) by 0.05 standard deviations of one draw (16 u S where the variance is zero)",
        reason="With many samples the two come close, so that only a margin lets sampling decide.",
        procedure=Procedure.DRAW,
        applies_to=cells.every(cells.renyi, cells.alpha_not_negative, cells.linear_gaussian),
        judge=elbo.below_evidence,
        statistical=True,
    ),
    Claim(
        id="BOUND-004",
        family=FAMILY,
        strength=Strength.EXACT,
        statement="q(z|x) = p(z|x) ⇒ every bound = log p(x), for any noise",
        derivation=(
            "w = p(x, z)/q(z|x) = p(x) for every z, and every mean of equal numbers is that number: K, α and the noise "
            "drop out. A lost log K or a sum for a mean shows."
        ),
        source="Roeder, Wu and Duvenaud 2017 (arXiv 1703.09194), section 2, for the ELBO",
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(
            cells.not_oracle,
            cells.at_posterior,
            lambda cell: cells.renyi(cell) or cells.kl_term(KLTerm.SAMPLED)(cell),
        ),
        judge=_evidence,
    ),
    Claim(
        id="BOUND-005",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="IWAE with one sample = sampled ELBO at the same noise",
        derivation="log (1/1) w = log p(x|z) + log p(z) − log q(z|x).",
        source=BURDA,
        tolerance=pointwise.PAIR_TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.estimator_in("iwae-1"),
        subject="iwae-1 cell",
        pairing=Pairing(
            partner=cells.sampled,
            key=cells.same_noise_any_estimator,
            judge=_same,
            wanted="sampled-kl cell of this implementation at the same noise",
        ),
    ),
    Claim(
        id="BOUND-006",
        family=FAMILY,
        strength=Strength.ORDERING,
        statement="E[ELBO] ≤ E[IWAE-5] ≤ E[IWAE-20]",
        derivation="The mean over a random subset of the weights has the mean of all for its expectation; then Jensen.",
        source=BURDA,
        tolerance=expectation.TWO_SAMPLE_TOLERANCE,
        reason=expectation.TWO_SAMPLE_REASON,
        procedure=Procedure.DRAW,
        applies_to=cells.estimator_in(*BELOW_IN_MEAN),
        subject="iwae-5 or iwae-20 draws",
        pairing=Pairing(
            partner=cells.estimator_in(*BELOW_IN_MEAN.values()),
            key=lambda cell: cells.same_draws_named(cell.estimator, cell),
            subject_key=partial(_below, BELOW_IN_MEAN, cells.same_draws_named),
            judge=_mean_not_below,
            wanted="draws of the bound below it of this implementation",
        ),
        statistical=True,
    ),
    Claim(
        id="BOUND-007",
        family=FAMILY,
        strength=Strength.POINTWISE,
        statement="bound(x, e) = log[(1/K) Σ w_k^(1−α)]/(1 − α) at z_k = μ + σ e_k, the same e for everybody",
        derivation="Given the noise a bound is a function, as ELBO-001; the oracle sums the K weights in float64.",
        source=f"{RENYI}; α = 0: {BURDA}",
        tolerance=pointwise.TOLERANCE,
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=cells.every(cells.not_oracle, cells.renyi),
        judge=pointwise.rounded(Quantity.ELBO),
    ),
)
