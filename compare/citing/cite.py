"""`compare cite ID`: what the ID stands for, its outcomes in a folder, and BibTeX for it and its sources."""

import textwrap
from collections.abc import Iterable
from pathlib import Path

from elbo_compare.compare.citing.evidence import SEPARATOR, Evidence, newest_published, of_claim, of_suites, read
from elbo_compare.compare.citing.identifiers import SINGULAR, Identified, Sort, find
from elbo_compare.compare.citing.outcomes import outcomes
from elbo_compare.compare.citing.works import works_of
from elbo_compare.compare.environment import commit, installed_version

WIDTH = 110


def cite(identifier: str, results: Path | None = None) -> str:
    """Everything about an ID as text, with the outcomes of `results` (default: the newest published report).

    Raises UsageError for an unknown ID, with the nearest ones, and StoreError for a folder without verdicts.
    """
    each = find(identifier)
    speaks = of_claim(each.id) if each.sort is Sort.CLAIM else of_suites
    evidence = read(results) if results is not None else newest_published(speaks=speaks)
    statement = "\n".join([f"{each.id}  {each.head}", *paragraphs(each.fields)])
    return "\n\n".join([statement, outcomes(each, evidence), "BibTeX\n\n" + bibtex(each, evidence)])


def paragraphs(fields: Iterable[tuple[str, str]]) -> list[str]:
    """(name, text) as lines: names in a column, texts wrapped beside them."""
    return [
        textwrap.fill(text, WIDTH, initial_indent=f"{name:<12}", subsequent_indent=" " * 12, break_on_hyphens=False)
        for name, text in fields
    ]


def bibtex(each: Identified, evidence: Evidence | None, address: str = "") -> str:
    """An entry for the ID itself, with the address of its page where one is known, and the works that it cites."""
    return "\n\n".join([_entry(each, evidence, address), *(work.bibtex() for work in works_of(each.text))])


def _entry(each: Identified, evidence: Evidence | None, address: str) -> str:
    """A BibTeX entry of its own: version, ID, commit."""
    known = {} if evidence is None else evidence.environment  # else asked of this installation: a process each time
    version = known.get(f"packages{SEPARATOR}elbo-compare") or installed_version("elbo-compare")
    code = known["commit"] if "commit" in known else commit()
    year = "" if evidence is None else evidence.date[:4]
    named = f"{SINGULAR[each.sort]} {each.id}"
    note = f"{named[0].upper()}{named[1:]} ({each.family})" + (
        f"; code at commit {code}" if code not in (None, "none") else ""
    )
    lines = [
        f"@software{{elbo_compare_{each.id.lower().replace('-', '_')},",
        "  author  = {{The elbo-compare developers}},",
        f"  title   = {{elbo-compare, {named}}},",
        f"  version = {{{version}}}," if version else "",
        f"  year    = {{{year}}}," if year.isdigit() else "",
        f"  note    = {{{note}}},",
        f"  url     = {{{address}}}," if address else "",
        "}",
    ]
    return "\n".join(line for line in lines if line)
