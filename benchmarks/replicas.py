"""Time of S seeds trained in one program against S single runs and against one, for the hand-written implementations.

    python benchmarks/replicas.py [--implementations torch-hand jax-hand] [--problems vae vae-small] [--dtype float32]
        [--replicas 1 2 4 8 16 32] [--rounds 5] [--steps 60] [--device cpu] [--out FILE.json]

Each round runs one single `fit` and one `fit_replicas` of S seeds, one after the other; what is reported is the median
over rounds of the round's ratio, so that a busy machine moves both. Compiled programs are warm; results are on
the host, so nothing is left running. A training's set-up (data and weights to the device and back) is part of it:
with few steps it makes replicas look better than they are. `wall` is elapsed time, `cpu` the processor time of all
threads, which other programs on the machine hardly change (threads that spin while they wait count in it). Targets: S
in one program cost at most S single runs on 2 cores, and on a GPU 32 at most 4 single runs.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

from compare import environment
from suites import datasets, problems, registry
from suites.contract import Device, DType
from suites.estimators import SAMPLED_KL

BATCH, RATE = 100, 5e-4


def clocked(call: Callable[[], Any]) -> tuple[float, float]:
    """(wall, processor) seconds of a call."""
    wall, cpu = perf_counter(), process_time()
    call()
    return perf_counter() - wall, process_time() - cpu


def measure(implementation: str, problem: str, replicas: int, options: argparse.Namespace) -> dict[str, Any]:
    """One row: medians over rounds of (S in one program) / single run, and of that over S."""
    loaded, rng = problems.load(problem, "initial"), np.random.default_rng(1)
    x = datasets.load(problems.DATASET[problem]).train
    session: Any = registry.load(implementation).prepare(
        loaded, SAMPLED_KL, Device(options.device), DType(options.dtype)
    )
    batches = rng.integers(0, len(x), (replicas, options.steps, BATCH))
    seeds = tuple(range(replicas))

    def single() -> None:
        session.fit(loaded.params, x, batches[0], RATE, 0)

    def together() -> None:
        session.fit_replicas(loaded.params, x, batches, RATE, seeds)

    for call in (single, together):
        call()  # compiles
    rounds = [(clocked(single), clocked(together)) for _ in range(options.rounds)]
    ratios = {name: [both[1][i] / both[0][i] for both in rounds] for i, name in enumerate(("wall", "cpu"))}
    row = {"implementation": implementation, "problem": problem, "dtype": options.dtype, "replicas": replicas}
    row |= {"steps": options.steps, "rounds": options.rounds, "single_step_s": _per_step(rounds, 0, options.steps)}
    for name, values in ratios.items():
        row |= {f"{name}_over_one": median(values), f"{name}_over_s_single": median(values) / replicas}
        row |= {f"{name}_range": (min(values) / replicas, max(values) / replicas)}
    return row


def _per_step(rounds: list, which: int, steps: int) -> float:
    return median(each[which][0] for each in rounds) / steps


def rows_of(implementation: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every row of one implementation, in this process: torch and JAX share none."""
    rows = []
    for problem in options.problems:
        for replicas in options.replicas:
            row = measure(implementation, problem, replicas, options)
            rows.append(row)
            print(
                f"{implementation} {problem} S = {replicas}: wall {row['wall_over_s_single']:.2f}, cpu "
                f"{row['cpu_over_s_single']:.2f} of S single runs; wall {row['wall_over_one']:.2f} of one",
                file=sys.stderr,
                flush=True,
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--implementations", nargs="+", default=["torch-hand", "jax-hand"])
    parser.add_argument("--problems", nargs="+", default=["vae", "vae-small"])
    parser.add_argument("--replicas", nargs="+", type=int, default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if len(options.implementations) == 1:
        rows = rows_of(options.implementations[0], options)
    else:
        rows = [row for name in options.implementations for row in _in_a_process(name)]
    surroundings = environment.describe(device=options.device, jobs=1, threads=environment.cores())
    text = json.dumps({"environment": surroundings, "rows": rows}, indent=1)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


def _in_a_process(name: str) -> list[dict[str, Any]]:
    """The rows of a process that was started with the same options for one implementation."""
    arguments = [*_without(sys.argv[1:], ("--implementations", "--out")), "--implementations", name]
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)["rows"]


def _without(arguments: list[str], options: tuple[str, ...]) -> list[str]:
    """The arguments less these options and their values."""
    kept, dropping = [], False
    for argument in arguments:
        if argument.startswith("--"):
            dropping = argument in options
        if not dropping:
            kept.append(argument)
    return kept


if __name__ == "__main__":
    main()
