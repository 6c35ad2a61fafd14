"""`compare history`: a matrix of releases that are not installed here, what is stored, what the table says of it."""

import csv
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path

import pytest

from elbo_compare.compare.history import laying, matching, running
from elbo_compare.compare.history.laying import Laid
from elbo_compare.compare.history.releases import OLD_TORCH, VERSIONS, Patch, Release, place, releases
from elbo_compare.compare.history.table import (
    Shown,
    Standing,
    change_rows,
    finding_rows,
    ranges,
    shown,
    standing,
    without_paths,
)
from elbo_compare.compare.history.writing import write
from elbo_compare.compare.launching import interpreter
from elbo_compare.compare.launching.interpreter import HERE, NotInstallableError
from elbo_compare.compare.planning.suite import Program
from elbo_compare.compare.records import ProgramResult, Status
from elbo_compare.compare.running.programs import ProgramRun
from elbo_compare.compare.semantics.judging import case_verdicts
from elbo_compare.compare.semantics.register import finding_rows as register_rows
from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.catalogue import BY_ID
from elbo_compare.suites.semantics.findings import FINDINGS
from elbo_compare.suites.semantics.since import since_in_words

ROOT = Path(__file__).parents[2]
MEASURED, PUBLISHED = ROOT / "suites/semantics/measured", ROOT / "reports/published/history"
CASES = [BY_ID["SEM-SCALE-001"], BY_ID["SEM-SCALE-002"], BY_ID["SEM-SCALE-003"]]
FINDING = next(each for each in FINDINGS if each.id == "FIND-PYRO-001")


def numbers(name: str, kind: str) -> dict[str, float]:
    """What a program returns: what is registered, what is right, or something else."""
    case = BY_ID[name]
    draws = {given: (0.3, -0.9, 1.1)[at % 3] for at, given in enumerate(case.given)}
    behaviour = case.behaviour(Library.PYRO)
    assert behaviour is not None
    right = draws | dict(case.oracle(draws))
    registered = right | (dict(behaviour.computes(draws)) if behaviour.computes else {})
    return {"registered": registered, "right": right, "other": registered | {"mean_field": 17.0}}[kind]


def result(name: str, kind: str) -> ProgramResult:
    if kind == "raises":
        return ProgramResult(program=f"{name}-pyro", status=Status.FAILED, reason="TypeError: no")
    return ProgramResult(program=f"{name}-pyro", status=Status.OK, measured=numbers(name, kind))


KINDS = {"1.4.0": "right", "1.5.0": "other", "1.8.0": "registered", "1.9.0": "registered", "1.9.1": "raises",
         "1.9.2": "right"}  # fmt: skip


@pytest.fixture
def matrix(monkeypatch):
    """Releases whose programs are answered by KINDS; what was laid, which programs ran, whose claims were judged."""
    seen: dict[str, list[str]] = {"laid": [], "ran": [], "matched": []}
    now = {"version": ""}

    def lay(release, folder):
        if release.version == "9.9.9":
            raise NotInstallableError("No matching distribution found for pyro-ppl==9.9.9")
        if release.version == "8.8.8":
            raise OSError(ENOSPC, "No space left on device")
        seen["laid"].append(release.version)
        now["version"] = release.version
        remark = OLD_TORCH.words if place(release.version) < (1, 8, 4) else ""
        return Laid(where=HERE, remark=remark, versions={"pyro-ppl": release.version})

    def run_programs(codes, seconds, where):
        for code in codes:
            seen["ran"].append(f"{now['version']} {code}")
            found = result(code, KINDS[now["version"]])
            error = found.reason if found.status is Status.FAILED else ""
            yield ProgramRun(code=code, measured=found.measured, error=error, elapsed_s=0.1)

    def matched(release, laid):
        seen["matched"].append(release.version)
        differs = place(release.version) < (1, 5)
        yield ProgramResult(
            program="MATCH-001",
            status=Status.OK,
            measured={"differs": 1.0, "agrees": 3.0} if differs else {"agrees": 4.0},
            reason="a sign" if differs else "",
        )

    def programs_of(cases, library):
        return [Program(name=f"{each.id}-pyro", code=each.id, group="pyro", packages=("pyro-ppl",)) for each in cases]

    monkeypatch.setattr(running, "lay", lay)
    monkeypatch.setattr(running, "run_programs", run_programs)
    monkeypatch.setattr(running, "programs_of", programs_of)
    monkeypatch.setattr(running, "matched", matched)
    return seen


