"""The JAX backends on flows, priors and estimators, in a process of their own: x64 is process-wide in JAX.

As a program: `python jax_process.py IMPLEMENTATION DTYPE FILE`. As a module: `results(implementation, dtype)`.
"""

import pickle
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from measured_once import measured

from elbo_compare.compare.planning.availability import present
from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType, Estimator, Flow, Problem, Training
from elbo_compare.suites.estimators import ESTIMATORS
from elbo_compare.suites.roster import BY_NAME

JAX_BACKENDS = ("jax-hand", "numpyro")
# And the sixth implementation where it is installed; `test_tfp` says so where it is not.
WITH_OPTIONAL = (*JAX_BACKENDS, *(["tfp"] if present(BY_NAME["tfp"]) else []))
FLOWS = ("householder", "linear-iaf", "convex-linear-iaf", "planar", "iaf")
LINEAR_FLOWS = FLOWS[:3]
PRIORS = ("mixture", "vamp", "laplace")
OBSERVED = 32  # pixels, as many as the hidden units of the small problems
SEED, RATE, STEPS, BATCH = 1729, 1e-3, 4, 8


def shallow(name: str, weights: str = "initial") -> Problem:
    """A small problem without its hidden layers, which cost a compiler most of its time: h = x, the first 32 pixels."""
    whole = problems.load(f"{name}-small", weights)
    kept = {key: value for key, value in whole.params.items() if ".linear." not in key and ".gate." not in key}
    kept["decoder.output.weight"] = kept["decoder.output.weight"][:OBSERVED, : whole.latent]
    kept["decoder.output.bias"] = kept["decoder.output.bias"][:OBSERVED]
    if "prior.pseudo_inputs" in kept:
        kept["prior.pseudo_inputs"] = kept["prior.pseudo_inputs"][:, :OBSERVED]
    return replace(whole, gated_layers=0, observed=OBSERVED, params=kept)


ON_NEAR = ("k3", "control-variate", "antithetic", "sobol-8", "elbo-5", "renyi-2", "stl", "trace-graph")


def same_noise_cases(dtype: DType) -> list[tuple[str, str, int]]:
    """(problem, estimator, batch): every flow and prior; batch = latent and a batch of one; every kind of estimator."""
    if dtype is DType.FLOAT32:
        return [("householder", "analytic-kl", 3), ("iaf", "sampled-kl", 3), ("vamp", "sampled-kl", 3)]
    cases = [(name, "sampled-kl", 3) for name in FLOWS + PRIORS]
    cases += [("householder", "sampled-kl", batch) for batch in (1, 8)]
    cases += [(name, "analytic-kl", 3) for name in ("householder", "convex-linear-iaf")]
    cases += [("iaf", "stl", 3), ("vamp", "dreg-5", 3), ("planar", "dreg-5", 3)]
    return cases + [("near", name, 3) for name in ON_NEAR]


def problem_of(name: str) -> Problem:
    """`near`: a q whose ratio p / q has every moment; else a shallow VAE."""
    return problems.load("gaussian-kl", "2-near") if name == "near" else shallow(name)


