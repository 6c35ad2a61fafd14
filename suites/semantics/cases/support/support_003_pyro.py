"""SEM-SUPPORT-003: an infinite loss through loss, loss_and_grads and differentiable_loss (Pyro)."""

import warnings

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import (
    JitTrace_ELBO,
    JitTraceEnum_ELBO,
    JitTraceMeanField_ELBO,
    Trace_ELBO,
    TraceMeanField_ELBO,
)

torch.set_default_dtype(torch.float64)


def model():
    pyro.sample("x", dist.Uniform(0.0, 1.0, validate_args=False), obs=torch.tensor(2.0))


def guide():
    pass


def measure() -> dict[str, float]:
    """-log 0 by every method of both objects, and by the compiled ones that have the third."""
    numbers = {}
    for name, elbo in (("trace", Trace_ELBO()), ("mean_field", TraceMeanField_ELBO())):
        numbers[name] = float(elbo.loss(model, guide))
        numbers[name + "_and_grads"] = float(elbo.loss_and_grads(model, guide))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            numbers[name + "_differentiable"] = float(elbo.differentiable_loss(model, guide))
    for name, elbo in (
        ("trace", JitTrace_ELBO),
        ("mean_field", JitTraceMeanField_ELBO),
        ("enum", JitTraceEnum_ELBO),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = elbo(ignore_jit_warnings=True, max_plate_nesting=0, strict_enumeration_warning=False)
            numbers[f"jit_{name}_differentiable"] = float(compiled.differentiable_loss(model, guide))
    return numbers


if __name__ == "__main__":
    print(measure())
