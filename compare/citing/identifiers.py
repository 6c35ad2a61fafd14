"""Everything that has a permanent ID, by that ID: what `cite` prints, `list` lists and `diff` compares, by one code."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from elbo_compare.compare.claims import CLAIMS
from elbo_compare.compare.claims.claim import Claim
from elbo_compare.compare.errors import UsageError, unknown
from elbo_compare.compare.questions.tables import STRENGTHS
from elbo_compare.compare.semantics.judging import PAIRS
from elbo_compare.compare.vectors.families import FAMILIES, VECTORS
from elbo_compare.compare.vectors.must_fail import must_fail
from elbo_compare.suites.mutants.catalogue import CATALOGUE, Kind, Variant
from elbo_compare.suites.mutants.own_problems import checks
from elbo_compare.suites.questions.catalogue import QUESTIONS
from elbo_compare.suites.questions.question import QuestionClaim
from elbo_compare.suites.roster import TITLES
from elbo_compare.suites.semantics.case import Case, Finding
from elbo_compare.suites.semantics.catalogue import CASES
from elbo_compare.suites.semantics.findings import FINDINGS
from elbo_compare.suites.semantics.pairs import sweep
from elbo_compare.suites.semantics.since import since_in_words


class Sort(StrEnum):
    """What an ID stands for; the words of `compare list SORT`."""

    CLAIM = "claims"
    QUESTION = "questions"
    CASE = "semantics"
    SWEEP = "sweep"
    FINDING = "findings"
    MUTANT = "mutants"
    CHECK = "checks"
    VECTOR = "vectors"


SINGULAR = {
    Sort.CLAIM: "claim",
    Sort.QUESTION: "claim",
    Sort.CASE: "case",
    Sort.SWEEP: "sweep",
    Sort.FINDING: "finding",
    Sort.MUTANT: "mutant",
    Sort.CHECK: "check",
    Sort.VECTOR: "test vector",
}
Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Identified:
    """One thing with a permanent ID. `family` groups it, `head` stands behind the ID, `title` is one line; `fields`:
    (name, text), in which the works that it cites are named."""

    id: str
    sort: Sort
    family: str
    head: str
    title: str
    fields: Fields

    @property
    def text(self) -> str:
        """All that it says, for the works that it names."""
        return "; ".join(text for _, text in self.fields)


def find(identifier: str) -> Identified:
    """What an ID in any case stands for. Raises UsageError with the nearest IDs."""
    for catalogue in (written, identified):  # the first is enough for nearly all, and at once there
        known = {name.casefold(): each for name, each in catalogue().items()}
        if identifier.casefold() in known:
            return known[identifier.casefold()]
    raise UsageError(unknown("ID", identifier.upper(), identified()))


@cache
def identified() -> Mapping[str, Identified]:
    """By ID, each sort in its catalogue's order; checks and must-fail vectors, which have to be computed, come last."""
    return {**written(), **{each.id: each for part in (_checks(), _must_fail()) for each in part}}


@cache
def written() -> Mapping[str, Identified]:
    """What stands in a catalogue."""
    cases = (*map(_case, CASES), SWEEP)
    parts = (_claims(), _questions(), cases, map(_finding, FINDINGS), _mutants(), _vectors())
    return {each.id: each for part in parts for each in part}


def listed(sorts: Iterable[Sort] = Sort) -> Iterator[str]:
    """A line for each ID of some sorts, under a head for each sort."""
    for sort in sorts:
        mine = [each for each in identified().values() if each.sort is sort]
        yield f"{sort.capitalize()} ({len(mine)}):"
        yield from (f"  {each.id} ({each.head}): {each.title}" for each in mine)


# --- one function per sort


def _claims() -> Iterator[Identified]:
    for claim in CLAIMS:
        yield Identified(
            id=claim.id,
            sort=Sort.CLAIM,
            family=claim.family,
            head=f"{claim.family}, {claim.strength}",
            title=claim.statement,
            fields=_stated(claim),
        )


def _questions() -> Iterator[Identified]:
    for question in QUESTIONS:
        for claim in question.claims:
            yield Identified(
                id=claim.id,
                sort=Sort.QUESTION,
                family="questions",
                head=f"questions, {STRENGTHS[claim.rule]}",
                title=claim.statement,
                fields=(*_stated(claim), ("Question", question.words)),
            )


def _stated(claim: Claim | QuestionClaim) -> Fields:
    return (
        ("Formula", claim.statement),
        ("Derivation", claim.derivation),
        ("Source", claim.source),
        ("Tolerance", claim.tolerance),
        ("Why", claim.reason),
    )


