"""Semantics results -> verdicts on cases and findings. Pure: no framework, no disk.

A finding is an expected outcome: it agrees while it reproduces and differs, by name, when a version stops showing it;
a case that starts to show another behaviour differs too.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, nan

from elbo_compare.compare.records import Outcome, Status
from elbo_compare.compare.semantics.records import FindingVerdict, SemanticsResult, SemanticsVerdict
from elbo_compare.suites.semantics.case import Case, Expectation, Finding, expectations
from elbo_compare.suites.semantics.catalogue import BY_ID
from elbo_compare.suites.semantics.findings import FINDINGS
from elbo_compare.suites.semantics.pairs import sweep

DIFFERS_CODE, INCOMPLETE_CODE = 1, 3
Results = Mapping[tuple[str, str], SemanticsResult]


def case_verdicts(results: Iterable[SemanticsResult], findings: Sequence[Finding] = FINDINGS) -> list[SemanticsVerdict]:
    """One verdict per case, library and quantity; what is not in the catalogue (the sweep) is left out."""
    return [
        verdict
        for result in results
        if result.case in BY_ID
        for verdict in _judged(BY_ID[result.case], result, findings)
    ]


def _judged(case: Case, result: SemanticsResult, findings: Sequence[Finding]) -> list[SemanticsVerdict]:
    about = [finding for finding in findings if finding.library is result.library and case.id in finding.cases]
    unjudged = _unusable(result)
    if unjudged is None:
        try:
            return [_verdict(case, result, each, about) for each in expectations(case, result.library, result.measured)]
        except KeyError as error:
            unjudged = Outcome.INCONCLUSIVE, f"the program did not return {error}"
    outcome, reason = unjudged
    return [
        SemanticsVerdict(
            case=case.id,
            library=result.library,
            outcome=outcome,
            findings=tuple(finding.id for finding in about),
            reason=reason,
            versions=result.shown_versions,
        )
    ]


def _unusable(result: SemanticsResult) -> tuple[Outcome, str] | None:
    if result.status is Status.OK:
        return None
    if result.status is Status.NOT_RUN:
        return Outcome.NOT_RUN, result.reason
    return Outcome.INCONCLUSIVE, f"the program {result.status}: {result.reason}"


def _verdict(case: Case, result: SemanticsResult, each: Expectation, about: Sequence[Finding]) -> SemanticsVerdict:
    return SemanticsVerdict(
        case=case.id,
        library=result.library,
        outcome=Outcome.AGREES if each.reproduces else Outcome.DIFFERS,
        quantity=each.quantity,
        measured=each.measured,
        registered=each.behaviour,
        oracle=each.oracle,
        tolerance=each.tolerance * (1 + abs(each.behaviour)) if isfinite(each.behaviour) else 0.0,
        sampled=each.sampled,
        right=each.right,
        findings=tuple(finding.id for finding in about if each.quantity in finding.quantities),
        reason="" if each.reproduces else _change(each),
        versions=result.shown_versions,
    )


def _change(each: Expectation) -> str:
    now = "it is right now" if each.right else "it is neither that nor right"
    return f"{each.quantity} is {each.measured:.6g} where {each.behaviour:.6g} is registered; {now}"


def finding_verdicts(
    verdicts: Sequence[SemanticsVerdict], findings: Sequence[Finding] = FINDINGS
) -> list[FindingVerdict]:
    """One verdict per finding, in the register's order."""
    return [_finding(finding, verdicts) for finding in findings]


def _finding(finding: Finding, verdicts: Sequence[SemanticsVerdict]) -> FindingVerdict:
    mine = [each for each in verdicts if each.library is finding.library]
    shown = [each for each in mine if each.case in finding.cases and each.quantity in ("", *finding.quantities)]
    outcome, reason = _shown(finding, shown)
    errors = [abs(each.measured - each.oracle) for each in shown if each.quantity and not each.right]
    workaround = [
        each.right
        for each in mine
        if each.case == finding.workaround_case and each.quantity == finding.workaround_quantity
    ]
    if outcome is Outcome.AGREES and False in workaround:
        outcome, reason = Outcome.DIFFERS, "it reproduces, but its workaround no longer gives the right number"
    return FindingVerdict(
        finding=finding.id,
        library=finding.library,
        outcome=outcome,
        error=max(errors, key=lambda error: (not isfinite(error), error), default=nan),
        workaround_right=workaround[0] if workaround else None,
        reason=reason,
        versions=next((each.versions for each in shown), ""),
    )


def _shown(finding: Finding, shown: Sequence[SemanticsVerdict]) -> tuple[Outcome, str]:
    """The worst of a finding's quantities; a quantity that no case returned any more leaves it open."""
    for outcome in (Outcome.DIFFERS, Outcome.INCONCLUSIVE, Outcome.NOT_RUN):
        for each in shown:
            if each.outcome is outcome:
                return outcome, f"{each.case}: {each.reason}"
    lost = [name for name in finding.quantities if not any(e.quantity == name and not e.right for e in shown)]
    if not shown:
        return Outcome.NOT_RUN, "none of its cases is in this run"
    return (Outcome.DIFFERS, f"{lost[0]} is right in every case") if lost else (Outcome.AGREES, "")


def pair_verdicts(results: Iterable[SemanticsResult]) -> list[SemanticsVerdict]:
    """One verdict per registered divergence and choice of parameters against the integral, and one per new pair."""
    return [verdict for result in results if result.case not in BY_ID for verdict in _swept(result)]


def _swept(result: SemanticsResult) -> list[SemanticsVerdict]:
    unjudged = _unusable(result)
    about = {"case": result.case, "library": result.library, "versions": result.shown_versions}
    if unjudged is not None:
        return [SemanticsVerdict(outcome=unjudged[0], reason=unjudged[1], **about)]
    run = sweep.ProgramRun(program="", measured=result.measured)
    changed = [
        SemanticsVerdict(outcome=Outcome.DIFFERS, quantity="|".join(pair), reason=_registration(pair, run), **about)
        for pair in sorted(sweep.unlisted(result.library, run))
    ]
    return changed + [
        SemanticsVerdict(
            outcome=Outcome.AGREES if each.reproduces else Outcome.DIFFERS,
            quantity=each.check.key,
            measured=each.measured,
            registered=each.behaviour,
            oracle=each.exact,
            tolerance=sweep.TOLERANCE * (1 + abs(each.behaviour)) if isfinite(each.behaviour) else 0.0,
            right=each.right,
            reason=sweep.known(result.library, each.check),
            **about,
        )
        for each in sweep.results(result.library, run)
    ]


def _registration(pair: tuple[str, str], run: sweep.ProgramRun) -> str:
    new = pair in sweep.registered(run)
    return "this version registers a divergence that the table lacks" if new else "this version no longer registers it"


def exit_code(cases: Iterable[SemanticsVerdict], findings: Iterable[FindingVerdict]) -> int:
    """1 where something differs from the register, else 3 where a program failed, else 0."""
    outcomes = {each.outcome for each in cases} | {each.outcome for each in findings}
    if Outcome.DIFFERS in outcomes:
        return DIFFERS_CODE
    return INCOMPLETE_CODE if Outcome.INCONCLUSIVE in outcomes else 0


def counted(verdicts: Iterable[SemanticsVerdict | FindingVerdict]) -> dict[str, int]:
    """How many verdicts have each outcome, for a sentence."""
    counts = Counter(each.outcome for each in verdicts)
    return {str(outcome): counts[outcome] for outcome in Outcome if counts[outcome]}
