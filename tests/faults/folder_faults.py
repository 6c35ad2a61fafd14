"""Faults of the place where results are written: it moves, shrinks, is copied, is shared, is of another version."""

import json
import math
import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from injections import LONGEST_S, WAIT_S, complete, moment
from real_runs import GENEROUS_S, Bench, cell_files, wait_for

CODES = (0, 2, 3)
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "pairs" / "pyro_pair.py"
TARGET = """
import torch

def kl(mu, log_var):
    return 0.5 * (log_var.exp() + mu**2 - 1 - log_var).sum(-1)

def arguments():
    return (torch.ones(3, 64),)
"""


def renamed_and_back(bench: Bench, folder: Path, rng: random.Random) -> str:
    """The folder has another name for a moment of the run."""
    process = _started(bench, folder)
    aside = folder.with_name(f"{folder.name}-aside")
    wait_for(lambda: cell_files(folder) or process.poll() is not None)
    time.sleep(rng.uniform(0.0, LONGEST_S / 2))
    folder.rename(aside)
    time.sleep(rng.uniform(0.0, 0.5))
    _merge(aside, folder)
    _ended(process)
    return "folder renamed and back"


def emptied(bench: Bench, folder: Path, rng: random.Random) -> str:
    """Somebody removes cells during the run: what is gone is measured again, what stands stays as it is."""
    process = _started(bench, folder)
    moment(process, folder, rng)
    shutil.rmtree(folder / "cells", ignore_errors=True)
    _ended(process)
    return "cells removed during the run"


def copied(bench: Bench, folder: Path, rng: random.Random) -> str:
    """A copy taken during the run can be brought to its end on its own; it then takes the folder's place."""
    process = _started(bench, folder)
    wait_for(lambda: (folder / "run.json").exists() or process.poll() is not None)
    time.sleep(rng.uniform(0.0, LONGEST_S))
    copy = folder.with_name(f"{folder.name}-copy")
    while True:
        try:
            shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("lock"))
            break
        except (shutil.Error, OSError):  # a temporary file that was there a moment ago
            shutil.rmtree(copy, ignore_errors=True)
    _ended(process)
    complete(bench, copy)
    shutil.rmtree(folder)
    copy.rename(folder)
    return "copied during the run"


def two_runs(bench: Bench, folder: Path, rng: random.Random) -> str:
    """A second run of the same folder, at a random moment of the first: one of them is refused."""
    first = _started(bench, folder)
    time.sleep(rng.uniform(0.0, LONGEST_S))
    second = _started(bench, folder)
    codes = sorted((_ended(first), _ended(second)))
    assert codes[0] == 0 or codes == [2, 3], codes
    return "two runs at once"


def older_schema(bench: Bench, folder: Path, rng: random.Random) -> str:
    """A run record of an older schema is refused in one line, and left as it is."""
    complete(bench, folder)
    record = folder / "run.json"
    sound = record.read_bytes()
    older = json.dumps(json.loads(sound) | {"schema": rng.choice((0, 1, 99, "x"))}).encode()
    record.write_bytes(older)
    code, _, err = bench.finish(rng.choice(("judge", "report")), folder)
    assert code == 2, err
    assert err.count("\n") == 1, err
    assert record.read_bytes() == older
    record.write_bytes(sound)
    return "record of an older schema"


def no_locks(bench: Bench, folder: Path, rng: random.Random) -> str:
    """A file system that knows no locks: refused in words, or run; never a traceback."""
    process = _started(bench, folder, environment={"PLANTED_NO_LOCKS": "1"})
    _ended(process)
    return "no locks"


def clock_jumps(bench: Bench, folder: Path, rng: random.Random) -> str:
    """The clock of the wall jumps by a day or ten years, back or forth, a second into each process's life."""
    jump = rng.choice((-1, 1)) * rng.choice((86_400, 315_360_000))
    process = _started(bench, folder, environment={"PLANTED_CLOCK_JUMPS_S": str(jump)})
    assert _ended(process) in (0, 3)
    return f"clock jumps by {jump} s"


def read_only(bench: Bench, folder: Path, rng: random.Random) -> str:
    """The folder's file system is read-only from a random moment on, then writable again."""
    change = f"sleep {rng.uniform(0.5, LONGEST_S):.2f}; mount -o remount,ro $OUT"
    return _mounted(bench, folder, "size=20m", change, "mount -o remount,rw $OUT")


def no_inodes(bench: Bench, folder: Path, rng: random.Random) -> str:
    """The file system has room and no inode left, then some."""
    return _mounted(bench, folder, f"nr_inodes={rng.randrange(12, 40)}", "true", "mount -o remount,nr_inodes=9999 $OUT")


SCRIPT = """
mount -t tmpfs -o "$HOW" none "$OUT" || exit 99
cp -r "$KEPT/." "$OUT/run" 2>/dev/null
"$@" -o "$OUT/run" --resume & run=$!
( eval "$CHANGE" ) 2>/dev/null; wait $run; echo "first $?"
eval "$CURE"
"$@" -o "$OUT/run" --resume; echo "second $?"
mkdir -p "$KEPT"; cp -r "$OUT/run/." "$KEPT"
"""


