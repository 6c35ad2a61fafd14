"""The sensitivity matrix: which claim caught which mutant, which claims are needed, and which variants they spared."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from elbo_compare.compare.claims import CLAIMS
from elbo_compare.compare.claims.cells import EXACT_POSTERIOR
from elbo_compare.compare.records import Outcome, Strength, SuiteVerdict, Verdict
from elbo_compare.suites.estimators import SAMPLED_KL
from elbo_compare.suites.mutants.catalogue import Aspect, Variant

# Strongest first. Checked fields (sign, reduction, constants) are no strength: they say how a loss is meant, and no
# claim is held against them.
STRENGTH_ORDER = (Strength.EXACT, Strength.POINTWISE, Strength.EXPECTATION, Strength.ORDERING)
FIELD_RANK = len(STRENGTH_ORDER)
GRADIENT_CLAIMS = frozenset({"GRAD-001", "GRAD-002", "GRAD-003"})

# What each claim looks at; a legitimate variant is exempt from an aspect, never from a claim by name.
ASPECTS: Mapping[str, Aspect] = {
    **dict.fromkeys(("MATCH-001", "MATCH-003", "MATCH-004", "MATCH-005", "MATCH-007"), Aspect.SAME_NOISE_VALUE),
    **dict.fromkeys(("KL-001", "KL-002", "KL-006", "ELBO-001", "ELBO-002"), Aspect.SAME_NOISE_VALUE),
    **dict.fromkeys(("UNIT-001", "CONST-001", "CONST-002", "BOUND-004"), Aspect.SAME_NOISE_VALUE),
    "GRAD-001": Aspect.SAME_NOISE_GRADIENT,
    **dict.fromkeys(("KL-003", "LG-006"), Aspect.DETERMINISTIC_MEAN),
    **dict.fromkeys(("MATCH-006", "MATCH-008", "KL-004", "ELBO-003", "ORD-001", "LG-001"), Aspect.DRAW_MEAN),
    **dict.fromkeys(("KL-005", "LG-002", "LG-003", "LG-004", "LG-005"), Aspect.DRAW_VARIANCE),
    "GRAD-003": Aspect.GRADIENT_MEAN,
    "GRAD-002": Aspect.GRADIENT_VARIANCE,
}


def aspect_of(verdict: Verdict) -> Aspect | None:
    """What a verdict looks at. At the exact posterior the sampled ELBO has variance zero, so that ORD-001 is judged on
    the largest deviation of a draw: another estimator of the same mean, whose draws vary, is not meant there."""
    constant = verdict.weights == EXACT_POSTERIOR and verdict.estimator == SAMPLED_KL.name
    aspect = ASPECTS.get(verdict.claim)
    return Aspect.DRAW_VARIANCE if constant and aspect is Aspect.DRAW_MEAN else aspect


# Mutants are planted in the two estimators of the question, on problems without a flow.
OTHER_ESTIMATOR = (
    "about an estimator that no mutant stands in for; wrong bounds are planted where the bound-* checks judge, other "
    "mistakes in the rows of its own test"
)
FLOW = "about a flow; wrong flows are planted where the flow-* checks judge, other mistakes in the rows of its own test"

# Claims that no mutant of the catalogue can meet, and why they are kept.
WEIGHED = (
    "weighs the draws that LG-001 and LG-004 judge; mistakes in the weighing are bounds, which have checks of their own"
)
ORDERED = "orders two right estimators by their variance; a mistake that moves no order passes, and is others' to see"
NOT_FOR_MUTANTS: Mapping[str, str] = {
    **dict.fromkeys((f"FLOW-00{number}" for number in range(1, 6)), FLOW),
    **dict.fromkeys(("BOUND-001", "BOUND-002", "BOUND-003", "BOUND-005", "BOUND-006", "BOUND-007"), OTHER_ESTIMATOR),
    **dict.fromkeys(("EST-001", "EST-002", "EST-003", "EST-004", "LIB-001"), OTHER_ESTIMATOR),
    **dict.fromkeys(("GRAD-004", "GRAD-005", "GRAD-006", "GRAD-007"), OTHER_ESTIMATOR),
    **dict.fromkeys(("LIK-001", "LIK-002"), WEIGHED),
    **dict.fromkeys((f"CHOOSE-00{number}" for number in range(1, 7)), ORDERED),
    "MATCH-002": "MATCH-001 about the other library: the same judgement on another row",
    "MATCH-009": "MATCH-001 about a further library, which a plug-in brings: the same judgement on another row",
    "ELBO-004": "ties a library's vectorised draws to its ELBO object, which a mutant does not have; broken ELBO "
    "classes are planted in an installed library by the sabotage tests",
    "TRAIN-001": "judges an optimiser's path, which a loss alone does not have",
    "TRAIN-002": "judges an optimiser's path, which a loss alone does not have",
    "DEV-001": "compares two devices; a mutant runs on one",
}


# Claims whose every catch a weaker claim makes as well, and why they are kept.
KEPT: Mapping[str, str] = {
    "KL-001": "a closed form that knows nothing of the oracle: what oracle and implementation get wrong together, only "
    "this and the other exact claims can show",
    "KL-003": "two deterministic points against a closed form: needs no oracle and no random number",
    "BOUND-004": "a closed form that knows nothing of the oracle: at the exact posterior the value is log p(x) itself",
    "LG-006": "2 D deterministic points against a closed form: needs no oracle and no random number",
    "bound-posterior": "needs no second way to sum the weights: the bound is log p(x) itself",
    "bound-additive": "names the cause where data of one batch are mixed",
}

WORDS: Mapping[Outcome | None, str] = {Outcome.NOT_RUN: "not meant for it"}
JUDGED_CLAIMS = tuple(claim for claim in CLAIMS if claim.id not in NOT_FOR_MUTANTS)


@dataclass(frozen=True, kw_only=True)
class Screened:
    """What the claims said about one variant: a verdict for each claim that was judged (`id`: the claim), the one that
    shows it best. NOT_RUN: it differs on an aspect that is not meant for a legitimate variant, for `reason`.
    `failures`: cells that raised."""

    variant: Variant
    verdicts: tuple[SuiteVerdict, ...]
    failures: tuple[str, ...] = ()

    def having(self, outcome: Outcome) -> Mapping[str, str]:
        """Claim -> reason, of the claims with this outcome."""
        return {each.id: each.reason for each in self.verdicts if each.outcome is outcome}

    @property
    def caught(self) -> Mapping[str, str]:
        """Claims that differ, with the cell that shows it."""
        return self.having(Outcome.DIFFERS)

    @property
    def exempted(self) -> Mapping[str, str]:
        """Claims that differ where that is not meant for it, with the reason."""
        return self.having(Outcome.NOT_RUN)

    @property
    def undecided(self) -> Mapping[str, str]:
        """Claims that stayed inconclusive."""
        return self.having(Outcome.INCONCLUSIVE)

    @property
    def by_gradient(self) -> bool:
        """Caught by a claim on gradients."""
        return any(_of_gradient(claim) for claim in self.caught)

    @property
    def by_value(self) -> bool:
        """Caught by a claim on values."""
        return any(not _of_gradient(claim) for claim in self.caught)

    @property
    def right(self) -> bool:
        """A mutant that is caught, or a legitimate variant that no claim meant for it fails or leaves undecided."""
        if self.variant.legitimate:
            return not self.caught and not self.failures and not self.undecided
        return bool(self.caught or self.failures)


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """The matrix mutant x claim. `strengths`: every claim and check that was judged, by ID."""

    judged: tuple[Screened, ...]
    strengths: Mapping[str, str]
    kept: Mapping[str, str] = field(default_factory=dict)

    @property
    def missed(self) -> tuple[Screened, ...]:
        """Mutants that nothing caught."""
        return tuple(each for each in self.judged if not each.variant.legitimate and not each.right)

    @property
    def wronged(self) -> tuple[Screened, ...]:
        """Legitimate variants that a claim meant for them failed."""
        return tuple(each for each in self.judged if each.variant.legitimate and not each.right)

    def caught_by(self, claim: str) -> tuple[str, ...]:
        """IDs of the mutants that a claim catches."""
        return tuple(each.variant.id for each in self.judged if claim in each.caught and not each.variant.legitimate)

    def needed_for(self, claim: str) -> tuple[str, ...]:
        """IDs of the mutants that a claim catches and no weaker claim does."""
        rank = _rank(self.strengths[claim])
        weaker = {other for other, strength in self.strengths.items() if rank < _rank(strength) < FIELD_RANK}
        return tuple(
            each.variant.id
            for each in self.judged
            if claim in each.caught and not each.variant.legitimate and not weaker & each.caught.keys()
        )

    def rows(self) -> list[dict[str, str | bool]]:
        """One row for each variant and claim that was judged on it: outcome and detail."""
        return [
            {
                "variant": each.variant.id,
                "title": each.variant.title,
                "kind": str(each.variant.kind),
                "flag": str(each.variant.flag),
                "seen": each.variant.seen,
                "legitimate": each.variant.legitimate,
                "claim": claim,
                "strength": str(self.strengths[claim]),
                "outcome": WORDS.get(said[claim].outcome, str(said[claim].outcome)),
                "detail": said[claim].reason,
            }
            for each in self.judged
            for said in ({verdict.id: verdict for verdict in each.verdicts},)
            for claim in self.strengths
            if claim in said
        ]

    def claim_rows(self) -> list[dict[str, str | int]]:
        """One row for each claim: how many mutants it catches, how many no weaker claim does, why it is kept."""
        judged: list[dict[str, str | int]] = [
            {
                "claim": claim,
                "strength": strength,
                "catches": len(self.caught_by(claim)),
                "alone": len(self.needed_for(claim)),
                "kept": KEPT.get(claim, ""),
            }
            for claim, strength in self.strengths.items()
        ]
        others = [
            {"claim": claim, "strength": "", "catches": 0, "alone": 0, "kept": f"not judged on mutants: {why}"}
            for claim, why in self.kept.items()
        ]
        return judged + others

    @property
    def idle(self) -> tuple[str, ...]:
        """Claims that catch nothing which a weaker claim does not, and that no reason in `KEPT` keeps."""
        return tuple(claim for claim in self.strengths if not self.needed_for(claim) and claim not in KEPT)

    @property
    def exit_code(self) -> int:
        """0 where every mutant is caught and no legitimate variant is failed, else 1."""
        return int(bool(self.missed or self.wronged))


def lines(matrix: Sensitivity) -> Iterator[str]:
    """The matrix as text: every variant, every claim, and what is wrong."""
    for each in matrix.judged:
        yield line(each)
    yield ""
    for claim, strength in matrix.strengths.items():
        needed = matrix.needed_for(claim)
        alone = f"{len(needed)} that no weaker claim catches" if needed else f"kept: {KEPT.get(claim, 'NO REASON')}"
        yield f"{claim:24} {strength:16} catches {len(matrix.caught_by(claim)):3}; {alone}"
    for claim, why in matrix.kept.items():
        yield f"{claim:24} not judged on mutants: {why}"
    yield ""
    planted = [each for each in matrix.judged if not each.variant.legitimate]
    spared = len(matrix.judged) - len(planted) - len(matrix.wronged)
    yield f"{len(planted) - len(matrix.missed)} of {len(planted)} mutants caught"
    yield f"{spared} of {len(matrix.judged) - len(planted)} legitimate variants recognised"
    yield from (f"MISSED {each.variant.id}: {each.variant.title}" for each in matrix.missed)
    yield from (f"FAILED {each.variant.id}: {', '.join((*each.caught, *each.undecided))}" for each in matrix.wronged)


def line(each: Screened) -> str:
    """One variant: how it was caught, or what it was recognised as."""
    if each.variant.legitimate:
        found = "recognised" if each.right else "FAILED"
        detail = f"not meant for it: {', '.join(each.exempted)}" if each.exempted else "every claim agrees"
    else:
        ways = [name for name, is_so in (("value", each.by_value), ("gradient", each.by_gradient)) if is_so]
        found = " and ".join(ways) or ("failed cell" if each.failures else "MISSED")
        detail = ", ".join(each.caught) or "; ".join(each.failures)
    return f"{each.variant.id} {found:18} {each.variant.title} [{detail}]"


def _of_gradient(claim: str) -> bool:
    return claim in GRADIENT_CLAIMS or claim.endswith("-gradient")


def _rank(strength: str) -> int:
    names = [str(each) for each in STRENGTH_ORDER]
    return names.index(str(strength)) if strength in names else FIELD_RANK
