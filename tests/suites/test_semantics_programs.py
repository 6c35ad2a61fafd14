"""The programs of the semantics suite, run in fresh processes and held against the catalogue."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from elbo_compare.suites.semantics.case import Case, Library, Status, expectations
from elbo_compare.suites.semantics.catalogue import BY_ID, CASES
from elbo_compare.suites.semantics.findings import FINDINGS
from elbo_compare.suites.semantics.pairs import sweep
from elbo_compare.suites.semantics.runner import ProgramRun, run_case, run_cases, run_programs

LIBRARIES = [
    pytest.param(each, marks=pytest.mark.skipif(find_spec(str(each)) is None, reason=f"{each} is not installed"))
    for each in Library
]


@pytest.fixture(scope="module")
def runs() -> dict[Library, dict[str, ProgramRun]]:
    """Every case of every installed library, run once."""
    installed = [library for library in Library if find_spec(str(library))]
    return {library: {case.id: run for case, run in run_cases(CASES, library)} for library in installed}


def _expected(runs: dict[Library, dict[str, ProgramRun]], case: Case, library: Library):
    run = runs[library][case.id]
    if run.missing:
        pytest.skip(f"needs {', '.join(run.missing)}")
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
def test_every_divergence_has_a_finding(runs) -> None:
    claimed = {(finding.library, case, name) for finding in FINDINGS for case in finding.cases
               for name in finding.quantities}  # fmt: skip
    for library, by_case in runs.items():
        for name, run in by_case.items():
            if run.missing:
                continue
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
@pytest.mark.parametrize("library", LIBRARIES)
def test_registered_divergences_equal_their_integrals(library: Library) -> None:
    run = sweep.measure(library)
    assert not run.error, run.error
    assert not sweep.unlisted(library, run), "the installed version registers other pairs than the table lists"
    for each in sweep.results(library, run, numbers=(0,)):
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
    rows = list(run_programs([tmp_path / f"{name}.py" for name in ("good", "bad", "dead", "good")]))
    assert [row.measured for row in rows] == [{"x": 1.0}, {}, {}, {"x": 1.0}]
    assert "RuntimeError: no" in rows[1].error
    assert "ended with code 3" in rows[2].error


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    (tmp_path / "hang.py").write_text("import time\ndef measure():\n    time.sleep(60)\n")
    (tmp_path / "warn.py").write_text("import warnings\ndef measure():\n    warnings.warn('w')\n    return {'x': 2}\n")
    hung, warned = run_programs([tmp_path / "hang.py", tmp_path / "warn.py"], timeout_s=3)
    assert "ended with code" in hung.error
    assert warned.warnings == ("UserWarning: w",)


def test_case_that_a_library_lacks_is_an_error() -> None:
    with pytest.raises(KeyError, match="SEM-JIT-002 does not exist in numpyro"):
        run_case(BY_ID["SEM-JIT-002"], Library.NUMPYRO)


def test_catalogue_imports_no_framework() -> None:
    code = (
        "import sys, elbo_compare.suites.semantics.catalogue, elbo_compare.suites.semantics.findings;"
        "import elbo_compare.suites.semantics.pairs.sweep;"
        "print([m for m in ('torch', 'jax', 'pyro', 'numpyro') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
