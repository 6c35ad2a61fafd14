"""Measurements -> verdicts. Pure: rows in, verdicts out; no framework, no clock, no file.

Cost is linear in cells and rows: each cell is read once, and pairs are found through a dict on the claim's key. Memory
holds cells and verdicts, not rows.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Sequence
from functools import cache

from elbo_compare.compare.claims import CLAIMS, Claim, Context, Judgement, Rows
from elbo_compare.compare.claims.claim import Pairing, RowMissingError
from elbo_compare.compare.judging.ordered import InMemory, Ordered
from elbo_compare.compare.judging.verdicts import Verdicts
from elbo_compare.compare.records import Cell, CellResult, Outcome, Status, Verdict
from elbo_compare.compare.statistics import MEAN_MARGIN, VARIANCE_MARGIN, ErrorBudget

AGREE, DIFFER, INCOMPLETE = 0, 1, 3  # exit codes; 2 is bad usage

_BROKEN = (Status.FAILED, Status.CRASHED, Status.TIMED_OUT)


class ErrorBudgetExceededError(ValueError):
    """More statistical verdicts than the error budget was split for."""


def latent_size(cell: Cell) -> int:
    """The number of latent dimensions of a cell's problem."""
    return _latent_size(cell.problem, cell.weights)


@cache
def _latent_size(problem: str, weights: str) -> int:
    from elbo_compare.suites.problems import load  # reads weights, which only the constants need

    return load(problem, weights).latent


def judge(
    results: Iterable[CellResult],
    budget: ErrorBudget | None = None,
    variance_margin: float = VARIANCE_MARGIN,
    *,
    mean_margin: float = MEAN_MARGIN,
    claims: Sequence[Claim] = CLAIMS,
    latent: Callable[[Cell], int] = latent_size,
) -> list[Verdict]:
    """Every claim on every cell or pair that it is about, in the order of `claims`, then of the cells' labels and keys.

    A cell NOT_RUN gives verdicts NOT_RUN with its reason; one that failed, crashed or timed out gives INCONCLUSIVE.
    Raises ErrorBudgetExceededError when more statistical verdicts are given than the budget was split for.
    """
    given = InMemory(results)
    return list(judged(given, budget, variance_margin, mean_margin=mean_margin, claims=claims, latent=latent))


def judged(
    results: Ordered,
    budget: ErrorBudget | None = None,
    variance_margin: float = VARIANCE_MARGIN,
    *,
    mean_margin: float = MEAN_MARGIN,
    claims: Sequence[Claim] = CLAIMS,
    latent: Callable[[Cell], int] = latent_size,
) -> Verdicts:
    """`judge` for results that need not be in memory: each is read once, and a partner once for each that wants it."""
    context = Context(
        budget=budget or ErrorBudget(), mean_margin=mean_margin, variance_margin=variance_margin, latent=latent
    )
    verdicts = Verdicts(results.cells, (claim.id for claim in claims))
    partners = _Partners(results, [claim for claim in claims if claim.pairing is not None])
    for claim, index in partners.without_subject():
        verdicts.add(claim.id, index, _not_run(f"this run has no {claim.subject}"))
    spent = 0
    for index, rows in enumerate(results.rows()):
        for claim in claims:
            if not claim.applies(rows.cell):
                continue
            for judgement, other in _judgements(claim, rows, index, partners, context):
                verdicts.add(claim.id, index, judgement, other)
                spent += claim.statistical and judgement.outcome is not Outcome.NOT_RUN
    if spent > context.budget.tests:
        raise ErrorBudgetExceededError(
            f"{spent} statistical verdicts, but the error budget was split over {context.budget.tests}. "
            f"Plan with ErrorBudget(tests={spent}) or more: the number of draws depends on it."
        )
    return verdicts


def exit_code(verdicts: Iterable[Verdict], results: Iterable[CellResult]) -> int:
    """1 where a claim differs; else 3 where a verdict is inconclusive or a cell did not end well; else 0.

    NOT_RUN counts as neither: its reason was known when planning.
    """
    return code_of({verdict.outcome for verdict in verdicts}, (result.status for result in results))


