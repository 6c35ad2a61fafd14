"""The time left that a stored run would have told: `python benchmarks/time_left.py DIR --wall S [--after S]`.

Cells are replayed in the order and at the times at which their files were written (so DIR must be no copy). `--wall`:
seconds of the whole `compare all`, from its last line; `--start`: those before the first cell began.
"""

import argparse
import sys
from pathlib import Path

from elbo_compare.compare.planning.plan import plan
from elbo_compare.compare.planning.spec import read_spec
from elbo_compare.compare.records import Procedure
from elbo_compare.compare.running.expected import TimeLeft, seconds_after
from elbo_compare.compare.running.store import Store
from elbo_compare.suites.contract import Device

LEAST_S = 15.0  # of the true time left: below it a ratio says little


def main() -> int:
    """Print told and true seconds along the run, and the ratio's range from a tenth of the way on."""
    parser = argparse.ArgumentParser(description="The time left that a stored run would have told.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wall", type=float, required=True)
    parser.add_argument("--start", type=float, default=6.0)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    store = Store(asked.folder)
    written = {path.stem: path.stat().st_mtime for path in asked.folder.glob("cells/??/*.json")}
    results = sorted(store.results(), key=lambda result: written[result.cell.key])
    planned = [each for each in plan(read_spec(store.record()["profile"]), Device.CPU) if each.key in written]
    profile = store.record()["profile"]
    left = TimeLeft(cells=planned, jobs=asked.jobs, after_s=seconds_after(len(planned), profile != "quick"))
    first = results[0]
    began, ratios = written[first.cell.key] - first.elapsed_s - asked.start, []
    for number, result in enumerate(results):
        elapsed = written[result.cell.key] - began
        left.done(result, elapsed)
        told, true = left.seconds(elapsed), asked.wall - elapsed
        if number % 100 == 0:
            print(f"{elapsed:5.0f} s: {told:5.0f} s told, {true:5.0f} s true, {told / true:.2f}")
        if elapsed > asked.wall / 10 and true > LEAST_S:
            ratios.append(told / true)
    timed = sum(result.cell.procedure is Procedure.TIME for result in results)
    print(f"{len(planned)} cells, {timed} of them timed: told over true {min(ratios):.2f} to {max(ratios):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
