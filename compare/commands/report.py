"""`compare report`: from a judged folder's frames to the page. No statistics."""

from pathlib import Path
from typing import TYPE_CHECKING

from elbo_compare.compare.citing.entries import addresses, entries
from elbo_compare.compare.citing.evidence import Evidence, flat
from elbo_compare.compare.claims import CLAIMS
from elbo_compare.compare.errors import UsageError
from elbo_compare.compare.files import replaced
from elbo_compare.compare.judging.frames import (
    checked,
    claim_frame,
    environment_of,
    measurement_frame,
    read_frame,
    read_json,
    rows_of,
)
from elbo_compare.compare.running.memory import default_limit, in_words
from elbo_compare.compare.running.store import Store
from elbo_compare.reports.data import judged
from elbo_compare.reports.rows import Kept

if TYPE_CHECKING:
    import pandas as pd

    from elbo_compare.reports.building import DrawingProcesses

IMAGES = "images"
# Bytes of memory for each measurement while a report is drawn, all processes together: of pages, for which a long frame
# is read a part at a time (measured at a million of them, 1.1 GB), and of one document, which holds all of them.
BYTES_A_ROW, BYTES_A_ROW_OF_ONE = 1_200, 7_000
ALWAYS = ("measurements", "verdicts", "ledger", "timings")  # judging leaves these in every folder


def report_folder(
    folder: Path, drawing: "DrawingProcesses | None" = None, single_file: bool = False, site: str = "", above: str = ""
) -> Path:
    """Draw the report of a judged folder as DIR/report, whole or not at all; returns the first page's path. `drawing`:
    the processes that do; `single_file`: one document; `site`: where the pages will stand, for BibTeX;
    `above`: the page over several reports, by address.

    Every frame of the folder is handed over: what other verbs left (mutants, semantics, questions) is shown with it.
    """
    from elbo_compare.reports.page import write_report

    record = Store(folder).record()
    _refuse_more_than_memory_holds(folder, BYTES_A_ROW_OF_ONE if single_file else BYTES_A_ROW)
    kept_rows = {name: checked(folder, name) for name in ("measurements", "verdicts")}
    frames = {name: read_frame(folder, name) for name in ("ledger", "timings")}
    rest = sorted(path.stem for path in folder.glob("*.parquet") if path.stem not in (*ALWAYS, IMAGES))
    kept = (folder / f"{IMAGES}.parquet").exists()  # not by an early version
    images = images_of(read_frame(folder, IMAGES)) if kept else {}
    environment = environment_of(record)
    evidence = Evidence(
        folder=folder,
        verdicts=Kept(kept_rows["verdicts"], judged),
        measurements=measurement_frame([]),  # no page of an ID looks at them
        environment=dict(flat(environment)),
        budget=None,
    )
    with replaced(folder / "report") as building:
        page = write_report(
            building,
            claims=claim_frame(CLAIMS),
            environment=environment,
            answer=read_json(folder, "answer"),
            images=images,
            further={name: read_frame(folder, name) for name in rest},
            addresses=addresses(),
            entries=lambda: entries(evidence, site),
            single_file=single_file,
            above=above,
            frames_beside=not single_file,
            drawing=drawing,
            **kept_rows,
            **frames,
        )
    return folder / "report" / page.name


def _refuse_more_than_memory_holds(folder: Path, bytes_a_row: int) -> None:
    """Raises UsageError where the frames are too large to be drawn here: the kernel would end the process halfway."""
    rows, limit = rows_of(folder, "measurements"), default_limit()
    if rows * bytes_a_row > limit:
        raise UsageError(
            f"{folder} has {rows:,} measurements: to draw them takes about {in_words(rows * bytes_a_row)} of memory, "
            f"and {in_words(limit)} are there. Draw a part of the run (`compare run -k EXPR`), or read the frames "
            "a part at a time: elbo_compare.compare.judging.frames.parts."
        )


def images_of(frame: "pd.DataFrame") -> dict[str, list[list[int]]]:
    """Pictures by their names: rows of 0..255."""
    return {title: [row.tolist() for row in grid] for title, grid in zip(frame["title"], frame["pixels"], strict=True)}
