"""Semantics results -> verdicts on cases and findings. Pure: no framework, no disk.

A finding is an expected outcome: it agrees while it reproduces and differs, by name, when a version stops showing it;
a case that starts to show another behaviour differs too.
"""

from collections.abc import Iterable, Sequence
from math import isfinite, nan

from elbo_compare.compare.records import Outcome, ProgramResult, Status, SuiteVerdict
from elbo_compare.suites.semantics.case import Case, Expectation, Finding, Library, Numbers, expectations
from elbo_compare.suites.semantics.catalogue import BY_ID
from elbo_compare.suites.semantics.findings import FINDINGS
from elbo_compare.suites.semantics.pairs import sweep

PAIRS = "PAIRS"  # the sweep over a library's registered divergences, in place of a case's ID


def subject_of(result: ProgramResult) -> tuple[str, Library]:
    """SEM-SCALE-001-pyro: the case SEM-SCALE-001 in Pyro; PAIRS-pyro: the sweep over Pyro's registered divergences."""
    case, _, library = result.program.rpartition("-")
    return case, Library(library)


def case_verdicts(results: Iterable[ProgramResult], findings: Sequence[Finding] = FINDINGS) -> list[SuiteVerdict]:
    """One verdict per case, library and quantity; what is not in the catalogue (the sweep) is left out.

    AGREES: |value - reference| <= tolerance, reference being the registered behaviour. DIFFERS: the library has
    changed. INCONCLUSIVE: the program failed. Without numbers there is one verdict with an empty quantity.
    """
    subjects = ((*subject_of(result), result) for result in results)
    return [
        verdict
        for case, library, result in subjects
        if case in BY_ID
        for verdict in _judged(BY_ID[case], library, result, findings)
    ]


def _judged(case: Case, library: Library, result: ProgramResult, findings: Sequence[Finding]) -> list[SuiteVerdict]:
    about = [finding for finding in findings if finding.library is library and case.id in finding.cases]
    unjudged = _unusable(result)
    if unjudged is None:
        try:
            found = expectations(case, library, result.measured)
            return [_verdict(case, library, result, each, about) for each in found]
        except KeyError as error:
            unjudged = Outcome.INCONCLUSIVE, f"the program did not return {error}"
    outcome, reason = unjudged
    return [
        SuiteVerdict(
            id=case.id,
            subject=library,
            outcome=outcome,
            right=False,
            findings=tuple(finding.id for finding in about),
            reason=reason,
            versions=result.shown_versions,
        )
    ]


def _unusable(result: ProgramResult) -> tuple[Outcome, str] | None:
    if result.status is Status.OK:
        return None
    if result.status is Status.NOT_RUN:
        return Outcome.NOT_RUN, result.reason
    return Outcome.INCONCLUSIVE, f"the program {result.status}: {result.reason}"


def _verdict(
    case: Case, library: Library, result: ProgramResult, each: Expectation, about: Sequence[Finding]
) -> SuiteVerdict:
    return SuiteVerdict(
        id=case.id,
        subject=library,
        outcome=Outcome.AGREES if each.reproduces else Outcome.DIFFERS,
        quantity=each.quantity,
        value=each.measured,
        reference=each.behaviour,
        oracle=each.oracle,
        difference=each.measured - each.behaviour,
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


def finding_verdicts(verdicts: Sequence[SuiteVerdict], findings: Sequence[Finding] = FINDINGS) -> list[SuiteVerdict]:
    """One verdict per finding, in the register's order. AGREES: it reproduces; DIFFERS: `reason` says which quantity
    stopped showing it. `difference` is the largest error, and `right` whether its workaround gives the right number.
    """
    return [_finding(finding, verdicts) for finding in findings]


def _finding(finding: Finding, verdicts: Sequence[SuiteVerdict]) -> SuiteVerdict:
    mine = [each for each in verdicts if each.subject == finding.library]
    shown = [each for each in mine if each.id in finding.cases and each.quantity in ("", *finding.quantities)]
    outcome, reason = _shown(finding, shown)
    errors = [abs(each.value - each.oracle) for each in shown if each.quantity and not each.right]
    workaround = [
        each.right
        for each in mine
        if each.id == finding.workaround_case and each.quantity == finding.workaround_quantity
    ]
    if outcome is Outcome.AGREES and False in workaround:
        outcome, reason = Outcome.DIFFERS, "it reproduces, but its workaround no longer gives the right number"
    return SuiteVerdict(
        id=finding.id,
        subject=finding.library,
        outcome=outcome,
        difference=max(errors, key=lambda error: (not isfinite(error), error), default=nan),
        right=workaround[0] if workaround else None,
        reason=reason,
        versions=next((each.versions for each in shown), ""),
    )


def _shown(finding: Finding, shown: Sequence[SuiteVerdict]) -> tuple[Outcome, str]:
    """The worst of a finding's quantities; a quantity that no case returned any more leaves it open."""
    for outcome in (Outcome.DIFFERS, Outcome.INCONCLUSIVE, Outcome.NOT_RUN):
        for each in shown:
            if each.outcome is outcome:
                return outcome, f"{each.id}: {each.reason}"
    lost = [name for name in finding.quantities if not any(e.quantity == name and not e.right for e in shown)]
    if not shown:
        return Outcome.NOT_RUN, "none of its cases is in this run"
    return (Outcome.DIFFERS, f"{lost[0]} is right in every case") if lost else (Outcome.AGREES, "")


def pair_verdicts(results: Iterable[ProgramResult]) -> list[SuiteVerdict]:
    """One verdict per registered divergence and choice of parameters against the integral, and one per new pair."""
    subjects = ((*subject_of(result), result) for result in results)
    return [verdict for case, library, result in subjects if case not in BY_ID for verdict in _swept(library, result)]


def _swept(library: Library, result: ProgramResult) -> list[SuiteVerdict]:
    unjudged = _unusable(result)
    about = {"id": PAIRS, "subject": library, "versions": result.shown_versions}
    if unjudged is not None:
        return [SuiteVerdict(outcome=unjudged[0], reason=unjudged[1], right=False, **about)]
    changed = [
        SuiteVerdict(
            outcome=Outcome.DIFFERS,
            quantity="|".join(pair),
            reason=_registration(pair, result.measured),
            right=False,
            **about,
        )
        for pair in sorted(sweep.unlisted(library, result.measured))
    ]
    return changed + [
        SuiteVerdict(
            outcome=Outcome.AGREES if each.reproduces else Outcome.DIFFERS,
            quantity=each.check.key,
            value=each.measured,
            reference=each.behaviour,
            oracle=each.exact,
            difference=each.measured - each.behaviour,
            tolerance=sweep.TOLERANCE * (1 + abs(each.behaviour)) if isfinite(each.behaviour) else 0.0,
            right=each.right,
            reason=sweep.known(library, each.check),
            **about,
        )
        for each in sweep.results(library, result.measured)
    ]


def _registration(pair: tuple[str, str], measured: Numbers) -> str:
    new = pair in sweep.registered(measured)
    return "this version registers a divergence that the table lacks" if new else "this version no longer registers it"
