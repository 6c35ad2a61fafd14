"""What a search found, in words, as a table and as JSON."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from elbo_compare.compare.searching.grouping import Group, numbers, pasted
from elbo_compare.compare.searching.searching import Searched
from elbo_compare.suites.semantics.case import OF_PROGRAMS
from elbo_compare.suites.semantics.searching.recognised import BY_ID, OUT_OF_REACH, expressible

OUTCOMES = ("agrees", "differs", "inconclusive", "not confirmed", "raises")


def text(found: Searched) -> Iterator[str]:
    """The counts, what is new with its program, what was found again, and how much of the grammar was tried."""
    yield from _counts(found)
    for group in found.groups:
        if not group.finding:
            yield from ("", *told(group))
    yield from ("", *again(found), "", *tables(found))


def new(found: Searched) -> list[Group]:
    """Groups that survive the second route and are no registered finding."""
    return [group for group in found.groups if group.survives and not group.finding]


def _counts(found: Searched) -> Iterator[str]:
    request = found.request
    runs = Counter(run["outcome"] for pairs in found.pairs.values() for pair in pairs for run in pair["runs"])
    said = ", ".join(f"{runs[name]} {name}" for name in OUTCOMES)
    yield f"{request.models} models from {request.first}, seed {request.seed}; {sum(runs.values())} runs: {said}."
    survivors = sum(group.survives for group in found.groups)
    fresh = new(found)
    candidates = sum(group.count for group in found.groups)
    yield (
        f"Candidates: {candidates} in {len(found.groups)} groups; {survivors} groups survive the second route; "
        f"{len(fresh)} of them are in no finding of the register."
    )
    for library, pairs in found.pairs.items():
        if pairs:
            seconds = sum(pair["seconds"] for pair in pairs) / len(pairs)
            yield f"Time per model, {library}: {seconds:.1f} s of CPU, shrinking included."
    yield from (f"Not searched: {line}" for line in found.lost)


def told(group: Group) -> Iterator[str]:
    """One group: what is off, by which routes, and the program."""
    example = group.example
    yield f"{'NEW' if group.survives else 'OPEN'}  {group.title} ({group.count} candidates; {'; '.join(group.ways)})"
    yield f"  {numbers(group)}"
    yield f"  The oracle by simulation {group.simulated}. {_peer(group)}"
    yield f"  {example['source']['line']}: {group.documentation}"
    yield from (f"    {line}" for line in pasted(group).splitlines())


def _peer(group: Group) -> str:
    other = next(library for library in OF_PROGRAMS if library is not group.library)
    outcome = group.peer.get("outcome", "not run")
    said = {"agrees": "is right there", "differs": "is off there too"}.get(outcome, f"{outcome} there")
    reason = f" ({group.peer['raised'][:120]})" if group.peer.get("raised") else ""
    return f"The other library's class ({other}) {said}{reason}."


def again(found: Searched) -> Iterator[str]:
    """The registered findings that the grammar can express, and which of them were found."""
    names = [name for library in found.request.libraries
             for name in expressible(library, found.request.classes(library))]  # fmt: skip
    seen = Counter()
    for group in found.groups:
        if group.finding:
            seen[group.finding] += group.count
    share = f"{sum(name in seen for name in names)} of {len(names)}"
    yield f"Registered findings found again blind: {share} that grammar and classes can show."
    for name in names:
        yield f"  {name}: {f'{seen[name]} candidates' if name in seen else 'not found'}"
    yield "Out of its reach:"
    for name, reason in OUT_OF_REACH.items():
        if BY_ID[name].library in found.request.libraries:
            yield f"  {name}: {reason}"


def tables(found: Searched) -> Iterator[str]:
    """The grammar: models per production and runs per class."""
    whole = max(found.pairs.values(), key=len, default=())
    uses = Counter(name for pair in whole for name in pair["productions"])
    yield "Models per production:"
    yield from (f"  {count:>5}  {name}" for name, count in sorted(uses.items(), key=lambda item: (-item[1], item[0])))
    yield "Runs per class and way: " + ", ".join(OUTCOMES)
    for library, pairs in found.pairs.items():
        by: dict[str, Counter] = {}
        for run in (run for pair in pairs for run in pair["runs"]):
            by.setdefault(run["way"], Counter())[run["outcome"]] += 1
        for way, counts in by.items():
            yield f"  {library:8}{way:34}" + "".join(f"{counts[name]:>6}" for name in OUTCOMES)
    yield from ("", *crossed(found))


def crossed(found: Searched) -> Iterator[str]:
    """Models that were tried, by production and class; Jit with the class that it compiles."""
    for library, pairs in found.pairs.items():
        tried: dict[str, Counter] = {}
        for pair in pairs:
            for elbo in {run["elbo"].removeprefix("Jit") for run in pair["runs"]}:
                for name in pair["productions"]:
                    tried.setdefault(name, Counter())[elbo] += 1
        names = sorted({elbo for counts in tried.values() for elbo in counts})
        yield f"Models per production and class, {library}: " + ", ".join(names)
        for name in sorted(tried):
            yield f"  {name:44}" + "".join(f"{tried[name][elbo]:>5}" for elbo in names)


def as_json(found: Searched) -> str:
    """Everything, pairs and programs included."""
    content: dict[str, Any] = {
        "request": asdict(found.request),
        "lost": list(found.lost),
        "groups": [{**asdict(group), "title": group.title, "survives": group.survives,
                    "documentation": group.documentation, "program": pasted(group)}
                   for group in found.groups],
        "pairs": {str(library): list(pairs) for library, pairs in found.pairs.items()},
    }  # fmt: skip
    return json.dumps(content, indent=1)
