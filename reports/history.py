"""The page "semantics by version": which case and finding stood how in which release, from frames alone."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from elbo_compare.reports.content import FirstScreen, Frame, Section, Table
from elbo_compare.reports.markdown import to_markdown_page
from elbo_compare.reports.rendering import to_html, written
from elbo_compare.reports.tables import plain_columns

SHORT = {
    "right": "right",
    "registered": "registered",
    "other": "other",
    "raises": "raises",
    "crashed": "crashed",
    "not run": "not run",
    "not installable": "no release",
}
FEW = 4  # releases that are named one by one: between them others may lie
ROWS = 200  # of a table on the page; its files hold all
BESIDE = (
    "Each ran beside the frameworks that are installed now, not those of its time: what a release raises may be theirs."
)
APART = "Each ran in an environment of its own, over the frameworks of its time; what was not to be had, its row says."
CLAIMS = "The hand-written estimators against the library's at the same noise: how many comparisons had which outcome."


@dataclass(frozen=True, kw_only=True)
class History:
    """What the page shows of a library, `name` in files; the frames' columns: see `compare.history.table`.

    `apart`: each release ran in an environment with the frameworks of its time, not beside those that are installed.
    """

    name: str
    library: str
    cases: Frame
    changes: Frame
    findings: Frame
    claims: Frame
    releases: Frame
    apart: bool


def write_page(folder: Path, history: History) -> Path:
    """Write history-<name>.html and .md; the path of the page."""
    finished = [written(each, folder) for each in sections(history)]
    first = first_screen(history)
    (folder / f"history-{history.name}.md").write_text(
        to_markdown_page(first, (each.markdown for each in finished)), encoding="utf-8"
    )
    page = folder / f"history-{history.name}.html"
    page.write_text(to_html(first, finished), encoding="utf-8")
    return page


def first_screen(history: History) -> FirstScreen:
    """How much was run, and what changed between releases."""
    cases, claims = history.cases, history.claims
    versions = list(dict.fromkeys(cases["version"])) if len(cases) else []
    counts = cases["standing"].value_counts().to_dict() if len(cases) else {}
    changed = [
        f"{row['finding']}: since {row['since'] or 'none'}, fixed in {row['fixed in'] or 'none'}"
        for row in history.findings.to_dict("records")
        if " is " in row["since"] or row["fixed in"] not in ("", "not yet")
    ]
    between = f"{versions[0]} to {versions[-1]}" if len(versions) > FEW else ", ".join(versions) or "none"
    number = cases["case"].nunique() if len(cases) else 0
    return FirstScreen(
        question=f"Semantics by version: what did {history.library}'s ELBO objects mean?",
        sentence=f"Releases: {len(versions)} ({between}); cases in each: {number}." + _matching(claims),
        reasons=tuple(changed) or ("No finding begins or ends between these releases.",),
        equation="",
        numbers=(),
        outcomes=tuple((word, str(int(counts[word]))) for word in SHORT if word in counts),
        tally="Cases by release",
        footer="Measured, not read off change logs. Right: what the definition promises. Registered: what the newest "
        f"release is known to do instead. Other: neither. {APART if history.apart else BESIDE}",
    )


def _matching(claims: Frame) -> str:
    """Whether the hand-written estimators equalled the library's, over all releases."""
    if not len(claims):
        return ""
    agree, differ = int(claims["agrees"].sum()), int(claims["differs"].sum())
    least = f"in {claims[claims['agrees'] > 0]['version'].nunique()} of {claims['version'].nunique()} releases"
    return f" Hand-written against library at the same noise: {agree} comparisons agree, {differ} differ ({least})."


def sections(history: History) -> list[Section]:
    """Findings, what changed, the matching claims, the matrix, what is neither right nor registered, the releases."""
    cases = history.cases
    odd = cases[cases["reason"] != ""][["case", "version", "standing", "reason"]] if len(cases) else cases
    parts = (
        (
            "findings",
            "Findings by release",
            "The registered findings, and the releases that show them.",
            history.findings,
        ),
        ("changes", "What changed", "Each case that does not stand alike in all releases.", history.changes),
        ("claims", "Matching claims by release", CLAIMS, history.claims),
        ("matrix", "Cases by release", "Each case under each release.", _matrix(cases)),
        ("reasons", "Reasons", "What stands behind each word that is not right.", odd),
        ("releases", "Releases", "What each release ran with, and the seconds that it took.", history.releases),
    )
    return [
        Section(
            anchor=name,
            title=title,
            blocks=(
                Table(
                    name=f"{history.name}-{name}",
                    caption=words,
                    frame=frame,
                    columns=plain_columns(frame, {}),
                    limit=ROWS,
                ),
            ),
        )
        for name, title, words, frame in parts
        if len(frame)
    ]


def _matrix(cases: Frame) -> Frame:
    if not len(cases):
        return cases
    versions = list(dict.fromkeys(cases["version"]))
    wide = cases.assign(standing=cases["standing"].map(SHORT)).pivot(index="case", columns="version", values="standing")
    found = wide[versions].reset_index()
    return pd.DataFrame({str(name): found[name] for name in found.columns})
