"""Harmed input at every door: `python benchmarks/fuzz.py [--tries 100000] [--seed 0] [-j 2]`.

With `--each N` the dear doors alone, N tries at each: those of which one costs at least DEAR times the cheapest.

Each door of tests/compare (doors.py, folder_doors.py, site_doors.py) gets its share of the tries, by what one costs
there; a fault is a traceback, an exit code that means something else, several lines, a file outside the folder, an
input understood as something else, or an address space past MEMORY. Writes fuzz.json and README.md after every door,
and goes on with what a record of the same seed and tries lacks; exit code 1 where there was a fault.
"""

import argparse
import json
import os
import platform
import random
import resource
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "compare"))

from doors import ALONE, Door, fault, harmed
from folder_doors import Sample
from site_doors import site_doors

from elbo_compare.compare import environment

MEMORY = 6 * 2**30  # bytes of address space, libraries included
DEAR = 20


@cache
def doors(place: Path) -> tuple[Door, ...]:
    """Every door; the folders of this process are made in `place`."""
    sample = Sample(place)
    return (*ALONE, *sample.doors(), *site_doors(sample))


def opened(folder: Path, seed: int, number: int, tries: int) -> dict[str, Any]:
    """`tried` for the door of that number, in a folder of this process; memory is limited."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    (place := folder / f"process-{os.getpid()}" / "tries").mkdir(parents=True, exist_ok=True)
    return tried(doors(place.parent)[number], tries, seed, place)


def tried(door: Door, tries: int, seed: int, place: Path) -> dict[str, Any]:
    """One door's row: tries, faults, the first three of them, seconds."""
    rng, start = random.Random(f"{seed} {door.name}"), monotonic()
    faults: list[str] = []
    for number in range(tries):
        body = (door.strike or harmed)(rng.choice(door.samples()), rng)
        if wrong := fault(door, body, place / f"try-{number}"):
            faults.append(f"try {number}: {wrong} after {body[:200]!r}")
    row = {"door": door.name, "tries": tries, "faults": len(faults), "first": faults[:3]}
    print(f"{door.name}: {tries:,} tries, {len(faults)} faults, {monotonic() - start:.0f} s", flush=True)
    return row | {"seconds": round(monotonic() - start, 1)}


def shares(doors: Sequence[Door], tries: int) -> list[int]:
    """Tries of each door: the dearer one of them is, the fewer, and together as many as asked."""
    weights = [1 / door.cost for door in doors]
    return [max(round(tries * each / sum(weights)), 20) for each in weights]


def text(rows: list[dict[str, Any]], options: str) -> str:
    """The page."""
    total, faults, seconds = (sum(row[name] for row in rows) for name in ("tries", "faults", "seconds"))
    lines = [f"| {row['door']} | {row['tries']:,} | {row['faults']} |" for row in rows]
    upper = f" The rate of faults is below {3 / total:.1g} with 95% confidence (3/n)." if not faults else ""
    return "\n".join(
        [
            f"# Harmed input at every {'dear ' if '--each' in options else ''}door",
            "",
            f"`python benchmarks/fuzz.py {options}`, {seconds / 60:.0f} minutes of a process "
            f"({environment.cpu_model()}, {environment.cores()} cores, Python {platform.python_version()}).",
            "",
            f"**Inputs: {total:,}. Faults: {faults}.**{upper}",
            "",
            "An input is a valid one cut, flipped, doubled or mixed with noise, or one of other content under a digest",
            "that fits. A fault is a traceback, an exit code that means something else, more than one line, a file",
            "outside the folder, or an input that is understood as something else.",
            "",
            "| read from | inputs | faults |",
            "|---|---:|---:|",
            *lines,
            "",
        ]
    )


def main() -> int:
    """Try, write, and say; 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=100_000)
    parser.add_argument("--each", type=int, default=0, metavar="N", help="only dear doors, N tries at each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-j", dest="jobs", type=int, default=2, help="doors side by side")
    parser.add_argument("--out", type=Path, default=Path("reports/published/fuzz"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    record = asked.out / "fuzz.json"
    asked_for = {"each": asked.each} if asked.each else {"asked": asked.tries}
    same = {"seed": asked.seed} | asked_for
    options = f"--each {asked.each} --seed {asked.seed}" if asked.each else f"--tries {asked.tries} --seed {asked.seed}"
    there = json.loads(record.read_text()) if record.exists() else {}
    rows = there["doors"] if same.items() <= there.items() else []
    done = {row["door"] for row in rows}
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(asked.jobs, get_context("spawn")) as pool:
        (own := Path(name) / "own").mkdir()
        every = doors(own)
        order = [door.name for door in every]
        tries = [asked.each * (door.cost >= DEAR) for door in every] if asked.each else shares(every, asked.tries)
        todo = [(number, share) for number, share in enumerate(tries) if share and order[number] not in done]
        work = partial(opened, Path(name), asked.seed)
        for future in as_completed([pool.submit(work, number, tries) for number, tries in todo]):
            rows = sorted([*rows, future.result()], key=lambda row: order.index(row["door"]))
            record.write_text(json.dumps(same | {"doors": rows}, indent=1) + "\n")
            (asked.out / "README.md").write_text(text(rows, options))
    return int(any(row["faults"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
