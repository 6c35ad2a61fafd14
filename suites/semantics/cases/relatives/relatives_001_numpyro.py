"""SEM-RELATIVES-001: Trace_ELBO and its relatives on a reparameterised latent, at one noise (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro import handlers, infer

jax.config.update("jax_enable_x64", True)
X = jnp.array([1.2, -0.3])
NOISE = jnp.array([0.4, -1.1])
CLASSES = {"Trace": {}, "TraceGraph": {}, "TraceEnum": {"max_plate_nesting": 1}}


def same_noise(site):
    """loc + scale * NOISE in place of the sample; the site stays unobserved, so NumPyro scores it."""
    if site["name"] != "z":
        return None
    normal = site["fn"].base_dist if hasattr(site["fn"], "base_dist") else site["fn"]
    return normal.loc + normal.scale * NOISE


def model():
    with numpyro.plate("data", 2):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        numpyro.sample("x", dist.Normal(z, 1.0), obs=X)


def guide():
    loc = numpyro.param("loc", 0.7)
    with numpyro.plate("data", 2):
        numpyro.sample("z", dist.Normal(loc, 0.5))


def measure() -> dict[str, float]:
    """Loss and its derivative with respect to q's mean, for every ELBO class."""
    numbers = {}
    noisy = handlers.substitute(guide, substitute_fn=same_noise)
    for name, options in CLASSES.items():
        elbo = getattr(infer, f"{name}_ELBO")(**options)

        def loss(params, elbo=elbo):
            return elbo.loss(jax.random.key(0), params, model, noisy)

        value, gradient = jax.value_and_grad(loss)({"loc": jnp.array(0.7)})
        numbers |= {name: float(value), f"{name}_gradient": float(gradient["loc"])}
    return numbers


if __name__ == "__main__":
    print(measure())
