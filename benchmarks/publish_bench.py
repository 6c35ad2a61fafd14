"""Freeze a finished bench as a citable report: `python benchmarks/publish_bench.py results/bench 2026-11-24-bench-cpu`.

Copies the frames, the record of the environment and the report. A published folder is never edited afterwards.
"""

import json
import shutil
import sys
from pathlib import Path

PUBLISHED = Path(__file__).parents[1] / "reports" / "published"
LEAST_ROUNDS = 6  # fewer give no interval
PARTS = {"steps", "draws", "replicas", "curves"}


def publish(results: Path, name: str, published: Path = PUBLISHED) -> Path:
    """The published folder. Raises SystemExit, in one line, for a bench that is not whole or a name that is taken."""
    target = published / name
    if target.exists():
        sys.exit(f"{name} is published already, and published reports are never edited: choose another name.")
    if not (results / "report" / "report.html").exists():
        sys.exit(f"{results} holds no bench report: run `compare bench --draw -o {results}` first.")
    record = json.loads((results / "bench.json").read_text("utf-8"))
    if set(record["parts"]) != PARTS or record["rounds"] < LEAST_ROUNDS or " -k " in record["command"]:
        sys.exit(f"{results} is not whole: parts {record['parts']}, {record['rounds']} rounds, `{record['command']}`.")
    target.mkdir(parents=True)
    for path in (results / "bench.json", *sorted(results.glob("*.parquet"))):
        shutil.copy(path, target / path.name)
    shutil.copytree(results / "report", target / "report")
    return target


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python benchmarks/publish_bench.py RESULTS NAME")
    print(publish(Path(sys.argv[1]), sys.argv[2]))
