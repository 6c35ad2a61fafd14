"""Environments of their own, with an installer that installs nothing: what runs in one, and what breaks."""

import sys
from errno import ENOSPC

import pytest

from elbo_compare.compare import environment
from elbo_compare.compare.launching import interpreter
from elbo_compare.compare.launching.interpreter import NotInstallableError, create, site_of, there
from elbo_compare.compare.running.programs import run_programs
from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.families import runtime

PROGRAM = """
import sys

import toy_library


def measure():
    return {"version": float(toy_library.__version__), "ours": float(sys.prefix == sys.base_prefix)}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An environment whose installer has put a package there, and what it was asked for."""
    folder = tmp_path_factory.mktemp("environment") / "env"
    asked: list[tuple[str, ...]] = []

    def install(*arguments):
        asked.append(arguments)
        site = site_of(folder)
        (site / "toy_library.py").write_text("__version__ = '7'")
        (site / "toy_library-7.dist-info").mkdir()
        (site / "toy_library-7.dist-info" / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: toy-library\nVersion: 7\n"
        )
        return ""

    patch = pytest.MonkeyPatch()
    patch.setattr(interpreter, "pip", install)
    where = create(folder, ["toy-library==7"])
    patch.undo()
    return folder, where, asked


def test_the_installer_is_asked_for_what_is_needed_in_that_environment(made):
    folder, where, ((option, python, *_, requirement),) = made
    assert (option, requirement) == ("--python", "toy-library==7")
    assert python == where.python and python.startswith(str(folder))
    assert {each.name: each.version for each in there(folder)} == {"toy-library": "7"}


def test_a_program_runs_in_it_with_our_code_and_its_packages(made, tmp_path):
    _, where, _ = made
    (tmp_path / "program.py").write_text(PROGRAM)
    (run,) = run_programs([str(tmp_path / "program.py")], 60.0, where)
    assert run.error == ""
    assert run.measured == {"version": 7.0, "ours": 0.0}


KEEPING = """
import os, warnings
def measure():
    warnings.warn("Error writing persistent compilation cache entry for 'jit_f': No space left on device")
    warnings.warn("its own")
    return {"kept": float(os.environ.get("JAX_COMPILATION_CACHE_DIR") == os.environ["EXPECTED"])}
"""


def test_what_jax_compiles_is_kept_for_programs_of_this_environment_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPECTED", str(environment.compile_cache_folder()))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    (tmp_path / "program.py").write_text(KEEPING)
    for where, kept in ((interpreter.HERE, 1.0), (interpreter.Interpreter(), 0.0)):  # the other: of any other versions
        (run,) = run_programs([str(tmp_path / "program.py")], 60.0, where)
        assert (run.error, run.measured, run.warnings) == ("", {"kept": kept}, ("UserWarning: its own",))


def test_a_program_that_clocks_its_steps_finds_nothing_compiled_and_keeps_nothing(tmp_path, monkeypatch):
    pytest.importorskip("numpyro")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (clocked,) = [each for each in runtime.CASES if each.id == "SEM-JIT-004"]
    (tmp_path / "plain.py").write_text(
        "import jax\ndef measure(): return {'one': float(jax.jit(lambda x: x + 1)(0.0))}"
    )
    plain, run = run_programs([str(tmp_path / "plain.py"), str(clocked.behaviour(Library.NUMPYRO).path)])
    assert (plain.error, run.error) == ("", "")
    assert environment.compiled_programs() == 1  # the plain one's


def test_an_environment_that_breaks_half_way_is_told_and_the_others_go_on(tmp_path):
    broken = interpreter.Interpreter(python=str(tmp_path / "gone" / "python"))
    first, second = run_programs(["a.py", "b.py"], 60.0, broken)
    assert first.crashed and second.crashed
    assert "the environment is broken" in first.error


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        (
            "WARNING: Retrying\nNewConnectionError('refused')\nERROR: No matching distribution found for x==1",
            "the package registry can't be reached: no network",
        ),
        ("ERROR: No matching distribution found for x==9.9\n", "No matching distribution found for x==9.9"),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n\n",
            "Could not install packages due to an OSError: [Errno 28] No space left on device",
        ),
        ("", "pip said nothing"),
    ],
)
def test_what_the_installer_says_becomes_one_line(monkeypatch, printed, told):
    program = f"import sys; sys.stderr.write({printed!r}); sys.exit(1)"
    real = interpreter.Child
    monkeypatch.setattr(
        interpreter, "Child", lambda command, **options: real([sys.executable, "-S", "-c", program], **options)
    )
    with pytest.raises(NotInstallableError, match="^" + told.split("[")[0]):
        interpreter.pip("install", "x")


def test_a_full_disk_is_a_line(monkeypatch, tmp_path):
    def full(*_, **__):
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(interpreter.venv, "create", full)
    with pytest.raises(NotInstallableError, match="no environment can be made: No space left on device"):
        create(tmp_path / "env", ["x"])


def test_an_installer_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(interpreter, "INSTALL_S", 0.2)
    real = interpreter.Child
    command = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(interpreter, "Child", lambda _, **options: real(command, **options))
    with pytest.raises(NotInstallableError, match="pip did not end within"):
        interpreter.pip("install", "x")
