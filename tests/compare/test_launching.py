"""The launcher of a person's code: what it believes, what it bounds, and that nothing of it is left behind."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import GENEROUS_S, heedful, processes_with, wait_until

from elbo_compare.compare.checking.process import check_target
from elbo_compare.compare.errors import InternalError
from elbo_compare.compare.launching.lifeline import temporary_folder
from elbo_compare.compare.launching.target import CALLING, IMPORTING, Limits, _Conversation, run_target
from elbo_compare.compare.semantics.explaining import explain_pair
from elbo_compare.compare.vectors.process import run_vectors

TARGETS = Path(__file__).parent / "targets" / "launched.py"
MIB = 2**20
needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")


def target(name):
    return f"{TARGETS}:{name}"


@pytest.fixture
def seconds(monkeypatch):
    """A number of seconds that no other process sleeps for: the sleepers that targets start are known by it."""
    number = f"{3600 + os.getpid() % 1000}.{time.monotonic_ns() % 10**6:06d}"
    monkeypatch.setenv("LAUNCHED_SLEEPS", number)
    return number


@pytest.mark.parametrize("name", ["forges_a_file", "forges_a_message"])
def test_an_answer_without_the_secret_is_not_believed(name):
    answer = check_target(target(name), framework="numpy", timeout_s=GENEROUS_S)
    assert answer.exit_code == 3
    assert "RIGHT" not in answer.text


def test_what_a_target_prints_without_end_is_bounded_here():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answer = check_target(target("prints_without_end"), framework="numpy", timeout_s=3)
    assert "No answer after 3 s while calling it" in answer.text
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < 64 * MIB
    assert len(answer.text) < 2000


def test_a_signal_without_a_name_is_one_line():
    answer = check_target(target("killed_by_signal_40"), framework="numpy", timeout_s=GENEROUS_S)
    assert answer.exit_code == 3
    assert "The process died by signal 40 while calling it." in answer.text


def test_a_target_finds_itself_alone_in_sys_argv():
    assert check_target(target("needs_sys_argv_alone"), framework="numpy", timeout_s=GENEROUS_S).exit_code == 0


def test_an_import_that_hangs_is_ended_by_a_limit_of_its_own(monkeypatch):
    monkeypatch.setenv("LAUNCHED_IMPORTS_FOR", "3600")
    answer = check_target(target("right"), framework="numpy", timeout_s=3600, imports_s=2)
    assert answer.exit_code == 3
    assert "No answer after 2 s while" in answer.text


def test_what_an_import_takes_is_no_part_of_the_calls(monkeypatch):
    monkeypatch.setenv("LAUNCHED_IMPORTS_FOR", "2")
    request = {"target": target("right"), "verbose": False, "options": {"framework": "numpy"}, "model": {}}
    limits = Limits(calls_s=GENEROUS_S)
    begun = time.monotonic()
    returned = run_target("elbo_compare.compare.checking.child:answer", request, str(TARGETS), limits)
    assert returned.answer is not None and returned.answer["exit_code"] == 0
    assert returned.imports_s >= 2
    assert returned.imports_s + returned.calls_s <= time.monotonic() - begun


class Clockwork:
    """A connection on which each message takes its time, without anybody waiting; keeps what was allowed for each."""

    def __init__(self, *messages):
        self.messages, self.allowed, self.now = list(messages), [], 1000.0

    def receive(self, timeout_s):
        self.allowed.append(timeout_s)
        took_s, message = self.messages.pop(0)
        self.now += took_s
        return message | {"secret": "s"}


def test_the_clock_of_the_calls_starts_after_the_imports(monkeypatch):
    """290 s of imports with 300 s allowed leave the calls their 30 s, whole."""
    channel = Clockwork((290.0, {"stage": IMPORTING}), (5.0, {"stage": CALLING}), (29.0, {"answer": {}}))
    monkeypatch.setattr("elbo_compare.compare.launching.target.monotonic", lambda: channel.now)
    conversation = _Conversation(channel=channel, secret="s", limits=Limits(calls_s=30.0, imports_s=300.0))
    assert conversation.answer() == {}
    assert channel.allowed == [300.0, 10.0, 30.0]
    assert (conversation.imports_s, conversation.calls_s) == (295.0, 29.0)


@pytest.mark.parametrize("verb", [["check"], ["vectors", "run"]])
def test_no_escape_of_a_target_reaches_the_terminal(verb):
    done = subprocess.run(
        [sys.executable, "-m", "elbo_compare", *verb, target("raises_escapes"), "--kind", "analytic_kl"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 3
    assert b"\\x1b[31m" in done.stdout
    assert b"\x1b" not in done.stdout + done.stderr


def test_our_own_failure_is_not_told_as_the_target_s():
    with pytest.raises(InternalError, match="elbo-compare itself failed while starting: TypeError"):
        run_target("json:loads", {}, "it.py", Limits(calls_s=60))
    assert InternalError.exit_code == 70


def hung_check(timeout_s):
    return check_target(target("starts_others_and_hangs"), framework="numpy", timeout_s=timeout_s).exit_code


def hung_vectors(timeout_s):
    return run_vectors(
        target("starts_others_and_hangs"), kind="analytic_kl", framework="numpy", timeout_s=timeout_s
    ).exit_code


def hung_explain(timeout_s):
    return explain_pair(target("pair"), target("pair"), f"{TARGETS}:starts_others", "pyro", timeout_s).exit_code


@needs_proc
@pytest.mark.parametrize(
    "hung", [hung_check, hung_vectors, pytest.param(hung_explain, marks=pytest.mark.skipif("not has_pyro()"))]
)
def test_what_a_target_has_started_is_gone_after_its_time(hung, seconds):
    assert hung(4) == 3
    assert wait_until(lambda: not processes_with(seconds))


def has_pyro():
    from importlib.util import find_spec

    return find_spec("pyro") is not None


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_check_that_is_killed_leaves_no_process_and_no_file(number, seconds, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    verb = ["check", target("starts_others_and_hangs"), "--framework", "numpy", "--timeout", "3600"]
    process = subprocess.Popen(heedful("-m", "elbo_compare", *verb))
    assert wait_until(lambda: len(processes_with(seconds)) == 2)
    process.send_signal(number)
    process.wait(GENEROUS_S)
    assert wait_until(lambda: not processes_with(seconds))
    assert wait_until(lambda: not processes_with(target("starts_others_and_hangs").partition(":")[0]))
    assert wait_until(lambda: not list(tmp_path.iterdir()))


@needs_proc
def test_a_temporary_folder_goes_with_a_process_that_is_killed(tmp_path):
    program = (
        "import os, signal; from elbo_compare.compare.launching.lifeline import temporary_folder\n"
        "with temporary_folder('kept-') as folder:\n"
        "    (folder / 'part').mkdir(); (folder / 'part' / 'file').write_text('x'); print(folder, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert Path(done.stdout.strip()).parent == tmp_path
    assert wait_until(lambda: not list(tmp_path.iterdir()))


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stuck", [False, True])
def test_a_large_folder_keeps_nobody_who_is_interrupted(number, stuck, tmp_path):
    """`history`'s environments have twenty thousand files, whose removal took longer than an end may. Here it takes an
    hour in the interrupted process, so that only the guardian can do it; `stuck`: what is interrupted does not end."""
    program = (
        "import shutil, sys, time\n"
        "from elbo_compare.compare.launching import ending, interruption, lifeline\n"
        "shutil.rmtree = lambda *_, **__: time.sleep(3600)\n"
        "def work():\n"
        "    with lifeline.temporary_folder('kept-') as folder:\n"
        "        (folder / 'file').write_text('x'); print('there', flush=True)\n"
        "        try:\n"
        "            time.sleep(3600)\n"
        f"        finally:\n            time.sleep(3600 * {stuck:d})\n"
        "with interruption.listening(to_the_end=True): code = ending.of(work)\n"
        "sys.exit(code)"
    )
    process = subprocess.Popen(
        heedful("-c", program), env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"there\n"
        process.send_signal(number)
        assert process.wait(GENEROUS_S) == 130
    finally:
        process.kill()
        process.communicate()
    assert wait_until(lambda: not list(tmp_path.iterdir()))


def test_a_temporary_folder_is_removed_at_the_end_of_its_block():
    with temporary_folder("kept-") as folder:
        (folder / "file").write_text("x")
    assert not folder.exists()
