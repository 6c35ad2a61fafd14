"""Since which release a finding shows, and where it is mended: as `compare history` measured it, beside what was read.

The tables in `measured/` are those that `compare history` writes, copied as they are from the published folder.
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from elbo_compare.suites.roster import LIBRARIES, RELEASED_AS
from elbo_compare.suites.semantics.case import Finding

STANDINGS = ("shows", "right", "other")
FEW = 4  # releases that are named one by one
ONE_TORCH = "torch "  # how `since` begins where torch itself is at fault: one torch lay under every Pyro release


def since_in_words(finding: Finding) -> str:
    """What its source says, then what was measured; empty where nobody has looked and nothing was run. A fault of torch
    has no history there: all of the library's releases were run over the same torch."""
    if finding.since.startswith(ONE_TORCH):
        return finding.since
    return "; ".join(filter(None, (finding.since, measured(finding))))


def measured(finding: Finding) -> str:
    """`measured under pyro-ppl 1.4.0 to 1.9.2: shows since 1.8.2 (1.8.1 is wrong otherwise), not fixed yet`."""
    row = rows().get(finding.id)
    if row is None:
        return ""
    distribution = RELEASED_AS.get(finding.library) or LIBRARIES[finding.library].distributions[0]
    ran = [version for word in STANDINGS for version in row[word].split(", ") if version != "none"]
    if not ran:
        return ""
    ordered = sorted(ran, key=_place)
    named = ", ".join(ordered) if len(ordered) <= FEW else f"{len(ordered)} releases, {ordered[0]} to {ordered[-1]}"
    under = f"measured under {distribution} {named}"
    if not row["since"]:
        return f"{under}: shows in none of them"
    since, _, before = row["since"].partition("; ")
    fixed = "not fixed yet" if row["fixed in"] == "not yet" else f"fixed in {row['fixed in']}"
    return f"{under}: shows since {since}{f' ({before})' if before else ''}, {fixed}"


@cache
def rows() -> Mapping[str, Mapping[str, str]]:
    """The measured rows by finding."""
    folder = files("elbo_compare.suites.semantics").joinpath("measured")
    tables = sorted((each for each in folder.iterdir() if each.name.endswith(".csv")), key=lambda each: each.name)
    texts = (table.read_text("utf-8").splitlines() for table in tables)
    return {row["finding"]: row for text in texts for row in csv.DictReader(text)}


def _place(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
