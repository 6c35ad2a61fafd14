"""SEM-MMD-001: the penalty of Trace_MMD at its draws, q being the prior (Pyro)."""

import pyro
import pyro.contrib.gp.kernels as kernels
import pyro.distributions as dist
import torch
from pyro.infer import Trace_MMD

torch.set_default_dtype(torch.float64)
drawn = []


class Recorded(dist.Normal):
    """A normal distribution whose samples are written down, in the order in which they are drawn."""

    def rsample(self, *shape):
        """One sample, noted."""
        value = super().rsample(*shape)
        drawn.append(value.detach().flatten())
        return value


def model():
    pyro.sample("z", Recorded(torch.tensor(0.0), 1.0).expand([1]).to_event(1))


def guide():
    scale = pyro.param("scale", torch.tensor(1.0))
    pyro.sample("z", Recorded(torch.tensor(0.0), scale).expand([1]).to_event(1))


def measure() -> dict[str, float]:
    """The loss without data, which is the penalty, with 4 particles and an RBF kernel of length 1, and the draws."""
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    kernel = kernels.RBF(input_dim=1)
    drawn.clear()
    loss = Trace_MMD(kernel=kernel, num_particles=4, max_plate_nesting=0).loss(model, guide)
    q, p = drawn[-2:]  # the guide is run first, then the model on its own
    names = {f"{name}{k}": float(each[k]) for name, each in (("q", q), ("p", p)) for k in range(4)}
    return {**names, "penalty": loss}


if __name__ == "__main__":
    print(measure())