def inputs(problem: Problem, estimator: Estimator, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """x (batch, observed) and everybody's noise (noise row, batch, latent)."""
    x = datasets.load("digits").test[:batch, :OBSERVED] if problem.observed > 1 else np.zeros((batch, 1))
    return x, np.random.default_rng([batch, 4]).standard_normal((estimator.noise_rows, batch, problem.latent))


def measure(name: str, dtype: DType) -> dict:
    """Every result of one implementation in one dtype, by (kind, problem, estimator, ...)."""
    from elbo_compare.suites import registry

    implementation, found = registry.load(name), {}
    for label, estimator, batch in same_noise_cases(dtype):
        problem, how = problem_of(label), ESTIMATORS[estimator]
        if implementation.supports(problem, how) is None:
            session = implementation.prepare(problem, how, Device.CPU, dtype)
            found["evaluate", label, estimator, batch] = session.evaluate(problem.params, *inputs(problem, how, batch))
    if dtype is DType.FLOAT64:
        found |= _draws(implementation) | _training(implementation)
        found |= _jacobians_by_hand() | _sobol() if name == "jax-hand" else {}
        found |= _jacobians_of_transforms() if name == "numpyro" else {}
    return found


def _flow_inputs(label: str):
    """Form, weights, one datum's hidden layer and one z, as JAX arrays."""
    import jax.numpy as jnp

    from elbo_compare.suites.bridge.form import form_of

    problem, rng = problem_of(label), np.random.default_rng(8)
    # Biases of the flow that are not zero, so that none of them could be forgotten unseen.
    params = {key: jnp.asarray(value + 0.1 * rng.standard_normal(value.shape)) for key, value in problem.params.items()}
    form = form_of(problem, ESTIMATORS["sampled-kl"])
    return form, params, jnp.asarray(rng.random(OBSERVED)), jnp.asarray(rng.standard_normal(problem.latent))


def _jacobians_by_hand() -> dict:
    """(claimed log-det, log |det| of autograd's Jacobian) by flow."""
    import jax
    import jax.numpy as jnp

    from elbo_compare.suites.jax_hand.flows import flow

    @partial(jax.jit, static_argnums=1)
    def both(params, form, hidden, z):
        jacobian = jax.jacfwd(lambda z: flow(params, form, hidden, z)[0])(z)
        return flow(params, form, hidden, z)[1], jnp.linalg.slogdet(jacobian)[1]

    found = {}
    for label in FLOWS:
        form, *given = _flow_inputs(label)
        found["jacobian", label] = tuple(map(float, both(given[0], form, *given[1:])))
    return found


def _jacobians_of_transforms() -> dict:
    """(claimed log-det, log |det| of autograd's Jacobian, |f^-1(f(z)) - z| or nan) of every transform by flow."""
    import jax
    import jax.numpy as jnp

    from elbo_compare.suites.numpyro_ppl.flows import transforms_of

    @partial(jax.jit, static_argnums=1)
    def of_every_transform(params, form, hidden, z):
        rows = []
        for transform in transforms_of(params, form, hidden):
            after, back = transform(z), jnp.nan
            if form.flow is not Flow.PLANAR:
                back = jnp.abs(transform.inv(after) - z).max()
            jacobian = jax.jacfwd(transform)(z)
            rows.append((transform.log_abs_det_jacobian(z, after), jnp.linalg.slogdet(jacobian)[1], back))
            z = after
        return rows

    found = {}
    for label in FLOWS:
        form, *given = _flow_inputs(label)
        for step, row in enumerate(of_every_transform(given[0], form, *given[1:])):
            found["jacobian", label, step] = tuple(map(float, row))
    return found


def _sobol() -> dict:
    """Noise of 200 data, (8, 200, latent), and the same again from another key."""
    import jax
    import jax.numpy as jnp

    from elbo_compare.suites.jax_hand.noise import sobol_noise

    return {
        ("sobol", seed): np.asarray(sobol_noise(jax.random.key(seed), (8, 200, 3), jnp.zeros(()))) for seed in (1, 2)
    }


# Draws per case: flows and priors whose KL term has a known mean, and estimators of the same number.
DRAWS, CHUNK = 30_000, 12_000
DRAWN = [
    ("linear-iaf", "sampled-kl"),
    *(("near", name) for name in ("control-variate", "antithetic", "sobol-8", "elbo-5", "iwae-5")),
]


GRADIENTS_DRAWN = [("vamp", "sampled-kl"), ("near", "iwae-5")]


def _draws(implementation) -> dict:
    found = {}
    for label, estimator in DRAWN:
        problem, how = problem_of(label), ESTIMATORS[estimator]
        if implementation.supports(problem, how) is None:
            session = implementation.prepare(problem, how, Device.CPU, DType.FLOAT64)
            found["draw", label, estimator] = session.draw(
                problem.params, inputs(problem, how, 1)[0], DRAWS, SEED, CHUNK
            )
    for label, estimator in GRADIENTS_DRAWN:
        problem, how = problem_of(label), ESTIMATORS[estimator]
        if implementation.supports(problem, how) is None:
            session = implementation.prepare(problem, how, Device.CPU, DType.FLOAT64)
            arguments = (problem.params, inputs(problem, how, 1)[0], 5_000, SEED, CHUNK)
            found["gradient", label, estimator] = session.draw_gradients(*arguments)
    return found


def path_of(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x (rows, observed), batches (step, batch), noise (step, 1, batch, latent) and a warm-up from exactly 0."""
    x, rng = datasets.load("digits").train[:32, :OBSERVED], np.random.default_rng(7)
    noise = rng.standard_normal((STEPS, 1, BATCH, problem.latent))
    return x, rng.integers(0, len(x), (STEPS, BATCH)), noise, np.linspace(0.0, 1.0, STEPS)


def _training(implementation) -> dict:
    problem = problem_of("planar")
    x, batches, noise, weights = path_of(problem)
    asked, session = [], implementation.prepare(problem, ESTIMATORS["sampled-kl"], Device.CPU, DType.FLOAT64)

    def stop(step, params):
        asked.append((step, params))
        return step == 2

    warm = Training(x=x, batches=batches, learning_rate=RATE, seed=0, noise=noise, kl_weights=weights)
    found = {
        "warm path": session.fit(problem.params, replace(warm, checkpoints=(0, 1, STEPS), binarise=5)),
        "stopped": session.fit(problem.params, replace(warm, checkpoints=(0, 1, 2, 3), stop=stop)),
        "asked": asked,
    }
    many = implementation.prepare(problem, ESTIMATORS["iwae-5"], Device.CPU, DType.FLOAT64)
    try:
        many.fit(problem.params, replace(warm, noise=None))
    except ValueError as error:
        found["refused"] = str(error)
    return {("training", key): value for key, value in found.items()}


def results(name: str, dtype: DType) -> dict:
    """`measure` in a fresh process with warnings as errors; once per test run."""
    return measured(__file__, (name, str(dtype)), implementation=name)


if __name__ == "__main__":
    Path(sys.argv[3]).write_bytes(pickle.dumps(measure(sys.argv[1], DType(sys.argv[2]))))
