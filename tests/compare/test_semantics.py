"""The semantics suite in the harness: verdicts, resume, crashes, exit codes, the register as text and on the page."""

import json
import math
from dataclasses import replace

import pytest

from elbo_compare.compare.commands import run_suites as command_module
from elbo_compare.compare.judging.suites import exit_code, told
from elbo_compare.compare.records import Outcome, ProgramResult, Status
from elbo_compare.compare.running import suites as machine
from elbo_compare.compare.running.suites import SuiteStore, run_suites
from elbo_compare.compare.semantics import suite as suite_module
from elbo_compare.compare.semantics.judging import case_verdicts, finding_verdicts, subject_of
from elbo_compare.compare.semantics.register import by_harm, described_frame, finding_frame, finding_rows, verdict_frame
from elbo_compare.compare.semantics.suite import SEMANTICS
from elbo_compare.reports.data import ReportData
from elbo_compare.reports.rendering import rendered, to_html
from elbo_compare.reports.sections import findings as section
from elbo_compare.suites.semantics.case import Behaviour, Case, Library
from elbo_compare.suites.semantics.catalogue import CASES
from elbo_compare.suites.semantics.findings import FINDINGS
from elbo_compare.suites.semantics.since import since_in_words


def _numbers(case, library):
    """What the register says that a library returns, at three fixed draws."""
    behaviour = case.behaviour(library)
    draws = {name: (0.3, -0.9, 1.1)[place % 3] for place, name in enumerate(case.given)}
    numbers = {**draws, **case.oracle(draws), **(behaviour.computes(draws) if behaviour.computes else {})}
    return {**case.oracle(numbers), **numbers}  # an oracle may say more where the library does not refuse


def _result(case, library, **fields):
    return ProgramResult(program=f"{case}-{library}", **fields)


@pytest.fixture(scope="module")
def registered():
    """A result for every case and library as the register has it."""
    return [
        _result(
            case.id,
            behaviour.library,
            status=Status.OK,
            measured=_numbers(case, behaviour.library),
            versions={"a-library": "1.2.3"},
            fingerprint="now",
        )
        for case in CASES
        for behaviour in case.behaviours
    ]


def _changed(results, case, library, **changes):
    return [replace(each, **changes) if each.program == f"{case}-{library}" else each for each in results]


@pytest.fixture
def scales(registered):
    """The cases on scale and one on a divergence: their oracles cost nothing."""
    return [each for each in registered if each.program.startswith(("SEM-SCALE", "SEM-KL-001", "SEM-KL-009"))]


@pytest.fixture(scope="module")
def judged(registered):
    """The verdicts on everything as registered; the oracles' quadratures take seconds."""
    return _judged(registered)


def _judged(results):
    cases = case_verdicts(results)
    findings = finding_verdicts(cases)
    return cases, findings, exit_code([*cases, *findings])


def test_a_library_that_does_what_is_registered_keeps_the_run_green(judged):
    cases, findings, code = judged
    assert {each.outcome for each in cases} == {Outcome.AGREES}
    assert {each.id for each in findings} == {finding.id for finding in FINDINGS}
    assert code == 0


@pytest.mark.parametrize("identifier", ["FIND-PYRO-001", "FIND-NUMPYRO-001", "FIND-PYRO-010"])
def test_a_mended_library_turns_the_run_red_and_names_the_finding(scales, identifier):
    finding = next(each for each in FINDINGS if each.id == identifier)
    case = next(each for each in CASES if each.id == finding.cases[0])
    right = case.oracle(_numbers(case, finding.library))
    measured = {**_numbers(case, finding.library), **right}
    _, findings, code = _judged(_changed(scales, case.id, finding.library, measured=measured))
    changed = [each for each in findings if each.outcome is Outcome.DIFFERS]
    assert identifier in [each.id for each in changed]
    assert "it is right now" in changed[0].reason
    assert code == 1
    assert told(changed[0]).startswith(f"{changed[0].id} differs: {case.id}: ")


