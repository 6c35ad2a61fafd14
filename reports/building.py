"""Builds and writes a report's sections, here or in a few processes: drawing the figures takes most of the time.

    python -m elbo_compare.reports.building

is such a process: pickles on its standard input, first the data and the report's folder, then one builder after
another; a pickled reply on its standard output for each. A process of our own making, since a pool of the standard
library's would import the caller's program once more.
"""

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Barrier
from typing import TYPE_CHECKING, Any, Self, TypeAlias

if TYPE_CHECKING:  # at run time each side imports them while the other does: a crew is to start before anything else
    from elbo_compare.reports.content import Section
    from elbo_compare.reports.data import ReportData
    from elbo_compare.reports.rendering import Rendered

Builder: TypeAlias = "Callable[[ReportData], Section]"


class Crew:
    """`jobs` processes that build; 1: this process. Started at once: they import what they need while others work."""

    def __init__(self, jobs: int) -> None:
        self.processes = [_start() for _ in range(jobs)] if jobs > 1 else []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()

    def build(
        self, builders: Sequence[Builder], data: "ReportData", folder: Path, meanwhile: Callable[[], None]
    ) -> "list[Rendered]":
        """What every builder makes of the data, in their order, its files written; `meanwhile` is done in this process.

        A builder that raises ends with its error here.
        """
        if not self.processes:
            from elbo_compare.reports.rendering import written

            meanwhile()
            return [written(build(data), folder) for build in builders]
        waiting: SimpleQueue[int] = SimpleQueue()
        for index in range(len(builders)):
            waiting.put(index)
        sections: dict[int, Rendered] = {}
        given = pickle.dumps((data, folder), pickle.HIGHEST_PROTOCOL)
        handed = Barrier(len(self.processes) + 1)
        with ThreadPoolExecutor(len(self.processes)) as threads:
            serving = [
                threads.submit(_serve, process, given, handed, builders, waiting, sections)
                for process in self.processes
            ]
            handed.wait()  # else this process's work would keep the threads, and so the crew, waiting for its lock
            meanwhile()
            for each in serving:
                each.result()
        return [sections[index] for index in range(len(builders))]


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "elbo_compare.reports.building"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def _serve(
    process: subprocess.Popen[bytes],
    given: bytes,
    handed: Barrier,
    builders: Sequence[Builder],
    waiting: "SimpleQueue[int]",
    sections: "dict[int, Rendered]",
) -> None:
    """Hand one process the next builder until none waits."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(given)
        process.stdin.flush()
    finally:
        handed.wait()
    while True:
        try:
            index = waiting.get_nowait()
        except Empty:
            return
        pickle.dump(builders[index], process.stdin)
        process.stdin.flush()
        section, error = pickle.load(process.stdout)
        if error is not None:
            raise error
        sections[index] = section


def main() -> None:
    """Build what arrives until nothing does. Whoever started this process is interrupted, and ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import elbo_compare.reports.page  # noqa: F401  the builders' modules, while the data are not there yet
    from elbo_compare.reports.rendering import written

    arriving, leaving = sys.stdin.buffer, sys.stdout.buffer
    try:
        data, folder = pickle.load(arriving)
        while True:
            build = pickle.load(arriving)
            reply: tuple[Any, Exception | None]
            try:
                reply = written(build(data), folder), None
            except Exception as error:  # raised again where the report is written
                reply = None, error
            pickle.dump(reply, leaving, pickle.HIGHEST_PROTOCOL)
            leaving.flush()
    except EOFError:
        return


if __name__ == "__main__":
    main()
