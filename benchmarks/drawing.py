"""How long it takes to draw the report of 10,000, 30,000 and 100,000 measurements.

    python benchmarks/drawing.py FOLDER [--rows 10000 30000 100000] [--rounds 5] [--out reports/published/drawing]

FOLDER is a judged folder, a published one too. A report of N measurements is drawn from its frames with the first N
rows; where there are fewer, the same rows follow again under other keys and seeds. What is timed is the whole command
`compare report`, start of the interpreter included, in interleaved rounds.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import monotonic

import pandas as pd

from elbo_compare.compare import environment
from elbo_compare.compare.judging.frames import read_frame, write_frame

SEEDS_APART = 1_000_000  # further than the seeds of a profile


def folder_of(source: Path, rows: int, base: Path) -> Path:
    """A judged folder with so many measurements."""
    target = base / str(rows)
    target.mkdir()
    for path in sorted([*source.glob("*.json"), *source.glob("*.parquet")]):
        shutil.copy(path, target / path.name)
    own = read_frame(source, "measurements")
    copies = [
        own.assign(key=own["key"] + f"-{i}", seed=own["seed"] + i * SEEDS_APART) for i in range(1, rows // len(own) + 1)
    ]
    write_frame(target, "measurements", pd.concat([own, *copies]).head(rows))
    return target


def draw(folder: Path) -> tuple[float, float]:
    """Seconds of wall time and of processor time, the drawing processes' included, of `compare report`."""
    start, before = monotonic(), os.times()
    subprocess.run([sys.executable, "-m", "elbo_compare", "report", str(folder)], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return monotonic() - start, spent


def text(frame: pd.DataFrame, rounds: int) -> str:
    """The page: what was measured and the table."""
    lines = [
        "# What drawing a report takes",
        "",
        "`python benchmarks/drawing.py FOLDER`: the whole command `compare report`, start of the interpreter included;",
        f"medians and extremes of {rounds} interleaved rounds.",
        "",
        f"CPU: {environment.cpu_model()}, {environment.cores()} cores, Python {platform.python_version()}.",
        "",
        "| measurements | wall time, s | least to most | processor time, s |",
        "|---:|---:|---:|---:|",
    ]
    for rows, part in frame.groupby("rows"):
        wall, spent = part["wall_s"].tolist(), part["cpu_s"].tolist()
        lines.append(f"| {rows:,} | {median(wall):.2f} | {min(wall):.2f} to {max(wall):.2f} | {median(spent):.2f} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure; write drawing.csv and README.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("reports/published/drawing"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folders = {rows: folder_of(asked.folder, rows, Path(name)) for rows in asked.rows}
        timed = []
        for turn in range(asked.rounds):
            for rows, folder in folders.items():
                wall_s, cpu_s = draw(folder)
                timed.append({"rows": rows, "round": turn, "wall_s": wall_s, "cpu_s": cpu_s})
                print(timed[-1], flush=True)
    frame = pd.DataFrame(timed)
    asked.out.mkdir(parents=True, exist_ok=True)
    frame.round(3).to_csv(asked.out / "drawing.csv", index=False)
    (asked.out / "README.md").write_text(text(frame, asked.rounds))


if __name__ == "__main__":
    main()