def test_a_case_without_a_finding_that_starts_to_depart_turns_the_run_red(scales):
    measured = _numbers(next(each for each in CASES if each.id == "SEM-SCALE-003"), Library.PYRO)
    results = _changed(scales, "SEM-SCALE-003", Library.PYRO, measured=measured | {"mean_field": 5.0})
    cases, _, code = _judged(results)
    wrong = [each for each in cases if each.outcome is Outcome.DIFFERS]
    assert [(each.id, each.subject, each.quantity) for each in wrong] == [("SEM-SCALE-003", "pyro", "mean_field")]
    assert code == 1


def test_a_workaround_that_stops_working_is_named(scales):
    measured = _numbers(next(each for each in CASES if each.id == "SEM-SCALE-003"), Library.PYRO)
    results = _changed(scales, "SEM-SCALE-003", Library.PYRO, measured=measured | {"mean_field": 5.0})
    verdict = next(each for each in _judged(results)[1] if each.id == "FIND-PYRO-001")
    assert verdict.outcome is Outcome.DIFFERS
    assert "workaround" in verdict.reason


def test_a_crash_is_inconclusive_and_a_missing_framework_not_run(scales):
    crashed = _changed(scales, "SEM-SCALE-001", Library.PYRO, status=Status.CRASHED, reason="code -11", measured={})
    assert _judged(crashed)[2] == 3
    missing = [replace(each, status=Status.NOT_RUN, reason="not installed", measured={}) for each in scales]
    cases, findings, code = _judged(missing)
    assert {each.outcome for each in (*cases, *findings)} == {Outcome.NOT_RUN}
    assert code == 0


def test_a_program_that_returns_less_than_is_registered_is_inconclusive(scales):
    results = _changed(scales, "SEM-SCALE-001", Library.PYRO, measured={"z": 0.3, "trace": 1.0})
    assert _judged(results)[2] == 3


def test_results_survive_the_disk_with_nan_and_infinities(tmp_path):
    result = _result(
        "SEM-X-001",
        Library.PYRO,
        status=Status.OK,
        measured={"nan": math.nan, "inf": -math.inf, "third": 1 / 3},
        warnings=("UserWarning: w",),
        elapsed_s=0.5,
        versions={"torch": "2"},
        fingerprint="f",
    )
    store = SuiteStore(tmp_path, "semantics")
    store.write(result)
    again = store.read("SEM-X-001-pyro")
    assert again is not None
    assert subject_of(again) == ("SEM-X-001", Library.PYRO)
    assert math.isnan(again.measured["nan"])
    assert again.measured["inf"] == -math.inf
    assert again.measured["third"] == 1 / 3
    assert (again.warnings, again.versions, again.fingerprint) == (result.warnings, result.versions, "f")


def test_a_damaged_file_is_set_aside_and_not_believed(tmp_path):
    store = SuiteStore(tmp_path, "semantics")
    store.write(_result("SEM-X-001", Library.PYRO, status=Status.OK, measured={"a": 1.0}))
    path = tmp_path / "semantics" / "SEM-X-001-pyro.json"
    path.write_text(path.read_text().replace("1.0", "2.0"))
    assert store.read("SEM-X-001-pyro") is None
    assert path.with_suffix(".damaged").exists()


def _small_cases(folder, **bodies):
    """Cases whose programs need no framework."""
    cases = []
    for number, (name, body) in enumerate(bodies.items(), 1):
        (folder / f"{name}.py").write_text(f"import os\ndef measure():\n    {body}\n")
        behaviour = Behaviour(library=Library.PYRO, formula="", program=str(folder / f"{name}.py"))
        cases.append(
            Case(id=f"SEM-X-{number:03d}", title="", statement="", source="", behaviours=(behaviour,),
                 oracle=lambda _: {"x": 1.0})
        )  # fmt: skip
    return cases


def _small_suite(folder, **bodies):
    cases = _small_cases(folder, **bodies)
    own = suite_module.programs
    programs = lambda: [each for each in own(cases) if not each.aside]  # noqa: E731 - one line to read
    return cases, replace(SEMANTICS, programs=programs)


