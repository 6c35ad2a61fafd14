"""SEM-RENYI-001: RenyiELBO with a subsampled plate (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import RenyiELBO

jax.config.update("jax_enable_x64", True)
SIZE, BATCH, PARTICLES = 6, 2, 3
X = jnp.array([1.2, -0.3])
drawn = []


def model():
    with numpyro.plate("data", SIZE, subsample_size=BATCH):
        z = numpyro.sample("z", dist.Normal(jnp.zeros(BATCH), 1.0))
        numpyro.sample("x", dist.Normal(z, 1.0), obs=X)


def guide():
    with numpyro.plate("data", SIZE, subsample_size=BATCH):
        z = numpyro.sample("z", dist.Normal(0.5 * X, 0.9))
    jax.debug.callback(lambda value: drawn.append(value.tolist()), z)


def measure() -> dict[str, float]:
    """The loss with alpha = 0 (IWAE) and the draws z_<particle>_<datum> behind it, in any order of particles."""
    drawn.clear()
    loss = float(RenyiELBO(alpha=0, num_particles=PARTICLES).loss(jax.random.key(0), {}, model, guide))
    jax.effects_barrier()
    return {"loss": loss} | {f"z_{k}_{b}": drawn[k][b] for k in range(PARTICLES) for b in range(BATCH)}


if __name__ == "__main__":
    print(measure())
