"""SIGINT, SIGTERM and SIGHUP to every verb that works for long: it ends, leaves nothing, and says how to go on.

How long each took is printed (`pytest -rP`); five seconds are what is promised on a machine that is not overloaded.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest
import slow_wheels
from processes import GENEROUS_S, bearing, heedful, wait_until

TARGETS = Path(__file__).parent / "targets" / "launched.py"
PROFILE = """
[[cells]]
procedure = "evaluate"
problems = ["gaussian-kl@2-typical"]
implementations = ["numpy-oracle", "faulty-hangs"]
size = 5
"""
SOUND = PROFILE.replace(', "faulty-hangs"', "")
TAG = "INTERRUPTED_BY_A_TEST"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc"),
]


@dataclass(frozen=True, kw_only=True)
class Verb:
    """`working`: a word of the command line of a process that the verb has started by then; `needs` a package."""

    arguments: tuple[str, ...]
    working: str
    says: str = "give the same command again"
    needs: str = "numpy"
    wheels: str = ""  # of `slow_wheels`, for pip
    numbers: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


SLEEPS = "3647.25"
PAIR = f"{TARGETS}:pair"
HANGS = f"{TARGETS}:starts_others_and_hangs"
LONG = ("--timeout", "3600")
VERBS = {
    "check": Verb(arguments=("check", HANGS, "--framework", "numpy", *LONG), working=SLEEPS),
    "vectors": Verb(
        arguments=("vectors", "run", HANGS, "--kind", "analytic_kl", "--framework", "numpy", *LONG), working=SLEEPS
    ),
    "explain": Verb(
        arguments=("explain", PAIR, PAIR, "--library", "pyro", "--args", f"{TARGETS}:starts_others", *LONG),
        working=SLEEPS,
        needs="pyro",
    ),
    "mutants": Verb(arguments=("mutants", "-j", "2"), working="elbo_compare.compare.judging.mutant_worker"),
    "run": Verb(
        arguments=("run", "--profile", "{profile}", "-j", "2", "-o", "{out}"),
        working="elbo_compare.compare.running.worker",
        says="What has finished is kept; go on with the same command and --resume.",
    ),
    "semantics": Verb(
        arguments=("run", "semantics", "-j", "2", "-o", "{out}"),
        working="elbo_compare.compare.running.program_worker",
        says="--resume",
        needs="numpyro",
    ),
    "bench": Verb(
        arguments=(
            "bench",
            "-k",
            "jax-hand",
            "--part",
            "steps",
            "--rounds",
            "2",
            "--device",
            "cpu",
            "-o",
            "{out}",
        ),
        working="elbo_compare.compare.bench.worker",
        says="--resume",
        needs="jax",
    ),
    **{
        f"history, {stage}": Verb(
            arguments=("history", "--library", "numpyro", "--version", slow_wheels.VERSION, "-o", "{out}"),
            working=SLEEPS,
            says="What has finished is kept: the same command goes on.",
            wheels=stage,
            numbers=(number,),  # its stages end alike: one each
        )
        for stage, number in (
            ("installing", signal.SIGINT),
            ("programs", signal.SIGTERM),
            ("claims", signal.SIGHUP),
        )
    },
    "report": Verb(arguments=("report", "{judged}"), working="elbo_compare.reports.building"),
    "all, drawing": Verb(
        arguments=("all", "--profile", "{sound}", "--resume", "-j", "2", "-o", "{judged}"),
        working="elbo_compare.reports.building",
        says="go on with compare judge",
    ),
}


@dataclass
class Places:
    """Where a verb works, and the number by which all of its processes are known."""

    root: Path
    tag: str = field(default_factory=lambda: uuid.uuid4().hex)

    def start(self, arguments, wheels=""):
        """The verb in a session of its own, with a temporary place of its own."""
        (self.root / "tmp").mkdir(exist_ok=True)
        environment = os.environ | {"TMPDIR": str(self.root / "tmp"), TAG: self.tag, "LAUNCHED_SLEEPS": SLEEPS}
        environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.root / "wheels" / wheels)} if wheels else {}
        return subprocess.Popen(
            heedful("-m", "elbo_compare", *arguments),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def living(self):
        return bearing(f"{TAG}={self.tag}")

    def at_work(self, word):
        """Whether one of the verb's processes has this word in its command line."""
        return any(word.encode() in _words(pid) for pid in self.living())

    def left(self):
        """Temporary files and folders of ours, and reports that are half written."""
        return [*(self.root / "tmp").glob("elbo-*"), *self.root.glob("**/.report-*"), *self.root.glob("**/.*.tmp")]


