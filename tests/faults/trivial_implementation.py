"""A third party's trivial implementation for the fault tests and the scale benchmark: NumPy only, microseconds a call.

Its numbers are those of the sampled-KL formula at the noise that it is given, so that every pointwise claim agrees; it
waits as many seconds as TRIVIAL_WAIT_S says, so that a run lasts long enough to be interrupted.
"""

import os
import time

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
    def __init__(self, session):
        self.session = session

    def evaluate(self, params, x, noise):
        time.sleep(WAIT_S)
        return self.session.evaluate(params, x, noise)

    def __getattr__(self, name):
        return getattr(self.session, name)
