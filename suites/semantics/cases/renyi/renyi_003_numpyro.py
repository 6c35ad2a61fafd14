"""SEM-RENYI-003: RenyiELBO without a plate bounds the batch jointly, and refuses alpha = 1 (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import RenyiELBO

jax.config.update("jax_enable_x64", True)
BATCH, PARTICLES, ALPHA = 2, 3, 0.5
X = jnp.array([1.2, -0.3])
drawn = []


def model():
    z = numpyro.sample("z", dist.Normal(jnp.zeros(BATCH), 1.0).to_event(1))
    numpyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=X)


def guide():
    z = numpyro.sample("z", dist.Normal(0.5 * X, 0.9).to_event(1))
    jax.debug.callback(lambda value: drawn.append(value.tolist()), z)


def measure() -> dict[str, float]:
    """The losses with alpha = 0 (IWAE) and 1/2 under one key, and the draws z_<particle>_<datum> behind them."""
    numbers = {}
    for name, alpha in (("iwae", 0.0), ("half", ALPHA)):
        drawn.clear()
        numbers[name] = float(RenyiELBO(alpha=alpha, num_particles=PARTICLES).loss(jax.random.key(0), {}, model, guide))
        jax.effects_barrier()
    numbers |= {f"z_{k}_{b}": drawn[k][b] for k in range(PARTICLES) for b in range(BATCH)}
    try:
        RenyiELBO(alpha=1)
        numbers["one_raises"] = 0.0
    except ValueError:
        numbers["one_raises"] = 1.0
    return numbers


if __name__ == "__main__":
    print(measure())