def _words(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


@pytest.fixture
def places(faulty, tmp_path):
    (tmp_path / "slow.toml").write_text(PROFILE)
    (tmp_path / "sound.toml").write_text(SOUND)
    return Places(root=tmp_path)


@pytest.fixture(scope="module")
def judged(third_party, tmp_path_factory):
    """A folder with a whole run, its verdicts and its report; each test works on a copy."""
    root = tmp_path_factory.mktemp("judged")
    (root / "sound.toml").write_text(SOUND)
    path = os.pathsep.join(filter(None, [str(third_party), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "elbo_compare", "all", "--profile", root / "sound.toml", "-o", root / "out"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, check=False)
    assert done.returncode in (0, 3), done.stderr
    return root / "out"


def arguments_of(verb, places, judged):
    root = places.root
    names = {name: root / name for name in ("out", "judged")}
    names |= {"profile": root / "slow.toml", "sound": root / "sound.toml"}
    if "{judged}" in verb.arguments:
        shutil.copytree(judged, root / "judged")
    return [each.format(**names) for each in verb.arguments]


def pages(root):
    """The content of every page that is there: a report that is whole ends with its last tag."""
    return {path: path.read_text("utf-8") for path in root.glob("*/report/*.html")}


def interrupted(places, arguments, number, when, whole_group, wheels=""):
    """Exit code, what it said, and the seconds from the signal to its end."""
    process = places.start(arguments, wheels)
    try:
        assert wait_until(lambda: when() or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        start = time.monotonic()
        (os.killpg if whole_group else os.kill)(process.pid, number)
        _, err = process.communicate(timeout=GENEROUS_S)
        return process.returncode, err, time.monotonic() - start
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("name", "number"),
    [pytest.param(name, each, id=f"{name}-{each.name}") for name, verb in VERBS.items() for each in verb.numbers],
)
def test_at_work(places, judged, name, number):
    verb = VERBS[name]
    if find_spec(verb.needs) is None:
        pytest.skip(f"{verb.needs} is not installed")
    arguments = arguments_of(verb, places, judged)
    before = pages(places.root)
    if verb.wheels:
        slow_wheels.lay_out(places.root / "wheels")
    # A terminal's Ctrl-C and a batch system's notice go to the whole group; kill, to the process.
    whole_group = number != signal.SIGHUP
    at_work = lambda: places.at_work(verb.working)  # noqa: E731
    code, err, took_s = interrupted(places, arguments, number, at_work, whole_group, verb.wheels)
    print(f"{name}, {number.name}: ended {took_s:.2f} s after the signal")
    assert code == 130, err
    assert f"Interrupted ({number.name})." in err
    assert verb.says in err
    assert "Traceback" not in err
    assert wait_until(lambda: not places.living()), [_words(pid) for pid in places.living()]
    assert wait_until(lambda: not places.left()), places.left()
    assert pages(places.root) == before


@pytest.mark.parametrize("delay_s", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("name", ["check", "mutants", "run", "report"])
def test_early(places, judged, name, delay_s):
    verb = VERBS[name]
    arguments = arguments_of(verb, places, judged)
    moment = time.monotonic() + delay_s
    code, err, took_s = interrupted(places, arguments, signal.SIGTERM, lambda: time.monotonic() >= moment, True)
    print(f"{name}, {delay_s:g} s after its start: ended {took_s:.2f} s after the signal")
    assert code in (130, -signal.SIGTERM), err  # before our first line runs, the kernel ends it
    assert code != 130 or "Interrupted" in err
    assert "Traceback" not in err
    assert wait_until(lambda: not places.living())
    assert wait_until(lambda: not places.left())


@pytest.mark.parametrize("name", ["check", "mutants", "run", "semantics", "bench", "report"])
def test_killed(places, judged, name):
    """SIGKILL leaves no time to say or do anything: the guardian ends what is left."""
    verb = VERBS[name]
    if find_spec(verb.needs) is None:
        pytest.skip(f"{verb.needs} is not installed")
    arguments = arguments_of(verb, places, judged)
    before = pages(places.root)
    code, _, _ = interrupted(places, arguments, signal.SIGKILL, lambda: places.at_work(verb.working), False)
    assert code == -signal.SIGKILL
    assert wait_until(lambda: not places.living()), [_words(pid) for pid in places.living()]
    assert wait_until(lambda: not [path for path in places.left() if not path.name.endswith(".tmp")]), places.left()
    assert pages(places.root) == before
