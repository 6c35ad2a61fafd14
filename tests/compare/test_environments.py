"""`compare env`: named environments, with an installer that installs nothing; what is said where one is missing."""

import re
from hashlib import sha256

import pytest
import slow_wheels

from elbo_compare.compare.launching import environments, interpreter
from elbo_compare.compare.launching.interpreter import NotInstallableError, site_of
from elbo_compare.compare.planning.suite import Suite, SuiteJudgement
from elbo_compare.compare.records import Status
from elbo_compare.compare.running.suites import SuiteStore, run_suites
from elbo_compare.compare.semantics.suite import missing, programs
from elbo_compare.suites.roster import GUESTS
from elbo_compare.suites.semantics.case import Library

TOY = "def measure():\n    import pythae\n\n    return {'seven': float(pythae.SEVEN)}\n"


@pytest.fixture
def installer(monkeypatch, tmp_path):
    """Environments in a folder of the test's; what pip was asked for. It puts a module and its record there."""
    monkeypatch.setenv(environments.FOLDER, str(tmp_path / "environments"))
    asked: list[tuple[str, ...]] = []

    def pip(*arguments):
        asked.append(arguments)
        site = site_of(environments.of("pythae").folder)
        (site / "pythae.py").write_text("SEVEN = 7")
        (site / "pythae-0.1.2.dist-info").mkdir()
        (site / "pythae-0.1.2.dist-info" / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: pythae\nVersion: 0.1.2\n"
        )
        return ""

    monkeypatch.setattr(interpreter, "pip", pip)
    return asked


def test_a_guest_s_environment_can_be_made_and_pins_its_library():
    for row in GUESTS:
        named = environments.of(row.environment)
        assert named.pins[0].startswith(f"{row.distributions[0]}==")
        assert all("==" in pin and "@" not in pin and "+" not in pin for pin in named.pins)


HASHED = [name for name, named in environments.known().items() if named.hashes]


def test_pins_have_hashes_where_no_framework_brings_other_libraries_on_each_platform():
    torch = {
        name for name, named in environments.known().items() if any(pin.startswith("torch==") for pin in named.pins)
    }
    assert set(HASHED) == set(environments.known()) - torch and {"pymc", "blackjax", "flowjax"} <= set(HASHED)


@pytest.mark.parametrize("name", HASHED)
def test_hashes_are_of_the_very_pins_and_pip_is_told_to_want_them(name):
    named = environments.of(name)
    assert named.hashes is not None
    lines = [line.split() for line in named.hashes.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert tuple(pin for pin, *_ in lines) == named.pins
    assert all(len(given) > 0 for _, *given in lines)
    assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for _, *given in lines for each in given)
    assert named.requirements == ("--require-hashes", "-r", str(named.hashes))


def test_a_file_of_another_hash_is_refused_and_nothing_is_left(monkeypatch, tmp_path):
    made = slow_wheels.wheel(tmp_path, "toy", "SEVEN = 7")
    right, pin = sha256(made.read_bytes()).hexdigest(), f"toy=={slow_wheels.VERSION}"
    pip = interpreter.pip
    offline = ("--no-index", "--find-links", str(tmp_path))
    monkeypatch.setattr(interpreter, "pip", lambda *asked: pip(*asked, *offline))
    monkeypatch.setenv(environments.FOLDER, str(tmp_path / "environments"))
    for given in (right, "0" * 64):
        (tmp_path / "toy.hashes").write_text(f"{pin} --hash=sha256:{given}\n")
        named = environments.Named(name="toy", pins=(pin,), hashes=tmp_path / "toy.hashes")
        if given == right:
            named.create()
            assert named.lacking() == "" and dict(named.versions()) == {"toy": slow_wheels.VERSION}
        else:
            with pytest.raises(NotInstallableError, match=r"(?i)hash"):
                named.create()
            assert not named.folder.exists()


