"""Builds and writes a report's sections, here or in a few processes: drawing the figures takes most of the time.

    python -m elbo_compare.reports.building

is such a process: pickles on its standard input, first the data and the report's folder, then one builder after
another, then maybe the next report's; a pickled reply on its standard output for each builder. A process of our own
making, since a pool of the standard library's would import the caller's program once more.
"""

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Semaphore
from typing import TYPE_CHECKING, Any, Self, TypeAlias

if TYPE_CHECKING:  # at run time each side imports them while the other does: they are to start before anything else
    from elbo_compare.reports.content import Section
    from elbo_compare.reports.data import ReportData
    from elbo_compare.reports.rendering import Rendered

Builder: TypeAlias = "Callable[[ReportData], Section]"


class DrawingProcesses:
    """`jobs` processes that build, this one among them, which has imported all that building takes. Started at once:
    they import what they need while others work.

    `start` is `subprocess.Popen`, or what takes its arguments and sees to it that no process outlives this one.
    """

    def __init__(self, jobs: int, start: "Callable[..., subprocess.Popen[bytes]]" = subprocess.Popen) -> None:
        self.jobs, self._start = jobs, start
        self.processes = [self._started() for _ in range(jobs - 1)]

    def _started(self) -> "subprocess.Popen[bytes]":
        command, ends = [sys.executable, "-P", "-m", "elbo_compare.reports.building"], subprocess.PIPE
        return self._start(command, stdin=ends, stdout=ends)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.communicate()

    def build(
        self,
        builders: Sequence[Builder],
        data: "ReportData",
        folder: Path,
        meanwhile: Callable[[], None],
        here: bool = True,
    ) -> "list[Rendered]":
        """What every builder makes of the data, in their order, its files written; `meanwhile` is done in this process.
        Not `here`: others alone build, where there are any, since all of it takes more memory than one shall have.

        A builder that raises ends with its error here. Raises ChildProcessError where a process has ended.
        """
        if not here and self.jobs > 1:
            self.processes += [self._started() for _ in range(self.jobs - len(self.processes))]
        if not self.processes:
            meanwhile()
            return [_built(build, data, folder) for build in builders]
        work = _Work(builders=builders, given=pickle.dumps((data, folder), pickle.HIGHEST_PROTOCOL))
        with ThreadPoolExecutor(len(self.processes)) as threads:
            try:
                serving = [threads.submit(work.serve, process) for process in self.processes]
                # Else this process's work would keep the threads, and so the drawing, from their lock.
                for _ in serving:
                    work.handed.acquire()
                meanwhile()
                while here and (index := work.next()) is not None:
                    work.sections[index] = _built(builders[index], data, folder)
                for each in serving:
                    each.result()
            except BaseException:
                for process in self.processes:
                    process.kill()  # whatever its thread waits for then comes to an end
                raise
        return [work.sections[index] for index in range(len(builders))]


class _Work:
    """The builders that wait, and what the others made. `handed` is released once for every process that has the data
    or never will."""

    def __init__(self, builders: Sequence[Builder], given: bytes) -> None:
        self.builders, self.given = builders, given
        self.handed = Semaphore(0)
        self.waiting: SimpleQueue[int] = SimpleQueue()
        for index in range(len(builders)):
            self.waiting.put(index)
        self.sections: dict[int, Rendered] = {}

    def next(self) -> int | None:
        """A builder that nobody has; None where each has been taken."""
        try:
            return self.waiting.get_nowait()
        except Empty:
            return None

    def serve(self, process: "subprocess.Popen[bytes]") -> None:
        """Hand one process the next builder until none waits."""
        try:
            self._hand(process)
            while (index := self.next()) is not None:
                self.sections[index] = self._ask(process, index)
        except (BrokenPipeError, EOFError, pickle.UnpicklingError) as error:
            raise ChildProcessError("A process that draws the report has ended; draw it again.") from error

    def _hand(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(self.given)
            process.stdin.flush()
        finally:
            self.handed.release()

    def _ask(self, process: "subprocess.Popen[bytes]", index: int) -> "Rendered":
        assert process.stdin is not None and process.stdout is not None
        pickle.dump(self.builders[index], process.stdin)
        process.stdin.flush()
        section, error = pickle.load(process.stdout)
        if error is not None:
            raise error
        return section


def _built(build: Builder, data: "ReportData", folder: Path) -> "Rendered":
    from elbo_compare.reports.rendering import written

    return written(build(data), folder, data.addresses, data.once)


def main() -> None:
    """Build what arrives until nothing does. Whoever started this process is interrupted, and ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import elbo_compare.reports.order
    import elbo_compare.reports.rendering  # noqa: F401  what building takes, while the data are not there yet

    arriving, leaving = sys.stdin.buffer, sys.stdout.buffer
    try:
        data, folder = pickle.load(arriving)
        while True:
            build = pickle.load(arriving)
            if isinstance(build, tuple):  # the next report's
                data, folder = build
                continue
            reply: tuple[Any, Exception | None]
            try:
                reply = _built(build, data, folder), None
            except Exception as error:  # raised again where the report is written
                reply = None, error
            pickle.dump(reply, leaving, pickle.HIGHEST_PROTOCOL)
            leaving.flush()
    except EOFError:
        return


if __name__ == "__main__":
    main()
