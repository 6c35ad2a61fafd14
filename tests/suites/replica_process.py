"""Replicas and the single runs that they must equal, of one implementation in a process of its own, as one pickle.

As a program: `python replica_process.py IMPLEMENTATION FILE`. As a module: `replicas(implementation)`.
"""

import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from measured_once import measured

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType, Training
from elbo_compare.suites.estimators import SAMPLED_KL

HAND = ("torch-hand", "jax-hand")
SEEDS, STEPS, BATCH, RATE = (5, 6, 5), 12, 8, 1e-3
CHECKPOINTS = (0, 4, STEPS)
# Everybody's noise on the gated VAE; own random numbers on the smallest model, which compiles in a second.
SHARED, OWN = ("vae-small", "initial"), ("linear-gaussian", "generic")


def arguments_of(key: tuple[str, str]) -> tuple[problems.Problem, np.ndarray, np.ndarray, np.ndarray]:
    """The problem, x (rows, observed), batches (replica, step, batch), noise (replica, step, 1, batch, latent)."""
    problem, rng = problems.load(*key), np.random.default_rng(8)
    x = datasets.load(problems.DATASET[key[0]]).train[:40]
    batches = rng.integers(0, len(x), (len(SEEDS), STEPS, BATCH))
    batches[2] = batches[0]  # the third replica is the first again
    noise = rng.standard_normal((len(SEEDS), STEPS, 1, BATCH, problem.latent))
    return problem, x, batches, noise


def measure(name: str) -> dict:
    """(replicas, single runs) by kind, and the messages of calls that can't be."""
    from elbo_compare.suites import registry

    out = {}
    for kind, key in (("shared", SHARED), ("own", OWN)):
        problem, x, batches, noise = arguments_of(key)
        session = registry.load(name).prepare(problem, SAMPLED_KL, Device.CPU, DType.FLOAT64)
        given = noise if kind == "shared" else None
        trainings = tuple(
            Training(
                x=x,
                batches=batches[i],
                learning_rate=RATE,
                seed=seed,
                noise=None if given is None else given[i],
                checkpoints=CHECKPOINTS,
            )
            for i, seed in enumerate(SEEDS)
        )
        together = session.fit_replicas(problem.params, trainings)
        out[kind] = together, tuple(session.fit(problem.params, training) for training in trainings)
    first, *others = trainings
    shorter, faster = replace(first, batches=first.batches[1:]), replace(first, learning_rate=2 * RATE)
    for name, refused in (
        ("none", ()),
        ("shapes", (first, shorter)),
        ("rates", (first, faster)),
        ("rows", (first, replace(first, x=x + 1.0))),
        ("options", (first, replace(first, binarise=1), *others)),
    ):
        out[name] = _message(session.fit_replicas, problem.params, refused)
    return out


def _message(call, *arguments) -> str:
    try:
        call(*arguments)
    except (ValueError, NotImplementedError) as error:
        return str(error)
    return "no error"


def replicas(name: str) -> dict:
    """`measure` in a fresh process with warnings as errors; once per test run."""
    return measured(__file__, (name,), implementation=name)


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(pickle.dumps(measure(sys.argv[1])))