def run_all(folder, versions) -> list[str]:
    said: list[str] = []
    for version in versions:
        running.run_release(folder, Release(library=Library.PYRO, version=version), CASES, said.append)
    return said


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_matrix_gives_a_row_for_each_case_and_release_and_the_others_go_on(matrix, tmp_path):
    run_all(tmp_path, ["1.8.0", "9.9.9", "1.4.0", "1.5.0", "1.9.0", "1.9.1", "1.9.2"])
    said: list[str] = []
    page, missing = write(tmp_path, Library.PYRO, said.append)
    found = rows(tmp_path / "history-pyro.csv")
    assert {(row["case"], row["version"]) for row in found} == {
        (case.id, version) for case in CASES for version in (*KINDS, "9.9.9")
    }
    words = {row["version"]: row["standing"] for row in found if row["case"] == "SEM-SCALE-001"}
    assert words == {"1.4.0": "right", "1.5.0": "other", "1.8.0": "registered", "1.9.0": "registered",
                     "1.9.1": "raises", "1.9.2": "right", "9.9.9": "not installable"}  # fmt: skip
    assert missing
    assert any("9.9.9: not installable: No matching distribution" in line for line in said)
    text = page.read_text("utf-8")
    assert "TypeError: no" in text and OLD_TORCH.words in text and "No matching distribution" in text
    assert (tmp_path / "history-pyro.md").exists()
    claims = {
        row["version"]: (row["agrees"], row["differs"], row["reason"])
        for row in rows(tmp_path / "history-pyro-claims.csv")
    }
    assert claims["1.4.0"] == ("3", "1", "a sign") and claims["1.5.0"] == ("4", "0", "")
    assert claims["9.9.9"][:2] == ("0", "0") and "No matching distribution" in claims["9.9.9"][2]
    assert "23 comparisons agree, 1 differ" in text


def test_since_and_fixed_in_are_what_was_measured(matrix, tmp_path):
    run_all(tmp_path, KINDS)
    write(tmp_path, Library.PYRO, lambda line: None)
    (row,) = [each for each in rows(tmp_path / "history-pyro-findings.csv") if each["finding"] == FINDING.id]
    assert row["since"] == "1.8.0; 1.5.0 is wrong otherwise, none between was judged"
    assert row["fixed in"] == "1.9.2"
    assert (row["shows"], row["right"]) == ("1.8.0, 1.9.0", "1.4.0, 1.9.2")
    assert (row["other"], row["not known"]) == ("1.5.0", "1.9.1")


