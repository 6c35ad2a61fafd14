"""What a run costs at 1,000, 10,000 and 100,000 cells: planning, running and storing, resuming, judging,
drawing the report, reading.

    python benchmarks/scale.py [--cells 1000 10000 100000] [--folder DIR] [--out reports/published/scale]

The implementation is trivial (NumPy, the oracle's own session under another name), so that what is measured is the
harness. Each stage is a process of its own; its times and its peak resident memory are those of that process
(workers apart); growth is that of the CPU time, since other work may share the machine. `run` calls fsync twice for
every cell: its time depends on the disk, so the cost of one fsync'ed file is measured beside it.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from math import log
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "faults"))

import matplotlib
import pandas as pd
from real_runs import HERE, install

from elbo_compare.compare import environment
from elbo_compare.compare.files import write_atomically

matplotlib.use("svg")

PROFILE = """
[[cells]]
procedure = "evaluate"
problems = ["gaussian-kl@2-typical"]
implementations = ["trivial"]
estimators = ["sampled-kl"]
size = 2
seeds = {cells}
"""
STAGES = {
    "plan": "from elbo_compare.compare.commands.run import Request, planned\n"
    "print(len(planned(Request(profile=profile, device='cpu')).cells))",
    "run": "from elbo_compare.compare.commands.run import Request, execute, planned\n"
    "request = Request(profile=profile, device='cpu', output=Path(folder))\n"
    "assert execute(planned(request), print).broken == 0",
    "resume": "from elbo_compare.compare.commands.run import Request, execute, planned\n"
    "request = Request(profile=profile, device='cpu', output=Path(folder), resume=True)\n"
    "assert not execute(planned(request), print).spans  # nothing was missing, so no worker was started",
    "judge": "from elbo_compare.compare.commands.judge import judge_folder\nprint(judge_folder(Path(folder)).outcomes)",
    "report": "from elbo_compare.compare.commands.report import report_folder\nreport_folder(Path(folder))",
    "read": "from elbo_compare.compare.judging.frames import parts\n"
    "print(sum(len(part) for part in parts(folder, 'measurements', ['key', 'quantity', 'value'])))",
}
FRAME = """
import json, resource, sys
from pathlib import Path
from time import monotonic

profile, folder = sys.argv[1:]
start = monotonic()
{stage}
wall_s, usage = monotonic() - start, resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss: Linux hands the parent's down through exec.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
cpu_s = usage.ru_utime + usage.ru_stime
print(json.dumps(dict(wall_s=wall_s, cpu_s=cpu_s, peak_mb=int(peak.split()[1]) / 1024)))
"""


def measure(cells: int, base: Path, surroundings: dict[str, str]) -> list[dict]:
    """One row per stage: cells, stage, wall_s, cpu_s, peak_mb."""
    profile, folder, rows = base / f"{cells}.toml", base / f"results-{cells}", []
    profile.write_text(PROFILE.format(cells=cells))
    for stage, program in STAGES.items():
        command = [sys.executable, "-c", FRAME.format(stage=program), str(profile), str(folder)]
        done = subprocess.run(command, env=surroundings, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{stage} at {cells} cells: {done.stderr[-2000:]}")
        rows.append({"cells": cells, "stage": stage} | json.loads(done.stdout.splitlines()[-1]))
        print(rows[-1], flush=True)
    return rows


def fsync_ms(folder: Path, files: int = 100) -> float:
    """Milliseconds of one atomic write of a cell's size into a folder."""
    start = monotonic()
    for index in range(files):
        write_atomically(folder / "probe" / str(index), b"x" * 3000)
    return 1000 * (monotonic() - start) / files


def growth(frame: pd.DataFrame, stage: str, column: str) -> float:
    """Slope of log(column) over log(cells) between the two largest sizes: 1 is linear."""
    two = frame[frame["stage"] == stage].sort_values("cells").tail(2)
    (small, large), (before, after) = two["cells"], two[column]
    return log(after / before) / log(large / small)


def draw(frame: pd.DataFrame, path: Path) -> None:
    """CPU seconds over cells, both logarithmic, one line per stage, with a line of slope 1 for comparison."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for stage, rows in frame.groupby("stage", sort=False):
        axes.loglog(rows["cells"], rows["cpu_s"], marker="o", label=stage)
    sizes = sorted(frame["cells"].unique())
    axes.loglog(sizes, [size / 1000 for size in sizes], color="0.6", linestyle=":", label="1 ms per cell")
    axes.set(xlabel="cells", ylabel="CPU seconds")
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def text(frame: pd.DataFrame, disk_ms: float, here_ms: float) -> str:
    """The page: what was measured, the table, the growth."""
    lines = [
        "# What a run costs at 1,000, 10,000 and 100,000 cells",
        "",
        "`python benchmarks/scale.py`. A trivial NumPy implementation; each stage in a process of its own; peak memory",
        "is that process's resident memory, workers apart. `run` plans, measures cells side by side and stores each",
        "atomically; `resume` finds that nothing is missing; `report` draws it all in one process; `read` goes through",
        "the Parquet file a part at a time.",
        "",
        f"CPU: {environment.cpu_model()}, {environment.cores()} cores, Python {platform.python_version()}. The results",
        f"lay on a file system where one atomic write takes {here_ms:.2f} ms; on this machine's disk it takes",
        f"{disk_ms:.1f} ms, which is to be added for each cell. Other work shared the machine,",
        "so wall times are upper bounds.",
        "",
        "| cells | stage | wall time, s | CPU time, s | peak memory, MB | wall time per cell, ms |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for row in frame.itertuples():
        each = 1000 * row.wall_s / row.cells
        lines.append(
            f"| {row.cells:,} | {row.stage} | {row.wall_s:.2f} | {row.cpu_s:.2f} | {row.peak_mb:.0f} | {each:.3f} |"
        )
    lines += ["", "Growth between the two largest sizes, as the exponent of the number of cells (1 is linear):", ""]
    for stage in STAGES:
        time_, memory = growth(frame, stage, "cpu_s"), growth(frame, stage, "peak_mb")
        lines.append(f"- {stage}: CPU time {time_:.2f}, memory {memory:.2f}")
    return "\n".join([*lines, "", "![CPU seconds over cells](scale.svg)", ""])


def main() -> None:
    """Measure, write scale.csv, scale.svg and README.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--folder", type=Path, default=None, help="where results are put meanwhile")
    parser.add_argument("--out", type=Path, default=Path("reports/published/scale"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name, tempfile.TemporaryDirectory() as disk:
        base = Path(name)
        install(base, {"trivial": "trivial_implementation:Trivial"}, HERE / "trivial_implementation.py")
        root = Path(__file__).resolve().parent.parent
        surroundings = dict(os.environ) | {"PYTHONPATH": f"{base}{os.pathsep}{root}", "OMP_NUM_THREADS": "1"}
        frame = pd.DataFrame([row for cells in asked.cells for row in measure(cells, base, surroundings)])
        costs = fsync_ms(Path(disk)), fsync_ms(base)
    asked.out.mkdir(parents=True, exist_ok=True)
    frame.round(3).to_csv(asked.out / "scale.csv", index=False)
    draw(frame, asked.out / "scale.svg")
    (asked.out / "README.md").write_text(text(frame, *costs))


if __name__ == "__main__":
    main()
