"""SEM-PLATE-004: a continuous autoguide for local latents in a subsampled plate (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoDiagonalNormal

jax.config.update("jax_enable_x64", True)
SIZE, BATCH = 4, 2
X = jnp.array([-3.0, -1.0, 1.0, 3.0])


def model():
    with numpyro.plate("data", SIZE, subsample_size=BATCH) as batch:
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        numpyro.sample("x", dist.Normal(z, 1.0), obs=X[batch])


def measure() -> dict[str, float]:
    """Whether the autoguide refuses."""
    svi = SVI(model, AutoDiagonalNormal(model), numpyro.optim.Adam(1e-3), Trace_ELBO())
    try:
        svi.init(jax.random.key(0))
    except NotImplementedError:
        return {"raises": 1.0}
    except ValueError:
        return {"raises": 1.0}
    return {"raises": 0.0}


if __name__ == "__main__":
    print(measure())
