"""Freeze a finished bench as a citable report: `python benchmarks/publish_bench.py results/bench 2026-11-24-bench-cpu`.

Copies the frames, the record of the environment and the report. A published folder is never edited afterwards. With
`--partial` a bench whose time was short: some parts left out or cut, which its record and its page say.
"""

import json
import shutil
import sys
from pathlib import Path

from elbo_compare.compare.bench.run import parts_on
from elbo_compare.suites.contract import Device

PUBLISHED = Path(__file__).parents[1] / "reports" / "published"
LEAST_ROUNDS = 6  # fewer give no interval


def publish(results: Path, name: str, published: Path = PUBLISHED, *, partial: bool = False) -> Path:
    """The published folder. Raises SystemExit, in one line, for a bench that is not whole or a name that is taken."""
    target = published / name
    if target.exists():
        sys.exit(f"{name} is published already, and published reports are never edited: choose another name.")
    if not (results / "report" / "report.html").exists():
        sys.exit(f"{results} holds no bench report: run `compare bench --draw -o {results}` first.")
    record = json.loads((results / "bench.json").read_text("utf-8"))
    chosen = any(option in record["command"] for option in (" -k ", " --setting "))
    parts = set(parts_on(Device(record["device"])))
    if not partial and (set(record["parts"]) != parts or record["rounds"] < LEAST_ROUNDS or chosen):
        sys.exit(f"{results} is not whole: parts {record['parts']}, {record['rounds']} rounds, `{record['command']}`.")
    target.mkdir(parents=True)
    for path in (results / "bench.json", *sorted(results.glob("*.parquet"))):
        shutil.copy(path, target / path.name)
    shutil.copytree(results / "report", target / "report")
    return target


if __name__ == "__main__":
    given = [each for each in sys.argv[1:] if each != "--partial"]
    if len(given) != 2:
        sys.exit("usage: python benchmarks/publish_bench.py RESULTS NAME [--partial]")
    print(publish(Path(given[0]), given[1], partial="--partial" in sys.argv))
