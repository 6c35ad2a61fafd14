"""The report: a folder of offline pages or one HTML file, Markdown, tables and figures, from frames alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from elbo_compare.reports.building import DrawingProcesses
from elbo_compare.reports.content import Entry, FirstScreen, Headline
from elbo_compare.reports.data import CLAIMS, TIMINGS, ReportData, complete, judged, measured
from elbo_compare.reports.formats import clean, count, interval, number
from elbo_compare.reports.markdown import to_markdown_page
from elbo_compare.reports.order import SECTIONS
from elbo_compare.reports.rendering import to_html
from elbo_compare.reports.rows import Complete, Held, Kept, Rows
from elbo_compare.reports.site import PageWriter, plain_entries
from elbo_compare.reports.tables import OUTCOMES, SIGNS, write_frame

ROUNDINGS = "roundings"  # unit roundoffs of a sum of absolute terms: some are allowed
# The order of the first screen's tally.
TALLY = ("agrees", "as registered", "differs", "inconclusive", "not run")


def write_report(
    folder: Path,
    *,
    measurements: pd.DataFrame | Path,
    verdicts: pd.DataFrame | Path,
    claims: pd.DataFrame,
    environment: dict[str, Any],
    answer: dict[str, Any],
    ledger: pd.DataFrame,
    timings: pd.DataFrame,
    images: dict[str, list[list[int]]],
    further: Mapping[str, pd.DataFrame] | None = None,
    addresses: Mapping[str, str] | None = None,
    entries: Callable[[], Sequence[Entry]] | None = None,
    single_file: bool = False,
    above: str = "",
    frames_beside: bool = False,
    drawing: DrawingProcesses | None = None,
) -> Path:
    """Write index.html and its pages, report.md, tables/ (Parquet, LaTeX, CSV of short ones), figures/ into `folder`;
    with `single_file` one document, report.html, in place of the pages.

    Frames as `elbo_compare.load` gives them (`further`: by name, those that a run may have beside its own), of
    measurements and verdicts also the Parquet file in which one lies: of a long one only what a section shows is then
    in memory. A missing column or an empty frame makes a section say "not measured". `entries` gives, while others
    draw, what has a page of its own (by default the claims), `addresses` are those pages, ID by ID. `frames_beside`:
    the frames lie in the folder's parent and are not written again, nor is any table twice. `above`: the page over
    several reports of which this is one, as an address. `drawing`: processes that draw; without one, this
    process does. Returns the path of the first page. Raises OSError where the folder can't be written.
    """
    data = ReportData(
        measurements=_rows(measurements, measured),
        verdicts=_rows(verdicts, judged),
        claims=complete(claims, CLAIMS, numeric=frozenset()),
        environment=environment,
        answer=answer,
        ledger=ledger,
        timings=complete(timings, TIMINGS),
        images=images,
        further=further or {},
        once=frames_beside,
    )
    folder.mkdir(parents=True, exist_ok=True)
    builders = drawing or DrawingProcesses(1)
    plain = plain_entries(data) if entries is None else []
    known = {entry.id: entry.address for entry in plain} if addresses is None else addresses
    site = None if single_file else PageWriter(folder, known, above)
    if site is not None:
        data = replace(data, addresses=site.addresses)

    def meanwhile() -> None:
        if not frames_beside:
            _write_frames(folder, data)
        if site is not None:
            site.write_ids(plain if entries is None else entries())

    sections = builders.build(SECTIONS, data, folder, meanwhile, data.measurements.short and data.verdicts.short)
    first = first_screen(data)
    markdown = to_markdown_page(first, (section.markdown for section in sections))
    (folder / "report.md").write_text(markdown, encoding="utf-8")
    if site is not None:
        return site.write_rest(data, first, sections)
    page = folder / "report.html"
    page.write_text(to_html(first, sections), encoding="utf-8")
    return page


def _rows(given: pd.DataFrame | Path, complete: Complete) -> Rows:
    return Kept(given, complete) if isinstance(given, Path) else Held(complete(given, None))


def first_screen(data: ReportData) -> FirstScreen:
    """The question, the answer and the numbers behind it, as text."""
    answer = data.answer
    counts = answer.get("counts") or data.verdicts.columns("outcome")["outcome"].value_counts().to_dict()
    words = [*(word for word in TALLY if word in counts), *(w for w in counts if w not in OUTCOMES)]
    return FirstScreen(
        question=clean(answer.get("question") or "The question was not handed over."),
        sentence=clean(answer.get("sentence") or "Not measured: there is no answer without verdicts."),
        reasons=tuple(clean(reason) for reason in answer.get("reasons") or ()),
        equation=clean(answer.get("equation") or ""),
        numbers=tuple(_headline(each) for each in answer.get("numbers") or ()),
        outcomes=tuple((f"{SIGNS.get(word, '')} {clean(word)}".strip(), count(float(counts[word]))) for word in words),
    )


def _headline(item: dict[str, Any]) -> Headline:
    value, span, limit, n = (item.get(name) for name in ("value", "interval", "tolerance", "n"))
    shown, bounds = _figure(value) or "not measured", []
    unit = clean(item.get("unit") or "")
    if unit == ROUNDINGS and isinstance(value, int | float):
        shown = number(float(value), 2)
    if isinstance(span, list | tuple) and len(span) == 2 and isinstance(value, int | float):
        shown, _, around = interval(float(value), float(span[0]), float(span[1])).partition(" ")
        bounds.append(around)
    elif span is not None:
        bounds.append(f"interval {clean(span)}")
    if limit is not None:
        bounds.append(f"of {_trimmed(limit)} allowed" if unit == ROUNDINGS else f"tolerance {_trimmed(limit)}")
    if n is not None:
        counted = clean(item.get("counted") or "")
        bounds.append(f"n = {count(float(n)) if isinstance(n, int | float) else clean(n)} {counted}".rstrip())
    return Headline(
        label=clean(item.get("label") or ""),
        value=shown,
        unit=unit if value is not None else "",
        bounds=" · ".join(bounds),
        detail=clean(item.get("detail") or ""),
    )


def _figure(value: object) -> str:
    if value is None:
        return ""
    return number(float(value)) if isinstance(value, int | float) else clean(value)


def _trimmed(limit: object) -> str:
    """A chosen limit is exact: 0.05, not 0.05000."""
    text = _figure(limit)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def _write_frames(folder: Path, data: ReportData) -> None:
    tables = folder / "tables"
    tables.mkdir(exist_ok=True)
    for name, frame in (
        ("measurements", data.measurements.all()),
        ("verdicts", data.verdicts.all()),
        ("claims", data.claims),
    ):
        write_frame(tables, name, frame)
