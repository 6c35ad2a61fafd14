"""Faults against real runs: `python benchmarks/soak.py [--faults 1000] [--seed 20] [-j 2] [--out DIR]`.

Every fault of tests/faults (injections, worker_faults, folder_faults, cluster_faults) in turn, each at a moment that a
seeded generator chooses; two to six of them strike one folder, which is then brought to its end and held against a
run that nothing has disturbed, bit for bit, timings aside. A lost cell is a finished one whose file is gone, or one
that is missing at the end; a wrong result is a number that differs; a leftover is a process or a temporary file.
Damage that a fault itself did to files counts as neither: those cells must come back with the undisturbed numbers.
Before a fault a folder that is whole loses half of its cells, so that there is a run to strike; a fault that did not
happen, since the run had ended before its moment came, is not counted.

Folders are struck side by side, each by a generator of its own number: what strikes it does not depend on the others.
It can be interrupted: with the same --out it goes on where it was. Leave the checkout alone meanwhile: a run whose code
has changed measures everything again, as it must.
"""

import argparse
import json
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from time import monotonic, sleep
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "faults"))

from cluster_faults import CLUSTER_FAULTS
from folder_faults import FOLDER_FAULTS, copied, emptied, renamed_and_back, signalled_verb
from injections import INJECTIONS, NOTHING_LEFT, complete, damage, finished
from real_runs import Bench, cell_files, make_bench
from worker_faults import WORKER_FAULTS, late_nan

from elbo_compare.compare import environment

# A signal strikes one of two dozen verbs, so that it comes more often than the others.
FAULTS = (*INJECTIONS, signalled_verb, *WORKER_FAULTS, signalled_verb, *FOLDER_FAULTS, *CLUSTER_FAULTS)
REMOVES = (damage, emptied, copied, renamed_and_back, late_nan)  # they take finished cells away themselves
TAG = "SOAK_OF_ELBO_COMPARE"
MOST = 6  # faults of one folder: bringing it to its end and judging it costs as much as a fault does
MISSED = (NOTHING_LEFT, "0 worker", "this system", "no Dask")  # how a fault says that it did not happen
LEAVE_S = 60.0  # until a process that is ending is one that was left behind; a loaded machine ends nothing at once


@cache
def undisturbed(base: Path) -> tuple[Bench, dict[str, str], Any]:
    """The bench, and a run that nothing has disturbed: its cells and its frames."""
    bench = make_bench(base / "planted", exist_ok=True)
    return bench, finished(base / "whole"), bench.frames(base / "whole")


def folder_of(base: Path, seed: int, number: int, kinds: list[str]) -> dict:
    """The row of one folder; in a process of its own."""
    bench, cells, whole = undisturbed(base)
    bench = replace(bench, environment=bench.environment | {TAG: str(number)})
    place, start = base / str(number), monotonic()
    place.mkdir()
    try:
        row = strike(bench, place / "struck", random.Random(f"{seed} {number}"), cells, whole, _by_name(kinds))
    except (AssertionError, subprocess.TimeoutExpired, OSError) as error:  # OSError: of an injection itself
        row = given_up(kinds, error)
        for process in _tagged(f"{TAG}={number}".encode()):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    shutil.rmtree(place, ignore_errors=True)
    return {"number": number} | row | {"seconds": round(monotonic() - start, 1)}


def strike(bench: Bench, folder: Path, rng: random.Random, cells: dict[str, str], whole: Any, kinds: list) -> dict:
    """One folder's row: the faults that struck it, and what was lost, wrong or left."""
    lost, wrong, said = 0, 0, []
    for inject in kinds:
        before = room(folder, cells, rng)
        said.append(inject(bench, folder, rng))
        if inject is damage:  # harmed on purpose: the next resume has to find every one of them
            complete(bench, folder)
        now = finished(folder)
        if inject not in REMOVES:
            lost += len(before.keys() - now.keys())
        wrong += sum(now[name] != cells.get(name) for name in now)
    complete(bench, folder)
    now = finished(folder)
    lost += len(cells.keys() - now.keys())
    wrong += sum(now[name] != cells.get(name) for name in now)
    wrong += not all(ours.equals(theirs) for ours, theirs in zip(bench.frames(folder), whole, strict=True))
    left = [str(path.relative_to(folder)) for path in folder.rglob("*.tmp")] + alive(bench.environment[TAG])
    return {"kinds": [each.__name__ for each in kinds], "said": said, "lost": lost, "wrong": wrong, "left": left}


