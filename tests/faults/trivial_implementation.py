"""A third party's trivial implementation for the fault tests and the scale benchmark: NumPy only, microseconds a call.

Its numbers are those of the sampled-KL formula at the noise that it is given, so that every pointwise claim agrees; it
waits as many seconds as TRIVIAL_WAIT_S says, so that a run lasts long enough to be interrupted. TRIVIAL_FAULT,
`how:after:token`, lets one evaluation of a run go wrong: in whichever worker has done `after` of them well and is the
first to take the file `token` away.
"""

import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle

WAIT_S = float(os.environ.get("TRIVIAL_WAIT_S", "0"))


class Trivial:
    """The oracle's own session under another name, one wait for each evaluation."""

    name = "trivial"
    framework = "numpy"
    devices = NumpyOracle.devices
    dtypes = NumpyOracle.dtypes

    def supports(self, problem, estimator):
        """It supports everything."""
        return

    def prepare(self, problem, estimator, device, dtype):
        """A session that waits, then answers."""
        return _Waiting(NumpyOracle().prepare(problem, estimator, device, dtype))


class _Waiting:
    done = 0  # evaluations of this process

    def __init__(self, session):
        self.session = session

    def evaluate(self, params, x, noise):
        time.sleep(WAIT_S)
        terms = self.session.evaluate(params, x, noise)
        _Waiting.done += 1
        how, after, token = os.environ.get("TRIVIAL_FAULT", "::").split(":", 2)
        if how and _Waiting.done > int(after) and _taken(token):
            return FAULTS[how](terms)
        return terms

    def __getattr__(self, name):
        return getattr(self.session, name)


def _taken(token):
    """Whether the file was there and is ours now: one process of all gets it."""
    try:
        Path(token).unlink()
    except FileNotFoundError:
        return False
    return True


def _hang(terms):
    time.sleep(86_400)


def _leak(terms):
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1)) * 2**24)
        time.sleep(0.01)


def _print(terms):
    for stream in (sys.stdout, sys.stderr):
        for _ in range(64):
            stream.buffer.write(b"\xff\x00\x1b[2J" * 2**13)
        stream.flush()
    return terms


def _exit(terms):
    for descriptor in range(3, 64):  # the start of a message that promises a gigabyte, wherever messages may go
        try:
            os.write(descriptor, b"\x00\x00\x00\x00\x40\x00\x00\x00half")
        except OSError:
            continue
    os._exit(0)


def _nan(terms):
    return replace(terms, elbo=terms.elbo * math.nan)


FAULTS = {"hang": _hang, "leak": _leak, "print": _print, "exit": _exit, "nan": _nan}
