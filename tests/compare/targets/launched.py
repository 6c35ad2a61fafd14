"""Functions that do to their process what nobody should: for the tests of the launcher. NumPy alone is imported."""

import json
import os
import socket
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

time.sleep(float(os.environ.get("LAUNCHED_IMPORTS_FOR", "0")))
RIGHT = {"exit_code": 0, "text": "RIGHT  forged", "json": "{}"}


def right(mean, log_var):
    return 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=1)


def forges_a_file(mean, log_var):
    """Writes a result wherever the launcher may look for a file."""
    for place in {Path(sys.argv[-1]), *(Path(each) for each in Path("/proc/self/cmdline").read_text().split("\0"))}:
        if place != Path() and place.is_dir():  # an empty argument is no place
            (place / "result.json").write_text(json.dumps(RIGHT))
    os._exit(0)


def forges_a_message(mean, log_var):
    """Sends a result to every socket that is open."""
    for descriptor in range(3, 256):
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
        except OSError:
            continue
        body = json.dumps({"secret": "guessed", "answer": RIGHT, "stage": "calling it"}).encode()
        socket.socket(fileno=descriptor).sendall(struct.pack("!Q", len(body)) + body)
    os._exit(0)


def prints_without_end(mean, log_var):
    while True:
        print("x" * 2**16)


def killed_by_signal_40(mean, log_var):
    os.kill(os.getpid(), 40)


def needs_sys_argv_alone(mean, log_var):
    if sys.argv != [__file__]:
        raise ValueError(f"sys.argv is {sys.argv}")
    return right(mean, log_var)


def raises_escapes(mean, log_var):
    raise ValueError("\x1b[31mred\x1b]0;title\x07 and \x9b31m")


def starts_others(*_):
    """One child in the process's group, and one that has left it; both sleep for long."""
    seconds = os.environ["LAUNCHED_SLEEPS"]
    subprocess.Popen(["sleep", seconds])
    subprocess.Popen(["sleep", seconds], start_new_session=True)
    time.sleep(3600)


def starts_others_and_hangs(mean, log_var):
    starts_others()


def pair():
    """Stands for a model and for a guide."""
