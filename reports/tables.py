"""Tables: frame -> cells for the page, and CSV, Parquet, LaTeX and Markdown files."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from elbo_compare.reports.content import Column, Frame, Kind, Table
from elbo_compare.reports.formats import MISSING, anchor, clean, count, file_name, interval, latex, markdown, number
from elbo_compare.reports.spreadsheet import FORMULA, guarded

# Worst first: a cell that holds several outcomes is marked by its worst one.
OUTCOMES = ("differs", "inconclusive", "not run", "as registered", "agrees")
CSV_ROWS = 1_000  # a longer table is for programs, which read Parquet
SHORT = 18  # characters: names this short are never broken over two lines
# A sign beside the word, so that nothing hangs on colour.
# The rules of claims that hold where two things are apart, or one above the other: what is wanted of the number.
APART = {"beyond": "further away than", "above": "above the reference", "ratio-above": "above the reference"}
HOLDS = "holds, as stated"  # instead of "agrees", beside a number that is not near its reference
# How an outcome is called: a finding that agrees with the register is a bug that is still there.
STATES = {"agrees": "reproduced", "differs": "no longer seen"}
SIGNS = {"differs": "✗", "inconclusive": "?", "not run": "○", "agrees": "✓"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One written cell: text, CSS class, and the anchor that it links to."""

    text: str
    css: str
    link: str = ""


def shown_columns(table: Table) -> tuple[Column, ...]:
    """The first column, and the others without those text columns that are empty throughout."""
    empty = {
        column.source
        for column in table.columns[1:]
        if column.kind in (Kind.TEXT, Kind.CODE) and table.frame[column.source].isin(["", None]).all()
    }
    return tuple(column for column in table.columns if column.source not in empty)


def cells(table: Table) -> Iterator[list[Cell]]:
    """The shown rows as written cells."""
    columns = shown_columns(table)
    for row in table.frame.head(table.limit).to_dict("records"):
        yield [_cell(column, row) for column in columns]


def _cell(column: Column, row: dict) -> Cell:
    value = row[column.source]
    if column.kind in (Kind.NUMBER, Kind.COUNT, Kind.INTERVAL):
        return Cell(text=_numeric(column, row), css="num")
    text = "" if value is None or (isinstance(value, float) and pd.isna(value)) else clean(value)
    if column.kind is Kind.OUTCOME:
        outcome = worst_outcome(text)
        shown = f"{SIGNS[outcome]}\N{NO-BREAK SPACE}{text}" if outcome in SIGNS else text or MISSING
        return Cell(text=shown, css=f"outcome {outcome.replace(' ', '-')}")
    css = "code" if column.kind is Kind.CODE else "text short" if len(text) <= SHORT else "text"
    css = f"{css} lines" if "\n" in text else css
    css = css if text not in ("", MISSING) else f"{css} none"
    return Cell(text=text or MISSING, css=css, link=anchor(text) if column.link and text else "")


def _numeric(column: Column, row: dict) -> str:
    value = row[column.source]
    if isinstance(value, str):
        return clean(value)
    value = float("nan") if value is None else float(value)
    if column.kind is Kind.COUNT:
        return count(value)
    if column.kind is Kind.INTERVAL:
        return interval(value, float(row[column.low]), float(row[column.high]))
    return number(value, column.digits)


def worst_outcome(text: str) -> str:
    """The worst outcome word in a text such as `agrees 12 · differs 1`; empty if there is none."""
    return next((outcome for outcome in OUTCOMES if outcome in text), "agrees" if text.startswith(HOLDS) else "")


def worded(outcomes: object, rule: object) -> str:
    """An outcome in the words of its rule: where things must be apart, "agrees" beside two numbers would mislead."""
    text = "" if outcomes is None else str(outcomes)
    return text.replace("agrees", HOLDS) if rule in APART else text


def state(outcome: object, reason: object = "") -> str:
    """An outcome of a finding or of its case, in a finding's words: where it differs by its workaround alone, it is
    reproduced all the same."""
    if str(reason).startswith("it reproduces"):
        return f"{STATES['agrees']}, {str(reason).partition(', ')[2]}"
    return STATES.get(str(outcome), str(outcome))


def wanted(rule: object, tolerance: float) -> str:
    """What is wanted of a number, from its rule: `± 2e−13`, `further away than 0.001`, `above the reference`."""
    if rule not in APART:
        return "" if math.isnan(tolerance) else f"±\N{NO-BREAK SPACE}{number(tolerance, 2)}"
    return f"{APART['beyond']} {number(tolerance, 2)}" if rule == "beyond" else APART[str(rule)]


