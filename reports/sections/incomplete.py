"""What was planned and did not give a number: not run, failed, crashed, timed out; always with the reason."""

from elbo_compare.reports.content import Block, Column, Frame, Kind, Prose, Section, Table
from elbo_compare.reports.data import CELL, ReportData, labels

TITLE = "Not run and failed cells"


def build(data: ReportData) -> Section:
    """Cells and verdicts without a number, by reason."""
    cells = data.measurements.firsts("key", ["status"])["status"]
    ended = set(cells) - {"ok"}
    rows = data.measurements.of("status", ended, [*CELL, "protocol"]).drop_duplicates("key")
    columns = ["claim", "implementation", "outcome", "reason"]
    open_ = data.verdicts.of("outcome", ["not run", "inconclusive"], columns)
    blocks: list[Block] = []
    if rows.empty:
        blocks.append(Prose(text=f"Every one of the {len(cells):,} planned cells ran and returned its measurements."))
    else:
        rows = rows.assign(cell=labels(rows))
        blocks.append(_cells(rows))
    if len(open_):
        blocks.append(_verdicts(open_))
    return Section(anchor="incomplete", title=TITLE, blocks=tuple(blocks))


def _cells(rows: Frame) -> Table:
    groups = rows.groupby(["status", "reason", "implementation"], sort=False)["cell"]
    frame = groups.agg(cells="size", example="first").reset_index()
    return Table(
        name="cells-not-ok",
        caption=f"{len(rows):,} planned cells without measurements, by status, reason and implementation.",
        frame=frame,
        columns=(
            Column(header="status", source="status"),
            Column(header="implementation", source="implementation"),
            Column(header="reason", source="reason"),
            Column(header="cells", source="cells", kind=Kind.COUNT),
            Column(header="for example", source="example", kind=Kind.CODE),
        ),
        limit=100,
    )


def _verdicts(rows: Frame) -> Table:
    groups = rows.groupby(["outcome", "reason", "implementation"], sort=False)
    frame = groups["claim"].agg(verdicts="size", claims=lambda ids: ", ".join(dict.fromkeys(ids))).reset_index()
    return Table(
        name="verdicts-open",
        caption=f"{len(rows):,} verdicts that were not run or stayed inconclusive, by reason.",
        frame=frame,
        columns=(
            Column(header="outcome", source="outcome", kind=Kind.OUTCOME),
            Column(header="implementation", source="implementation"),
            Column(header="reason", source="reason"),
            Column(header="verdicts", source="verdicts", kind=Kind.COUNT),
            Column(header="claims", source="claims"),
        ),
        limit=100,
        whole=True,
    )
