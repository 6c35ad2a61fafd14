"""Which of the two estimators to take: whose gradient and whose value vary less, and which training is ahead.

No theorem decides these orders: they depend on the weights. So each is planned, on the problems and weights that a
profile names, and judged by the median over pairs that differ in the estimator alone.
"""

from math import isfinite, nan

from elbo_compare.compare.claims import cells
from elbo_compare.compare.claims.claim import Claim, Context, Judgement, Pairing, RowMissingError, Rows
from elbo_compare.compare.records import Cell, Outcome, Procedure, Quantity, Strength
from elbo_compare.compare.statistics import median, median_interval

FAMILY = "choosing an estimator"
BELOW, ABOVE = -1, 1
SOURCE = (
    "measured here, no theorem: Kingma and Welling 2014 (arXiv 1312.6114), section 2.3, say that eq. 7 typically has "
    "less variance than eq. 6; Roeder, Wu and Duvenaud 2017 (arXiv 1703.09194) where the gradient's order turns"
)
TOLERANCE = "none: the interval for the median over pairs, at the budget's level, must lie wholly on the stated side"
REASON = (
    "Order statistics bound the median of any distribution: of 64 pairs all but six must fall on the stated side, and "
    "no tail is taken for normal. Equal estimators come out as inconclusive, never as agreeing."
)


def _by_index(rows: Rows, quantity: Quantity) -> dict[int, float]:
    return {row.index: row.value for row in rows.all(quantity)}


def _pairs(subject: Rows, partner: Rows, quantity: Quantity) -> list[tuple[float, float]]:
    """(analytic, sampled) of every datum or training that both have."""
    mine, others = _by_index(subject, quantity), _by_index(partner, quantity)
    if mine.keys() != others.keys():
        raise RowMissingError(f"{len(mine.keys() ^ others.keys())} rows {quantity} have no row to be paired with")
    return [(mine[index], others[index]) for index in sorted(mine)]


def _median_on(side: int, values: list[float], neutral: float, unit: str, context: Context) -> Judgement:
    """Whether the median of `values` lies on this side of `neutral`."""
    if not all(map(isfinite, values)):
        reason = "a value is no finite number"
        return Judgement(outcome=Outcome.DIFFERS, value=nan, reference=neutral, n=len(values), unit=unit, reason=reason)
    low, high = (end - neutral for end in median_interval(values, 1 - context.budget.per_test))
    outcome, reason = Outcome.INCONCLUSIVE, f"after {len(values)} pairs the interval for the median holds {neutral:g}"
    if not isfinite(low):
        reason = f"{len(values)} pairs are too few for an interval at the budget's level"
    elif low > 0 or high < 0:
        outcome, reason = Outcome.AGREES if (low > 0) == (side > 0) else Outcome.DIFFERS, ""
    middle = median(values)
    return Judgement(
        outcome=outcome,
        value=middle,
        reference=neutral,
        difference=middle - neutral,
        tolerance=0.0,
        low=low,
        high=high,
        n=len(values),
        unit=unit,
        reason=reason,
    )


def _ratio(quantity: Quantity, side: int):
    def judge(subject: Rows, partner: Rows, context: Context) -> list[Judgement]:
        pairs = _pairs(subject, partner, quantity)
        ratios = [top / bottom if bottom > 0 else nan for top, bottom in pairs]
        return [_median_on(side, ratios, 1.0, "ratio", context)]

    return judge


def _ahead(subject: Rows, partner: Rows, context: Context) -> list[Judgement]:
    pairs = _pairs(subject, partner, Quantity.PAIR_ELBO)
    return [_median_on(ABOVE, [mine - other for mine, other in pairs], 0.0, "nats", context)]


def _initial(cell: Cell) -> bool:
    return cell.weights == "initial"


def _trained(cell: Cell) -> bool:
    return cell.weights == "trained"


def _any(_: Cell) -> bool:
    return True


def _claim(number: int, statement: str, derivation: str, procedure: Procedure, judge, applies=_initial) -> Claim:
    return Claim(
        id=f"CHOOSE-{number:03d}",
        family=FAMILY,
        strength=Strength.ORDERING,
        statement=statement,
        derivation=derivation,
        source=SOURCE,
        tolerance=TOLERANCE,
        reason=REASON,
        procedure=procedure,
        applies_to=cells.every(cells.analytic, cells.no_closed_form, applies),
        subject="",
        pairing=Pairing(
            partner=cells.sampled,
            key=_same_trainings,
            judge=judge,
            wanted="sampled-kl cell of this implementation at the same data and noise",
        ),
        statistical=True,
    )


def _same_trainings(cell: Cell):
    return (cells.same_mean(cell), cell.size, cell.data)


CLAIMS = (
    _claim(
        1,
        "the gradient's variance is smaller with the analytic KL: tr Cov[∇ analytic] < tr Cov[∇ sampled], at given "
        "weights, in the median over test data",
        "Both gradients hold that of log p(x|z); the sampled one adds that of log q − log p at the same z, of variance "
        "Σ σ² + (μ²σ² + 2σ⁴)/4. It is the louder one unless that part cancels half of itself against the likelihood's: "
        "the covariance of the two decides, which no theorem bounds. At the linear-Gaussian's exact posterior, where "
        "the value cancels wholly, the closed forms of GRAD-002 still say 10.9 against 16.7 nats².",
        Procedure.SPREAD,
        _ratio(Quantity.GRADIENT_SPREAD, BELOW),
        _any,
    ),
    _claim(
        2,
        "before training the value's variance is smaller with the analytic KL: Var[L^B] < Var[L^A], in the median over "
        "test data",
        "Var[L^A] = Var[L^B] + Var[k1] − 2 Cov(log p(x|z), k1). Where the decoder does not use z yet, the covariance "
        "is small and the variance of k1 is added.",
        Procedure.SPREAD,
        _ratio(Quantity.ELBO_SPREAD, BELOW),
    ),
    _claim(
        3,
        "once trained the value's variance is larger with the analytic KL: Var[L^B] > Var[L^A], in the median over "
        "test data",
        "As CHOOSE-002; once q is near the posterior, log p(x|z) + log p(z) − log q(z|x) is nearly log p(x) for every "
        "z: the sampled KL cancels what log p(x|z) varies by, the analytic KL can't.",
        Procedure.SPREAD,
        _ratio(Quantity.ELBO_SPREAD, ABOVE),
        _trained,
    ),
    _claim(
        4,
        "training with the analytic KL is ahead: its held-out ELBO after the same steps is larger, in the median over "
        "trainings on the same batches and noise",
        "A quieter gradient makes a better step. Both are held to one ruler, L^B at the same held-out data and noise, "
        "so that the difference is that of the weights.",
        Procedure.FIT_PAIRS,
        _ahead,
    ),
    _claim(
        5,
        "at the end of training the gradient's variance is smaller with the analytic KL, each at the weights that its "
        "own training reached, in the median over trainings",
        "As CHOOSE-001, at weights that are nobody's choice, each the mean over six test data.",
        Procedure.FIT_PAIRS,
        _ratio(Quantity.GRADIENT_SPREAD, BELOW),
    ),
    _claim(
        6,
        "at the end of training the value's variance is larger with the analytic KL, each at the weights that its own "
        "training reached, in the median over trainings",
        "As CHOOSE-003, at weights that are nobody's choice, each the mean over six test data.",
        Procedure.FIT_PAIRS,
        _ratio(Quantity.ELBO_SPREAD, ABOVE),
    ),
)