def code_of(outcomes: Container[Outcome], statuses: Iterable[Status]) -> int:
    """`exit_code` from the outcomes that there are and the cells' statuses."""
    if Outcome.DIFFERS in outcomes:
        return DIFFER
    if Outcome.INCONCLUSIVE in outcomes or any(status in _BROKEN for status in statuses):
        return INCOMPLETE
    return AGREE


def _judgements(
    claim: Claim, rows: Rows, index: int, partners: "_Partners", context: Context
) -> Iterator[tuple[Judgement, str]]:
    """A claim's judgements on one cell, each with the label of the cell that it is compared with, "" where none is."""
    pairing = claim.pairing
    if pairing is None:
        judge_rows = claim.judge
        assert judge_rows is not None
        for judgement in _unusable(rows) or _attempt(lambda: judge_rows(rows, context)):
            yield judgement, ""
        return
    others = [other for other in partners.of(claim, rows.cell) if other != index]
    if not others:
        yield _not_run(f"this run has no {pairing.wanted_by(rows.cell)}"), ""
    for number in others:
        other = partners.results.at(number)
        unusable = _unusable(rows) or _unusable(other, naming=True)
        for judgement in unusable or _attempt(lambda other=other: pairing.judge(rows, other, context)):
            yield judgement, other.cell.label


class _Partners:
    """Which cells a claim's subjects are compared with, by number: known from the cells alone, before any is read."""

    def __init__(self, results: Ordered, claims: Sequence[Claim]) -> None:
        self.results = results
        self.claims = claims
        shared: dict[Hashable, Hashable] = {}  # one object for a key that many claims have
        self._found: dict[str, dict[Hashable, list[int]]] = {}
        for claim in claims:
            pairing = claim.pairing
            assert pairing is not None
            wanted = {pairing.key_wanted(cell) for cell in results.cells if claim.applies(cell)}
            if wanted:
                groups = self._groups(claim, pairing)
                kept = ((shared.setdefault(key, key), group) for key, group in groups.items() if key in wanted)
                self._found[claim.id] = dict(kept)

    def _groups(self, claim: Claim, pairing: Pairing) -> dict[Hashable, list[int]]:
        groups: dict[Hashable, list[int]] = defaultdict(list)
        for index, cell in enumerate(self.results.cells):
            if claim.is_partner(cell):
                groups[pairing.key(cell)].append(index)
        return groups

    def of(self, claim: Claim, cell: Cell) -> list[int]:
        """The partners of a subject, in order."""
        assert claim.pairing is not None
        return self._found[claim.id].get(claim.pairing.key_wanted(cell), [])

    def without_subject(self) -> Iterator[tuple[Claim, int]]:
        """A claim with nothing to be about still shows that it was not judged: once per implementation that is
        there."""
        for claim in self.claims:
            seen: set[str] = set()
            if claim.id in self._found or not claim.subject or claim.pairing is None:
                continue
            groups = self._groups(claim, claim.pairing)
            for index in (index for group in groups.values() for index in group):
                name = self.results.cells[index].implementation
                if name not in seen:
                    seen.add(name)
                    yield claim, index


def _unusable(rows: Rows, *, naming: bool = False) -> list[Judgement]:
    """The judgement on a cell without measurements; empty for a cell that ended well."""
    result = rows.result
    name = f"{rows.cell.label}: " if naming else ""
    if result.status is Status.NOT_RUN:
        return [_not_run(name + result.reason)]
    if result.status in _BROKEN:
        reason = f"{name}the cell {result.status}: {result.reason}"
        return [Judgement(outcome=Outcome.INCONCLUSIVE, reason=reason)]
    return []


def _attempt(judge_rows: Callable[[], list[Judgement]]) -> list[Judgement]:
    try:
        return judge_rows()
    except RowMissingError as error:
        return [Judgement(outcome=Outcome.INCONCLUSIVE, reason=str(error))]


def _not_run(reason: str) -> Judgement:
    return Judgement(outcome=Outcome.NOT_RUN, reason=reason)
