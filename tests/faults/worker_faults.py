"""Faults of a worker: one evaluation of the trivial implementation goes wrong once, wherever in the run that is."""

import json
import os
import random
import signal
import time
from pathlib import Path

from injections import NOTHING_LEFT, WAIT_S, moment, workers_of
from real_runs import GENEROUS_S, Bench, cell_files

TIMEOUT_S, MEMORY = 6, "900M"  # of a cell: what is started and loaded in a second, and a NumPy process's third


def _misbehaving(bench: Bench, folder: Path, rng: random.Random, how: str, *options: object) -> str:
    """A run in which one evaluation does `how`, after some have gone well; the run itself goes to its end."""
    token = folder.parent / f"{folder.name}-{how}-{rng.randrange(2**32)}"
    token.touch()
    arguments = ("--profile", bench.profile, "-j", 2, "-o", folder, "--resume", *options)
    fault = {"TRIVIAL_FAULT": f"{how}:{rng.randrange(6)}:{token}"}
    process = bench.start("run", *arguments, wait_s=WAIT_S, environment=fault)
    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode in (0, 3), err
    assert "Traceback" not in err, err
    happened = not token.exists()
    token.unlink(missing_ok=True)
    return f"worker: {how}" if happened else NOTHING_LEFT


def hang_worker(bench: Bench, folder: Path, rng: random.Random) -> str:
    """An evaluation that never returns, under a time limit."""
    return _misbehaving(bench, folder, rng, "hang", "--cell-timeout", TIMEOUT_S)


def leak_worker(bench: Bench, folder: Path, rng: random.Random) -> str:
    """An evaluation that takes memory without end, under a limit."""
    return _misbehaving(bench, folder, rng, "leak", "--cell-memory", MEMORY)


def noisy_worker(bench: Bench, folder: Path, rng: random.Random) -> str:
    """Megabytes on standard output and error, bytes that are no text among them."""
    return _misbehaving(bench, folder, rng, "print")


def exiting_worker(bench: Bench, folder: Path, rng: random.Random) -> str:
    """The process ends with code 0 in the middle of a cell, half a message sent."""
    return _misbehaving(bench, folder, rng, "exit")


def late_nan(bench: Bench, folder: Path, rng: random.Random) -> str:
    """An evaluation whose numbers are NaN is no result: its cell has failed, and says why.

    It is then taken out of the folder, as somebody does who has mended the implementation.
    """
    said = _misbehaving(bench, folder, rng, "nan")
    results = {path: json.loads(path.read_bytes())["result"] for path in cell_files(folder)}
    struck = [path for path, result in results.items() if result["status"] == "failed"]
    assert len(struck) == said.startswith("worker"), said
    for path in struck:
        assert "not finite" in results[path]["reason"]
        path.unlink()
    return said


def stop_and_continue(bench: Bench, folder: Path, rng: random.Random) -> str:
    """SIGSTOP to one worker, SIGCONT up to a second later; the run goes on to its end."""
    process = bench.start("run", "--profile", bench.profile, "-j", 2, "-o", folder, "--resume", wait_s=WAIT_S)
    moment(process, folder, rng)
    victims = workers_of(process.pid)[:1]
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for victim in victims:
            try:
                os.kill(victim, number)
            except ProcessLookupError:
                continue
        time.sleep(rng.uniform(0.1, 1.0))
    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode in (0, 3), err
    return f"{len(victims)} worker stopped and continued"


WORKER_FAULTS = (hang_worker, leak_worker, noisy_worker, exiting_worker, late_nan, stop_and_continue)
