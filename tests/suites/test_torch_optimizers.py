"""Trainings make no torch load its compiler, and their steps are those of torch's own optimizer, bit by bit."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
import numpy as np, torch
from elbo_compare.suites import datasets, problems, registry
from elbo_compare.suites.contract import Device, DType, Training
from elbo_compare.suites.estimators import ESTIMATORS

torchs_own = vars(torch.optim.Adam)["step"]

def fitted(name, replicas):
    problem = problems.load("vae-small", "initial")
    session = registry.load(name).prepare(problem, ESTIMATORS["sampled-kl"], Device.CPU, DType.FLOAT64)
    rng = np.random.default_rng(3)
    training = Training(
        x=datasets.load("digits").train[:8], batches=np.arange(12).reshape(3, 4) % 8, learning_rate=1e-2, seed=5,
        noise=rng.standard_normal((3, 1, 4, problem.latent)),
    )
    start = problem.params
    fits = session.fit_replicas(start, (training,) * 2) if replicas else [session.fit(start, training)]
    return [array for fit in fits for array in fit.params.values()]

trainings = [("torch-hand", False), ("torch-hand", True), ("pyro", False)]
alone = [fitted(*each) for each in trainings]
loaded = [name for name in ("torch._dynamo", "sympy") if name in sys.modules]
replaced = vars(torch.optim.Adam)["step"] is not torchs_own
torch.optim.Adam.step = torchs_own  # as it was: the compiler is imported with the next step
for name in ("torch_hand.training", "torch_hand.replicas", "pyro_ppl.training"):
    sys.modules[f"elbo_compare.suites.{name}"].steps_alone = lambda kind: None
own = [fitted(*each) for each in trainings]
same = [all(np.array_equal(a, b) for a, b in zip(*pair, strict=True)) for pair in zip(alone, own, strict=True)]
print(json.dumps([loaded, replaced, same, "torch._dynamo" in sys.modules]))
"""


def test_a_training_s_steps_are_torch_s_own_and_load_no_compiler():
    pytest.importorskip("pyro")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    loaded, replaced, same, imported = json.loads(done.stdout)
    assert not loaded
    assert replaced
    assert same == [True, True, True]
    assert imported  # by torch's own step, else this compares the same thing twice