def test_without_its_environment_a_library_is_left_out_and_says_the_command(installer):
    assert missing(Library.PYTHAE) == "needs the environment pythae: compare env create pythae"
    assert not [each for each in programs() if each.environment]


def test_it_is_made_listed_and_its_programs_run_in_it(installer, command, tmp_path):
    code, out, _ = command("env", "create", "pythae")
    assert (code, out) == (0, "pythae: there, with pythae==0.1.2.\n")
    assert set(environments.of("pythae").pins) <= set(installer[0])
    listed = command("env", "list")[1].splitlines()
    assert any(line.startswith("pythae: there;") for line in listed)
    assert any(line.startswith("pymc: needs the environment pymc: compare env create pymc;") for line in listed)
    mine = [each for each in programs() if each.environment]
    assert {each.group for each in mine} == {Library.PYTHAE} and not any(each.lacking for each in mine)
    assert _run(tmp_path, mine[0]) == (Status.OK, {"seven": 7.0}, "")


def _run(folder, program):
    """One program of that environment beside one of ours, in one suite: a run mixes environments."""
    from dataclasses import replace

    for name, text in (("theirs.py", TOY), ("ours.py", "def measure():\n    return {'one': 1.0}\n")):
        (folder / name).write_text(text)
    given = [
        replace(program, name="theirs", code=str(folder / "theirs.py")),
        replace(
            program,
            name="ours",
            code=str(folder / "ours.py"),
            group="ours",
            environment="",
            lacking="",
            packages=("numpy",),
        ),
    ]
    suite = Suite(
        name="toy",
        noun="toys",
        programs=lambda: given,
        judge=lambda results, whole: SuiteJudgement(verdicts={}, frames={}),
    )
    run_suites(folder / "out", [suite], jobs=1, say=lambda _: None)
    ours, theirs = SuiteStore(folder / "out", "toy").results()
    assert (ours.reason, ours.measured) == ("", {"one": 1.0}) and "numpy" in ours.versions
    assert theirs.status is not Status.OK or theirs.versions == {"pythae": "0.1.2"}
    return theirs.status, theirs.measured, theirs.reason


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / interpreter.PYTHON).unlink(), "is broken, it has no Python any more"),
        (lambda folder: (folder / environments.RECORD).write_text('{"pins": []}'), "holds other versions"),
        (lambda folder: (folder / environments.RECORD).write_text("{"), "needs the environment pythae"),
    ],
)
def test_one_that_broke_is_not_run_with_the_command(installer, tmp_path, harm, said):
    named = environments.of("pythae")
    named.create()
    harm(named.folder)
    mine = [each for each in programs() if each.environment]
    assert mine and all(said in each.lacking and each.lacking.endswith(named.command) for each in mine)
    status, measured, reason = _run(tmp_path, mine[0])
    assert (status, measured) == (Status.NOT_RUN, {}) and said in reason


def test_one_that_can_t_be_had_leaves_nothing(installer, command, monkeypatch):
    def fails(*_):
        raise NotInstallableError("the package registry can't be reached: no network")

    monkeypatch.setattr(interpreter, "pip", fails)
    code, _, err = command("env", "create", "pythae")
    assert code == 3 and "no network" in err
    assert not environments.of("pythae").folder.exists()


def test_a_name_that_is_none_is_a_line(command):
    code, _, err = command("env", "create", "pimc")
    assert code == 2 and "No environment 'pimc'" in err and "pymc" in err


@pytest.mark.parametrize("library", [Library.TFP, Library.ZUKO, Library.DISTRAX])
def test_the_sweep_of_an_optional_library_is_there_only_where_the_library_is(library, monkeypatch):
    without = {each.name for each in programs() if each.aside}
    assert {"PAIRS-pyro", "PAIRS-numpyro"} <= without
    assert (f"PAIRS-{library}" in without) == (not missing(library))
    monkeypatch.setattr("elbo_compare.compare.semantics.suite.present", lambda row: True)
    assert f"PAIRS-{library}" in {each.name for each in programs() if each.aside}
