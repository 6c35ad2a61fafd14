"""Rows that several questions make alike: means of independent draws, and the words of their tolerances."""

from math import inf, sqrt

from elbo_compare.suites.contract import Array
from elbo_compare.suites.questions.question import Row

DRAWS = 60_000  # the interval of a mean must fit into the margin: 0.05 standard deviations need about 45,000
MEAN_MARGIN = 0.05  # standard deviations of one draw, as everywhere in this project
MEAN_TOLERANCE = "0.05 standard deviations of one draw"
MEAN_REASON = "The margin of every mean in this project; equivalence test (Schuirmann 1987)."
ROUNDING = "16 u S: u = 2⁻⁵³, S the sum of absolute terms"
ROUNDING_REASON = (
    "Two correct programs differ by rounding only, at most (roundings on the longest path) × u × S (Higham 2002, "
    "section 3.1)."
)


def mean_row(draws: Array, *, claim: str, case: str, quantity: str, reference: float, unit: str = "nats") -> Row:
    """The mean of independent draws against a number, with the margin of 0.05 standard deviations of one draw."""
    deviation = draws - draws.mean()
    spread = float(draws.std(ddof=1))
    return Row(
        claim=claim,
        case=case,
        quantity=quantity,
        value=float(draws.mean()),
        reference=reference,
        standard_error=spread / sqrt(len(draws)),
        margin=MEAN_MARGIN * spread,
        n=len(draws),
        skewness=float((deviation**3).mean() / spread**3) if spread else inf,
        unit=unit,
    )
