"""`compare cite ID` for a claim of the questions suite: what it states, its rows in a folder, and BibTeX."""

from pathlib import Path
from typing import Any

import pandas as pd

from elbo_compare.compare.citing.cite import entry, paragraphs, place, table
from elbo_compare.compare.citing.evidence import NONE_PUBLISHED, Evidence, newest_published, read
from elbo_compare.compare.errors import StoreError
from elbo_compare.compare.questions.tables import STRENGTHS
from elbo_compare.compare.questions.works import works_of
from elbo_compare.suites.questions.catalogue import CLAIMS, QUESTIONS
from elbo_compare.suites.questions.question import QuestionClaim

BY_ID = {claim.id: claim for claim in CLAIMS}
QUESTION_OF = {claim.id: question.id for question in QUESTIONS for claim in question.claims}
FAMILY = "questions"


def cite_question(identifier: str, results: Path | None = None) -> str:
    """The claim as text, with the rows of `results` (default: the newest published report).

    Raises KeyError for an ID that is no question's claim, and StoreError for a folder that holds nothing of ours.
    """
    claim = BY_ID[identifier]
    evidence = _evidence(results, claim)
    folder = results if results is not None else evidence.folder if evidence is not None else None
    own = entry(claim.id, FAMILY, evidence)
    works = works_of(f"{claim.source}; {claim.reason}; {claim.derivation}")
    bibtex = "\n\n".join([own, *(work.bibtex() for work in works)])
    return "\n\n".join([_statement(claim), _outcomes(claim, folder, evidence), f"BibTeX\n\n{bibtex}"])


def _evidence(results: Path | None, claim: QuestionClaim) -> Evidence | None:
    """None for a folder that holds the questions alone, which have no environment of a run."""
    if results is None:
        return newest_published()
    try:
        return read(results)
    except StoreError:
        if _rows(results, claim) is None:
            raise
        return None


def _statement(claim: QuestionClaim) -> str:
    fields = (
        ("Formula", claim.statement),
        ("Derivation", claim.derivation),
        ("Source", claim.source),
        ("Tolerance", claim.tolerance),
        ("Why", claim.reason),
    )
    return "\n".join([f"{claim.id}  {FAMILY}, {STRENGTHS[claim.rule]}", *paragraphs(fields)])


def _outcomes(claim: QuestionClaim, folder: Path | None, evidence: Evidence | None) -> str:
    if folder is None:
        return f"Outcomes     {NONE_PUBLISHED}"
    title = f"Outcomes     {place(evidence) if evidence is not None else folder.name}"
    rows = _rows(folder, claim)
    if rows is None or rows.empty:
        return f"{title}\n             no verdict on this claim"
    head = ("case", "quantity", "at", "value", "reference", "allowed", "n", "outcome")
    lines = [head, *(_line(row) for row in rows.to_dict("records"))]
    return "\n".join([title, *table(lines, "  ")])


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    numbers = ("" if pd.isna(row[name]) else f"{row[name]:.6g}" for name in ("at", "value", "reference", "tolerance"))
    at, value, reference, allowed = numbers
    return (row["case"], row["quantity"], at, value, reference, allowed, str(int(row["n"])), row["outcome"])


def _rows(folder: Path, claim: QuestionClaim) -> Any:
    """The rows on a claim in a result folder or a report folder, a frame; None where there is no frame of questions."""
    name = f"questions-{QUESTION_OF[claim.id]}.parquet"
    for path in (folder / "questions.parquet", folder / "tables" / name, folder / "report" / "tables" / name):
        if path.exists():
            frame: Any = pd.read_parquet(path)
            return frame[frame["claim"] == claim.id]
    return None
