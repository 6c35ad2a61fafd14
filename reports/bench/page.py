"""The bench report: one offline HTML file, Markdown, tables and figures, from frames alone."""

from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from elbo_compare.reports.bench.sections import account, costs, draws, replicas, steps
from elbo_compare.reports.content import Code, FirstScreen, Frame, Headline, Prose, Section, Table
from elbo_compare.reports.formats import clean, count, interval, number
from elbo_compare.reports.markdown import to_markdown_page
from elbo_compare.reports.rendering import to_html, written
from elbo_compare.reports.tables import plain_columns, write_frame

QUESTION = "How fast is each way to write the training step, and what do the libraries cost?"
SIGNS = {"reached": "✓", "missed": "✗", "not decided": "?", "not measured": "○"}


def write_bench(folder: Path, record: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Path:
    """Write report.html, report.md, tables/ and figures/ into `folder`; returns the path of report.html."""
    found: dict[str, Frame] = {name: tables.get(name, pd.DataFrame()) for name in steps.TABLES}
    sections = [
        *steps.sections(found),
        account.section(found["account"]),
        draws.section(found["draws"]),
        replicas.section(found["replicas"]),
        costs.section(found["curves"], found["exponents"]),
        surroundings(record),
    ]
    first = first_screen(record, found)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tables").mkdir(exist_ok=True)
    for name, frame in found.items():
        if len(frame):
            write_frame(folder / "tables", name, frame)
    finished = [written(section, folder) for section in sections]
    markdown = to_markdown_page(first, (section.markdown for section in finished))
    (folder / "report.md").write_text(markdown, encoding="utf-8")
    page = folder / "report.html"
    page.write_text(to_html(first, finished), encoding="utf-8")
    return page


FOOTER = "Described, never judged: times depend on the machine. All rows: the files in tables/."


def first_screen(record: Mapping[str, Any], found: Mapping[str, Frame]) -> FirstScreen:
    """What was reached and what was not, and the fastest forms."""
    targets = found["targets"]
    counts = targets["outcome"].value_counts().to_dict() if len(targets) else {}
    missed = (
        [] if not len(targets) else [_missed(row) for row in targets.to_dict("records") if row["outcome"] == "missed"]
    )
    sentence = (
        f"{count(float(counts.get('reached', 0)))} targets reached, {count(float(counts.get('missed', 0)))} missed, "
        f"{count(float(counts.get('not decided', 0)))} not decided (their interval holds the mark), "
        f"{count(float(counts.get('not measured', 0)))} not measured in this run."
    )
    reasons = [clean(line) for line in record.get("remarks", ())]
    return FirstScreen(
        question=QUESTION,
        sentence=sentence,
        reasons=(*missed, *reasons),
        equation="",
        numbers=tuple(headlines(found["steps"])),
        outcomes=tuple((f"{SIGNS[name]} {name}", count(float(counts[name]))) for name in SIGNS if name in counts),
        tally="Targets",
        footer=FOOTER,
    )


def _missed(row: Mapping[str, Any]) -> str:
    by = f" ({row['by']})" if row["by"] else ""
    found = interval(float(row["value"]), float(row.get("low", nan)), float(row.get("high", nan)))  # older: no bounds
    return f"Missed: {row['target']} is {found}; wanted {row['wanted']}{by}."


def headlines(frame: Frame) -> list[Headline]:
    """The fastest timed form of every implementation in the first setting."""
    if not len(frame):
        return []
    timed = frame[(frame["status"] == "ok") & frame["step_s"].notna()]
    rows = timed.sort_values("step_s").drop_duplicates(["setting", "implementation"]).sort_values(["batch", "step_s"])
    return [
        Headline(
            label=f"{row['form']}, {row['setting']}",
            value=number(1e3 * row["step_s"], 3),
            unit="ms",
            bounds=f"{number(row['ratio'], 3)} times torch-hand eager",
            detail=clean(row["words"]),
        )
        for row in rows.to_dict("records")
    ]


def surroundings(record: Mapping[str, Any]) -> Section:
    """Hardware, versions and the command."""
    environment = record.get("environment", {})
    packages = environment.get("packages", {})
    names = ("cpu", "cores", "gpu", "device", "threads", "os", "python", "commit")
    rows = [(name, environment.get(name)) for name in names] + sorted(packages.items())
    rows += [("pythae", record.get("pythae")), ("date", record.get("date")), ("rounds", record.get("rounds"))]
    rows += (
        _units(record) + sorted(environment.get("cuda", {}).items()) + sorted(environment.get("settings", {}).items())
    )
    frame = pd.DataFrame(
        [(name, "none" if value is None else str(value)) for name, value in rows], columns=["what", "is"]
    )
    return Section(
        anchor="environment",
        title="Environment",
        blocks=(
            Prose(text="Each form has a process of its own with all cores; turns are interleaved A B C A B C."),
            Table(
                name="environment", caption="Where this was measured.", frame=frame, columns=plain_columns(frame, {})
            ),
            Code(text=clean(record.get("command", "compare bench")), label="The same again"),
        ),
    )


def _units(record: Mapping[str, Any]) -> list[tuple[str, object]]:
    """The time boxes: what each unit was given, what was cut, and whether compile times were alone."""
    rows: list[tuple[str, object]] = []
    if record.get("box_s"):
        cut = [name for name, became in record.get("units", {}).items() if became != "whole"]
        rows += [("time box of a unit, s", record["box_s"]), ("cut by it or by a signal", "; ".join(cut) or "nothing")]
    if record.get("starters", 1) > 1:
        rows.append(("forms that started side by side (compile times are not alone)", record["starters"]))
    return rows
