"""What can go wrong with a run, one function each: it harms a run or a folder by a seeded generator's choice.

A folder that was harmed is brought to its end by `recover` and must then hold what an undisturbed run's holds.
"""

import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from real_runs import GENEROUS_S, Bench, cell_files, wait_for

WAIT_S = 0.03  # per call of the trivial implementation: a run lasts about two seconds, imports included
LONGEST_S = 2.0  # within which a run is struck
NOTHING_LEFT = "nothing was left to go wrong"  # of a fault whose moment came when the run had ended


def kill_harness(bench: Bench, folder: Path, rng: random.Random) -> str:
    """SIGKILL the harness at a random moment of a run."""
    process = _started(bench, folder)
    moment(process, folder, rng)
    ended = process.poll() is not None
    process.kill()
    process.communicate()
    if ended:
        return NOTHING_LEFT
    return f"harness killed with {len(cell_files(folder))} cells stored"


def kill_worker(bench: Bench, folder: Path, rng: random.Random) -> str:
    """SIGKILL one worker at a random moment; the run itself goes on to its end."""
    process = _started(bench, folder)
    moment(process, folder, rng)
    victims = workers_of(process.pid)
    if victims:
        subprocess.run(["kill", "-9", str(rng.choice(victims))], check=False, capture_output=True)
    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode in (0, 3), err
    return f"{len(victims[:1])} worker killed"


def interrupt(bench: Bench, folder: Path, rng: random.Random) -> str:
    """SIGINT or SIGTERM at a random moment: the run ends."""
    process = _started(bench, folder)
    moment(process, folder, rng)
    number = rng.choice([signal.SIGINT, signal.SIGTERM])
    ended = process.poll() is not None
    process.send_signal(number)
    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode in (0, 3, 130, -number), err
    if ended:
        return NOTHING_LEFT
    return f"{signal.Signals(number).name} with {len(cell_files(folder))} cells stored"


def damage(bench: Bench, folder: Path, rng: random.Random) -> str:
    """Truncate, alter, empty, overwrite or remove random files of a finished folder; the run record among them."""
    complete(bench, folder)
    files = cell_files(folder)
    victims = rng.sample(files, 5) + ([folder / "run.json"] if rng.random() < 0.5 else [])
    for path in victims:
        path.write_bytes(rng.choice([_truncated, _flipped, _foreign])(path.read_bytes(), rng))
    files[0].unlink(missing_ok=True)
    return f"{len(victims)} files damaged"


def fill_disk(bench: Bench, folder: Path, rng: random.Random) -> str:
    """Let the run hit a limit of file size: the kernel's own refusal, at a place that depends on the limit."""
    size_kib = rng.randint(2, 5)
    process = _started(bench, folder, command=("bash", "-c", f'ulimit -f {size_kib}; exec "$@"', "limited"))
    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode in (0, 2, 3), err
    assert "Traceback" not in err, err
    return f"no file past {size_kib} KiB: exit {process.returncode}"


INJECTIONS: tuple[Callable[[Bench, Path, random.Random], str], ...] = (
    *(kill_harness, kill_worker, interrupt, damage, fill_disk),
)


def complete(bench: Bench, folder: Path) -> str:
    """Run what is missing, until nothing is; what was said on the way."""
    said = ""
    for _ in range(3):
        code, _, err = bench.run(folder, "--resume")
        said += err
        if code == 0:
            return said
    raise AssertionError(f"the run could not be brought to its end: {said}")


def moment(process: subprocess.Popen, folder: Path, rng: random.Random) -> None:
    """Wait for a random moment of a run: one in four anywhere after half a second, else after one more cell is there,
    however slow the machine is."""
    if rng.random() < 0.25:
        time.sleep(rng.uniform(0.5, LONGEST_S))
        return
    had = len(cell_files(folder))
    wait_for(lambda: len(cell_files(folder)) > had or process.poll() is not None)
    time.sleep(rng.uniform(0.0, LONGEST_S / 2))


def finished(folder: Path) -> dict[str, str]:
    """The cells that ended well: file name -> its result as text, the time it took and where aside.

    A cluster's machine has a fingerprint of its own, as it runs another number of cells side by side.
    """
    aside = {"elapsed_s": 0, "fingerprint": ""}
    results = [json.loads(path.read_bytes())["result"] | aside for path in cell_files(folder)]
    named = zip(cell_files(folder), results, strict=True)
    return {path.name: json.dumps(result) for path, result in named if result["status"] == "ok"}


def _started(bench: Bench, folder: Path, command: tuple[str, ...] = ()) -> subprocess.Popen:
    arguments = ("--profile", bench.profile, "-j", 2, "-o", folder, "--resume")
    return bench.start("run", *arguments, wait_s=WAIT_S, command=command)


def workers_of(pid: int) -> list[int]:
    """The processes that a run has started."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _truncated(body: bytes, rng: random.Random) -> bytes:
    return body[: rng.randrange(len(body))]


def _flipped(body: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(body))
    return body[:place] + bytes([body[place] ^ (1 << rng.randrange(8))]) + body[place + 1 :]


def _foreign(body: bytes, rng: random.Random) -> bytes:
    return rng.choice([b"{}", b"[]", b"null", b'{"result": 1}', rng.randbytes(len(body))])