def _case(case: Case) -> Identified:
    findings = [each.id for each in FINDINGS if case.id in each.cases]
    return Identified(
        id=case.id,
        sort=Sort.CASE,
        family="semantics",
        head=f"semantics, {case.family}",
        title=case.title,
        fields=(
            ("Title", case.title),
            ("Statement", case.statement),
            *((TITLES[each.library], f"{each.formula} [{each.program}]") for each in case.behaviours),
            ("Source", case.source),
            ("Tolerance", f"|value - registered| <= {case.tolerance:g} (1 + |registered|)"),
            ("Why", case.tolerance_reason),
            ("Findings", ", ".join(findings) or "none: the library is right"),
        ),
    )


SWEEP = Identified(
    id=PAIRS,
    sort=Sort.SWEEP,
    family="semantics",
    head="semantics, sweep",
    title="every registered KL divergence of a library against its integral",
    fields=(
        ("Statement", "kl_divergence(q, p) = E_q[log q - log p] for every registered pair of families"),
        ("Tolerance", f"|value - registered| <= {sweep.TOLERANCE:g} (1 + |registered|), the integral's own error"),
    ),
)


def _finding(finding: Finding) -> Identified:
    return Identified(
        id=finding.id,
        sort=Sort.FINDING,
        family="findings",
        head=f"{finding.library}, {finding.status}",
        title=finding.title,
        fields=(
            ("Title", finding.title),
            ("Documented", finding.documentation),
            ("Happens", finding.happens),
            ("Harm", finding.harm),
            ("Routes", "; ".join(finding.routes)),
            ("Workaround", finding.workaround),
            ("Upstream", finding.upstream or "no report known"),
            ("Since", since_in_words(finding) or "not known"),
            ("Cases", ", ".join(finding.cases)),
        ),
    )


def _mutants() -> Iterator[Identified]:
    return (_mutant(each) for each in CATALOGUE.values())


def _mutant(variant: Variant) -> Identified:
    exempt = "; ".join(f"{aspect}: {why}" for aspect, why in variant.exempt)
    return Identified(
        id=variant.id,
        sort=Sort.MUTANT,
        family="legitimate variants" if variant.legitimate else "mutants",
        head=f"{'legitimate variant' if variant.legitimate else 'mutant'}, {variant.kind}, {variant.flag}",
        title=variant.title,
        fields=(
            ("Equals", variant.title),
            ("Advice", variant.advice),
            ("Seen", variant.seen),
            *((("Not judged", exempt),) if exempt else ()),
        ),
    )


def _checks() -> Iterator[Identified]:
    """The checks of bounds and flows, which `compare mutants` names beside claims."""
    of_kind = {variant.kind: variant for variant in CATALOGUE.values()}
    # Every variant of a kind is held to the same checks: one of each says what they are.
    for check in (check for kind in (Kind.BOUND, Kind.FLOW) for check in checks(of_kind[kind])):
        yield Identified(
            id=check.id,
            sort=Sort.CHECK,
            family="mutants",
            head=f"mutants, {check.strength}",
            title=check.statement,
            fields=(("Formula", check.statement),),
        )


def _vectors() -> Iterator[Identified]:
    for vector in VECTORS:
        function = vector.function
        yield Identified(
            id=vector.id,
            sort=Sort.VECTOR,
            family="test vectors",
            head=f"test vector, {function.name}",
            title=vector.comment,
            fields=(
                ("Comment", vector.comment),
                ("Function", f"{function.name}({', '.join(function.parameters)}): {function.returns}"),
                ("Formula", function.formula),
                ("Source", function.source),
                ("Claim", function.claim or "none judges the libraries on the same statement"),
            ),
        )


def _must_fail() -> Iterator[Identified]:
    for wrong in (wrong for family in FAMILIES for wrong in must_fail(family)):
        yield Identified(
            id=wrong.id,
            sort=Sort.VECTOR,
            family="test vectors",
            head=f"must-fail vector, {wrong.vector.function.name}",
            title=f"what {wrong.mutant['id']} gives at the inputs of {wrong.vector.id}",
            fields=(
                ("Mutant", f"{wrong.mutant['id']}: {wrong.mutant['title']}"),
                ("Inputs", wrong.vector.id),
                ("Right", wrong.vector.function.formula),
                ("Source", wrong.vector.function.source),
            ),
        )
