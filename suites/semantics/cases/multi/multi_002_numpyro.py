"""SEM-MULTI-002: S samples by num_particles=S and a guide that proposes one (NumPyro)."""

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO

jax.config.update("jax_enable_x64", True)
drawn = []


def model():
    z = numpyro.sample("z", dist.Normal(0.0, 1.0))
    numpyro.sample("x", dist.Normal(z, 1.0), obs=1.2)


def guide():
    z = numpyro.sample("z", dist.Normal(0.7, 0.5))
    jax.debug.callback(lambda value: drawn.append(float(value)), z)


def measure() -> dict[str, float]:
    """The loss of three particles and the draws behind it, in any order."""
    drawn.clear()
    loss = float(Trace_ELBO(num_particles=3).loss(jax.random.key(0), {}, model, guide))
    jax.effects_barrier()
    return {"loss": loss, "z0": drawn[0], "z1": drawn[1], "z2": drawn[2]}


if __name__ == "__main__":
    print(measure())
