"""SEM-PLATE-005: TraceEnum_ELBO where the plate draws the rows of model and guide (NumPyro with funsor)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.infer import TraceEnum_ELBO

jax.config.update("jax_enable_x64", True)
SIZE, BATCH = 6, 2
Y = jnp.array([1.2, -0.3, 0.8, -1.5, 0.4, -0.6])
KEY = jax.random.key(1)
drawn = {}


def model(size):
    with numpyro.plate("data", SIZE, subsample_size=size) as rows:
        drawn["m"] = rows
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        numpyro.sample("x", dist.Normal(z, 1.0), obs=Y[rows])


def guide(size):
    slope = numpyro.param("slope", 0.4)
    with numpyro.plate("data", SIZE, subsample_size=size) as rows:
        drawn["g"] = rows
        drawn["z"] = numpyro.sample("z", dist.Normal(slope * Y[rows], 0.7))


def model_of(y):
    with handlers.scale(scale=SIZE / BATCH), numpyro.plate("data", BATCH):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        numpyro.sample("x", dist.Normal(z, 1.0), obs=y)


def guide_of(y):
    with handlers.scale(scale=SIZE / BATCH), numpyro.plate("data", BATCH):
        drawn["o"] = numpyro.sample("z", dist.Normal(numpyro.param("slope", 0.4) * y, 0.7))


def loss(slope, p=model, q=guide, given: Any = BATCH):
    return TraceEnum_ELBO(max_plate_nesting=1).loss(KEY, {"slope": slope}, p, q, given)


def raises() -> bool:
    """Whether a mini-batch of one row is refused."""
    try:
        loss(jnp.array(0.4), given=1)
    except ValueError:
        return True
    return False


def measure() -> dict[str, float]:
    """The loss and its slope under one key, the draws and the rows behind them; with the rows drawn outside, too."""
    slope, rows = jnp.array(0.4), jnp.array([0, 2])
    enum = loss(slope)
    numbers = {f"{name}{place}": float(drawn[name][place]) for name in "zgm" for place in range(BATCH)}
    outside = loss(slope, model_of, guide_of, Y[rows])
    numbers |= {f"o{place}": float(drawn["o"][place]) for place in range(BATCH)}
    return {
        **numbers,
        "enum": float(enum),
        "enum_gradient": float(jax.grad(loss)(slope)),
        "outside": float(outside),
        "one_raises": float(raises()),
    }


if __name__ == "__main__":
    print(measure())
