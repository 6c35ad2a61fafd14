"""Faults against real runs for as long as is asked: faults tried, cells lost, wrong results.

    python benchmarks/soak.py [--minutes 30] [--seed 0] [--out reports/published/soak]

Every fault of tests/faults/injections.py by a seeded generator's choice; between one and four of them strike the same
folder, which is then brought to its end and held against a run that nothing has disturbed, bit for bit. A lost cell is
a finished one whose file is gone or that is missing at the end; a wrong result is a number that differs. Damage that
the fault itself did to files counts as neither: those cells must come back with the undisturbed numbers.
"""

import argparse
import json
import platform
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "faults"))

from injections import INJECTIONS, complete, damage, finished
from real_runs import Bench, make_bench

from elbo_compare.compare import environment


def soak(bench: Bench, base: Path, seconds: float, seed: int) -> dict:
    """Strike until the time is over; returns the figures."""
    rng, start = random.Random(seed), monotonic()
    whole = base / "whole"
    complete(bench, whole)
    undisturbed, judged = finished(whole), bench.frames(whole)
    tried, lost, wrong, folders = Counter[str](), 0, 0, 0
    while monotonic() - start < seconds:
        folder = base / f"struck-{folders}"
        folders += 1
        before: dict[str, str] = {}
        for inject in rng.choices(INJECTIONS, k=rng.randint(1, 4)):
            inject(bench, folder, rng)
            tried[inject.__name__] += 1
            if inject is damage:  # files are harmed on purpose: the next resume has to find every one of them
                before = {}
                complete(bench, folder)
            now = finished(folder)
            lost += len(before.keys() - now.keys())
            wrong += sum(now[name] != undisturbed.get(name) for name in now)
            before = now
        complete(bench, folder)
        now = finished(folder)
        lost += len(undisturbed.keys() - now.keys())
        wrong += sum(now[name] != undisturbed.get(name) for name in now)
        wrong += not all(ours.equals(theirs) for ours, theirs in zip(bench.frames(folder), judged, strict=True))
        print(f"{monotonic() - start:.0f} s: {tried.total()} faults, {lost} lost, {wrong} wrong", flush=True)
    return {
        "faults": dict(sorted(tried.items())),
        "faults_tried": tried.total(),
        "folders": folders,
        "cells_of_a_folder": len(undisturbed),
        "cells_lost": lost,
        "wrong_results": wrong,
        "seed": seed,
        "wall_s": round(monotonic() - start),
    }


def text(figures: dict) -> str:
    """The page."""
    rows = [f"| {name.replace('_', ' ')} | {count} |" for name, count in figures["faults"].items()]
    return "\n".join(
        [
            "# Faults against real runs",
            "",
            f"`python benchmarks/soak.py --seed {figures['seed']}` for {figures['wall_s'] / 60:.0f} minutes "
            f"({environment.cpu_model()}, {environment.cores()} cores, Python {platform.python_version()}).",
            "",
            f"**Faults tried: {figures['faults_tried']}. Cells lost: {figures['cells_lost']}. "
            f"Wrong results: {figures['wrong_results']}.**",
            "",
            f"They struck {figures['folders']} result folders of {figures['cells_of_a_folder']} cells, one to four",
            "faults each; every folder was then brought to its end by `--resume` and held against an undisturbed run,",
            "bit for bit, timings aside.",
            "",
            "| fault | times |",
            "|---|---:|",
            *rows,
            "",
        ]
    )


def main() -> int:
    """Soak, write soak.json and README.md; 1 where a cell was lost or a result is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("reports/published/soak"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        planted = Path(name) / "planted"
        planted.mkdir()
        figures = soak(make_bench(planted), Path(name), 60 * asked.minutes, asked.seed)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "soak.json").write_text(json.dumps(figures, indent=1) + "\n")
    (asked.out / "README.md").write_text(text(figures))
    return int(bool(figures["cells_lost"] or figures["wrong_results"]))


if __name__ == "__main__":
    sys.exit(main())
