"""The torch backends on flows, priors and estimators, in one process of its own (torch and JAX share none).

As a program: `python torch_process.py FILE`. As a module: `results()`.
"""

import pickle
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from measured_once import measured

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType, Problem, Training
from elbo_compare.suites.estimators import ESTIMATORS

TORCH_BACKENDS = ("torch-hand", "pyro")
LINEAR_FLOWS = ("householder-small", "linear-iaf-small", "convex-linear-iaf-small")
FLOWS = (*LINEAR_FLOWS, "planar-small", "iaf-small")
PRIORS = ("mixture-small", "vamp-small", "laplace-small")
DRAWS, CHUNK, SEED = 4_000, 1_500, 1729
SHARED_DRAWS = 6
STEPS, BATCH, RATE = 8, 10, 1e-3
TRAINED = (("householder-small", "analytic-kl"), ("vae-small", "sampled-kl"), ("vae-small", "iwae-5"))
KL_WEIGHTS = np.minimum(1.0, np.arange(STEPS) / 4.0)


def same_noise_cases() -> list[tuple[str, str, DType, int]]:
    """(problem, estimator, dtype, batch): every flow and prior; batch = latent and one; every kind of estimator."""
    wide, single = DType.FLOAT64, DType.FLOAT32
    cases = [(name, "sampled-kl", wide, 8) for name in FLOWS + PRIORS]
    cases += [(name, "sampled-kl", single, 3) for name in FLOWS + PRIORS]
    cases += [(name, "analytic-kl", wide, batch) for name in LINEAR_FLOWS for batch in (1, 8)]
    cases += [("planar-small", name, wide, 3) for name in ("iwae-5", "stl", "dreg-5")]
    cases += [("vamp-small", "dreg-5", wide, 3)]
    many = ("iwae-20", "iwae-80", "dreg-1", "dreg-20", "dreg-80")  # the same code as with five particles
    return cases + [("gaussian-kl", name, wide, 3) for name in ESTIMATORS if name not in many]


def draw_cases() -> list[tuple[str, str]]:
    """(problem, estimator) of own draws: their moments are closed, or at the posterior they are one constant."""
    kls = [(name, estimator) for name in LINEAR_FLOWS for estimator in ("sampled-kl", "analytic-kl")]
    near = [("gaussian-kl", name) for name in ("k2", "k3", "control-variate", "antithetic", "elbo-5", "jit-trace")]
    bounds = [
        ("linear-gaussian", name) for name in ("iwae-1", "iwae-5", "renyi-minus-1", "renyi-2", "dreg-5", "elbo-5")
    ]
    return kls + near + bounds + [("gaussian-kl", "sobol-8"), ("gaussian-kl", "iwae-5")]


def problem_of(name: str) -> Problem:
    """`gaussian-kl`: a q whose ratio p / q has every moment; `linear-gaussian`: q is the exact posterior."""
    return problems.load(name, {"gaussian-kl": "2-near", "linear-gaussian": "posterior"}.get(name, "initial"))