def to_markdown(table: Table) -> str:
    """A pipe table of the shown rows."""
    columns = shown_columns(table)
    head = "| " + " | ".join(markdown(column.header) for column in columns) + " |"
    rule = "|" + "|".join("---:" if _right(column) else "---" for column in columns) + "|"
    body = ["| " + " | ".join(markdown(cell.text) for cell in row) + " |" for row in cells(table)]
    return "\n".join([head, rule, *body])


def to_latex(table: Table) -> str:
    """A plain `tabular` of the shown rows: needs no package beyond `textcomp`, holds no third-party command."""
    columns = shown_columns(table)
    spec = "".join("r" if _right(column) else "l" for column in columns)
    head = " & ".join(latex(column.header) for column in columns) + r" \\"
    body = [" & ".join(latex(cell.text) for cell in row) + r" \\" for row in cells(table)]
    lines = [
        r"\begin{table}",
        rf"\caption{{{latex(table.caption)}}}",
        rf"\begin{{tabular}}{{{spec}}}",
        r"\hline",
        head,
        r"\hline",
        *body,
        r"\hline",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _right(column: Column) -> bool:
    return column.kind in (Kind.NUMBER, Kind.COUNT, Kind.INTERVAL)


def forms(table: Table, once: bool = False) -> tuple[str, ...]:
    """The files of a table: Parquet always, CSV of a short one, LaTeX of one that the page shows unfolded; with `once`
    its rows in one file alone: CSV where it is short and unfolded, none where a frame beside the report has them."""
    short = len(table.frame) < CSV_ROWS
    if once and table.beside:
        return ()
    if once:
        return ("parquet",) if table.folded or not short else ("csv",)
    return ("parquet", *(("csv",) if short and not table.folded else ()), *(() if table.folded else ("tex",)))


def write_table(folder: Path, table: Table, once: bool = False) -> None:
    """NAME.parquet and NAME.csv with every row in full precision, NAME.tex as shown on the page: those of `forms`."""
    wanted = forms(table, once)
    write_frame(folder, table.name, table.frame, wanted)
    if "tex" in wanted:
        (folder / f"{file_name(table.name)}.tex").write_text(to_latex(table), encoding="utf-8")


def write_frame(folder: Path, name: str, frame: Frame, wanted: tuple[str, ...] = ("parquet", "csv")) -> None:
    """NAME.parquet, and under 1,000 rows NAME.csv (17 digits: every float64 survives), as far as they are wanted.

    In the CSV a text that a spreadsheet would take for a formula stands behind an apostrophe (OWASP, CSV injection).
    """
    plain = _in_words(frame)
    stem = folder / file_name(name)
    if "parquet" in wanted:
        plain.to_parquet(stem.with_suffix(".parquet"), index=False, compression="zstd", compression_level=19)
    if len(plain) < CSV_ROWS and "csv" in wanted:
        stem.with_suffix(".csv").write_text(spreadsheet(frame), encoding="utf-8")


def spreadsheet(frame: Frame) -> str:
    """A frame as CSV, 17 digits; a text that a spreadsheet would take for a formula stands behind an apostrophe."""
    plain = guarded(_in_words(frame))
    plain.columns = [f"'{name}" if FORMULA.match(name) else name for name in plain.columns]
    return plain.to_csv(index=False)


def _in_words(frame: Frame) -> Frame:
    """A copy in which whatever is no number is clean text."""
    plain = frame.copy()
    plain.columns = [clean(column) for column in plain.columns]
    for column in [name for name in plain.columns if plain[name].dtype.kind not in "biuf"]:
        codes, texts = pd.factorize(plain[column].astype(object), use_na_sentinel=False)
        plain[column] = np.array([_as_text(text) for text in texts], dtype=object)[codes]
    return plain


def _as_text(value: object) -> str:
    missing = value is None or value is pd.NA or (isinstance(value, float) and pd.isna(value))
    return "" if missing else clean(value)


def plain_columns(frame: Frame, headers: Mapping[str, str]) -> tuple[Column, ...]:
    """Columns for a frame of unknown make-up: numbers right-aligned, everything else text; some headers given."""
    return tuple(
        Column(
            header=headers.get(name, clean(name).replace("_", " ")),
            source=name,
            kind=Kind.NUMBER if frame[name].dtype.kind in "iuf" else Kind.TEXT,
        )
        for name in frame.columns
    )
