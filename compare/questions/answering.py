"""The sentences that answer each question, from its verdicts: what was not measured or does not hold is not said."""

from collections.abc import Callable, Iterable, Sequence
from math import inf, isfinite

from elbo_compare.compare.records import Outcome, SuiteVerdict
from elbo_compare.suites.questions import authors_code
from elbo_compare.suites.questions import density_ratio as ratio
from elbo_compare.suites.questions import questioned_code as code
from elbo_compare.suites.questions.catalogue import BY_ID
from elbo_compare.suites.questions.ledger import Effect
from elbo_compare.suites.questions.question import Question

Verdicts = Sequence[SuiteVerdict]


def answer(question: Question, verdicts: Iterable[SuiteVerdict]) -> str:
    """The answer to a question, followed by every claim on it that does not hold here."""
    mine = [each for each in verdicts if each.subject == question.id]
    said = [sentence for sentence in _ANSWERS[question.id](mine) if sentence]
    return " ".join([*said, *_exceptions(question, mine)]) or "Not measured."


def _exceptions(question: Question, verdicts: Verdicts) -> list[str]:
    sentences = []
    for claim in question.claims:
        judged = _of(verdicts, claim.id)
        wrong = [each for each in judged if each.outcome is not Outcome.AGREES]
        if not judged:
            sentences.append(f"{claim.id} was not measured.")
        elif wrong:
            worst = next((each for each in wrong if each.outcome is Outcome.DIFFERS), wrong[0])
            where = ", ".join(dict.fromkeys(each.case for each in wrong if each.case))
            detail = f" at {where}" if where else f": {worst.reason}" if worst.reason else ""
            sentences.append(f"{claim.id} {worst.outcome}{detail} ({len(wrong)} of {len(judged)}).")
    return sentences


def _of(verdicts: Verdicts, claim: str, case: str | None = None) -> list[SuiteVerdict]:
    return [each for each in verdicts if each.id == claim and case in (None, each.case)]


def holds(verdicts: Verdicts, *claims: str) -> bool:
    """Whether each of some claims was judged here and agrees throughout."""
    return all(
        bool(judged) and all(each.outcome is Outcome.AGREES for each in judged)
        for judged in (_of(verdicts, claim) for claim in claims)
    )


def _pick(verdicts: Verdicts, quantity: str, case: str = "", at: float = inf) -> SuiteVerdict | None:
    """The first row of a quantity whose case starts with `case`, at `at` where that is finite."""
    found = (
        each
        for each in verdicts
        if each.quantity == quantity and each.case.startswith(case) and (not isfinite(at) or each.at == at)
    )
    return next(found, None)


# --- One function per question: its sentences, "" for one that cannot be said ---


def _normaliser(verdicts: Verdicts) -> list[str]:
    groups: dict[str, list[str]] = {str(effect): [] for effect in Effect}
    for case, group in {each.case: each.group for each in verdicts if each.case}.items():
        of_case = [each for each in verdicts if each.case == case and each.outcome is not None]
        needed = ["NORM-001", "NORM-002"] + (["NORM-003"] if group == Effect.WRONG_GRADIENT else [])
        if holds(of_case, *needed) and group in groups:
            groups[group].append(_named(case, group, [each for each in verdicts if each.case == case]))
    said = {
        Effect.CANCELS: "It cancels, value and gradients, for: {}.",
        Effect.CONSTANT: "It leaves a constant, which no gradient sees, for: {}.",
        Effect.WRONG_GRADIENT: "It gives wrong gradients for: {}; shares as measured at these parameters.",
    }
    return [text.format("; ".join(groups[str(effect)])) for effect, text in said.items() if groups[str(effect)]]


def _named(case: str, group: str, rows: Verdicts) -> str:
    offset, change = _pick(rows, "offset, mean"), _pick(rows, "change of the gradient over the right gradient")
    if group == Effect.CONSTANT and offset is not None:
        return f"{case} ({_signed(offset.value)} nats)"
    if group == Effect.WRONG_GRADIENT and change is not None:
        return f"{case} (off by {100 * change.value:.0f}%)"
    return case