def room(folder: Path, cells: dict[str, str], rng: random.Random) -> dict[str, str]:
    """The finished cells, of which a folder that has them all is given half: a fault needs a run that measures."""
    now = finished(folder)
    if len(now) < len(cells):
        return now
    for path in rng.sample(cell_files(folder), len(now) // 2):
        path.unlink()
    return finished(folder)


def struck(said: str) -> bool:
    """Whether the fault happened: a run may have ended before its moment came."""
    return not said.startswith(MISSED)


def alive(mark: str) -> list[str]:
    """The command lines of processes of a run that is over, after a moment to end in."""
    end = monotonic() + LEAVE_S
    while (found := _tagged(f"{TAG}={mark}".encode())) and monotonic() < end:
        sleep(0.1)
    return list(found.values())


def _tagged(variable: bytes) -> dict[int, str]:
    """Process ID -> the beginning of its command line."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if variable in (place / "environ").read_bytes().split(b"\0"):
                words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                found[int(place.name)] = words[:120]
        except OSError:
            continue
    return found


def _by_name(kinds: list[str]) -> list[Callable]:
    named = {each.__name__: each for each in FAULTS}
    return [named[kind] for kind in kinds]


def plan(seed: int) -> Iterator[tuple[int, list[str]]]:
    """The number of each folder and the kinds of its faults, without end."""
    done = 0
    for number in count():
        several = random.Random(f"{seed} {number} kinds").randint(MOST // 3, MOST)
        yield number, [FAULTS[(done + place) % len(FAULTS)].__name__ for place in range(several)]
        done += several


def upper_bound(tried: int) -> float:
    """The upper end of a one-sided 95% interval for the rate of what was seen in none of `tried` (Clopper-Pearson)."""
    return 1 - 0.05 ** (1 / tried)


def given_up(names: list[str], error: Exception) -> dict:
    """The row of a folder in which something was not as it must be, or did not happen in time: no fault is counted."""
    said = [f"{MISSED[0]}: given up"] * len(names)
    told = re.sub(r"(?:/[\w.+-]+)+/", "…/", " ".join(str(error).split()))[-300:]  # no path of this machine
    return {"kinds": names, "said": said, "lost": 0, "wrong": 0, "left": [], "stopped": told}


def happened(row: dict) -> list[str]:
    """The kinds of the faults that struck this folder."""
    return [kind for kind, said in zip(row["kinds"], row["said"], strict=True) if struck(said)]


def text(state: dict, cells: int) -> str:
    """The page."""
    rows = state["folders"]
    tried = Counter(kind for row in rows for kind in happened(row))
    bad = Counter(kind for row in rows if row["lost"] or row["wrong"] or row["left"] for kind in happened(row))
    total = tried.total()
    lost, wrong = sum(row["lost"] for row in rows), sum(row["wrong"] for row in rows)
    left = sum(bool(row["left"]) for row in rows)
    stopped = [f"{', '.join(row['kinds'])} ({row['stopped']})" for row in rows if "stopped" in row]
    lines = [
        f"| {kind.replace('_', ' ')} | {count} | {bad[kind]} | {'' if bad[kind] else f'{upper_bound(count):.2g}'} |"
        for kind, count in sorted(tried.items())
    ]
    return "\n".join(
        [
            "# Faults against real runs",
            "",
            f"`python benchmarks/soak.py --faults {state['asked']} --seed {state['seed']}`"
            + (", " if total >= state["asked"] else f", {total} so far (the same command goes on), ")
            + f"{state['wall_s'] / 60:.0f} minutes ({environment.cpu_model()}, {environment.cores()} cores, "
            f"Python {platform.python_version()}).",
            "",
            f"**Faults tried: {total}, of {len(tried)} kinds. Cells lost: {lost}. Wrong results: {wrong}. "
            f"Folders after which a process or a temporary file was left: {left}.**",
            "",
            f"Folders given up, of which nothing is counted: {'; '.join(stopped) or 'none'}.",
            "",
            f"They struck {len(rows) - len(stopped)} result folders of {cells} cells, up to six faults each;",
            "every folder was then brought to its end by `--resume` and held against an undisturbed run, bit for bit,",
            "timings aside. The last column is the upper end of a one-sided 95% interval for the rate of a kind of",
            f"which none went wrong; over all kinds together it is {upper_bound(total):.2g}."
            if not bad
            else "which none went wrong.",
            "",
            "| fault | times | in folders where something went wrong | rate at most |",
            "|---|---:|---:|---:|",
            *lines,
            "",
        ]
    )


def main() -> int:
    """Soak, write soak.json and README.md after every folder; 1 where a cell was lost or a result is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("-j", dest="jobs", type=int, default=2, help="folders side by side")
    parser.add_argument("--out", type=Path, default=Path("reports/published/soak"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    record = asked.out / "soak.json"
    state = json.loads(record.read_text()) if record.exists() else {}
    if state.get("seed", asked.seed) != asked.seed:
        raise SystemExit(
            f"{record} is of seed {state['seed']}: go on with --seed {state['seed']}, or choose --out DIR."
        )
    state = {"seed": asked.seed, "folders": [], "wall_s": 0.0} | state | {"asked": asked.faults}
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "planted").mkdir()
        complete(make_bench(base / "planted"), base / "whole")
        _, cells, _ = undisturbed(base)
        start, before = monotonic(), state["wall_s"]
        for row in rows(base, asked.seed, asked.jobs, state["folders"], asked.faults):
            state["folders"].append(row)
            state["wall_s"] = round(before + monotonic() - start, 1)
            record.write_text(json.dumps(state, indent=1) + "\n")
            (asked.out / "README.md").write_text(text(state, len(cells)))
            print(f"{state['wall_s']:.0f} s: {row}", flush=True)
    return int(any(row["lost"] or row["wrong"] or row["left"] or "stopped" in row for row in state["folders"]))


def rows(base: Path, seed: int, jobs: int, there: list[dict], faults: int) -> Iterator[dict]:
    """The rows of the folders that are not there yet, as they end, until so many faults have happened."""
    done = {row["number"] for row in there}
    todo = ((number, kinds) for number, kinds in plan(seed) if number not in done)
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        out = {pool.submit(folder_of, base, seed, *next(todo)) for _ in range(jobs)}
        while out:
            ended, out = wait(out, return_when=FIRST_COMPLETED)
            for future in ended:
                yield future.result()  # the caller has put it among those that are there
                if sum(len(happened(row)) for row in there) < faults:
                    out.add(pool.submit(folder_of, base, seed, *next(todo)))


if __name__ == "__main__":
    sys.exit(main())
