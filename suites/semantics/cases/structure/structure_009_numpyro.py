"""SEM-STRUCTURE-009: a factor in the guide (NumPyro)."""

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceGraph_ELBO

jax.config.update("jax_enable_x64", True)
KEY = jax.random.key(0)


def model(factor, theta):
    numpyro.sample("a", dist.Normal(0.0, 1.0))


def guide(factor, theta):
    a = numpyro.sample("a", dist.Normal(theta, 1.0))
    if factor:
        numpyro.factor("jacobian", factor * a)


def measure() -> dict[str, float]:
    """What the factor 0.7 a of the guide adds to the gradient with respect to the mean 0.4 of q(a)."""
    numbers = {}
    for name, elbo in (("trace", Trace_ELBO()), ("graph", TraceGraph_ELBO())):
        with_it, without = (
            jax.grad(lambda theta, elbo=elbo, by=by: elbo.loss(KEY, {}, model, guide, by, theta))(0.4)
            for by in (0.7, 0.0)
        )
        numbers[f"{name}_change"] = float(with_it - without)
    return numbers


if __name__ == "__main__":
    print(measure())
