"""May the normaliser be dropped? It cancels, leaves a constant, or gives wrong gradients, by prior and density."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from elbo_compare.suites.contract import Array
from elbo_compare.suites.questions.ledger import Effect, Entry, slopes
from elbo_compare.suites.questions.ledger_entries import entries
from elbo_compare.suites.questions.question import Question, QuestionClaim, Row, Rule
from elbo_compare.suites.questions.rows import ROUNDING, ROUNDING_REASON

# Below a thousandth of the right gradient no optimiser's path would show the change: only more is called wrong.
GRADIENT_MARGIN = 1e-3
DEFINITION = "the definition of the sampled KL, Kingma and Welling 2014 (arXiv 1312.6114), eq. 6"

CLAIMS = (
    QuestionClaim(
        id="NORM-001",
        rule=Rule.ROUNDING,
        statement="Dropped form − full form = the offset that algebra gives: 0, a constant, or a function",
        derivation=(
            "Factors g of the densities add log g_q − log g_p. Equal factors cancel, in every component of a mixture "
            "alike; others add their logarithm; a mixture whose components lose different factors becomes a mixture "
            "with other weights, w g₁ : (1 − w) g₂."
        ),
        source=f"{DEFINITION}; mixtures by Tomczak and Welling 2018 (arXiv 1705.07120)",
        tolerance=f"{ROUNDING} of both forms",
        reason=ROUNDING_REASON,
    ),
    QuestionClaim(
        id="NORM-002",
        rule=Rule.ROUNDING,
        statement="The gradients of q's and of the prior's parameters change by the gradient of that offset",
        derivation="A constant has gradient 0; −log α has −1/α: a learned scale is pulled without a counterweight.",
        source=DEFINITION,
        tolerance=f"{ROUNDING} of the derivatives, as a norm over all parameters",
        reason=ROUNDING_REASON,
    ),
    QuestionClaim(
        id="NORM-003",
        rule=Rule.BEYOND,
        statement="Where the offset depends on what is learned, the gradient is wrong by more than 0.1% of its norm",
        derivation="‖∇ dropped − ∇ full‖ > 10⁻³ ‖∇ full‖, over q's and the prior's parameters together.",
        source=DEFINITION,
        tolerance="10⁻³ of the norm of the full gradient",
        reason="A change below a thousandth would be lost in the noise of any minibatch gradient.",
    ),
)


def measure(lines: Iterable[Entry] | None = None) -> Iterator[Row]:
    """Offset, its spread, and the change of gradients for every line of the ledger."""
    for entry in entries() if lines is None else lines:
        yield from _value_rows(entry)
        changes = {of_q: slopes(entry, of_q=of_q) for of_q in (True, False)}
        differences = [each.dropped - each.full for each in changes.values()]
        for of_q, each in changes.items():
            if len(each.full):
                yield _gradient_row(entry, of_q, each.dropped - each.full, each.offset, each.scale)
        full = np.concatenate([each.full for each in changes.values()])
        yield _change_row(entry, np.concatenate(differences), full)


def _value_rows(entry: Entry) -> Iterator[Row]:
    full, dropped = (
        np.array([entry.value(values, drop=drop) for values in entry.parameters]) for drop in (False, True)
    )
    z = [entry.draw(entry.noise, values) for values in entry.parameters]
    expected = np.array([entry.offset(at, v) + np.zeros(len(at)) for at, v in zip(z, entry.parameters, strict=True)])
    scale = float(np.array([entry.scale(values) for values in entry.parameters]).max())
    offset = dropped - full
    worst = np.unravel_index(np.abs(offset - expected).argmax(), offset.shape)
    shown: Sequence[tuple[str, Array]] = (("offset at the worst draw", offset), ("offset, mean", offset))
    pairs = (
        (shown[0][0], float(offset[worst]), float(expected[worst])),
        (shown[1][0], float(offset.mean()), float(expected.mean())),
        ("spread of the offset over z", float(np.ptp(offset, 1).max()), float(np.ptp(expected, 1).max())),
        ("spread over parameters", float(np.ptp(offset.mean(1))), float(np.ptp(expected.mean(1)))),
    )
    for quantity, value, reference in pairs:
        yield Row(
            claim="NORM-001",
            case=entry.name,
            quantity=quantity,
            value=value,
            reference=reference,
            scale=2.0 * scale,  # a difference of two values
            n=offset.size,
            group=str(entry.effect),
        )


def _gradient_row(entry: Entry, of_q: bool, change: Array, expected: Array, scale: Array) -> Row:
    whose = "q's" if of_q else "the other"
    return Row(
        claim="NORM-002",
        case=entry.name,
        quantity=f"gradient of {whose} parameters: change − expected change",
        value=float(np.linalg.norm(change - expected)),
        reference=0.0,
        scale=2.0 * float(np.linalg.norm(scale)),
        n=len(change),
        unit="nats per unit",
        group=str(entry.effect),
    )


def _change_row(entry: Entry, change: Array, full: Array) -> Row:
    """Judged where the gradient is said to be wrong; elsewhere NORM-002 says that it does not change."""
    size = float(np.linalg.norm(full))
    return Row(
        claim="NORM-003" if entry.effect is Effect.WRONG_GRADIENT else "",
        case=entry.name,
        quantity="change of the gradient over the right gradient",
        value=float(np.linalg.norm(change)) / size,
        reference=0.0,
        margin=GRADIENT_MARGIN,
        n=len(change),
        unit="relative",
        group=str(entry.effect),
    )


QUESTION = Question(
    id="NORM",
    title="May the normaliser be dropped?",
    words=(
        "The questioned code leaves 0.5 log 2π out of log q and of log p. For which priors does that cancel, where "
        "does it leave a constant, and where does it give wrong gradients?"
    ),
    formula="KL = log q(z|x) − log p(z); offset = dropped form − full form, at the same z",
    source=f"{DEFINITION}; VampPrior: Tomczak and Welling 2018 (arXiv 1705.07120)",
    claims=CLAIMS,
    measure=measure,
    see="What each implementation keeps or drops: the claims CONST-001 and CONST-002.",
)
