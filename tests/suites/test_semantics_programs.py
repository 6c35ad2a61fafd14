"""The programs of the semantics suite, run in fresh processes and held against the catalogue."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from elbo_compare.compare.citing.issue import issue
from elbo_compare.compare.launching import environments
from elbo_compare.compare.running import programs as running
from elbo_compare.compare.running.programs import ProgramRun, run_programs
from elbo_compare.compare.semantics.register import finding_rows
from elbo_compare.compare.semantics.suite import missing, programs
from elbo_compare.suites import roster
from elbo_compare.suites.semantics.case import Case, Library, Status, expectations
from elbo_compare.suites.semantics.catalogue import BY_ID, CASES
from elbo_compare.suites.semantics.findings import FINDINGS
from elbo_compare.suites.semantics.pairs import sweep
from elbo_compare.suites.semantics.pairs.table import PAIRS

INSTALLED = [each for each in Library if not missing(each)]
# A library that is optional is asked only where it is installed; `test_tfp` says so where it is not.
LIBRARIES = [
    pytest.param(each, marks=pytest.mark.skipif(each not in INSTALLED, reason=f"{each} is not installed"))
    for each in Library
    if each in INSTALLED or not roster.LIBRARIES[each].optional
]


@pytest.fixture(scope="module")
def runs() -> dict[Library, dict[str, ProgramRun]]:
    """Every case of every installed library, run once; a case that can't run here is absent."""
    found: dict[Library, dict[str, ProgramRun]] = {}
    for library in INSTALLED:
        mine = [each for each in programs() if each.group == library and not each.lacking]
        where = environments.interpreter(roster.LIBRARIES[library].environment)
        for start in range(0, len(mine), 24):
            part = mine[start : start + 24]
            for program, run in zip(part, run_programs([each.code for each in part], where=where), strict=True):
                found.setdefault(library, {})[program.name.removesuffix(f"-{library}")] = run
    return found


def _expected(runs: dict[Library, dict[str, ProgramRun]], case: Case, library: Library):
    if case.id not in runs[library]:
        pytest.skip(f"needs {', '.join(getattr(case.behaviour(library), 'requires', ()))}")
    run = runs[library][case.id]
    assert not run.error, run.error
    return expectations(case, library, run.measured)


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_library_does_what_the_catalogue_says(case: Case, library: Library, runs) -> None:
    if case.behaviour(library) is None:
        pytest.skip(f"{case.id} does not exist in {library}")
    for each in _expected(runs, case, library):
        assert each.reproduces, f"{case.id} {library} {each.quantity}: {each.measured} is not {each.behaviour}"


@pytest.mark.slow
@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.id)
def test_finding_reproduces_and_its_workaround_is_right(finding, runs) -> None:
    if finding.library not in runs:
        pytest.skip(f"{finding.library} is not installed")
    wrong: set[str] = set()
    for name in finding.cases:
        wrong |= {each.quantity for each in _expected(runs, BY_ID[name], finding.library) if not each.right}
    assert set(finding.quantities) <= wrong
    if finding.workaround_case:
        found = _expected(runs, BY_ID[finding.workaround_case], finding.library)
        assert next(each for each in found if each.quantity == finding.workaround_quantity).right


@pytest.mark.slow
@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.id)
def test_an_issue_of_each_finding_is_ready_to_send(finding, runs) -> None:
    """Everything that a maintainer wants, with the numbers that the program printed just now, and no more of them."""
    if finding.library not in runs:
        pytest.skip(f"{finding.library} is not installed")
    case = BY_ID[finding.cases[0]]
    behaviour = case.behaviour(finding.library)
    assert behaviour is not None
    wrong = {each.quantity: each for each in _expected(runs, case, finding.library) if not each.right}
    known = [each.id for each in FINDINGS if case.id in each.cases and each.library is finding.library]
    rows = [{"case": case.id, "library": str(finding.library), "findings": ", ".join(known), "quantity": name,
             "oracle": each.oracle, "measured": each.measured, "right": False,
             "formula": behaviour.formula} for name, each in wrong.items()]  # fmt: skip
    row = next(each for each in finding_rows(()) if each["id"] == finding.id)
    said = issue({**row, "outcome": "agrees", "versions": "the installed ones"}, pd.DataFrame(rows))
    for part in (f"# {finding.title}", "Versions: the installed ones", f"**Documented**: {finding.documentation}",
                 f"**Suggested fix**: {finding.fix}.", "**Related**: "):  # fmt: skip
        assert part in said
    mathematics = said.partition("**Mathematics**\n\n")[2].partition("\n\n")[0].splitlines()
    assert 1 <= len(mathematics) <= 3
    assert all(map(str.strip, mathematics))
    program = said.partition("```python\n")[2].partition("```")[0]
    assert program.strip() == behaviour.path.read_text("utf-8").strip()
    assert program.rstrip().endswith("print(measure())")  # so that it prints what `runs` measured
    shown = {name: (float(right), float(seen)) for name, right, seen in
             re.findall(r"^\| SEM-\S+ \| `(\w+)` \| (\S+) \| (\S+) \|$", said, re.MULTILINE)}  # fmt: skip
    assert set(finding.quantities) & set(shown)
    for name, numbers in shown.items():
        assert numbers == pytest.approx((wrong[name].oracle, wrong[name].measured), rel=1e-9, nan_ok=True)


