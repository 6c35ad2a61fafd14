"""SEM-SEED-003: evaluating a loss twice between two updates (NumPyro)."""

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import SVI, Trace_ELBO
from numpyro.optim import SGD

jax.config.update("jax_enable_x64", True)


def model():
    numpyro.sample("z", dist.Normal(0.0, 1.0))


def guide():
    numpyro.sample("z", dist.Normal(numpyro.param("loc", 0.7), 0.5))


def measure() -> dict[str, float]:
    """1 where two evaluations in a row return the same number."""
    svi = SVI(model, guide, SGD(0.1), Trace_ELBO())
    state = svi.init(jax.random.key(0))
    return {"repeats": float(svi.evaluate(state) == svi.evaluate(state))}


if __name__ == "__main__":
    print(measure())
