"""The semantics suite: a program for every case and library, and the sweep over a library's registered divergences."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from elbo_compare.compare.launching import environments
from elbo_compare.compare.planning.availability import present
from elbo_compare.compare.planning.suite import Program, Suite, SuiteJudgement
from elbo_compare.compare.records import ProgramResult, SuiteVerdict
from elbo_compare.compare.semantics.judging import PAIRS, case_verdicts, finding_verdicts, pair_verdicts
from elbo_compare.compare.semantics.register import described_frame, finding_frame, verdict_frame
from elbo_compare.suites.roster import LIBRARIES, Row
from elbo_compare.suites.semantics.case import Case, Finding, Library
from elbo_compare.suites.semantics.catalogue import CASES
from elbo_compare.suites.semantics.findings import FINDINGS
from elbo_compare.suites.semantics.pairs import sweep
from elbo_compare.suites.semantics.pairs.table import PAIRS as PAIRS_OF

CASES_FRAME, FINDINGS_FRAME, PAIRS_FRAME = "semantics", "findings", "semantics_pairs"
DESCRIBED_FRAME = "semantics_described"


def programs(cases: Sequence[Case] = CASES) -> list[Program]:
    """Every case in every library that has it, NumPyro's first (they take longest), then the sweeps. An optional
    library's are there only where it is installed, or where its environment is."""
    libraries = [library for library in sorted(Library) if _wanted(LIBRARIES[library])]
    swept = [library for library in PAIRS_OF if library in libraries]
    return [*(each for library in libraries for each in programs_of(cases, library)), *map(_sweep, swept)]


def _wanted(row: Row) -> bool:
    """An environment that is there but broken or of other versions is wanted: its programs say what mends it."""
    if row.environment:
        return environments.of(row.environment).folder.is_dir()
    return not row.optional or present(row)


def programs_of(cases: Sequence[Case], library: Library) -> Iterator[Program]:
    """Every case that a library has, whether it is installed or not."""
    absent = missing(library)
    for case in cases:
        behaviour = case.behaviour(library)
        if behaviour is not None:
            apart = LIBRARIES[library].environment
            needed = [name for name in behaviour.requires if not apart and find_spec(name) is None]
            yield Program(
                name=f"{case.id}-{library}",
                code=str(behaviour.path),
                group=library,
                packages=LIBRARIES[library].distributions,
                environment=apart,
                lacking=absent or (f"needs {', '.join(needed)}, not installed" if needed else ""),
            )


def _sweep(library: Library) -> Program:
    """It takes half a minute to judge, so that a profile does not run it."""
    return Program(
        name=f"{PAIRS}-{library}",
        code=str(sweep.program(library)),
        group=f"{library}, all divergences",
        packages=LIBRARIES[library].distributions,
        lacking=missing(library),
        aside=True,
        timeout_s=240.0,
    )


def missing(library: Library) -> str:
    """Why no program of a library can run here; empty where it can."""
    row = LIBRARIES[library]
    if row.environment:
        return environments.of(row.environment).lacking()
    absent = [name for name in row.modules if find_spec(name) is None]
    return f"{', '.join(absent)} not installed: pip install 'elbo-compare[{row.extra}]'" if absent else ""


def judged(results: Sequence[ProgramResult], whole: bool) -> SuiteJudgement:
    """Verdicts on findings, cases and, where it is `whole`, the sweep. The findings come first, by name."""
    cases = case_verdicts(results)
    if not cases:
        return SuiteJudgement(verdicts={}, frames={})
    findings = finding_verdicts(cases, [each for each in FINDINGS if _concerns(each, cases)])
    pairs = pair_verdicts(results) if whole else []
    verdicts = {"Findings": findings, "Semantics, registered behaviours": cases}
    frames = {CASES_FRAME: verdict_frame(cases), FINDINGS_FRAME: finding_frame(findings)}
    described = described_frame(results)
    if not described.empty:
        frames[DESCRIBED_FRAME] = described
    if pairs:
        verdicts["Registered divergences against their integrals"] = pairs
        frames[PAIRS_FRAME] = verdict_frame(pairs)
    return SuiteJudgement(verdicts=verdicts, frames=frames)


def _concerns(finding: Finding, verdicts: Sequence[SuiteVerdict]) -> bool:
    """An optional library's findings are passed over where none of its programs was to run."""
    return not LIBRARIES[finding.library].optional or any(each.subject == finding.library for each in verdicts)


SEMANTICS = Suite(name="semantics", noun="semantics programs", programs=programs, judge=judged)
