"""The answer of a run that asks which estimator to take and nothing about the questioned line: CHOOSE-001 to -006."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from elbo_compare.compare.claims import choosing
from elbo_compare.compare.claims.choosing import ABOVE, BELOW
from elbo_compare.compare.judging.standing import Standing, standing_of, weakest
from elbo_compare.compare.records import Outcome, Verdict

QUESTION = "Which estimator should I use, the sampled or the analytic KL?"
EQUATION = (
    f"{choosing.SOURCE[0].upper()}{choosing.SOURCE[1:]}. It holds for the models and weights that were measured and "
    "for no others."
)
ABOUT = "choosing"


class Wish(NamedTuple):
    """What somebody wants, and the claims that say which estimator has it."""

    text: str  # what the claims say together
    claims: tuple[str, ...]


WISHES = (
    Wish("the analytic KL has the quieter gradient", ("CHOOSE-001", "CHOOSE-005")),
    Wish("training with the analytic KL is ahead after the same steps", ("CHOOSE-004",)),
    Wish("before training the analytic KL has the quieter value", ("CHOOSE-002",)),
    Wish("once trained the sampled KL has the quieter value", ("CHOOSE-003", "CHOOSE-006")),
)
CLAIMS = tuple(claim.id for claim in choosing.CLAIMS)
SIDES = {
    "CHOOSE-001": BELOW,
    "CHOOSE-002": BELOW,
    "CHOOSE-003": ABOVE,
    "CHOOSE-004": ABOVE,
    "CHOOSE-005": BELOW,
    "CHOOSE-006": ABOVE,
}
LABELS = {
    "CHOOSE-001": "gradient variance, analytic / sampled KL, at given weights",
    "CHOOSE-002": "value variance, analytic / sampled KL, before training",
    "CHOOSE-003": "value variance, analytic / sampled KL, once trained",
    "CHOOSE-004": "held-out ELBO, analytic less sampled KL, after the same steps",
    "CHOOSE-005": "gradient variance, analytic / sampled KL, at the end of training",
    "CHOOSE-006": "value variance, analytic / sampled KL, at the end of training",
}


def choice(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """question, sentence, reasons, equation, numbers, standing and `about`, as `answer.answer` gives them; `lines`:
    each wish with its claims."""
    clauses = [(wish, [each for each in verdicts if each.claim in wish.claims]) for wish in WISHES]
    texts = [_clause(wish, mine) for wish, mine in clauses]
    lines = [f"{text[0].upper()}{text[1:]}." for text in texts]
    standing = weakest(standing_of(mine) for _, mine in clauses)
    return {
        "about": ABOUT,
        "question": QUESTION,
        "sentence": f"It depends on what you want: {texts[0]}.",
        "reasons": lines[1:],
        "lines": [[line, wish.claims] for line, wish in zip(lines, WISHES, strict=True)],
        "equation": EQUATION,
        "numbers": [_number(claim, [each for each in verdicts if each.claim == claim]) for claim in CLAIMS],
        "standing": str(standing),
    }


def _clause(wish: Wish, verdicts: Sequence[Verdict]) -> str:
    agree = sum(each.outcome is Outcome.AGREES for each in verdicts)
    count = f"{agree} of {len(verdicts)} comparisons"
    return {
        Standing.AGREES: f"{wish.text} ({count})",
        Standing.DIFFERS: f"that {wish.text} does not hold everywhere ({count})",
        Standing.INCONCLUSIVE: f"{wish.text}, as far as it was decided ({count}; none differs)",
        Standing.NOT_RUN: f"whether {wish.text} was not measured",
    }[standing_of(verdicts)]


def _number(claim: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The comparison that comes nearest to the other side, or lies there."""
    label = f"{LABELS[claim]}: nearest to the other side"
    unit = "nats" if claim == "CHOOSE-004" else "ratio"
    judged = [each for each in verdicts if each.n and each.low == each.low]
    if not judged:
        return {"label": label, "unit": unit, "value": None, "n": None, "detail": "not measured"}
    nearest = min(judged, key=lambda each: SIDES[claim] * each.difference)
    return {
        "label": label,
        "unit": unit,
        "value": nearest.value,
        "n": nearest.n,
        "counted": "pairs that differ in the estimator alone",
        "interval": [nearest.reference + nearest.low, nearest.reference + nearest.high],
        "detail": f"{claim}: {nearest.label}, {nearest.outcome}; of {len(judged)} comparisons",
    }
