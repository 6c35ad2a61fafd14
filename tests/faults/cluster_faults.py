"""Faults of a cluster, each part a process of this machine: a worker, the scheduler or the connection is dropped."""

import importlib.util
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from injections import LONGEST_S
from real_runs import GENEROUS_S, Bench, cell_files, wait_for

DASK = [sys.executable, "-m", "dask"]
# As `compare`, with a shorter patience: a cluster that has gone is given up after three seconds.
PROGRAM = (
    "import elbo_compare.compare.running.dask_cluster as it\n"
    "from elbo_compare.compare.cli import main\nit.WORKERLESS_S = 3.0\nmain()"
)


@dataclass
class Cluster:
    """A scheduler and its workers; `join` starts one more."""

    address: str
    scheduler: subprocess.Popen
    workers: list[subprocess.Popen]
    join: Callable[[], subprocess.Popen]


@contextmanager
def cluster(bench: Bench, place: Path, wait_s: float = 0.05) -> Iterator[Cluster]:
    """A scheduler and two workers, on which each evaluation of `trivial` waits so long."""
    place.mkdir()
    started: list[subprocess.Popen] = []
    contact = place / "scheduler.json"
    environment = bench.environment | {"TRIVIAL_WAIT_S": str(wait_s), "DASK_DISTRIBUTED__COMM__RETRY__COUNT": "0"}

    def start(*words: str) -> subprocess.Popen:
        with (place / f"{len(started)}.log").open("w") as log:
            words = (*DASK, *words, "--no-dashboard")
            started.append(subprocess.Popen(words, env=environment, stdout=log, stderr=log, cwd=place))
        return started[-1]

    try:
        scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(contact))
        wait_for(lambda: _address(contact))
        address = _address(contact)

        def join() -> subprocess.Popen:
            return start("worker", address, "--nthreads", "1", "--no-nanny")

        workers = [join() for _ in range(2)]
        wait_for(lambda: sum("Registered to" in path.read_text() for path in place.glob("*.log")) == 2)
        yield Cluster(address=address, scheduler=scheduler, workers=workers, join=join)
    finally:
        for process in started:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        shutil.rmtree(place, ignore_errors=True)


def _address(contact: Path) -> str:
    with suppress(OSError, ValueError):
        return json.loads(contact.read_text())["address"]
    return ""


def _dropped(bench: Bench, folder: Path, rng: random.Random, which: str) -> str:
    if importlib.util.find_spec("distributed") is None:
        return "no Dask here"
    with cluster(bench, folder.with_name(f"{folder.name}-cluster")) as there:
        arguments = ("run", "--profile", bench.profile, "-o", folder, "--resume", "--executor", "dask")
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, arguments), "--scheduler", there.address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=bench.environment,
        )
        had = len(cell_files(folder))
        wait_for(lambda: len(cell_files(folder)) > had or process.poll() is not None)
        time.sleep(rng.uniform(0.0, LONGEST_S))
        if which == "worker":
            rng.choice(there.workers).kill()
        elif which == "scheduler":
            there.scheduler.kill()
        else:  # whoever is stopped answers nobody: as a cable that is pulled, and put back
            stopped = rng.choice([*there.workers, there.scheduler])
            stopped.send_signal(signal.SIGSTOP)
            time.sleep(rng.uniform(0.5, 3.0))
            stopped.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode in (0, 2, 3), (which, process.returncode, err)
    assert "Traceback" not in err, err
    return f"{which} dropped: {process.returncode}"


def worker_dropped(bench: Bench, folder: Path, rng: random.Random) -> str:
    """One of two workers dies."""
    return _dropped(bench, folder, rng, "worker")


def scheduler_dropped(bench: Bench, folder: Path, rng: random.Random) -> str:
    """The scheduler dies."""
    return _dropped(bench, folder, rng, "scheduler")


def network_dropped(bench: Bench, folder: Path, rng: random.Random) -> str:
    """A worker or the scheduler is unheard of for up to three seconds."""
    return _dropped(bench, folder, rng, "network")


CLUSTER_FAULTS = (worker_dropped, scheduler_dropped, network_dropped)