def test_a_crash_costs_its_own_case_and_resume_runs_it_again_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(suite_module, "missing", lambda library: "")
    cases, suite = _small_suite(
        tmp_path, good="return {'x': 1.0}", dead="os._exit(3)", bad="raise RuntimeError('planted')"
    )
    assert run_suites(tmp_path, [suite], jobs=1, say=lambda line: None) == 3
    results = {subject_of(each)[0]: each for each in SuiteStore(tmp_path, "semantics").results()}
    assert [results[case.id].status for case in cases] == [Status.OK, Status.CRASHED, Status.FAILED]
    assert results["SEM-X-003"].reason == "RuntimeError: planted"
    said = []
    assert run_suites(tmp_path, [suite], jobs=1, say=said.append) == 1
    assert said == ["2 of 3 semantics programs are there; 1 are to be run", "1/1 programs, about 0 s left"]


def test_another_environment_makes_results_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(suite_module, "missing", lambda library: "")
    _, suite = _small_suite(tmp_path, good="return {'x': 1.0}")
    run_suites(tmp_path, [suite], jobs=1, say=lambda line: None)
    monkeypatch.setattr(machine, "fingerprint", lambda: "another")
    assert run_suites(tmp_path, [suite], jobs=1, say=lambda line: None) == 1


def test_a_missing_framework_is_not_run_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(suite_module, "find_spec", lambda name: None)
    _, suite = _small_suite(tmp_path, good="return {'x': 1.0}")
    run_suites(tmp_path, [suite], jobs=1, say=lambda line: None)
    result = SuiteStore(tmp_path, "semantics").read("SEM-X-001-pyro")
    assert result is not None
    assert result.status is Status.NOT_RUN
    assert result.reason == "torch, pyro not installed: pip install 'elbo-compare[torch]'"


def test_silent_errors_come_first_and_findings_without_a_number_last():
    order = [finding.id for finding in by_harm()]
    assert sorted(order) == sorted(finding.id for finding in FINDINGS)
    # wrong by nats, open | a gradient | by design | 16 nats, but at a logit of -500 | inf | an AttributeError
    chosen = [f"FIND-PYRO-{number:03d}" for number in (10, 11, 6, 12, 18, 16)]
    assert sorted(chosen, key=order.index) == chosen


def test_unknown_suite_names_the_nearest(command):
    code, out, err = command("run", "semantic")
    assert (code, out) == (2, "")
    assert err == "compare: No suite 'semantic'. Did you mean 'semantics'?\n"


@pytest.mark.parametrize(
    "given, named", [(("--profile", "quick"), "--profile"), (("-k", "vae", "--seed", "0"), "-k, --seed")]
)
def test_options_of_a_profile_are_refused_by_a_suite_and_nothing_runs(command, tmp_path, given, named):
    code, out, err = command("run", "semantics", "-o", tmp_path / "out", *given)
    assert (code, out) == (2, "")
    assert err == f"compare: run semantics does not take {named}. It takes -j, -o, --resume.\n"
    assert not (tmp_path / "out").exists()


