"""SEM-DELTA-003: AutoDiagonalNormal on a positive latent, TraceMeanField_ELBO (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoDiagonalNormal, init_to_value

torch.set_default_dtype(torch.float64)


def model():
    pyro.sample("z", dist.LogNormal(0.0, 1.0))


def measure() -> dict[str, float]:
    """Both losses under one seed with q(log z) = N(0.3, 0.5^2), the draw, and the gradients with respect to 0.3."""
    pyro.clear_param_store()
    guide = AutoDiagonalNormal(model, init_loc_fn=init_to_value(values={"z": torch.tensor(0.3).exp()}), init_scale=0.5)
    guide()
    numbers = {}
    for name, elbo in (("trace", Trace_ELBO()), ("mean_field", TraceMeanField_ELBO())):
        loc = next(each for path, each in guide.named_parameters() if "loc" in path)
        loc.grad = None
        pyro.set_rng_seed(0)
        numbers[name] = elbo.loss_and_grads(model, guide)
        numbers[name + "_gradient"] = float(loc.grad)
    pyro.set_rng_seed(0)
    numbers["z"] = float(poutine.trace(guide).get_trace().nodes["z"]["value"])
    return numbers


if __name__ == "__main__":
    print(measure())
