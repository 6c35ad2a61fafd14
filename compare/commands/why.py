"""`compare why CLAIM CELL [DIR]` as text."""

from pathlib import Path

from elbo_compare.compare.citing.evidence import newest_published, of_claim
from elbo_compare.compare.citing.why import why
from elbo_compare.compare.errors import UsageError

RESULTS = Path("results")


def why_command(claim: str, cell: str, folder: Path | None) -> str:
    """`why` in a folder; by default in the last one that was judged below `results`, else in the newest published one.

    Raises UsageError where there is none.
    """
    return why(claim, cell, folder or _newest(claim))


def _newest(claim: str) -> Path:
    judged = sorted(RESULTS.glob("*/verdicts.parquet"), key=lambda path: path.stat().st_mtime)
    if judged:
        return judged[-1].parent
    published = newest_published(speaks=of_claim(claim.upper()))
    if published is None:
        raise UsageError("No judged results below results/. Name a folder: compare why CLAIM CELL DIR.")
    return published.folder
