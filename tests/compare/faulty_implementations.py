"""A third party's package for the fault tests: implementations that go wrong in one named way under `analytic-kl` only.

Under `sampled-kl` each of them is the oracle, so that a test can see that a fault costs its own cells and no others.
It is copied into a folder of its own and found through an entry point, as a real third party's would be.
"""

import ctypes
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from elbo_compare.suites.contract import DType, KLTerm
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle


class _Faulty:
    framework = "numpy"
    devices = NumpyOracle.devices
    dtypes = NumpyOracle.dtypes

    def supports(self, problem, estimator):
        return None

    def prepare(self, problem, estimator, device, dtype):
        session = NumpyOracle().prepare(problem, estimator, device, dtype)
        return session if estimator.kl_term is KLTerm.SAMPLED else _Session(session, self)

    def change(self, evaluation):
        return evaluation


class _Session:
    def __init__(self, session, owner):
        self.session, self.owner = session, owner

    def evaluate(self, params, x, noise):
        return self.owner.change(self.session.evaluate(params, x, noise))

    def stepper(self, params, x, seed):
        self.owner.change(None)
        return self.session.stepper(params, x, seed)

    def __getattr__(self, name):
        return getattr(self.session, name)


class Raises(_Faulty):
    name = "faulty-raises"

    def change(self, evaluation):
        raise RuntimeError("planted:\n a message of two lines")


class Exits(_Faulty):
    name = "faulty-exits"

    def change(self, evaluation):
        print("last words", file=sys.stderr, flush=True)
        os._exit(7)


class Hangs(_Faulty):
    name = "faulty-hangs"

    def change(self, evaluation):
        time.sleep(600)


class GivesNaN(_Faulty):
    name = "faulty-nan"

    def change(self, evaluation):
        return replace(evaluation, kl=float("nan"))


class WrongShape(_Faulty):
    name = "faulty-shape"

    def change(self, evaluation):
        return replace(evaluation, gradients={k: v[:1] for k, v in evaluation.gradients.items()})


class WrongDType(_Faulty):
    name = "faulty-dtype"

    def change(self, evaluation):
        return replace(evaluation, dtype=DType.FLOAT32)


class WrongValue(_Faulty):
    name = "faulty-value"

    def change(self, evaluation):
        gradients = {k: np.asarray(v) * 1.01 for k, v in evaluation.gradients.items()}
        return replace(evaluation, kl=evaluation.kl + 0.5, gradients=gradients)


class Chatty(_Faulty):
    name = "faulty-chatty"

    def change(self, evaluation):
        for _ in range(50):
            print("x" * 100_000)
        os.abort()


class Unwilling(_Faulty):
    name = "faulty-unwilling"

    def supports(self, problem, estimator):
        return "has no analytic KL" if estimator.kl_term is KLTerm.ANALYTIC else None


class Leaks(_Faulty):
    name = "faulty-leaks"

    def change(self, evaluation):
        hoard = []
        while True:
            hoard.append(np.ones(2**21))  # 16 MiB that are touched, not only reserved
            time.sleep(0.01)


class Segfaults(_Faulty):
    name = "faulty-segfaults"

    def change(self, evaluation):
        ctypes.string_at(0)


class DiesLate(_Faulty):
    """Gives its number, and the process dies of it when the next cell is in it; PLANTED_DEATHS counts the deaths."""

    name = "faulty-late"
    poisoned = False

    def prepare(self, problem, estimator, device, dtype):
        if DiesLate.poisoned:
            with Path(os.environ["PLANTED_DEATHS"]).open("a") as file:
                file.write("died\n")
            os._exit(9)
        return super().prepare(problem, estimator, device, dtype)

    def change(self, evaluation):
        DiesLate.poisoned = True
        return evaluation


class LeavesAProcess(_Faulty):
    name = "faulty-forks"

    def change(self, evaluation):
        subprocess.Popen(["sleep", "7654.25"])
        return evaluation


class TrainsTogether(_Faulty):
    """Has `fit_replicas`, which dies."""

    name = "faulty-together"

    def prepare(self, problem, estimator, device, dtype):
        session = super().prepare(problem, estimator, device, dtype)
        if estimator.kl_term is KLTerm.ANALYTIC:
            session.fit_replicas = lambda *arguments, **more: os._exit(7)
        return session
