"""Do a report's pages print what its frames say? Random cells of its tables, computed again from the Parquet frames.

    python benchmarks/printed_cells.py FOLDER [--cells 30] [--seed 19] [--out reports/published/printed-cells]

FOLDER is a judged folder with its report, a published one too. Nothing of the report's own code is used: a page is read
as HTML, a frame with pandas, and a printed number has to be the frame's, rounded to the digits that are printed. Every
cell of the tables of `READINGS` has the same chance. Exit code 1 where a cell is not what its frame says.
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd
from printed_readings import READINGS, Frames, Reading, Row
from printed_text import Found, Tables, printed, shows


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One printed cell that a reading covers."""

    page: str
    column: str
    row: Row
    text: str
    found: Callable[[Frames, str, Row], Found]


def cells(report: Path, pages: Callable[[list[Path]], list[Path]] = list) -> Iterator[Cell]:
    """Every printed cell with a number that a reading covers, on those pages of each kind that `pages` keeps."""
    for reading in READINGS:
        for path in pages(sorted(report.glob(reading.pages))):
            for heads, *rows in tables_of(path):
                if tuple(heads[: len(reading.heads)]) != reading.heads:
                    continue
                for texts in rows:
                    row = dict(zip(heads, texts, strict=True))
                    yield from (
                        Cell(
                            page=path.relative_to(report).as_posix(), column=head, row=row, text=row[head], found=found
                        )
                        for head, found in reading.columns.items()
                        if printed(row.get(head, "")) and _is_of(reading, row)
                    )


@lru_cache(maxsize=8)
def tables_of(path: Path) -> list[list[list[str]]]:
    """A page's tables: several readings are of one page."""
    return [table for table in Tables(path.read_text("utf-8")).found if table]


def _is_of(reading: Reading, row: Row) -> bool:
    """The decision table also has rows that no claim was planned for; the list of mutants legitimate variants."""
    if reading.heads == ("situation", "you want"):
        return row["claim"].startswith("CHOOSE-")
    return reading.pages != "mutants.html" or row["outcome"].startswith("caught by")


def checked(folder: Path, many: int, seed: int, pages: int | None = None) -> tuple[pd.DataFrame, int]:
    """`many` cells by chance with whether their frames say so, and among how many they were drawn; `pages`: of so many
    pages of each kind at most, by chance too."""
    draws, frames, rows = random.Random(seed), Frames(folder), []
    every = list(cells(folder / "report", lambda found: draws.sample(found, min(len(found), pages or len(found)))))
    for cell in draws.sample(every, min(many, len(every))):
        wanted = cell.found(frames, Path(cell.page).stem, cell.row)
        named = " · ".join([*cell.row.values()][:3])
        told = {"page": cell.page, "row": named, "column": cell.column, "printed": cell.text}
        values = "; ".join(" ".join(f"{value:.9g}" for value in row) for row in wanted[:3])
        rows.append(told | {"frame": values, "same": shows(cell.text, wanted)})
    return pd.DataFrame(rows), len(every)


def text(frame: pd.DataFrame, every: int, folder: str, seed: int) -> str:
    """The page."""
    lines = [
        "# Printed cells, computed again from the frames",
        "",
        f"`python benchmarks/printed_cells.py {folder} --cells {len(frame)} --seed {seed}`: cells by chance of",
        f"the {every:,} printed in the tables that are covered (claims, the decision table, evidence, times, cases,",
        "questions, mutants), each computed again with pandas from the Parquet frames, by no code of the report's.",
        "",
        f"**{int(frame['same'].sum())} of {len(frame)} are what the frames say, to the digits printed.**",
        "",
        "| page | row | column | printed | frame | same |",
        "|---|---|---|---|---|---|",
    ]
    for row in frame.to_dict("records"):
        told = [str(row[name]).replace("|", "\\|").replace("\n", " ") for name in frame.columns[:-1]]
        lines.append("| " + " | ".join([*told, "yes" if row["same"] else "**no**"]) + " |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Draw, compare, print; with --out, write README.md and cells.csv."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=int, default=30)
    parser.add_argument("--seed", type=int, default=19)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    frame, every = checked(asked.folder, asked.cells, asked.seed)
    print(text(frame, every, asked.folder.as_posix(), asked.seed))
    if asked.out:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / "README.md").write_text(text(frame, every, asked.folder.as_posix(), asked.seed), "utf-8")
        frame.to_csv(asked.out / "cells.csv", index=False)
    sys.exit(0 if frame["same"].all() else 1)


if __name__ == "__main__":
    main()
