"""SEM-JIT-004: what a training step of the compiled objects costs beside an uncompiled one (Pyro)."""

from statistics import quantiles
from time import perf_counter

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, JitTrace_ELBO, JitTraceMeanField_ELBO, Trace_ELBO, TraceMeanField_ELBO
from pyro.optim import Adam

torch.set_default_dtype(torch.float64)
ROUNDS, STEPS = 15, 4
X = torch.linspace(-1.0, 1.0, 40)
runs = []


def model():
    runs.append("model")
    z = pyro.sample("z", dist.Normal(torch.zeros(40), 1.0).to_event(1))
    pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=X)


def guide():
    loc = pyro.param("loc", torch.zeros(40))
    pyro.sample("z", dist.Normal(loc, 0.5).to_event(1))


def measure() -> dict[str, float]:
    """Runs of the model per step after the first, and each step's time over Trace_ELBO's in the same round."""
    pyro.clear_param_store()
    plain, jit = (Trace_ELBO, TraceMeanField_ELBO), (JitTrace_ELBO, JitTraceMeanField_ELBO)
    losses = [kind() for kind in plain] + [kind(ignore_jit_warnings=True) for kind in jit]
    trainers = {type(loss).__name__: SVI(model, guide, Adam({"lr": 1e-3}), loss) for loss in losses}
    counts, elapsed = dict.fromkeys(trainers, 0), {name: [] for name in trainers}
    for trainer in trainers.values():
        for _ in range(3):  # the compiled code is specialised during its first calls
            trainer.step()
    for _ in range(ROUNDS):
        for name, trainer in trainers.items():
            runs.clear()
            began = perf_counter()
            for _ in range(STEPS):
                trainer.step()
            elapsed[name].append(perf_counter() - began)
            counts[name] += len(runs)
    numbers = {name: count / (ROUNDS * STEPS) for name, count in counts.items()}
    for name, times in elapsed.items():
        if name != "Trace_ELBO":
            ratios = [mine / base for mine, base in zip(times, elapsed["Trace_ELBO"], strict=True)]
            low, median, high = quantiles(ratios, n=4)
            numbers |= {f"{name}_time": median, f"{name}_time_low": low, f"{name}_time_high": high}
    return numbers


if __name__ == "__main__":
    print(measure())
