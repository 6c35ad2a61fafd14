"""Measurements -> verdicts. Pure: rows in, verdicts out; no framework, no clock, no file.

Cost is linear in cells and rows: each cell is indexed once, and pairs are found through a dict on the claim's key.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import fields
from functools import cache

from elbo_compare.compare.claims import CLAIMS, Claim, Context, Judgement, Rows
from elbo_compare.compare.claims.claim import Pairing, RowMissingError
from elbo_compare.compare.records import Cell, CellResult, Outcome, Status, Verdict
from elbo_compare.compare.statistics import MEAN_MARGIN, VARIANCE_MARGIN, ErrorBudget

AGREE, DIFFER, INCOMPLETE = 0, 1, 3  # exit codes; 2 is bad usage

_BROKEN = (Status.FAILED, Status.CRASHED, Status.TIMED_OUT)
_CELL_FIELDS = (
    *("key", "label", "problem", "weights", "dataset", "implementation", "estimator"),
    *("procedure", "dtype", "device", "seed"),
)


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
    context = Context(
        budget=budget or ErrorBudget(), mean_margin=mean_margin, variance_margin=variance_margin, latent=latent
    )
    cells = [Rows(result) for result in sorted(results, key=lambda result: (result.cell.label, result.cell.key))]
    verdicts, spent = [], 0
    for claim in claims:
        given = list(_on_cells(claim, cells, context) if claim.pairing is None else _on_pairs(claim, cells, context))
        spent += sum(claim.statistical and verdict.outcome is not Outcome.NOT_RUN for verdict in given)
        verdicts += given
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
    outcomes = {verdict.outcome for verdict in verdicts}
    if Outcome.DIFFERS in outcomes:
        return DIFFER
    if Outcome.INCONCLUSIVE in outcomes or any(result.status in _BROKEN for result in results):
        return INCOMPLETE
    return AGREE


def _on_cells(claim: Claim, cells: list[Rows], context: Context) -> Iterator[Verdict]:
    assert claim.judge is not None
    judge_rows = claim.judge
    for rows in cells:
        if claim.applies(rows.cell):
            judgements = _unusable(rows) or _attempt(lambda rows=rows: judge_rows(rows, context))
            yield from (_verdict(claim, rows.cell, judgement) for judgement in judgements)


def _on_pairs(claim: Claim, cells: list[Rows], context: Context) -> Iterator[Verdict]:
    pairing = claim.pairing
    assert pairing is not None
    subjects = [rows for rows in cells if claim.applies(rows.cell)]
    partners: dict[Hashable, list[Rows]] = defaultdict(list)
    for rows in cells:
        if claim.is_partner(rows.cell):
            partners[pairing.key(rows.cell)].append(rows)
    if not subjects:
        yield from _without_subject(claim, partners)
    for rows in subjects:
        others = [other for other in partners.get(pairing.key_wanted(rows.cell), []) if other is not rows]
        if not others:
            yield _verdict(claim, rows.cell, _not_run(f"this run has no {pairing.wanted_by(rows.cell)}"))
        for other in others:
            yield from _judged_pair(claim, pairing, rows, other, context)


def _judged_pair(claim: Claim, pairing: Pairing, rows: Rows, other: Rows, context: Context) -> Iterator[Verdict]:
    judgements = (
        _unusable(rows) or _unusable(other, naming=True) or _attempt(lambda: pairing.judge(rows, other, context))
    )
    yield from (_verdict(claim, rows.cell, judgement, other.cell.label) for judgement in judgements)


def _without_subject(claim: Claim, partners: dict[Hashable, list[Rows]]) -> Iterator[Verdict]:
    """A claim with nothing to be about still shows that it was not judged: once per implementation that is there."""
    seen = set()
    if not claim.subject:
        return
    for rows in (rows for group in partners.values() for rows in group):
        if rows.cell.implementation not in seen:
            seen.add(rows.cell.implementation)
            yield _verdict(claim, rows.cell, _not_run(f"this run has no {claim.subject}"))


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


def _verdict(claim: Claim, cell: Cell, judgement: Judgement, other: str = "") -> Verdict:
    judged = {field.name: getattr(judgement, field.name) for field in fields(judgement)}
    about = {name: getattr(cell, name) for name in _CELL_FIELDS}
    return Verdict(claim=claim.id, other=other, **about, **judged)
