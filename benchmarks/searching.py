"""An hour of `compare search`, published: `python benchmarks/searching.py -o reports/published/search`.

Writes search.json (every run, candidate, group and program), search.txt (counts, programs, tables) and
false_alarms.json: classes on pairs that they are right on, under many seeds, at the level of the search.
"""

import argparse
import json
import platform
from collections import Counter
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from time import monotonic

from scipy.stats import beta

from elbo_compare.compare.launching.target import Limits, run_target
from elbo_compare.compare.searching.searching import Request, search
from elbo_compare.compare.searching.text import as_json, text
from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching.ways import Way

RIGHT = (0, 2, 6, 10, 12, 14, 30, 34)  # plain, families, dependence, plates, subsampling, to_event: no weights
IN_WAYS = {
    Library.PYRO: (Way(elbo="Trace_ELBO"),),
    Library.NUMPYRO: (Way(elbo="Trace_ELBO"),),
}
CHUNK = 50


def false_alarms(seeds: int, request: Request) -> dict:
    """Counts by library, with the upper end of the one-sided 95% interval of a false alarm's probability."""
    found = {}
    for library in request.libraries:
        counts: Counter = Counter()
        for start in range(0, seeds, CHUNK):
            asked = {"library": str(library), "seed": 0, "level": request.level, "ways": 0, "shrink": False,
                     "indices": RIGHT, "seeds": list(range(start, min(start + CHUNK, seeds))),
                     "in_ways": [asdict(way) for way in IN_WAYS[library]]}  # fmt: skip
            returned = run_target("elbo_compare.compare.searching.child:alarms", asked, "search", Limits(calls_s=3600))
            counts.update(returned.answer or {"lost": CHUNK})
        runs, twice = counts["runs"], counts["differs twice"]
        bound = float(beta.ppf(0.95, twice + 1, runs - twice)) if runs > twice else 1.0
        found[str(library)] = {**counts, "seeds": seeds, "at most (95%)": bound}
        print(library, found[str(library)], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", type=int, default=0)
    parser.add_argument("--alarms", type=int, default=1000, metavar="SEEDS")
    parser.add_argument("--library", choices=list(Library))
    parser.add_argument("-o", type=Path, required=True, metavar="DIR")
    asked = parser.parse_args()
    libraries = (Library(asked.library),) if asked.library else tuple(Library)
    request = Request(models=asked.models, seed=asked.seed, ways=asked.ways, libraries=libraries)
    asked.o.mkdir(parents=True, exist_ok=True)
    began = monotonic()
    found = search(request, lambda line: print(line, flush=True))
    took = monotonic() - began
    names = ("torch", "pyro-ppl", "jax", "numpyro", "numpy", "scipy")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    head = [f"{took:.0f} s on {platform.machine()}, one process at a time; {versions}.", ""]
    (asked.o / "search.json").write_text(as_json(found))
    (asked.o / "search.txt").write_text("\n".join([*head, *text(found)]) + "\n")
    if asked.alarms:
        (asked.o / "false_alarms.json").write_text(json.dumps(false_alarms(asked.alarms, request), indent=1))


if __name__ == "__main__":
    main()
