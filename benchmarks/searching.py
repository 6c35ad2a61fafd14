"""An hour of `compare search`, published: `python benchmarks/searching.py -o reports/published/search`.

Writes search.json (every run, candidate, group and program), search.txt (counts, programs, tables), divergences.json
and divergences.txt (every registered KL at random parameters against quadrature), and false_alarms.json: classes on
pairs that they are right on, under many seeds, at the level of the search. `--kept DIR` goes on where it was stopped.
"""

import argparse
import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any

from scipy.stats import beta

from elbo_compare.compare.launching.target import Limits, run_target
from elbo_compare.compare.searching.divergences import divergences, lines
from elbo_compare.compare.searching.searching import Request, search
from elbo_compare.compare.searching.text import as_json, text
from elbo_compare.suites.semantics.case import OF_PROGRAMS, Library
from elbo_compare.suites.semantics.searching.ways import Way

RIGHT = (
    0,
    2,
    6,
    10,
    12,
    14,
    30,
    34,
)  # plain, families, dependence, plates, subsampling, to_event, transformed: no weights
IN_WAYS = {
    Library.PYRO: (Way(elbo="Trace_ELBO"),),
    Library.NUMPYRO: (Way(elbo="Trace_ELBO", compiled=True),),  # a program for all seeds of a pair
}


def false_alarms(seeds: int, request: Request, kept: Path | None) -> dict:
    """Counts by library, with the upper end of the one-sided 95% interval of a false alarm's probability. `kept`: goes
    on with the seeds that are counted there."""
    found = {}
    for library in request.libraries:
        counts: Counter = Counter()
        for start in range(min(seeds, len(RIGHT))):  # a pair each
            asked = {"library": str(library), "seed": 0, "level": request.level, "ways": 0, "shrink": False,
                     "indices": RIGHT, "seeds": list(range(start, seeds, len(RIGHT))),
                     "in_ways": [asdict(way) for way in IN_WAYS[library]]}  # fmt: skip
            counts.update(_alarms(asked, None if kept is None else kept / f"alarms-{library}-{start}.json"))
            print(f"{library}: pair {RIGHT[start]}, {dict(counts)}", flush=True)
        runs, twice = counts["runs"], counts["differs twice"]
        bound = float(beta.ppf(0.95, twice + 1, runs - twice)) if runs > twice else 1.0
        found[str(library)] = {**counts, "seeds": seeds, "at most (95%)": bound}
        print(library, found[str(library)], flush=True)
    return found


def _alarms(asked: dict, kept: Path | None) -> dict:
    """Counts of these seeds, as kept or anew."""
    if kept is not None and kept.exists():
        return json.loads(kept.read_text())
    returned = run_target("elbo_compare.compare.searching.child:alarms", asked, "search", Limits(calls_s=3600))
    if returned.answer is None:
        return {"lost": len(asked["seeds"])}
    if kept is not None:
        kept.write_text(json.dumps(returned.answer))
    return dict(returned.answer)


class Store:
    """Answers of a search's children by library and pairs, so that a search can be done in parts."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def path(self, library: Library, indices: Sequence[int]) -> Path | None:
        """Where the answer about these pairs lies."""
        return self.folder / f"{library}-{indices[0]}-{indices[-1]}.json" if self.folder is not None else None

    def kept(self, library: Library, indices: Sequence[int]) -> dict | None:
        """What is there of them."""
        path = self.path(library, indices)
        return json.loads(path.read_text()) if path is not None and path.exists() else None

    def keep(self, library: Library, indices: Sequence[int], content: Mapping[str, Any]) -> None:
        """For another time."""
        path = self.path(library, indices)
        if path is not None:
            path.write_text(json.dumps(content))


def publish_divergences(folder: Path, libraries: Sequence[Library], seed: int, each: int) -> None:
    """Every registered divergence: divergences.json and divergences.txt."""
    said, content = [f"Seed {seed}, {each} draws of each pair, each in float64 and float32.", ""], {}
    for library in libraries:
        found = divergences(library, seed, each)
        if isinstance(found, str):
            said.append(f"Not searched: {library}: {found}")
        else:
            content[str(library)] = found
            said += [*lines(library, found), ""]
    (folder / "divergences.json").write_text(json.dumps(content, indent=1))
    (folder / "divergences.txt").write_text("\n".join(said) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=300)
    parser.add_argument("--planned", type=int, default=0, help="models that the error budget is for, if it is in parts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", type=int, default=0)
    parser.add_argument("--alarms", type=int, default=1000, metavar="SEEDS")
    parser.add_argument("--alone", action="store_true", help="pairs of one production each: every second pair")
    parser.add_argument("--relatives", action="store_true", help="relatives.json and .txt: what is no ELBO, instead")
    parser.add_argument("--library", choices=OF_PROGRAMS)
    parser.add_argument("--divergences", type=int, default=6, metavar="N", help="draws of each registered KL")
    parser.add_argument("--kept", type=Path, metavar="DIR", help="go on with what is there, and keep every few pairs")
    parser.add_argument("-o", type=Path, required=True, metavar="DIR")
    asked = parser.parse_args()
    libraries = (Library(asked.library),) if asked.library else OF_PROGRAMS
    request = Request(models=asked.models, planned=asked.planned, seed=asked.seed, ways=asked.ways, libraries=libraries,
                      relatives=asked.relatives, alone=asked.alone)  # fmt: skip
    asked.o.mkdir(parents=True, exist_ok=True)
    began = monotonic()
    store = Store(asked.kept)
    found = search(request, lambda line: print(line, flush=True), store.kept, store.keep)
    took = monotonic() - began
    names = ("torch", "pyro-ppl", "jax", "numpyro", "numpy", "scipy")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    head = [f"{took:.0f} s on {platform.machine()}, one process at a time; {versions}.", ""]
    name = "relatives" if asked.relatives else "search"
    (asked.o / f"{name}.json").write_text(as_json(found))
    (asked.o / f"{name}.txt").write_text("\n".join([*head, *text(found)]) + "\n")
    if asked.divergences:
        publish_divergences(asked.o, libraries, asked.seed, asked.divergences)
    if asked.alarms:
        counted = false_alarms(asked.alarms, request, asked.kept)
        (asked.o / "false_alarms.json").write_text(json.dumps(counted, indent=1))


if __name__ == "__main__":
    main()
