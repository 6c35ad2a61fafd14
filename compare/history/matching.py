"""The matching claims under one release: its implementation in its environment, the hand-written one in ours."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

from elbo_compare.compare import environment
from elbo_compare.compare.claims import CLAIMS
from elbo_compare.compare.history.laying import Laid
from elbo_compare.compare.history.releases import Release
from elbo_compare.compare.judging.judge import judge
from elbo_compare.compare.launching.interpreter import HERE, Interpreter
from elbo_compare.compare.planning.availability import importable, reason_not_to_run
from elbo_compare.compare.planning.plan import plan
from elbo_compare.compare.planning.spec import Block, Spec
from elbo_compare.compare.records import Cell, CellResult, Procedure, ProgramResult, Status
from elbo_compare.compare.running.pool import Options, ended
from elbo_compare.compare.running.run import run
from elbo_compare.suites.contract import Device, Kind
from elbo_compare.suites.estimators import ANALYTIC_KL, SAMPLED_KL
from elbo_compare.suites.roster import LIBRARIES, ROSTER

# Pointwise: of a release that is wrong nothing more than rounding is needed to say so.
MATCHING = tuple(claim for claim in CLAIMS if claim.id in ("MATCH-001", "MATCH-002", "MATCH-003", "MATCH-004",
                                                           "MATCH-005", "MATCH-009"))  # fmt: skip
PROBLEMS = ("gaussian-kl@*", "linear-gaussian@*", "vae-small@*")
ROWS = 4
TIMEOUT_S = 600.0
HUNG = f"not run: an earlier one gave no answer within {TIMEOUT_S:g} s"


def matched(release: Release, laid: Laid) -> Iterator[ProgramResult]:
    """One result per claim; `measured`: how many cells agree, differ, are inconclusive or not run."""
    theirs = _results(release.library, laid.where)
    verdicts = judge([*theirs, *_by_hand(release.library)], claims=MATCHING)
    for claim in MATCHING:
        mine = [each for each in verdicts if each.claim == claim.id and each.implementation == release.library]
        if not mine:
            continue
        counts = Counter(str(each.outcome) for each in mine)
        reasons = dict.fromkeys(each.reason for each in mine if each.reason)
        yield ProgramResult(
            program=claim.id,
            status=Status.OK,
            reason="; ".join(reasons)[:400],
            measured={word: float(number) for word, number in counts.items()},
            versions=dict(laid.versions),
        )


@cache
def _by_hand(library: str) -> tuple[CellResult, ...]:
    """Of the same framework where there is one by hand, else the first that is installed."""
    framework = LIBRARIES[library].framework
    hands = sorted(
        (row for row in ROSTER if row.kind is Kind.HAND and all(map(importable, row.modules))),
        key=lambda row: row.framework is not framework,
    )
    return _results(hands[0].name, HERE) if hands else ()


def _results(implementation: str, where: Interpreter) -> tuple[CellResult, ...]:
    block = Block(
        procedure=Procedure.EVALUATE,
        problems=PROBLEMS,
        implementations=(implementation,),
        estimators=(SAMPLED_KL.name, ANALYTIC_KL.name),
        size=ROWS,
    )
    cells = list(plan(Spec(name="matching", cells=(block,)), Device.CPU))
    options = Options(
        jobs=1,
        cores=1,
        cell_timeout_s=TIMEOUT_S,
        fingerprint=environment.code_digest(),
        interpreters={} if where is HERE else {implementation: where},
    )
    found: list[CellResult] = []

    def finish(result: CellResult) -> None:
        found.append(result)
        if result.status is Status.TIMED_OUT:
            raise _HungError

    with suppress(_HungError):  # what hangs once would hang in each of the others too, for hours
        run(cells, options, finish, _nothing_lacks if where is not HERE else reason_not_to_run)
    done = {each.cell for each in found}
    return (*found, *(ended(cell, Status.NOT_RUN, HUNG, options) for cell in cells if cell not in done))


class _HungError(Exception):
    """A comparison took longer than it may."""


def _nothing_lacks(cell: Cell) -> None:
    """What an environment lacks it says itself, when the library is imported."""
