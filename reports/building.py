"""Builds a report's sections, here or spread over a few processes: drawing the figures takes most of the time.

    python -m reports.building

is such a process: pickles on its standard input, the data first, then one builder after another; a pickled section on
its standard output for each. A process of our own making, since a pool of the standard library's would import the
caller's program once more.
"""

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

from reports.content import Section
from reports.data import ReportData

Builder = Callable[[ReportData], Section]


def build_sections(
    builders: Sequence[Builder], data: ReportData, jobs: int, meanwhile: Callable[[], None]
) -> list[Section]:
    """What every builder makes of the data, in their order; `meanwhile` is done in this process.

    `jobs` 1: no other process. A builder that raises ends with its error here, and nothing is left running.
    """
    if jobs == 1:
        meanwhile()
        return [build(data) for build in builders]
    waiting: SimpleQueue[int] = SimpleQueue()
    for index in range(len(builders)):
        waiting.put(index)
    sections: dict[int, Section] = {}
    processes = [_start() for _ in range(jobs)]
    try:
        with ThreadPoolExecutor(jobs) as threads:
            serving = [threads.submit(_serve, process, data, builders, waiting, sections) for process in processes]
            meanwhile()
            for each in serving:
                each.result()
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return [sections[index] for index in range(len(builders))]


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "reports.building"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _serve(
    process: subprocess.Popen[bytes],
    data: ReportData,
    builders: Sequence[Builder],
    waiting: "SimpleQueue[int]",
    sections: dict[int, Section],
) -> None:
    """Hand one process the next builder until none waits."""
    assert process.stdin is not None and process.stdout is not None
    pickle.dump(data, process.stdin, pickle.HIGHEST_PROTOCOL)
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
    arriving, leaving = sys.stdin.buffer, sys.stdout.buffer
    data = pickle.load(arriving)
    while True:
        try:
            build = pickle.load(arriving)
        except EOFError:
            return
        reply: tuple[Any, Exception | None]
        try:
            reply = build(data), None
        except Exception as error:  # raised again where the report is written
            reply = None, error
        pickle.dump(reply, leaving, pickle.HIGHEST_PROTOCOL)
        leaving.flush()


if __name__ == "__main__":
    main()