def _univariate(verdicts: Verdicts) -> list[str]:
    cases = len(_of(verdicts, "UNI-001"))
    mean = len(_of(verdicts, "UNI-005"))
    return [
        f"Yes: it equals the integral of q log(q/p) up to rounding for {cases} of {cases} pairs of Gaussians."
        if holds(verdicts, "UNI-001")
        else "",
        "It is the multivariate formula at dimension 1 and adds over dimensions." if holds(verdicts, "UNI-002") else "",
        "It is positive for every q ≠ p measured and 0 at q = p." if holds(verdicts, "UNI-002", "UNI-003") else "",
        "It is not symmetric." if holds(verdicts, "UNI-004") else "",
        f"It is what the sampled line estimates: the mean of log q − log p lies within 0.05 standard deviations of one "
        f"draw of it in {mean} of {mean} cases."
        if holds(verdicts, "UNI-005")
        else "",
    ]


def _generalised_normal(verdicts: Verdicts) -> list[str]:
    offsets = [each.value for each in _of(verdicts, "GGD-004") if each.case != "same shape and scale"]
    best = {each.case[-1]: each.value for each in verdicts if each.quantity == "best scale with normalisers"}
    return [
        f"Of the KL it may be dropped where q and p share shape and scale: it cancels. Fixed but different, it leaves "
        f"a constant ({_signed(min(offsets))} to {_signed(max(offsets))} nats in the {len(offsets)} pairs measured)."
        if holds(verdicts, "GGD-004") and offsets
        else "",
        f"Not where a scale is learned: with normalisers the best scale is {best['p']:.4g} for p and {best['q']:.4g} "
        "for q; without, there is no optimum between 10⁻⁶ and 10⁶, and p's scale runs up, q's down."
        if holds(verdicts, "GGD-005") and {"p", "q"} <= best.keys()
        else "",
        "The closed-form KL equals its integral, and shapes 2 and 1 are the Normal and the Laplace."
        if holds(verdicts, "GGD-001", "GGD-002", "GGD-003")
        else "",
        "Drawn through a Gamma, the sampled KL has that mean." if holds(verdicts, "GGD-006") else "",
    ]


def _density_ratio(verdicts: Verdicts) -> list[str]:
    def at(quantity: str, features: str, sample: str, n: int) -> SuiteVerdict | None:
        return _pick(verdicts, quantity, f"{features}, {sample}", n)

    small, large = ratio.SMALLEST, ratio.LARGEST
    fresh = at("bias", ratio.QUADRATIC, ratio.HELD_OUT, large)
    training = at("bias", ratio.QUADRATIC, ratio.TRAINING, small)
    optimism = at("training − held-out", ratio.QUADRATIC, ratio.TRAINING, small)
    wrong = at("bias", ratio.LINEAR, ratio.HELD_OUT, large)
    shares = [each.value for each in _of(verdicts, "RATIO-006")]
    return [
        f"Here, with features that hold the true log ratio, the estimate at n = {large:,} is off by {_interval(fresh)} "
        f"nats of {ratio.EXACT:.4f} on held-out draws."
        if holds(verdicts, "RATIO-001") and fresh
        else "",
        f"At n = {small} on its own training sample it is too large by {_interval(training)}."
        if holds(verdicts, "RATIO-002") and training and training.shown_low > 0
        else "",
        f"{_interval(optimism)} of that is the training sample's optimism."
        if holds(verdicts, "RATIO-003") and optimism
        else "",
        f"Without z² among the features the bias is {_interval(wrong)} at n = {large:,}: more draws do not mend it."
        if holds(verdicts, "RATIO-004", "RATIO-005") and wrong
        else "",
        f"Its variance is {min(shares):.2g} to {max(shares):.2g} times that of the sampled KL at the same n: where "
        "both densities are known, as here, the sampled KL is the less noisy, and unbiased."
        if holds(verdicts, "RATIO-006") and shares
        else "",
    ]


