"""SEM-JIT-005: one compiled ELBO object, first with one model and then with another (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import JitTrace_ELBO, JitTraceEnum_ELBO, JitTraceGraph_ELBO, JitTraceMeanField_ELBO, Trace_ELBO

torch.set_default_dtype(torch.float64)
X = torch.tensor(1.0)


def near():
    pyro.sample("x", dist.Normal(1 + pyro.param("shift", torch.tensor(0.0)), 1.0), obs=X)


def far():
    pyro.sample("x", dist.Normal(4 + pyro.param("shift", torch.tensor(0.0)), 1.0), obs=X)


def guide():
    pass


def measure() -> dict[str, float]:
    """The loss of `far` from an object that has compiled `near`, and from a new object."""
    numbers = {}
    for kind in (Trace_ELBO, JitTrace_ELBO, JitTraceGraph_ELBO, JitTraceEnum_ELBO, JitTraceMeanField_ELBO):
        for name, models in (("reused", (near, far)), ("new", (far,))):
            pyro.clear_param_store()
            elbo = kind(ignore_jit_warnings=True)
            numbers[f"{kind.__name__}_{name}"] = [float(elbo.loss_and_grads(model, guide)) for model in models][-1]
    return numbers


if __name__ == "__main__":
    print(measure())
