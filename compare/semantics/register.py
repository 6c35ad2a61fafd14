"""The register of findings sorted by harm, and the frames that the report and `compare findings` are made of."""

from collections.abc import Iterable, Mapping, Sequence
from math import inf, isfinite, nan
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from elbo_compare.compare.records import Outcome, ProgramResult, SuiteVerdict
from elbo_compare.compare.semantics.judging import subject_of
from elbo_compare.suites.semantics.case import Finding, Library, Status, Unit
from elbo_compare.suites.semantics.catalogue import BY_ID, FAMILIES
from elbo_compare.suites.semantics.findings import FINDINGS
from elbo_compare.suites.semantics.since import since_in_words

if TYPE_CHECKING:
    import pandas as pd

NOT_MEASURED = "not run here"


def expected_error(finding: Finding) -> float:
    """The largest |registered - oracle| over the finding's cases and quantities, in nats or gradient, without a run.

    Sampled terms are taken at fixed draws spread over (-1, 1.1); nan or inf in either number gives inf.
    """
    errors = []
    for name in finding.cases:
        case = BY_ID[name]
        behaviour = case.behaviour(finding.library)
        if behaviour is None:
            continue
        draws = {given: (0.3, -0.9, 1.1)[place % 3] for place, given in enumerate(case.given)}
        right = case.oracle(draws)
        does = {**right, **(behaviour.computes(draws) if behaviour.computes else {})}
        errors += [abs(does[each] - right.get(each, does[each])) for each in finding.quantities if each in does]
    return max((error if isfinite(error) else inf for error in errors), default=nan)


def by_harm(
    findings: Sequence[Finding] = FINDINGS, measured: Mapping[str, SuiteVerdict] = MappingProxyType({})
) -> list[Finding]:
    """What an ordinary use is harmed by silently comes first; then what only extreme parameters show; then numbers that
    show themselves (inf, nan); then what costs time or raises. Within each, open before by design, nats before
    gradients before counts and flags, and the larger error first: the measured one where the finding reproduces."""

    def place(finding: Finding) -> tuple[int, bool, int, float, str]:
        verdict = measured.get(finding.id)
        error = verdict.difference if verdict and verdict.outcome is Outcome.AGREES else expected_error(finding)
        kind = 3 if not finding.silent else 2 if not isfinite(error) else 1 if finding.extreme else 0
        unit = list(Unit).index(finding.unit)
        return kind, finding.status is not Status.OPEN, unit, -error if isfinite(error) else 0.0, finding.id

    return sorted(findings, key=place)


def finding_rows(verdicts: Iterable[SuiteVerdict]) -> list[dict[str, Any]]:
    """One row per finding, by harm, with its verdict where there is one."""
    judged = {verdict.id: verdict for verdict in verdicts}
    return [_row(finding, judged.get(finding.id)) for finding in by_harm(measured=judged)]


def _row(finding: Finding, verdict: SuiteVerdict | None) -> dict[str, Any]:
    case = BY_ID[finding.cases[0]]
    behaviour = case.behaviour(finding.library)
    return {
        "id": finding.id,
        "library": str(finding.library),
        "status": str(finding.status),
        "title": finding.title,
        "documentation": finding.documentation,
        "happens": finding.happens,
        "harm": finding.harm,
        "unit": str(finding.unit),
        "extreme": finding.extreme,
        "fix": finding.fix,
        "expected_error": expected_error(finding),
        "measured_error": verdict.difference if verdict else nan,
        "outcome": str(verdict.outcome) if verdict else NOT_MEASURED,
        "versions": verdict.versions if verdict else "",
        "reason": verdict.reason if verdict else "",
        "workaround": finding.workaround,
        "workaround_verdict": _workaround(verdict),
        "upstream": finding.upstream,
        "since": since_in_words(finding),
        "routes": "; ".join(finding.routes),
        "cases": ", ".join(finding.cases),
        "source": case.source,
        "statement": case.statement,
        "program_name": behaviour.program if behaviour else "",
        "program": behaviour.path.read_text("utf-8") if behaviour else "",
    }


def _workaround(verdict: SuiteVerdict | None) -> str:
    if verdict is None or verdict.right is None:
        return "not tested"
    return "gives the right number" if verdict.right else "does not give the right number"


def finding_frame(verdicts: Iterable[SuiteVerdict]) -> "pd.DataFrame":
    """`finding_rows` of what has a verdict as a frame."""
    import pandas as pd

    judged = list(verdicts)
    ids = {verdict.id for verdict in judged}
    return pd.DataFrame([row for row in finding_rows(judged) if row["id"] in ids])


def verdict_frame(verdicts: Iterable[SuiteVerdict]) -> "pd.DataFrame":
    """One row per case, library and quantity, with the case's title, statement, oracle and the library's formula."""
    import pandas as pd

    families = {case.id: family for family, cases in FAMILIES.items() for case in cases}
    return pd.DataFrame([_verdict_row(verdict, families) for verdict in verdicts])


def described_frame(results: Iterable[ProgramResult]) -> "pd.DataFrame":
    """Measured ratios that are shown and not judged: median and quartiles over the rounds of one process."""
    import pandas as pd

    subjects = ((*subject_of(result), result) for result in results)
    rows = [
        {
            "case": case,
            "title": BY_ID[case].title,
            "library": str(library),
            "quantity": name,
            "median": result.measured[name],
            "low": result.measured[f"{name}_low"],
            "high": result.measured[f"{name}_high"],
            "versions": result.shown_versions,
        }
        for case, library, result in subjects
        if case in BY_ID and (behaviour := BY_ID[case].behaviour(library))
        for name in behaviour.described
        if name in result.measured
    ]
    return pd.DataFrame(rows)


def _verdict_row(verdict: SuiteVerdict, families: Mapping[str, str]) -> dict[str, Any]:
    case = BY_ID.get(verdict.id)
    behaviour = case.behaviour(Library(verdict.subject)) if case else None
    return {
        "case": verdict.id,
        "family": families.get(verdict.id, ""),
        "title": case.title if case else "",
        "statement": case.statement if case else "",
        "library": verdict.subject,
        "formula": behaviour.formula if behaviour else "",
        "quantity": verdict.quantity,
        "measured": verdict.value,
        "registered": verdict.reference,
        "oracle": verdict.oracle,
        "tolerance": verdict.tolerance,
        "tolerance_reason": case.tolerance_reason if case else "",
        "sampled": verdict.sampled,
        "right": verdict.right,
        "outcome": str(verdict.outcome),
        "findings": ", ".join(verdict.findings),
        "reason": verdict.reason,
        "versions": verdict.versions,
        "program_name": behaviour.program if behaviour else "",
    }
