"""SEM-STATE-001: SVI.stable_update after a batch whose loss is not finite, with mutable state (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import SVI, Trace_ELBO

jax.config.update("jax_enable_x64", True)


def model(x):
    total = numpyro.primitives.mutable("total", {"sum": jnp.zeros(())})
    total["sum"] = total["sum"] + jnp.mean(x)
    numpyro.sample("x", dist.Normal(numpyro.param("loc", jnp.array(0.0)) + 0.0 * total["sum"], 1.0), obs=x)


def guide(x):
    pass


def measure() -> dict[str, float]:
    """Whether a batch with an inf leaves the state's sum alone, and whether the loss of the next batch is finite."""
    svi = SVI(model, guide, numpyro.optim.SGD(0.0), Trace_ELBO())
    update = jax.jit(svi.stable_update)
    good, bad = jnp.ones(2), jnp.array([1.0, jnp.inf])
    state = svi.init(jax.random.key(0), good)
    state, _ = update(state, good)
    before = float(state.mutable_state["total"]["sum"])
    state, _ = update(state, bad)
    after = float(state.mutable_state["total"]["sum"])
    state, loss = update(state, good)
    return {"kept": float(after == before), "loss_finite": float(jnp.isfinite(loss))}


if __name__ == "__main__":
    print(measure())
