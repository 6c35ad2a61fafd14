"""The processes that draw: an interruption ends it, whatever its processes and threads wait for."""

import subprocess
import sys
from pathlib import Path

from elbo_compare.reports.building import DrawingProcesses

INTERRUPTED = """
import os, signal, threading
from pathlib import Path
from elbo_compare.reports.building import DrawingProcesses
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    with DrawingProcesses(2) as drawing:
        for process in drawing.processes:
            os.kill(process.pid, signal.SIGSTOP)  # takes no data: a thread waits in the middle of handing them over
        threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        drawing.build([print], bytes(2**24), Path(), meanwhile=lambda: None)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_an_interruption_while_the_data_are_handed_over_ends_the_drawing():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


def reading(command, **ends) -> "subprocess.Popen[bytes]":
    """A process that takes what it is given and answers nothing."""
    return subprocess.Popen[bytes]([sys.executable, "-S", "-c", "import sys; sys.stdin.buffer.read()"], **ends)


def test_this_process_is_one_of_those_that_build_unless_there_is_too_much_for_it():
    with DrawingProcesses(2, reading) as drawing:
        assert drawing.build([], bytes(8), Path(), meanwhile=lambda: None) == []  # type: ignore[arg-type]
        assert len(drawing.processes) == 1
        assert drawing.build([], bytes(8), Path(), meanwhile=lambda: None, here=False) == []  # type: ignore[arg-type]
        assert len(drawing.processes) == 2
