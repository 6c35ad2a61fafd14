"""SEM-JIT-002: how often the compiled objects run the model's Python code in five steps (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import JitTrace_ELBO, JitTraceEnum_ELBO, JitTraceGraph_ELBO, JitTraceMeanField_ELBO

torch.set_default_dtype(torch.float64)
runs = []


def model():
    runs.append("model")
    pyro.sample("z", dist.Normal(0.0, 1.0))


def guide():
    loc = pyro.param("loc", torch.tensor(0.7))
    pyro.sample("z", dist.Normal(loc, 0.5))


def measure() -> dict[str, float]:
    """Runs of the model during steps two to five, after the first call has compiled."""
    numbers = {}
    for kind in (JitTrace_ELBO, JitTraceEnum_ELBO, JitTraceGraph_ELBO, JitTraceMeanField_ELBO):
        pyro.clear_param_store()
        elbo = kind(ignore_jit_warnings=True, strict_enumeration_warning=False)
        elbo.loss_and_grads(model, guide)
        runs.clear()
        for _ in range(4):
            elbo.loss_and_grads(model, guide)
        numbers[kind.__name__] = float(len(runs))
    return numbers


if __name__ == "__main__":
    print(measure())
