"""Freeze a finished run as a citable report: `python benchmarks/publish.py results/standard 2026-11-23-standard-cpu`.

Copies what the report is drawn from (JSON and Parquet) and the report itself; the cells and their logs stay behind, and
`elbo_compare.load` reads the copy. A published folder is never edited afterwards: a correction is a new one.
"""

import json
import shutil
import sys
from pathlib import Path

PUBLISHED = Path(__file__).parents[1] / "reports" / "published"


def publish(results: Path, name: str, published: Path = PUBLISHED, *, undecided: int = 0) -> Path:
    """The published folder. `undecided`: how many verdicts its planned numbers leave open, as it says itself.

    Raises SystemExit, in one line, for a run that is not whole or a name that is taken."""
    target = published / name
    if target.exists():
        sys.exit(f"{name} is published already, and published reports are never edited: choose another name.")
    if not (results / "report" / "report.html").exists():
        sys.exit(f"{results} holds no report: run `compare report {results}` first.")
    answer = json.loads((results / "answer.json").read_text("utf-8"))
    if set(answer["cells"]) - {"ok", "not-run"} or answer["counts"].get("inconclusive", 0) != undecided:
        sys.exit(f"{results} is not whole: cells {answer['cells']}, verdicts {answer['counts']}.")
    target.mkdir(parents=True)
    for path in sorted([*results.glob("*.json"), *results.glob("*.parquet")]):
        shutil.copy(path, target / path.name)
    shutil.copytree(results / "report", target / "report")
    return target


if __name__ == "__main__":
    if len(sys.argv) not in (3, 5) or sys.argv[3:4] not in ([], ["--undecided"]):
        sys.exit("usage: python benchmarks/publish.py RESULTS NAME [--undecided N]")
    print(publish(Path(sys.argv[1]), sys.argv[2], undecided=int(sys.argv[4]) if sys.argv[3:] else 0))
