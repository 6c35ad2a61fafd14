"""SEM-STRUCTURE-006: on which ELBO objects elbo(model, guide), a torch module, can be called (Pyro)."""

import warnings
from math import isfinite

import pyro
import pyro.distributions as dist
import torch
from pyro import infer

torch.set_default_dtype(torch.float64)
NAMES = (
    "Trace_ELBO",
    "TraceEnum_ELBO",
    "TraceGraph_ELBO",
    "TraceMeanField_ELBO",
    "TraceTMC_ELBO",
    "RenyiELBO",
    "ReweightedWakeSleep",
)
JIT = ("JitTrace_ELBO", "JitTraceGraph_ELBO", "JitTraceMeanField_ELBO", "JitTraceEnum_ELBO")


class Normal(torch.nn.Module):
    """z ~ N(loc, 1), as model (loc = 0) and as guide."""

    def __init__(self, loc: float) -> None:
        super().__init__()
        self.loc = torch.nn.Parameter(torch.tensor(loc))

    def forward(self) -> None:
        """Sample the only site."""
        pyro.sample("z", dist.Normal(self.loc, 1.0))


def works(name: str) -> bool:
    module = getattr(infer, name)(num_particles=2)(Normal(0.0), Normal(0.7))
    try:
        module()
    except (AttributeError, RuntimeError):  # the second of the compiled ones
        return False
    return True


def measure() -> dict[str, float]:
    """1 where the call returns a loss, 0 where it raises; 1 if loss_and_grads of the uncompiled is finite."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two of the objects remark that nothing is enumerated
        numbers = {name: float(works(name)) for name in (*NAMES, *JIT)}
        model, guide = Normal(0.0), Normal(0.7)
        losses = [getattr(infer, name)(num_particles=2).loss_and_grads(model, guide) for name in NAMES]
    finite = [isfinite(loss[0] if isinstance(loss, tuple) else loss) for loss in losses]  # wake and sleep are a pair
    return numbers | {"and_grads": float(all(finite))}


if __name__ == "__main__":
    print(measure())
