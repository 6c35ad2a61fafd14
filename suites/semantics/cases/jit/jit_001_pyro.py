"""SEM-JIT-001: a Python global that changes after JitTrace_ELBO has compiled (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import JitTrace_ELBO, JitTraceMeanField_ELBO, Trace_ELBO

torch.set_default_dtype(torch.float64)
setting = {"loc": 0.0}


def model(x):
    pyro.sample("x", dist.Normal(setting["loc"], 1.0), obs=x)


def guide(x):
    pyro.param("unused", torch.tensor(0.0))


def measure() -> dict[str, float]:
    """-log N(1 | loc, 1) before and after loc goes from 0 to 3."""
    pyro.clear_param_store()
    x = torch.tensor(1.0, requires_grad=True)
    elbos = {
        "plain": Trace_ELBO(),
        "jit": JitTrace_ELBO(ignore_jit_warnings=True),
        "jit_mean_field": JitTraceMeanField_ELBO(ignore_jit_warnings=True),
    }
    numbers = {}
    for name, elbo in elbos.items():
        for when, loc in (("before", 0.0), ("after", 3.0)):
            setting["loc"] = loc
            numbers[f"{name}_{when}"] = elbo.loss_and_grads(model, guide, x)
    return numbers


if __name__ == "__main__":
    print(measure())
