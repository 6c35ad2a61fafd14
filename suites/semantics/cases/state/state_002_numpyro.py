"""SEM-STATE-002: which mutable state SVI.evaluate reads (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import SVI, Trace_ELBO

jax.config.update("jax_enable_x64", True)


def model():
    calls = numpyro.primitives.mutable("calls", {"count": jnp.zeros(())})
    numpyro.sample("x", dist.Normal(numpyro.param("loc", jnp.array(0.0)) + calls["count"], 1.0), obs=0.0)
    calls["count"] = calls["count"] + 1.0


def guide():
    pass


def measure() -> dict[str, float]:
    """The count after three updates, and the losses of that state: of a further update and of evaluate."""
    svi = SVI(model, guide, numpyro.optim.SGD(0.0), Trace_ELBO())
    state = svi.init(jax.random.key(0))
    for _ in range(3):
        state, _ = svi.update(state)
    count = float(state.mutable_state["calls"]["count"])
    _, update = svi.update(state)
    return {"count": count, "update": float(update), "evaluate": float(svi.evaluate(state))}


if __name__ == "__main__":
    print(measure())