def inputs_of(name: str, estimator: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """x (batch, observed) and everybody's noise (noise_rows, batch, latent)."""
    x = datasets.load(problems.DATASET[name]).test
    rng = np.random.default_rng([batch, 1505, 5770])
    shape = (ESTIMATORS[estimator].noise_rows, batch, problem_of(name).latent)
    return np.resize(x, (batch, x.shape[1])), rng.standard_normal(shape)


def measure() -> dict:
    """Every result by (kind, implementation, ...); nothing where an implementation gives a reason why not."""
    from elbo_compare.suites import registry

    out: dict = {}
    for backend in TORCH_BACKENDS:
        implementation = registry.load(backend)

        def session(name: str, estimator: str, dtype: DType = DType.FLOAT64, implementation=implementation):
            problem = problem_of(name)
            if implementation.supports(problem, ESTIMATORS[estimator]) is not None:
                return None
            return implementation.prepare(problem, ESTIMATORS[estimator], Device.CPU, dtype)

        for name, estimator, dtype, batch in same_noise_cases():
            if opened := session(name, estimator, dtype):
                inputs = inputs_of(name, estimator, batch)
                key = "evaluate", backend, name, estimator, dtype, batch
                out[key] = opened.evaluate(problem_of(name).params, *inputs)
        for name, estimator in draw_cases():
            if opened := session(name, estimator):
                arguments = problem_of(name).params, inputs_of(name, estimator, 1)[0], DRAWS, SEED, CHUNK
                out["draw", backend, name, estimator] = opened.draw(*arguments)
                out["gradient", backend, name, estimator] = opened.draw_gradients(*arguments)
        for name, estimator in (
            ("householder-small", "analytic-kl"),
            ("vae-small", "sampled-kl"),
            ("vae-small", "iwae-5"),
        ):
            out |= {
                (key, backend, name, estimator): value
                for key, value in _trained(session(name, estimator), name, estimator)
            }
    return out | _flows() | _shared_encoder()


def _shared_encoder() -> dict:
    """Pyro's gradient draws where the prior's components are the encoder's too, and those by hand at the same numbers.

    By estimator: each (draw, latent of mean, then of log-variance). A Jit class runs the programs twice before: for its
    parameters, and to trace.
    """
    import pyro
    import torch

    from elbo_compare.suites import registry
    from elbo_compare.suites.bridge.form import form_of
    from elbo_compare.suites.pyro_ppl.evaluation import block_seed
    from elbo_compare.suites.torch_hand.vae import Heads, encode, estimate

    out: dict = {}
    problem, (x, _) = problem_of("vamp-small"), inputs_of("vamp-small", "sampled-kl", 1)
    for name, estimator in ESTIMATORS.items():
        if registry.load("pyro").supports(problem, estimator) is not None:
            continue
        session = registry.load("pyro").prepare(problem, estimator, Device.CPU, DType.FLOAT64)
        found = session.draw_gradients(problem.params, x, SHARED_DRAWS, SEED, SHARED_DRAWS * estimator.particles)
        weights, form = {key: torch.tensor(value) for key, value in problem.params.items()}, form_of(problem, estimator)
        heads = encode(weights, form, torch.tensor(x))
        rows = [head.expand(SHARED_DRAWS, -1).clone().requires_grad_() for head in heads[:2]]
        pyro.set_rng_seed(block_seed(SEED, 0))
        noise = torch.empty(form.particles, SHARED_DRAWS, form.latent, dtype=torch.float64)
        for _ in range(3 if name.startswith("jit") else 1):
            noise = torch.normal(torch.zeros_like(noise), torch.ones_like(noise))
        value = estimate(weights, form, torch.tensor(x), Heads(rows[0], rows[1], heads.hidden), noise)[0]
        wanted = [each.numpy() for each in torch.autograd.grad(value.sum(), rows)]
        out["shared encoder", name] = np.hstack([found.mean, found.log_var]), np.hstack(wanted)
    return out


def _trained(session, name: str, estimator: str):
    params, x = problem_of(name).params, datasets.load(problems.DATASET[name]).train[:64]
    rng = np.random.default_rng(5)
    batches = rng.integers(0, len(x), (STEPS, BATCH))
    noise = rng.standard_normal((STEPS, ESTIMATORS[estimator].noise_rows, BATCH, problem_of(name).latent))
    shared = Training(x=x, batches=batches, learning_rate=RATE, seed=SEED, noise=noise)

    def fit(**options):
        return session.fit(params, replace(shared, **options))

    yield "path", fit()
    yield "stopped", fit(checkpoints=(0, 3, 6), stop=lambda step, weights: step == 3)
    # The digits are black and white already; Pyro refuses to score grey pixels as Bernoulli draws.
    yield "binarised", fit(x=0.25 + 0.5 * x, binarise=11)
    try:
        yield "warmed up", fit(kl_weights=KL_WEIGHTS)
        yield "without kl", fit(kl_weights=np.zeros(STEPS))
    except ValueError as error:
        yield "warmed up", str(error)


def _hand(moved, params, form, h, z):
    return moved(params, form, h, z)[0]


def _flows() -> dict:
    """Autograd Jacobians of both flows at z_0 (particle, batch, latent), batch = latent, and what they claim."""
    import torch
    from torch.distributions import ComposeTransform

    from elbo_compare.suites.bridge.form import form_of
    from elbo_compare.suites.pyro_ppl import flows as pyro_flows
    from elbo_compare.suites.torch_hand import flows as hand_flows
    from elbo_compare.suites.torch_hand.noise import scrambled

    out: dict = {}
    for name in FLOWS:
        problem = problem_of(name)
        form = form_of(problem, ESTIMATORS["sampled-kl"])
        rng = np.random.default_rng(3)
        params = {key: torch.tensor(value) for key, value in problem.params.items()}
        h, z = torch.tensor(rng.standard_normal((8, 32))), torch.tensor(rng.standard_normal((2, 8, 8)))
        pieces = ComposeTransform(pyro_flows.transforms_of(params, form, h))
        moved = pieces(z)
        claims = {
            "torch-hand": (partial(_hand, hand_flows.flow, params, form, h), *hand_flows.flow(params, form, h, z)),
            "pyro": (pieces, moved, pieces.log_abs_det_jacobian(z, moved)),
        }
        for backend, (function, value, log_det) in claims.items():
            jacobian = torch.autograd.functional.jacobian(function, z)
            blocks = np.einsum("kbikbj->kbij", jacobian.numpy())
            out["flow", backend, name] = value.numpy(), log_det.numpy(), blocks, float(np.abs(jacobian.numpy()).sum())
        back = torch.autograd.functional.jacobian(partial(hand_flows.flow_back, params, form, h, z), moved)
        out["back", name] = np.einsum("kbikbj->kbij", back.numpy())
    out["sobol"] = scrambled(8, 3, 500, torch.Generator().manual_seed(1)).numpy()
    return out


def results() -> dict:
    """`measure` in a fresh process with warnings as errors; once per test run."""
    return measured(__file__, implementation="torch-hand")


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(pickle.dumps(measure()))
