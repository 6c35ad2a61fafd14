"""The page "semantics by version": which case and finding stood how in which release, from frames alone."""

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
    "not run": "not run",
    "not installable": "no release",
}


def write_page(folder: Path, library: str, cases: Frame, findings: Frame, releases: Frame) -> Path:
    """Write history-<library>.html and .md; the path of the page. Columns: see `compare.history.table`."""
    finished = [written(each, folder) for each in sections(cases, findings, releases)]
    first = first_screen(library, cases, findings)
    (folder / f"history-{library}.md").write_text(
        to_markdown_page(first, (each.markdown for each in finished)), encoding="utf-8"
    )
    page = folder / f"history-{library}.html"
    page.write_text(to_html(first, finished), encoding="utf-8")
    return page


def first_screen(library: str, cases: Frame, findings: Frame) -> FirstScreen:
    """How much was run, and what changed between releases."""
    versions = list(dict.fromkeys(cases["version"])) if len(cases) else []
    counts = cases["standing"].value_counts().to_dict() if len(cases) else {}
    changed = [
        f"{row['finding']}: since {row['since'] or 'none'}, fixed in {row['fixed in'] or 'none'}"
        for row in findings.to_dict("records")
        if " is " in row["since"] or row["fixed in"] not in ("", "not yet")
    ]
    between = f"{versions[0]} to {versions[-1]}" if versions else "none"
    number = cases["case"].nunique() if len(cases) else 0
    return FirstScreen(
        question=f"What did {library}'s ELBO objects mean, release by release?",
        sentence=f"Releases: {len(versions)} ({between}); cases in each: {number}.",
        reasons=tuple(changed) or ("No finding begins or ends between these releases.",),
        equation="",
        numbers=(),
        outcomes=tuple((word, str(int(counts[word]))) for word in SHORT if word in counts),
        tally="Cases by release",
        footer="Measured, not read off change logs. Right: what the definition promises. Registered: what the newest "
        "release is known to do instead. Other: neither. Each ran beside the frameworks that are installed now, "
        "not those of its time: what a release raises may be theirs.",
    )


def sections(cases: Frame, findings: Frame, releases: Frame) -> list[Section]:
    """Findings, the matrix, what is neither right nor registered, and how each release was had."""
    matrix = _matrix(cases)
    odd = cases[cases["reason"] != ""][["case", "version", "standing", "reason"]] if len(cases) else cases
    parts = (
        ("findings", "Findings by release", "The registered findings, and the releases that show them.", findings),
        ("matrix", "Cases by release", "Each case under each release.", matrix),
        ("reasons", "Reasons", "What stands behind each word that is not right.", odd),
        ("releases", "Releases", "What each release ran with, and how long it took.", releases),
    )
    return [
        Section(
            anchor=name,
            title=title,
            blocks=(Table(name=name, caption=words, frame=frame, columns=plain_columns(frame, {})),),
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