def test_pages_and_tables_take_their_places_and_a_spreadsheet_reads_no_formula(matrix, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("kept")
    folder = tmp_path / "out"
    running.run_release(folder, Release(library=Library.PYRO, version="1.9.2"), CASES, print)
    for name in ("history-pyro.csv", "history-pyro.html"):
        (folder / name).symlink_to(kept)
    stored = running.SuiteStore(folder / "pyro" / "1.9.2", "semantics")
    spoilt = next(iter(stored.results()))
    stored.write(replace(spoilt, status=Status.FAILED, reason="=1+1"))
    page, _ = write(folder, Library.PYRO, lambda _: None)
    assert kept.read_text() == "kept"
    assert page.is_file()
    assert not page.is_symlink()
    assert ",'=1+1" in (folder / "history-pyro.csv").read_text("utf-8")


def test_a_second_run_does_only_what_is_missing(matrix, tmp_path):
    run_all(tmp_path, ["1.8.0"])
    (tmp_path / "pyro" / "1.8.0" / "semantics" / "SEM-SCALE-002-pyro.json").unlink()
    matrix["ran"].clear()
    said = run_all(tmp_path, ["1.8.0", "1.8.0"])
    assert matrix["ran"] == ["1.8.0 SEM-SCALE-002"]
    assert said == ["pyro-ppl==1.8.0: 1 programs", "pyro-ppl==1.8.0: there already"]
    assert matrix["matched"] == ["1.8.0"]  # not a second time
    (tmp_path / "pyro" / "1.8.0" / "matching" / "MATCH-001.json").unlink()
    run_all(tmp_path, ["1.8.0"])
    assert matrix["matched"] == ["1.8.0", "1.8.0"]


def test_a_release_that_could_not_be_had_is_tried_again(matrix, tmp_path):
    assert run_all(tmp_path, ["9.9.9"]) == run_all(tmp_path, ["9.9.9"])
    assert matrix["ran"] == []


def test_a_disk_that_fills_costs_its_release_alone(matrix, tmp_path):
    said = run_all(tmp_path, ["8.8.8", "1.9.2"])
    assert "pyro-ppl==8.8.8: not installable: No space left on device" in said
    assert len(matrix["ran"]) == len(CASES)


def test_versions_in_a_row_are_a_range():
    versions = ["1.4.0", "1.5.0", "1.8.0", "1.8.6", "1.9.0"]
    assert ranges(["1.9.0", "1.4.0", "1.5.0", "1.8.0"], versions) == "1.4.0 to 1.8.0, 1.9.0"
    assert ranges(["1.5.0"], versions) == "1.5.0"
    assert ranges(["none"], versions) == ""


def test_a_range_reaches_over_no_release_that_was_not_run():
    def row(version, standing):
        return {"case": "A", "title": "t", "version": version, "standing": standing, "reason": ""}

    given = [row("1.4.0", "right"), row("1.5.0", "right"), row("1.9.1", "right"), row("1.9.2", "other")]
    (found,) = change_rows(Library.PYRO, given)
    assert found["right"] == "1.4.0 to 1.5.0, 1.9.1"


def test_what_changed_names_the_cases_that_did_and_no_other():
    def row(case, version, standing, reason=""):
        return {"case": case, "title": "t", "version": version, "standing": standing, "reason": reason}

    given = [row("A", "1.0", "other", "x is 2"), row("A", "1.1", "right"), row("A", "1.2", "not installable", "no")]
    given += [row("B", "1.0", "right"), row("B", "1.1", "right"), row("B", "1.2", "not run", "no")]
    (found,) = change_rows(Library.PYRO, given)
    assert found == {"case": "A", "title": "t", "right": "1.1", "registered": "", "other": "1.0", "raises": "",
                     "seen": "x is 2"}  # fmt: skip


@pytest.mark.parametrize(("kind", "word"), [("registered", Standing.REGISTERED), ("right", Standing.RIGHT),
                                            ("other", Standing.OTHER), ("raises", Standing.RAISES)])  # fmt: skip
def test_each_standing(kind, word):
    found, reason = standing(result("SEM-SCALE-001", kind))
    assert found is word
    assert bool(reason) == (word is not Standing.RIGHT)


def test_a_release_that_hangs_is_left_in_time_and_its_rows_say_so(matrix, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "RELEASE_S", 0.0)
    monkeypatch.setattr(running, "monotonic", iter(range(100)).__next__)
    run_all(tmp_path, ["1.9.2"])
    assert matrix["ran"] == []
    write(tmp_path, Library.PYRO, lambda _: None)
    found = rows(tmp_path / "history-pyro.csv")
    assert {(row["standing"], row["reason"]) for row in found} == {("not run", running.NO_TIME)}


def test_a_process_that_ended_accuses_no_release():
    """A loaded machine ends a program too: it is no exception of the library's."""
    ended = ProgramResult(program="SEM-SCALE-001-pyro", status=Status.CRASHED, reason="it took longer than 720 s")
    found, reason = standing(ended)
    assert found is Standing.CRASHED
    assert reason == "it took longer than 720 s; not judged, and run again by the same command"
    row = {"case": "A", "title": "t", "reason": ""}
    rows = [row | {"version": "1.0", "standing": "right"}, row | {"version": "1.1", "standing": "crashed"}]
    assert change_rows(Library.PYRO, rows) == []


def test_since_says_where_releases_between_were_not_judged():
    kinds = {"1.4.0": "right", "1.9.2": "registered"}
    results = {version: [result(name, kind) for name in FINDING.cases] for version, kind in kinds.items()}
    (row,) = [each for each in finding_rows(Library.PYRO, results) if each["finding"] == FINDING.id]
    assert row["since"] == "1.9.2; 1.4.0 is right, none between was judged"


def test_the_reason_is_the_exception_not_what_jax_says_below_it():
    error = "Traceback\nTypeError: no\n--------------------\nFor simplicity, JAX has removed its internal frames.\n"
    assert ProgramRun(code="x", error=error).reason == "TypeError: no"


def test_a_reason_names_no_file_of_the_machine():
    said = "ImportError: cannot import name 'Normalize' from 'pyro.d' (/tmp/elbo-release-x1/pyro/d/__init__.py)"
    assert without_paths(said) == "ImportError: cannot import name 'Normalize' from 'pyro.d'"
    assert without_paths("loss / datum is 1/2 of a/b") == "loss / datum is 1/2 of a/b"


def test_a_number_that_an_old_release_does_not_return_is_no_registered_behaviour():
    lacking = ProgramResult(program="SEM-SCALE-001-pyro", status=Status.OK, measured={"z": 0.3, "trace": 1.0})
    assert standing(lacking)[0] is Standing.OTHER


def test_a_finding_of_which_a_case_was_not_run_is_not_known():
    verdicts = case_verdicts([result("SEM-SCALE-001", "registered")])
    assert shown(FINDING, verdicts) is Shown.UNKNOWN
    both = case_verdicts([result(name, "registered") for name in FINDING.cases])
    assert shown(FINDING, both) is Shown.SHOWS


def test_a_broken_workaround_hides_no_finding():
    workaround = result("SEM-SCALE-003", "other")
    results = {"1.8.0": [*(result(name, "registered") for name in FINDING.cases), workaround]}
    (row,) = [each for each in finding_rows(Library.PYRO, results) if each["finding"] == FINDING.id]
    assert row["shows"] == "1.8.0"


def test_a_patch_is_made_and_told_only_where_its_line_is(tmp_path):
    patch = Patch(file="a/b.py", begins="assert torch", becomes="pass\n", words="taken out")
    assert laying._patched(tmp_path, patch) == ""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.py").write_text("x = 1\nassert torch.__version__\ny = 2\n")
    assert laying._patched(tmp_path, patch) == "taken out"
    assert (tmp_path / "a" / "b.py").read_text() == "x = 1\npass\ny = 2\n"
    assert laying._patched(tmp_path, patch) == ""


@pytest.mark.parametrize(
    ("version", "tried"), [("0.12.1", True), ("0.13.0", True), ("0.13.1", False), ("0.22.0", False)]
)
def test_numpyro_that_knows_raw_keys_alone_gets_them_in_its_environment_and_says_so(
    version, tried, tmp_path, monkeypatch
):
    line = "  key as key,\n"

    def create(folder, requirements):
        place = interpreter.site_of(folder) / "jax"
        place.mkdir(parents=True)
        (place / "random.py").write_text("from x import (\n" + line + ")\n")
        return HERE

    monkeypatch.setattr(laying, "create", create)
    laid = laying.lay(Release(library=Library.NUMPYRO, version=version), tmp_path)
    text = (interpreter.site_of(tmp_path) / "jax" / "random.py").read_text()
    assert ("PRNGKey as key," in text, line in text) == (tried, not tried)
    assert ("whose keys it knows" in laid.remark) == tried


def test_a_guest_s_releases_are_each_in_an_environment_and_held_against_what_is_by_hand_here(monkeypatch):
    release = Release(library=Library.PYMC, version="5.16.2")
    assert release.is_apart and release.requirements == ("pymc==5.16.2", "cachetools<7") and not release.patches
    older = [Release(library=Library.PYMC, version=each).requirements for each in ("5.14.0", "5.8.2")]
    assert [each[2:] for each in older] == [
        ("numpy==1.26.4", "scipy==1.11.4"),
        ("numpy==1.25.2", "scipy==1.11.4", "matplotlib==3.8.4"),
    ]
    raw = [Release(library=Library.TFP, version=each).patches for each in ("0.20.1", "0.21.0")]
    assert [[each.words[:14] for each in mine] for mine in raw] == [["jax.random.key"], []]
    asked = []
    monkeypatch.setattr(matching, "importable", lambda module: module == "jax")
    monkeypatch.setattr(matching, "_results", lambda name, where: asked.append((name, where is HERE)) or ())
    matching._by_hand.cache_clear()
    assert matching._by_hand(Library.PYMC) == () and asked == [("jax-hand", True)]
    matching._by_hand.cache_clear()


def test_a_version_that_does_not_exist_is_one_line():
    with pytest.raises(NotInstallableError) as caught:
        interpreter.pip("install", "--no-index", "--no-deps", "pyro-ppl==0.0.0.1")
    assert "pyro-ppl==0.0.0.1" in str(caught.value) and "\n" not in str(caught.value)


def test_the_registry_s_versions_are_read_without_candidates(monkeypatch):
    monkeypatch.setattr(interpreter, "pip", lambda *_: "x (1.9)\nAvailable versions: 1.10.0, 1.9.2, 1.9.0rc1\n")
    assert interpreter.available("x") == ["1.10.0", "1.9.2"]


def test_new_asks_for_what_the_folder_lacks(monkeypatch, tmp_path):
    from elbo_compare.compare.commands.history import _releases

    monkeypatch.setattr(interpreter, "available", lambda name: ["1.10.0", "1.9.2", "1.9.1", "0.5.1"])
    (tmp_path / "pyro" / "1.9.1").mkdir(parents=True)
    assert [each.version for each in _releases("pyro", [], True, tmp_path)] == ["1.9.2", "1.10.0"]
    assert [each.version for each in _releases("pyro", ["7.7"], False, tmp_path)] == ["7.7"]


def test_what_is_asked_for_wrongly_is_a_line(command, tmp_path):
    for arguments, said in (
        (("--library", "piro"), "No library with a history 'piro'"),
        (("--case", "SEM-X"), "No case"),
    ):
        code, _, err = command("history", *arguments, "-o", tmp_path / "out")
        assert code == 2 and said in err


def test_the_matrix_is_in_the_order_of_versions():
    for library in VERSIONS:
        found = [each.version for each in releases(library)]
        assert found == sorted(set(found), key=place)


def test_what_is_measured_stands_in_the_register_of_findings():
    finding = next(each for each in FINDINGS if each.id == "FIND-PYRO-021")
    said = since_in_words(finding)
    assert said.startswith(finding.since)
    assert "measured under pyro-ppl 16 releases, 1.4.0 to 1.9.2: shows since 1.8.2 (1.8.1 is wrong otherwise), " in said
    (row,) = [each for each in register_rows([]) if each["id"] == finding.id]
    assert row["since"] == said


def test_what_is_measured_is_what_is_published():
    mine = {path.name: path.read_bytes() for path in MEASURED.glob("*.csv")}
    published = {path.name: path.read_bytes() for path in PUBLISHED.glob("history-*-findings.csv")}
    assert mine and mine == published


def test_a_fault_of_torch_has_no_history_of_releases_that_were_run_over_one_torch():
    born = [each for each in FINDINGS if each.since.startswith("torch ")]
    assert born
    assert [since_in_words(each) for each in born] == [each.since for each in born]
