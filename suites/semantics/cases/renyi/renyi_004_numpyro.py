"""SEM-RENYI-004: the gradient of RenyiELBO for a discrete guide, two particles (NumPyro)."""

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import RenyiELBO

jax.config.update("jax_enable_x64", True)
KEY = jax.random.key(2)
drawn = []


def model(theta):
    z = numpyro.sample("z", dist.Bernoulli(0.5))
    numpyro.sample("x", dist.Normal(2.0 * z, 1.0), obs=0.8)


def guide(theta):
    z = numpyro.sample("z", dist.Bernoulli(logits=theta))
    jax.debug.callback(lambda value: drawn.append(float(value)), z)


def measure() -> dict[str, float]:
    """Loss and gradient with respect to the logit 0.4 of q(z = 1) at alpha 0 (IWAE) and 1/2, at the same two draws."""
    numbers = {}
    for name, alpha in (("iwae", 0.0), ("half", 0.5)):
        elbo = RenyiELBO(alpha=alpha, num_particles=2)
        drawn.clear()
        numbers[f"{name}_loss"] = float(elbo.loss(KEY, {}, model, guide, 0.4))
        jax.effects_barrier()
        numbers |= {f"z_{k}": each for k, each in enumerate(drawn)}
        numbers[f"{name}_gradient"] = float(jax.grad(lambda t, elbo=elbo: elbo.loss(KEY, {}, model, guide, t))(0.4))
    return numbers


if __name__ == "__main__":
    print(measure())