def _questioned_code(verdicts: Verdicts) -> list[str]:
    def of(claim: str) -> SuiteVerdict | None:
        return next(iter(_of(verdicts, claim)), None)

    share, mean, biases = (of(claim) for claim in ("CODE-003", "CODE-005", "CODE-009"))
    counted = _pick(verdicts, "rows counted / rows")
    dropped = _pick(verdicts, "lower bound of the code − mean −ELBO of all rows")
    largest = _pick(verdicts, "clamped − plain log p(x|z), largest")
    lead = _of(verdicts, "CODE-008", "every step")
    return [
        *_beside_the_authors(verdicts),
        f"It clamps probabilities to [10⁻⁷, 1 − 10⁻⁷], that is logits to ±{code.EDGE:.2f}"
        + (", which changes nothing at initial weights." if holds(verdicts, "CODE-002") else ".")
        if holds(verdicts, "CODE-001")
        else "",
        f"At trained weights {100 * share.value:.0f}% of {share.n:,} pixels lie there."
        if holds(verdicts, "CODE-003") and share
        else "",
        "They have no gradient." if holds(verdicts, "CODE-004") else "",
        f"The clamp makes log p(x|z) look better by {_signed(mean.value)} nats on average over {mean.n:,} rows and by "
        f"{_signed(largest.value)} at one of them."
        if holds(verdicts, "CODE-005") and mean and largest
        else "",
        f"Its lower bound drops the rows after the last full {code.BLOCK} but divides by all of them (MUT-171)"
        + (
            f": a factor {counted.value:.3f} at {counted.n:,} rows, here {_signed(dropped.value)} nats of −ELBO."
            if counted and dropped and holds(verdicts, "CODE-007")
            else "."
        )
        if holds(verdicts, "CODE-006")
        else "",
        "It warms up by epoch, these models by step: they agree where an epoch begins, ours lead by at most "
        f"{_signed(lead[0].value)} within one."
        if holds(verdicts, "CODE-008") and lead
        else "",
        "It keeps torch's uniform biases at initialisation, here they are 0: that moves a datum's ELBO before training "
        f"by {_signed(biases.value)} nats (root mean square)."
        if holds(verdicts, "CODE-009") and biases
        else "",
    ]


def _beside_the_authors(verdicts: Verdicts) -> list[str]:
    """What the published measurement on the authors' own code says: none of it was run here."""
    found = [each for each in verdicts if each.case.endswith(code.AUTHORS)]
    worst = {
        name: max(
            (each.value for each in found if each.quantity.startswith(name) and "@initial" in each.case), default=None
        )
        for name in ("ELBO, largest difference", "KL, largest difference", "gradient")
    }
    if not found or None in worst.values():
        return []
    models = len({each.case for each in found if "@initial" in each.case})
    elbo, kl, gradient = worst.values()
    return [
        f"At initial weights {models} of these models equal the authors' own, run beside them, to {elbo:.2g} nats in "
        f"the ELBO, {kl:.2g} in the KL and {gradient:.2g} in gradients (measured "
        f"{authors_code.record()['date']} by benchmarks/questioned_code.py, not in this run).",
        *_at_trained_weights(found),
    ]


def _at_trained_weights(found: list[SuiteVerdict]) -> list[str]:
    """How far apart the two are where probabilities saturate, and that the clamp alone is what parts them."""
    trained = {each.quantity: each for each in found if "@trained" in each.case}
    plain = trained.get("ELBO, largest difference")
    clamped = trained.get("ELBO, largest difference from ours with clamped probabilities")
    if plain is None or clamped is None:
        return []
    return [
        f"At trained weights they do not: off by up to {plain.value:.3g} nats at {plain.n:,} rows, and by "
        f"{clamped.value:.2g} from ours with the same clamp."
    ]


def _interval(verdict: SuiteVerdict | None) -> str:
    if verdict is None:
        return ""
    return f"{_signed(verdict.value)} [{_signed(verdict.shown_low)}, {_signed(verdict.shown_high)}]"


def _signed(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


_ANSWERS: dict[str, Callable[[Verdicts], list[str]]] = {
    "NORM": _normaliser,
    "UNI": _univariate,
    "GGD": _generalised_normal,
    "RATIO": _density_ratio,
    "CODE": _questioned_code,
}
assert _ANSWERS.keys() == BY_ID.keys()