@cache
def mountable() -> bool:
    """Whether this system lets us mount in a namespace of our own."""
    words = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"]
    return bool(shutil.which("unshare")) and not subprocess.run(words, capture_output=True, check=False).returncode


def _mounted(bench: Bench, folder: Path, how: str, change: str, cure: str) -> str:
    if not mountable():
        return "this system lets nobody mount"
    place = folder.with_name(f"{folder.name}-mount")
    place.mkdir()
    environment = {"OUT": str(place), "KEPT": str(folder), "HOW": how, "CHANGE": change, "CURE": cure}
    script = ("unshare", "-rm", "sh", "-c", SCRIPT, "sh")
    arguments = ("run", "--profile", bench.profile, "-j", 2)
    process = bench.start(*arguments, wait_s=WAIT_S, command=script, environment=environment)
    out, err = process.communicate(timeout=GENEROUS_S)
    place.rmdir()
    assert "second 0" in out, out + err
    assert "Traceback" not in err, err
    return out.split("\n")[0]


def _started(bench: Bench, folder: Path, **more) -> subprocess.Popen:
    arguments = ("--profile", bench.profile, "-j", 2, "-o", folder, "--resume")
    return bench.start("run", *arguments, wait_s=WAIT_S, **more)


def _ended(process: subprocess.Popen) -> int:
    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode in CODES, (process.returncode, err)
    assert "Traceback" not in err, err
    return process.returncode


def _merge(aside: Path, folder: Path) -> None:
    """Put the files back, among what a run may have written in their place meanwhile."""
    while True:
        try:
            aside.rename(folder)
            return
        except OSError:
            for path in [path for path in folder.rglob("*") if path.is_file()]:
                place = aside / path.relative_to(folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileNotFoundError):  # a temporary file that has become a cell by now
                    path.replace(place)
            shutil.rmtree(folder, ignore_errors=True)


def _verbs(bench: Bench, folder: Path, place: Path) -> dict[str, tuple[object, ...]]:
    """Every verb that reads, writes or starts something, with arguments by which it works for a second or more."""
    target = place / "theirs.py"
    target.write_text(TARGET)
    pair = [f"{EXAMPLE}:{name}" for name in ("model", "guide")]
    return {
        "all": ("--profile", bench.profile, "-o", folder, "--resume"),
        "run": ("--profile", bench.profile, "-o", folder, "--resume"),
        "judge": (folder,),
        "report": (folder,),
        "site": (place / "site",),
        "diff": (folder, folder),
        "why": ("KL-001", "trivial", folder),
        "cite": ("KL-001",),
        "plan": ("--profile", "standard"),
        "list": (),
        "findings": (),
        "doctor": (),
        "data": ("list",),
        "check": (f"{target}:kl",),
        "vectors run": (f"{target}:kl", "--kind", "analytic_kl"),
        "vectors write": (place / "vectors",),
        "mutants": ("MUT-001", "MUT-002"),
        "explain": (*pair, "--args", f"{target}:arguments"),
        "match": (*pair, "--", *pair),
        "search": ("--models", 2),
        "run semantics": ("-o", place / "semantics"),
        "run questions": ("-o", place / "questions"),
        "bench": ("--part", "ceilings", "--rounds", 2, "-o", place / "bench"),
    }


def signalled_verb(bench: Bench, folder: Path, rng: random.Random) -> str:
    """SIGINT, SIGTERM or SIGHUP at a random moment of any verb: no traceback, nothing half written."""
    complete(bench, folder)
    bench.frames(folder)
    place = folder.with_name(f"{folder.name}-verb")
    place.mkdir()
    shutil.copytree(folder, place / "site" / "2026-01-01-copy")
    verb, arguments = rng.choice(sorted(_verbs(bench, folder, place).items()))
    number = rng.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    first, *rest = verb.split()
    process = bench.start(first, *rest, *arguments)
    _at_work(process, rng.uniform(0.05, 4.0))
    process.send_signal(number)
    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode in (*CODES, 1, 130, 129, 143, -number), (verb, process.returncode, err)
    # What Python itself prints when it is struck before our first line is Python's.
    assert "Traceback" not in err or "elbo_compare" not in err, err
    page = folder / "report" / "index.html"
    assert not page.exists() or page.read_bytes().rstrip().endswith(b"</html>"), "a report half written"
    bench.frames(folder)
    left = [str(path.relative_to(place)) for path in place.rglob("*.tmp")]
    assert not left, (verb, left)
    shutil.rmtree(place)
    return f"{signal.Signals(number).name} to {verb}: {process.returncode}"


def _at_work(process: subprocess.Popen, seconds: float) -> None:
    """Wait until it has computed for so long, which a loaded machine delays, or has waited for others as long again."""
    end = time.monotonic() + 2 * seconds
    while (
        process.poll() is None and _cpu_s(process.pid) < seconds and (time.monotonic() < end or not _cpu_s(process.pid))
    ):
        time.sleep(0.01)


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process, all of its threads."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return math.inf
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


FOLDER_FAULTS = (
    *(renamed_and_back, emptied, copied, two_runs, older_schema, no_locks, clock_jumps, read_only, no_inodes),
    signalled_verb,
)