def test_findings_say_where_no_version_is_known_and_name_it_where_one_is(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    *cards, sweep = command("findings")[1].split("\n\n")[1:]
    assert "compare search --divergences" in sweep
    known = {finding.id: since_in_words(finding) for finding in FINDINGS}
    assert any(known.values())
    for card in cards:
        since = next(line for line in card.splitlines() if line.startswith("  since:")).split(":", 1)[1].strip()
        told = known[card.split()[0]] or "not known"
        assert told.startswith(since), card


def test_a_folder_of_others_and_a_folder_with_results_are_refused(command, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    code, _, err = command("run", "semantics", "-o", tmp_path)
    assert (code, "holds no results of ours" in err) == (2, True)
    (tmp_path / "notes.txt").unlink()
    SuiteStore(tmp_path, "semantics").write(_result("SEM-X-001", Library.PYRO, status=Status.OK))
    code, _, err = command("run", "semantics", "-o", tmp_path)
    assert (code, "Add --resume" in err) == (2, True)


def test_findings_are_listed_as_text_and_json_with_the_verdicts_of_a_folder(command, tmp_path, scales):
    for result in scales:
        SuiteStore(tmp_path, "semantics").write(result)
    assert command_module.judge_in(tmp_path, SEMANTICS).exit_code == 0
    code, out, _ = command("findings", tmp_path)
    assert code == 0
    assert all(finding.id in out and finding.title in out for finding in FINDINGS)
    assert "reproduced with a-library 1.2.3" in out
    rows = json.loads(command("findings", tmp_path, "--json")[1])
    reproduced = {row["id"] for row in rows if row["outcome"] == "agrees"}
    assert reproduced == {"FIND-PYRO-001", "FIND-NUMPYRO-001", "FIND-PYRO-010"}
    assert len(rows) == len(FINDINGS)


def _report_data(further):
    empty = {name: finding_frame(()).iloc[:0] for name in ("measurements", "verdicts", "claims", "ledger", "timings")}
    return ReportData(**empty, environment={}, answer={}, images={}, further=further)


def test_section_shows_every_finding_with_anchor_program_and_numbers_escaped(judged):
    cases, findings, _ = judged
    frames = {"findings": finding_frame(findings), "semantics": verdict_frame(cases)}
    frames["findings"].loc[0, "title"] = "<script>alert(1)</script>"
    built = section.build(_report_data(frames))
    page = to_html(_first(), [rendered(built)])
    assert all(f'id="{finding.id}"' in page for finding in FINDINGS)
    assert "<script" not in page
    assert "def measure()" in page
    assert "one unbiased draw" in page
    assert "Not measured: the sweep over all registered divergences" in page


def test_times_are_described_with_their_quartiles_and_never_judged(registered, judged):
    case = next(each for each in CASES if each.id == "SEM-JIT-004")
    names = case.behaviour(Library.PYRO).described
    times = {f"{name}{end}": 2.5 + place for name in names for place, end in enumerate(("", "_low", "_high"))}
    measured = {**_numbers(case, Library.PYRO), **times}
    frame = described_frame(_changed(registered, case.id, Library.PYRO, measured=measured))
    assert set(frame["quantity"]) == set(names)
    assert set(zip(frame["median"], frame["low"], frame["high"], strict=True)) == {(2.5, 3.5, 4.5)}
    absurd = _changed(registered, case.id, Library.PYRO, measured=measured | {names[0]: 1e9})
    mine = [each for each in absurd if subject_of(each)[0] == case.id]
    assert {each.outcome for each in case_verdicts(mine)} == {Outcome.AGREES}
    frames = {"findings": finding_frame(judged[1]), "semantics": verdict_frame(judged[0])}
    page = to_html(_first(), [rendered(section.build(_report_data(frames | {"semantics_described": frame})))])
    assert "Described, not judged" in page
    assert names[0] in page


def test_section_without_the_suite_says_why():
    page = to_html(_first(), [rendered(section.build(_report_data({})))])
    assert "Not measured: this run did not contain the semantics suite" in page


def _first():
    from elbo_compare.reports.content import FirstScreen

    return FirstScreen(question="", sentence="", reasons=(), equation="", numbers=(), outcomes=())


def test_rows_without_verdicts_hold_the_register_alone():
    rows = finding_rows(())
    assert {row["outcome"] for row in rows} == {"not run here"}
    assert all(row["program"] and row["expected_error"] > 0 for row in rows)


def test_run_semantics_judges_what_it_ran_and_ends_with_1_naming_the_changed_finding(
    command, tmp_path, monkeypatch, scales
):
    measured = _numbers(next(each for each in CASES if each.id == "SEM-KL-001"), Library.PYRO)
    changed = _changed(scales, "SEM-KL-001", Library.PYRO, measured=measured | {"mean_field": 0.0})

    def run(folder, suites, **asked):
        assert asked["whole"]
        for result in changed:
            SuiteStore(folder, suites[0].name).write(result)

    monkeypatch.setattr(command_module, "run_suites", run)
    code, out, _ = command("run", "semantics", "-o", tmp_path / "out")
    assert code == 1
    assert "FIND-PYRO-010 differs: SEM-KL-001: mean_field is 0 where 8 is registered; it is right now" in out
    assert f"    compare cite FIND-PYRO-010 --results {tmp_path / 'out'}" in out.splitlines()
    assert (tmp_path / "out" / "findings.csv").exists()
