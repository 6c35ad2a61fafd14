"""Stored results of releases -> what each case and finding was in each: rows for a page, a CSV and a terminal. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from elbo_compare.compare.history.releases import VERSIONS, place
from elbo_compare.compare.judging.standing import outcomes_told
from elbo_compare.compare.records import Outcome, ProgramResult, Status, SuiteVerdict
from elbo_compare.compare.semantics.judging import case_verdicts, subject_of
from elbo_compare.suites.semantics.case import Expectation, Finding, Library, expectations
from elbo_compare.suites.semantics.catalogue import BY_ID
from elbo_compare.suites.semantics.findings import FINDINGS


class Standing(StrEnum):
    """What a library does in a case under one release."""

    RIGHT = "right"  # what the definition or the documentation promises
    REGISTERED = "registered"  # what the catalogue says of the newest release, which is not right
    OTHER = "other"  # neither, or a number is missing
    RAISES = "raises"
    CRASHED = "crashed"  # its process ended or took too long, which a loaded machine does too: it is run again
    NOT_INSTALLABLE = "not installable"
    NOT_RUN = "not run"


WORDS = tuple(map(str, outcomes_told(())))
UNKNOWN = frozenset(map(str, (Standing.CRASHED, Standing.NOT_INSTALLABLE, Standing.NOT_RUN)))


def standing(result: ProgramResult) -> tuple[Standing, str]:
    """How a case stands under the release of a result, and the reason where it is neither right nor registered."""
    case, library = subject_of(result)
    if result.status is Status.NOT_RUN:
        return Standing.NOT_RUN, result.reason
    if result.status is Status.CRASHED:
        return Standing.CRASHED, f"{without_paths(result.reason)}; not judged, and run again by the same command"
    if result.status is not Status.OK:
        return Standing.RAISES, without_paths(result.reason)
    try:
        found = expectations(BY_ID[case], library, result.measured)
    except KeyError as error:
        return Standing.OTHER, f"the program did not return {error}"
    changed = [each for each in found if not each.reproduces and not each.right]
    said = "; ".join(f"{each.quantity} is {each.measured:.6g}" for each in changed)
    if not all(map(_warns, changed)):
        return Standing.OTHER, said
    shown = [each.quantity for each in found if not each.right and each not in changed]
    if not shown:
        return Standing.RIGHT, said
    mended = [each.quantity for each in found if each.right and not each.reproduces]
    right = f"right: {', '.join(mended)}" if mended else ""
    return Standing.REGISTERED, "; ".join(filter(None, (f"wrong: {', '.join(shown)}", right, said)))


def _warns(expectation: Expectation) -> bool:
    """Whether it counts a warning that is not the registered one: of an old release it may be a framework's of what it
    will drop. That is told and makes no other result; losses and gradients do, and a warning that does not come."""
    return expectation.quantity.rpartition("_")[2] == "warns" and expectation.measured > expectation.behaviour


def without_paths(reason: str) -> str:
    """A reason without the files of the machine on which it was raised."""
    return re.sub(r" ?\(?(?<![\w.])/(?:[\w.+-]+/)+[\w.+-]*\)?", "", reason)


Results = Mapping[str, Sequence[ProgramResult]]  # by version


def case_rows(library: Library, results: Results, absent: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row per case and release; `absent`: releases that could not be had, with the reason."""
    cases = sorted({each.program for mine in results.values() for each in mine})
    rows = []
    for version in sorted({*results, *absent}, key=place):
        found = {each.program: each for each in results.get(version, ())}
        for program in cases:
            result = found.get(program)
            if version in absent:
                word, reason = Standing.NOT_INSTALLABLE, absent[version]
            else:
                word, reason = standing(result) if result else (Standing.NOT_RUN, "not in this table")
            case = program.rpartition("-")[0]
            rows.append({"library": str(library), "case": case, "title": BY_ID[case].title, "version": version,
                         "standing": str(word), "reason": reason})  # fmt: skip
    return rows


def ranges(chosen: Iterable[str], versions: Sequence[str]) -> str:
    """`1.4.0 to 1.8.5, 1.9.0`: those of `versions`, which are in order, that are chosen; empty where none is."""
    members, found = set(chosen), list[list[str]]()
    for before, version in zip(("", *versions), versions, strict=False):
        if version not in members:
            continue
        if before in members and found:
            found[-1][1:] = [version]
        else:
            found.append([version])
    return ", ".join(" to ".join(each) for each in found)


def in_order(library: Library, found: Iterable[str]) -> list[str]:
    """A library's releases, those that were not run too: a range shall not reach over one of them."""
    return sorted({*VERSIONS.get(library, ()), *found}, key=place)


