"""How far a run has come: a bar with the time left on a terminal, plain lines otherwise. Nothing here is recorded."""

import sys
from collections import Counter
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Any, TextIO

from elbo_compare.compare.errors import printable
from elbo_compare.compare.records import CellResult, Status
from elbo_compare.compare.running.expected import TimeLeft

LINE_EVERY_S = 5.0
PRIOR_S = 8.0  # of programs: the recorded run counts against this one


class Progress:
    """Plain lines: one every few seconds, and one for each cell that did not end well."""

    def __init__(self, total: int, time_left: TimeLeft, stream: TextIO | None = None) -> None:
        self.total, self.time_left, self.stream = total, time_left, stream or sys.stderr
        self.counts: Counter[Status] = Counter()
        self.started = monotonic()
        self.last_line = 0.0

    def done(self, result: CellResult) -> None:
        """One more cell has ended."""
        self.counts[result.status] += 1
        self.time_left.done(result, monotonic() - self.started)
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
            self.note(f"{self.finished}/{self.total} cells, {self.left()}, last: {label}")

    def close(self) -> None:
        """The run is over."""

    @property
    def finished(self) -> int:
        """Cells that have ended."""
        return sum(self.counts.values())

    def left(self) -> str:
        """`about 48 s left`: the rest of the cells and what follows them."""
        return f"about {duration(self.time_left.seconds(monotonic() - self.started))} left"


class TerminalProgress(Progress):
    """A bar that redraws itself, by rich."""

    def __init__(self, total: int, time_left: TimeLeft) -> None:
        super().__init__(total, time_left)
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        self._escape = escape
        columns: list[Any] = [BarColumn(30), MofNCompleteColumn()]
        self._bar = Bar(*columns, TextColumn("{task.description}"), console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=total)
        self._bar.start()

    def note(self, text: str) -> None:
        """A line above the bar."""
        self._bar.console.print(printable(text), markup=False, highlight=False)

    def show(self, label: str) -> None:
        """Move the bar."""
        where = self._escape(printable(f"{self.left()}, last: {label}"))
        self._bar.update(self._task, completed=self.finished, description=where)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def progress(total: int, time_left: TimeLeft) -> Progress:
    """The kind that fits where standard error goes."""
    return TerminalProgress(total, time_left) if sys.stderr.isatty() else Progress(total, time_left)


class Counted:
    """Lines about programs that end in several threads: one every few seconds, with the time left.

    `seconds`: what all of them took in the recorded run, one after another, of which `jobs` run side by side;
    `after_s`: what followed there.
    """

    def __init__(self, total: int, say: Callable[[str], None], seconds: float, jobs: int, after_s: float = 0.0) -> None:
        self.total, self.say, self.after_s = total, say, after_s
        self.seconds, self.jobs = seconds, jobs
        self.finished, self.done_s = 0, 0.0
        self.started = self.last_line = monotonic()
        self.lock = Lock()

    def done(self, seconds: float) -> None:
        """One more has ended, which took so long there; 0 where it was not to run at all."""
        with self.lock:
            self.finished += 1
            self.done_s += seconds
            now = monotonic()
            if now - self.last_line >= LINE_EVERY_S or self.finished == self.total:
                self.last_line = now
                left = duration(self.left(now - self.started))
                self.say(f"{self.finished}/{self.total} programs, about {left} left")

    def left(self, elapsed_s: float) -> float:
        """Seconds left, so many after the start."""
        pace = (elapsed_s * self.jobs + PRIOR_S) / (self.done_s + PRIOR_S)
        return pace * (max(self.seconds - self.done_s, 0.0) / self.jobs + self.after_s)


def duration(seconds: float) -> str:
    """`48 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
