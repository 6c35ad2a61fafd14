"""SEM-GRADIENT-001: the pathwise gradient with and without the score of log q (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)
drawn = {}


class StickingNormal(dist.Normal):
    """A normal whose density forgets where its parameters came from: sticking the landing (Roeder et al. 2017)."""

    def log_prob(self, value):
        """The density at `value`, without a path to loc and scale."""
        return dist.Normal(self.loc.detach(), self.scale.detach()).log_prob(value)


def model(kind, loc, sigma):
    pyro.sample("z", dist.Normal(0.0, 1.0))


def guide(kind, loc, sigma):
    pyro.param("loc", loc)
    drawn["z"] = pyro.sample("z", kind(loc, sigma))


def measure() -> dict[str, float]:
    """The draw and d loss / d(loc, sigma) at q = N(0.7, 0.5^2)."""
    numbers = {}
    for name, elbo, kind in (
        ("trace", Trace_ELBO(), dist.Normal),
        ("mean_field", TraceMeanField_ELBO(), dist.Normal),
        ("sticking", Trace_ELBO(), StickingNormal),
    ):
        pyro.clear_param_store()
        pyro.set_rng_seed(0)
        loc, sigma = torch.tensor(0.7, requires_grad=True), torch.tensor(0.5, requires_grad=True)
        elbo.loss_and_grads(model, guide, kind, loc, sigma)
        numbers |= {name + "_loc": float(loc.grad), name + "_sigma": float(sigma.grad)}
    return numbers | {"z": float(drawn["z"])}


if __name__ == "__main__":
    print(measure())
