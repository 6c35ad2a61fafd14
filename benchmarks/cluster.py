"""2,000 cells on a cluster of two worker processes under kills, against the local executor undisturbed.

    python benchmarks/cluster.py [--cells 2000] [--rounds 3] [--every 10] [--out reports/published/cluster]

Each cell waits 50 ms, so that what is timed is how work is handed out, not a processor. In every round one run of each:
locally with `-j 2`, then by Dask, where every `--every` seconds one of the two workers is killed (SIGKILL, which one by
the seed) and another joins a second later, as a batch system would have it. The frames of both must be equal bit for
bit, timings aside. The ratio of the whole commands' times, starting and stopping included, is taken round by round.
It is written after every round, and goes on with what a record of the same cells and kills lacks.
"""

import argparse
import json
import platform
import random
import statistics
import sys
import tempfile
from pathlib import Path
from time import monotonic, sleep

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "faults"))

import pandas as pd
from cluster_faults import cluster
from real_runs import GENEROUS_S, Bench, cell_files, make_bench

import elbo_compare
from elbo_compare.compare import environment

WAIT_S = 0.05  # of a cell
EVALUATIONS = 3  # of such a cell, each of which waits its share; `one_round` holds the cells' own time against it
REPLACED_S = 1.0  # until another worker is started in a killed one's place
ALLOWED = 1.3
PROFILE = """
[[cells]]
procedure = "evaluate"
problems = ["gaussian-kl@2-typical"]
implementations = ["trivial"]
estimators = ["sampled-kl"]
size = 2
seeds = {cells}
"""


def local(bench: Bench, folder: Path) -> float:
    """Seconds of the local executor's run."""
    start = monotonic()
    code, _, told = bench.run(folder, wait_s=WAIT_S / EVALUATIONS)
    assert code == 0, told
    return monotonic() - start


def killed(bench: Bench, folder: Path, every_s: float, rng: random.Random) -> tuple[float, int]:
    """Seconds of the run on a cluster, and how many workers were killed meanwhile."""
    kills = 0
    with cluster(bench, folder.with_name(f"{folder.name}-cluster"), WAIT_S / EVALUATIONS) as there:
        start = monotonic()
        words = ("--profile", bench.profile, "-o", folder, "--executor", "dask", "--scheduler", there.address)
        process = bench.start("run", *words)
        due = start + every_s
        while process.poll() is None:
            sleep(0.05)
            if monotonic() > due and cell_files(folder):
                victim = rng.randrange(len(there.workers))
                there.workers[victim].kill()
                sleep(REPLACED_S)
                there.workers[victim] = there.join()
                kills, due = kills + 1, due + every_s
        _, told = process.communicate(timeout=GENEROUS_S)
        assert process.returncode == 0, told
        return monotonic() - start, kills


def one_round(bench: Bench, base: Path, number: int, every_s: float) -> dict[str, float]:
    """Both runs, and whether they left the same."""
    here, there = base / f"local-{number}", base / f"cluster-{number}"
    undisturbed_s = local(bench, here)
    disturbed_s, kills = killed(bench, there, every_s, random.Random(number))
    for mine, theirs in zip(bench.frames(here), bench.frames(there), strict=True):
        pd.testing.assert_frame_equal(mine, theirs)
    cell_s = float(elbo_compare.load(here).measurements.groupby("key")["elapsed_s"].first().median())
    assert cell_s >= WAIT_S, cell_s
    ratio = disturbed_s / undisturbed_s
    return {"local_s": undisturbed_s, "cluster_s": disturbed_s, "kills": kills, "ratio": ratio, "cell_s": cell_s}


def text(rows: list[dict[str, float]], cells: int, every_s: float) -> str:
    """The page: rounds, the median ratio with the range, and what it is held against."""
    ratios = [row["ratio"] for row in rows]
    least, largest, middle = min(ratios), max(ratios), statistics.median(ratios)
    word = "kept" if largest <= ALLOWED else "missed" if least > ALLOWED else "undecided"
    asked = f"--cells {cells} --rounds {len(rows)} --every {every_s:g}"
    lines = [
        f"# {cells:,} cells on a cluster under kills",
        "",
        f"`python benchmarks/cluster.py {asked}` ({environment.cpu_model()}, {environment.cores()} cores,",
        f"Python {platform.python_version()}): two Dask workers, one killed every {every_s:g} s and replaced after",
        f"{REPLACED_S:g} s, against the local executor with `-j 2` undisturbed; each cell waits {1000 * WAIT_S:g} ms",
        f"(and took {1000 * statistics.median(row['cell_s'] for row in rows):.0f} ms in the local runs, median).",
        "Frames of both are equal bit for bit in every round, timings aside; no cell was lost.",
        "",
        f"**Ratio {middle:.2f}, median of {len(rows)} ({least:.2f} to {largest:.2f}); {ALLOWED} allowed: {word}.**",
        "",
        "| round | local, s | cluster, s | workers killed | ratio |",
        "|---:|---:|---:|---:|---:|",
    ]
    for number, row in enumerate(rows, 1):
        numbers = f"{row['local_s']:.1f} | {row['cluster_s']:.1f} | {row['kills']:.0f} | {row['ratio']:.2f}"
        lines.append(f"| {number} | {numbers} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure; write cluster.json and README.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=Path("reports/published/cluster"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    record, same = asked.out / "cluster.json", {"cells": asked.cells, "every_s": asked.every}
    there = json.loads(record.read_text()) if record.exists() else {}
    rows = there["rounds"] if same.items() <= there.items() else []
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        bench = make_bench(base)
        bench.profile.write_text(PROFILE.format(cells=asked.cells))
        for number in range(len(rows), asked.rounds):
            rows.append(one_round(bench, base, number, asked.every))
            print(rows[-1], flush=True)
            record.write_text(json.dumps(same | {"rounds": rows}, indent=1) + "\n")
            (asked.out / "README.md").write_text(text(rows, asked.cells, asked.every))


if __name__ == "__main__":
    main()
