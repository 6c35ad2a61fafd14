"""`compare cite ID`: one claim with its outcomes by implementation and version, and BibTeX for it and its sources."""

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from elbo_compare.compare.citing.bibliography import cited
from elbo_compare.compare.citing.evidence import NONE_PUBLISHED, SEPARATOR, Evidence, newest_published, read
from elbo_compare.compare.claims import CLAIMS, Claim
from elbo_compare.compare.environment import commit, installed_version
from elbo_compare.compare.errors import UsageError, unknown
from elbo_compare.compare.records import Outcome
from elbo_compare.suites.roster import BY_NAME

WIDTH = 110


def cite(identifier: str, results: Path | None = None) -> str:
    """The claim as text, with the outcomes of `results` (default: the newest published report).

    Raises UsageError for an unknown ID, with the nearest ones, and StoreError for a folder without verdicts.
    """
    from elbo_compare.compare.questions import citing  # which uses this module's parts

    if identifier.upper() in citing.BY_ID:
        return citing.cite_question(identifier.upper(), results)
    claim = find(identifier)
    evidence = read(results) if results is not None else newest_published()
    parts = [_statement(claim), _outcomes(claim, evidence), "BibTeX\n\n" + bibtex(claim, evidence)]
    return "\n\n".join(parts)


def find(identifier: str) -> Claim:
    """The claim of an ID in any case. Raises UsageError with the nearest IDs."""
    by_id = {claim.id: claim for claim in CLAIMS}
    if identifier.upper() not in by_id:
        from elbo_compare.suites.questions.catalogue import CLAIMS as QUESTION_CLAIMS

        known = [*by_id, *(each.id for each in QUESTION_CLAIMS)]
        raise UsageError(unknown("claim", identifier.upper(), known))
    return by_id[identifier.upper()]


def _statement(claim: Claim) -> str:
    fields = (
        ("Formula", claim.statement),
        ("Derivation", claim.derivation),
        ("Source", claim.source),
        ("Tolerance", claim.tolerance),
        ("Why", claim.reason),
    )
    return "\n".join([f"{claim.id}  {claim.family}, {claim.strength}", *paragraphs(fields)])


def paragraphs(fields: Iterable[tuple[str, str]]) -> list[str]:
    """(name, text) as lines: names in a column, texts wrapped beside them."""
    return [
        textwrap.fill(text, WIDTH, initial_indent=f"{name:<12}", subsequent_indent=" " * 12, break_on_hyphens=False)
        for name, text in fields
    ]


def _outcomes(claim: Claim, evidence: Evidence | None) -> str:
    if evidence is None:
        return f"Outcomes     {NONE_PUBLISHED}"
    about: Any = evidence.verdicts[evidence.verdicts["claim"] == claim.id]  # a frame, which pandas types as a union
    title = f"Outcomes     {place(evidence)}"
    if about.empty:
        return f"{title}\n             no verdict on this claim"
    rows = [("implementation", "versions", "device", "dtype", *map(str, Outcome), "worst / tolerance")]
    for (name, device, dtype), verdicts in about.groupby(["implementation", "device", "dtype"], sort=True):
        counts = verdicts["outcome"].value_counts()
        numbers = [str(int(counts.get(str(outcome), 0))) for outcome in Outcome]
        rows.append((str(name), versions(str(name), evidence), str(device), str(dtype), *numbers, _worst(verdicts)))
    return "\n".join([title, *table(rows, "  ")])


def place(evidence: Evidence) -> str:
    """The folder with its profile, date, device and commit."""
    known = [evidence.environment.get(item, "") for item in ("profile", "date", "device")]
    code = evidence.environment.get("commit", "none")
    return ", ".join([f"{evidence.folder.name}: {known[0]}", *known[1:]]) + (
        "" if code == "none" else f", commit {code}"
    )


def versions(implementation: str, evidence: Evidence) -> str:
    """`pyro-ppl 1.9.2, torch 2.13.0`; a third party's distribution for its own implementation."""
    environment = evidence.environment
    packages = BY_NAME[implementation].distributions if implementation in BY_NAME else ()
    found = [f"{name} {environment.get(f'packages{SEPARATOR}{name}', '?')}" for name in packages]
    return ", ".join(found) or environment.get(f"implementations{SEPARATOR}{implementation}", "?")


def _worst(verdicts: pd.DataFrame) -> str:
    share = (verdicts["difference"].abs() / verdicts["tolerance"]).dropna()
    return f"{share.max():.3g}" if len(share) else ""


def table(rows: list[tuple[str, ...]], indent: str) -> list[str]:
    """Lines of columns, each as wide as its longest entry; the first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        (indent + "  ".join(f"{entry:<{width}}" for entry, width in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]


def bibtex(claim: Claim, evidence: Evidence | None) -> str:
    """The claim as an entry of its own, and the works that it cites."""
    works = cited(f"{claim.source}; {claim.reason}")
    return "\n\n".join([entry(claim.id, claim.family, evidence), *(work.bibtex() for work in works)])


def entry(identifier: str, family: str, evidence: Evidence | None) -> str:
    """A claim as a BibTeX entry of its own: version, ID, commit."""
    version = installed_version("elbo-compare")
    code, year = commit(), ""
    if evidence is not None:
        version = evidence.environment.get(f"packages{SEPARATOR}elbo-compare", version)
        code = evidence.environment.get("commit", code)
        year = evidence.date[:4]
    lines = [
        f"@software{{elbo_compare_{identifier.lower().replace('-', '_')},",
        "  author  = {{The elbo-compare developers}},",
        f"  title   = {{elbo-compare, claim {identifier}}},",
        f"  version = {{{version}}}," if version else "",
        f"  year    = {{{year}}}," if year.isdigit() else "",
        f"  note    = {{Claim {identifier} ({family}); code at commit {code}}},"
        if code and code != "none"
        else f"  note    = {{Claim {identifier} ({family})}},",
        "}",
    ]
    return "\n".join(line for line in lines if line)
