"""How far a run has come: a bar with the time left on a terminal, plain lines otherwise. Nothing here is recorded."""

import sys
from collections import Counter
from time import monotonic
from typing import Any, TextIO

from elbo_compare.compare.errors import printable
from elbo_compare.compare.records import CellResult, Status

LINE_EVERY_S = 5.0


class Progress:
    """Plain lines: one every few seconds, and one for each cell that did not end well."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self.total, self.stream = total, stream or sys.stderr
        self.counts: Counter[Status] = Counter()
        self.started = monotonic()
        self.last_line = 0.0

    def done(self, result: CellResult) -> None:
        """One more cell has ended."""
        self.counts[result.status] += 1
        if result.status not in (Status.OK, Status.NOT_RUN):
            self.note(f"{result.status}: {result.cell.label}: {result.reason}")
        self.show(result.cell.label)

    def note(self, text: str) -> None:
        """A line that stays."""
        print(printable(text), file=self.stream, flush=True)

    def show(self, label: str) -> None:
        """Where the run is now."""
        now = monotonic()
        if now - self.last_line >= LINE_EVERY_S or self.finished == self.total:
            self.last_line = now
            left = duration(self.left_s())
            self.note(f"{self.finished}/{self.total} cells, about {left} left, last: {label}")

    def close(self) -> None:
        """The run is over."""

    @property
    def finished(self) -> int:
        """Cells that have ended."""
        return sum(self.counts.values())

    def left_s(self) -> float:
        """Seconds left if the remaining cells take as long as the others did."""
        elapsed = monotonic() - self.started
        return elapsed / max(self.finished, 1) * (self.total - self.finished)


class TerminalProgress(Progress):
    """A bar that redraws itself, by rich."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._escape = escape
        columns: list[Any] = [BarColumn(30), MofNCompleteColumn(), TimeRemainingColumn()]
        self._bar = Bar(*columns, TextColumn("{task.description}"), console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=total)
        self._bar.start()

    def note(self, text: str) -> None:
        """A line above the bar."""
        self._bar.console.print(printable(text), markup=False, highlight=False)

    def show(self, label: str) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=self.finished, description=self._escape(printable(label)))

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def progress(total: int) -> Progress:
    """The kind that fits where standard error goes."""
    return TerminalProgress(total) if sys.stderr.isatty() else Progress(total)


def duration(seconds: float) -> str:
    """`48 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