def change_rows(library: Library, cases: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per case that does not stand alike in all releases that ran it: by standing, the releases."""
    versions = in_order(library, (row["version"] for row in cases))
    rows = []
    for case in dict.fromkeys(row["case"] for row in cases):
        mine = [row for row in cases if row["case"] == case]
        by = {word: [row["version"] for row in mine if row["standing"] == word] for word in map(str, Standing)}
        ran = {row["standing"] for row in mine} - UNKNOWN
        if len(ran) > 1:
            said = dict.fromkeys(row["reason"] for row in mine if row["standing"] in ("other", "raises"))
            shown = {word: ranges(of, versions) for word, of in by.items() if word not in UNKNOWN}
            rows.append({"case": case, "title": mine[0]["title"], **shown, "seen": "; ".join(list(said)[-1:])})
    return rows


def claim_rows(results: Results, absent: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row per matching claim and release: how many of its comparisons had which outcome."""
    claims = sorted({each.program for mine in results.values() for each in mine})
    rows = []
    for version in sorted({*results, *absent}, key=place):
        found = {each.program: each for each in results.get(version, ())}
        for claim in claims:
            result = found.get(claim)
            numbers = {word: int(result.measured.get(word, 0.0)) if result else 0 for word in WORDS}
            reason = without_paths(result.reason) if result else absent.get(version, "not in this table")
            rows.append({"claim": claim, "version": version, **numbers, "reason": reason})
    return rows


class Shown(StrEnum):
    """How a finding stands under one release."""

    SHOWS = "shows"  # every quantity of it is wrong as registered in one of its cases
    RIGHT = "right"  # every quantity is right in all of its cases
    OTHER = "other"  # wrong in another way, or in part
    UNKNOWN = "not known"  # one of its cases raises or was not run


def finding_rows(library: Library, results: Results) -> list[dict[str, Any]]:
    """One row per finding of a library: the releases by how they stand, and `since` and `fixed in` as measured."""
    versions = sorted(results, key=place)
    verdicts = {version: case_verdicts(results[version]) for version in versions}
    return [
        _finding(each, {version: shown(each, verdicts[version]) for version in versions})
        for each in FINDINGS
        if each.library is library
    ]


def shown(finding: Finding, verdicts: Sequence[SuiteVerdict]) -> Shown:
    """How a finding stands, from the verdicts on the cases of one release; its workaround has no part in it."""
    mine = [each for each in verdicts if each.id in finding.cases and each.subject == finding.library]
    about = [each for each in mine if each.quantity in ("", *finding.quantities)]
    if {each.id for each in about} != set(finding.cases) or any(each.quantity == "" for each in about):
        return Shown.UNKNOWN
    wrong = {each.quantity for each in about if not each.right and each.outcome is Outcome.AGREES}
    if set(finding.quantities) <= wrong:
        return Shown.SHOWS
    return Shown.RIGHT if all(each.right for each in about) else Shown.OTHER


def _finding(finding: Finding, stands: Mapping[str, Shown]) -> dict[str, Any]:
    row: dict[str, Any] = {"finding": finding.id, "title": finding.title}
    for word in Shown:
        row[str(word)] = ", ".join(version for version, found in stands.items() if found is word) or "none"
    known = [version for version, found in stands.items() if found is not Shown.UNKNOWN]
    return row | {"since": _since(finding.library, known, stands), "fixed in": _fixed(known, stands)}


def _since(library: Library, known: Sequence[str], stands: Mapping[str, Shown]) -> str:
    """The first release that shows it, and how the one measured before it stands."""
    showing = [version for version in known if stands[version] is Shown.SHOWS]
    if not showing:
        return ""
    first = known.index(showing[0])
    if not first:
        return f"{showing[0]} or before"
    before = known[first - 1]
    stood = "is right" if stands[before] is Shown.RIGHT else "is wrong otherwise"
    gap = ", none between was judged" if _apart(library, before, showing[0]) else ""
    return f"{showing[0]}; {before} {stood}{gap}"


def _apart(library: Library, before: str, after: str) -> bool:
    """Whether a library has releases between two."""
    return any(place(before) < place(each) < place(after) for each in VERSIONS.get(library, ()))


def _fixed(known: Sequence[str], stands: Mapping[str, Shown]) -> str:
    """The first release after the last that shows it, where that one is right."""
    showing = [version for version in known if stands[version] is Shown.SHOWS]
    if not showing:
        return ""
    later = known[known.index(showing[-1]) + 1 :]
    if not later:
        return "not yet"
    return later[0] if stands[later[0]] is Shown.RIGHT else f"{later[0]} is wrong otherwise"
