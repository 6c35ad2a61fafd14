"""SEM-GRADIENT-001: the pathwise gradient with and without the score of log q (NumPyro)."""

import jax
import numpyro
import numpyro.distributions as dist
from jax.lax import stop_gradient
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)
KEY = jax.random.key(0)
drawn = {}


class StickingNormal(dist.Normal):
    """A normal whose density forgets where its parameters came from: sticking the landing (Roeder et al. 2017)."""

    def log_prob(self, value):
        """The density at `value`, without a path to loc and scale."""
        return dist.Normal(stop_gradient(self.loc), stop_gradient(self.scale)).log_prob(value)


def model(kind, loc, sigma):
    numpyro.sample("z", dist.Normal(0.0, 1.0))


def guide(kind, loc, sigma):
    drawn["z"] = numpyro.sample("z", kind(loc, sigma))


def measure() -> dict[str, float]:
    """The draw and d loss / d(loc, sigma) at q = N(0.7, 0.5^2)."""
    numbers = {}
    Trace_ELBO().loss(KEY, {}, model, guide, dist.Normal, 0.7, 0.5)
    numbers["z"] = float(drawn["z"])
    for name, elbo, kind in (
        ("trace", Trace_ELBO(), dist.Normal),
        ("mean_field", TraceMeanField_ELBO(), dist.Normal),
        ("sticking", Trace_ELBO(), StickingNormal),
    ):
        loss = jax.grad(lambda loc, sigma, e=elbo, k=kind: e.loss(KEY, {}, model, guide, k, loc, sigma), argnums=(0, 1))
        by_loc, by_sigma = loss(0.7, 0.5)
        numbers |= {name + "_loc": float(by_loc), name + "_sigma": float(by_sigma)}
    return numbers


if __name__ == "__main__":
    print(measure())
