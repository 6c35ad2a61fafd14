"""One backend in a process of its own (torch and JAX share none, x64 is process-wide), every result as one pickle.

As a program: `python backend_process.py IMPLEMENTATION DTYPE FILE`. As a module: `results(implementation, dtype)`.
"""

import pickle
import sys
from pathlib import Path

import numpy as np
from measured_once import measured

from elbo_compare.compare.planning.availability import present
from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType, Problem, Training
from elbo_compare.suites.estimators import CORE_ESTIMATORS, SAMPLED_KL
from elbo_compare.suites.roster import BY_NAME

# The sixth implementation where it is installed; `test_tfp` says so where it is not.
BACKENDS = ("torch-hand", "jax-hand", "pyro", "numpyro", *(["tfp"] if present(BY_NAME["tfp"]) else []))
SAME_NOISE = (
    *(("gaussian-kl", weights) for weights in problems.WEIGHTS["gaussian-kl"]),
    ("linear-gaussian", "generic"),
    ("linear-gaussian", "posterior"),
    ("vae-small", "initial"),
)
# Ragged on purpose: two full blocks and a smaller one.
DRAWS, CHUNK, SEED = 20_000, 9_000, 1729
STEPS, BATCH, RATE = 50, 16, 1e-3


def batch_of(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """x (batch, observed) and everybody's noise (1, batch, latent)."""
    x = datasets.load(problems.DATASET[problem.name]).test[:BATCH]
    rng = np.random.default_rng([len(problem.weights), problem.latent])
    return x, rng.standard_normal((1, len(x), problem.latent))


def training_of(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x (rows, observed), batches (step, batch) and noise (step, 1, batch, latent)."""
    x = datasets.load(problems.DATASET[problem.name]).train[:64]
    rng = np.random.default_rng(5)
    return x, rng.integers(0, len(x), (STEPS, BATCH)), rng.standard_normal((STEPS, 1, BATCH, problem.latent))


def asked(x: np.ndarray, batches: np.ndarray, seed: int = 0, **options) -> Training:
    """A training at the one learning rate."""
    return Training(x=x, batches=batches, learning_rate=RATE, seed=seed, **options)


def measure(name: str, dtype: DType) -> dict:
    """Every result of one implementation in one dtype, by (kind, problem, weights, estimator)."""
    from elbo_compare.suites import registry

    implementation, out = registry.load(name), {}
    for estimator in CORE_ESTIMATORS.values():
        for key in SAME_NOISE:
            problem = problems.load(*key)
            assert implementation.supports(problem, estimator) is None
            session = implementation.prepare(problem, estimator, Device.CPU, dtype)
            x, noise = batch_of(problem)
            out["evaluate", *key, estimator.name] = session.evaluate(problem.params, x, noise)
        if dtype is DType.FLOAT32 and estimator is not SAMPLED_KL:
            continue  # in float32 draws and training are asked for their dtype only
        for weights in ("generic", "posterior"):
            out |= _own_random_numbers(implementation, problems.load("linear-gaussian", weights), estimator, dtype)
        out |= _training(implementation, problems.load("vae-small", "initial"), estimator, dtype)
    return out


def _own_random_numbers(implementation, problem: Problem, estimator, dtype: DType) -> dict:
    session = implementation.prepare(problem, estimator, Device.CPU, dtype)
    key, x = (problem.name, problem.weights, estimator.name), batch_of(problem)[0][:1]
    arguments = (problem.params, x, DRAWS)
    return {
        ("draw", *key): session.draw(*arguments, SEED, CHUNK),
        ("draw again", *key): session.draw(*arguments, SEED, CHUNK),
        ("draw otherwise", *key): session.draw(*arguments, SEED + 1, CHUNK),
        ("draw one", *key): session.draw(problem.params, x, 1, SEED, 1),
        ("gradient", *key): session.draw_gradients(*arguments, SEED, CHUNK),
        ("gradient one", *key): session.draw_gradients(problem.params, x, 1, SEED, 1),
        ("particles", *key): _message(session.evaluate, problem.params, x, np.zeros((2, 1, problem.latent))),
        ("two data", *key): _message(session.draw, problem.params, np.repeat(x, 2, 0), 1, SEED, 1),
        ("path particles", *key): _message(
            session.fit, problem.params, asked(x, np.zeros((1, 1), int), noise=np.zeros((1, 2, 1, problem.latent)))
        ),
    }


def _message(call, *arguments) -> str:
    """What the ValueError of a call said."""
    try:
        call(*arguments)
    except ValueError as error:
        return str(error)
    return "no error"


def _training(implementation, problem: Problem, estimator, dtype: DType) -> dict:
    session = implementation.prepare(problem, estimator, Device.CPU, dtype)
    key = (problem.name, problem.weights, estimator.name)
    x, batches, noise = training_of(problem)
    given = {name: value.copy() for name, value in problem.params.items()}
    own = [session.fit(given, asked(x, batches, seed=seed, checkpoints=(0, STEPS))) for seed in (1, 1, 2)]
    path = session.fit(given, asked(x, batches, noise=noise, checkpoints=(0, 10, STEPS)))
    stepper = session.stepper(given, x[:BATCH], 0)
    if stepper.compile is not None:
        stepper.compile()
    stepper.step(2)
    stepper.step(1)
    kept = all(np.array_equal(value, problem.params[name]) for name, value in given.items())
    return {("path", *key): path, ("own", *key): own, ("weights kept", *key): kept}


def results(name: str, dtype: DType) -> dict:
    """`measure` in a fresh process with warnings as errors; once per test run."""
    return measured(__file__, (name, str(dtype)), implementation=name)


if __name__ == "__main__":
    Path(sys.argv[3]).write_bytes(pickle.dumps(measure(sys.argv[1], DType(sys.argv[2]))))