@pytest.mark.slow
def test_every_divergence_has_a_finding(runs) -> None:
    claimed = {(finding.library, case, name) for finding in FINDINGS for case in finding.cases
               for name in finding.quantities}  # fmt: skip
    for library, by_case in runs.items():
        for name, run in by_case.items():
            for each in expectations(BY_ID[name], library, run.measured):
                assert each.right or any((library, name, q) in claimed for q in _aliases(each.quantity)), (
                    f"{name} {library} {each.quantity}"
                )


def _aliases(quantity: str) -> tuple[str, ...]:
    """A gradient belongs to the finding about its loss, and jit_mean_field to that about jit."""
    return quantity, quantity.removesuffix("_gradient"), quantity.replace("jit_mean_field", "jit")


@pytest.mark.slow
def test_sampling_instead_of_integrating_gives_no_warning(runs) -> None:
    for library, by_case in runs.items():
        for name, run in by_case.items():
            behaviour = BY_ID[name].behaviour(library)
            if name.startswith("SEM-FALLBACK") and behaviour is not None and behaviour.sampled:
                assert run.warnings == (), f"{name} {library}"
                assert run.measured["mean_field"] != run.measured["mean_field_again"]


@pytest.mark.slow
@pytest.mark.parametrize("library", [each for each in LIBRARIES if each.values[0] in PAIRS])
def test_registered_divergences_equal_their_integrals(library: Library) -> None:
    run = next(run_programs([str(sweep.program(library))], timeout_s=240.0))
    assert not run.error, run.error
    assert not sweep.unlisted(library, run.measured), "the installed version registers other pairs than the table lists"
    for each in sweep.results(library, run.measured, numbers=(0,)):
        assert each.reproduces, f"{each.check.key}: {each.measured} is not {each.behaviour}"
        assert each.right == (not sweep.known(library, each.check)), each.check.key


def test_open_findings_name_two_different_routes() -> None:
    for finding in FINDINGS:
        first, second = finding.routes
        assert first and second and first != second
        assert finding.status in Status


def test_a_program_that_raises_or_dies_costs_its_own_row_only(tmp_path: Path) -> None:
    for name, body in (("good", "return {'x': 1.0}"), ("bad", "raise RuntimeError('no')"), ("dead", "os._exit(3)")):
        (tmp_path / f"{name}.py").write_text(f"import os\ndef measure():\n    {body}\n")
    rows = list(run_programs([str(tmp_path / f"{name}.py") for name in ("good", "bad", "dead", "good")]))
    assert [row.measured for row in rows] == [{"x": 1.0}, {}, {}, {"x": 1.0}]
    assert "RuntimeError: no" in rows[1].error
    assert "ended with code 3" in rows[2].error


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    (tmp_path / "hang.py").write_text("import time\ndef measure():\n    time.sleep(60)\n")
    (tmp_path / "warn.py").write_text("import warnings\ndef measure():\n    warnings.warn('w')\n    return {'x': 2}\n")
    hung, warned = run_programs([str(tmp_path / "hang.py"), str(tmp_path / "warn.py")], timeout_s=12)
    assert hung.crashed and hung.reason == "it took longer than 12 s"
    assert warned.warnings == ("UserWarning: w",)


def test_a_program_whose_process_is_stopped_costs_its_own_row_only(tmp_path: Path, monkeypatch) -> None:
    """Its own limit of time can't end it then."""
    monkeypatch.setattr(running, "STARTS_S", 0.0)
    (tmp_path / "stop.py").write_text("import os, signal\ndef measure():\n    os.kill(os.getpid(), signal.SIGSTOP)\n")
    (tmp_path / "good.py").write_text("def measure():\n    return {'x': 2}\n")
    stopped, good = run_programs([str(tmp_path / "stop.py"), str(tmp_path / "good.py")], timeout_s=12)
    assert stopped.crashed and stopped.reason == "the process gave no answer within 12 s"
    assert good.measured == {"x": 2.0}


def test_a_worker_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "hang.py").write_text(
        f"import os, time\ndef measure():\n    open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "    time.sleep(3600)\n"
    )
    starter = (
        "import sys; from elbo_compare.compare.running.programs import run_programs; "
        f"next(run_programs([{str(tmp_path / 'hang.py')!r}], timeout_s=3600))"
    )
    parent = subprocess.Popen([sys.executable, "-c", starter])
    assert _until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    parent.kill()
    parent.wait()
    assert _until(lambda: not _runs(int((tmp_path / "pid").read_text())))


def _until(condition) -> bool:
    """Whether a condition comes true on a machine however loaded; a worker that stays on sleeps for much longer."""
    end = time.monotonic() + 300
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return bool(found)


def _runs(process: int) -> bool:
    """A zombie, which has ended and waits to be reaped, runs no more."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_catalogue_imports_no_framework() -> None:
    code = (
        "import sys, elbo_compare.suites.semantics.catalogue, elbo_compare.suites.semantics.findings;"
        "import elbo_compare.suites.semantics.pairs.sweep;"
        "print([m for m in ('torch', 'jax', 'pyro', 'numpyro') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
