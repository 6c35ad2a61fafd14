"""SEM-SUPPORT-002: a saturated Bernoulli (the impossible value is observed) by parameter and dtype (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO

jax.config.update("jax_enable_x64", True)


def loss(x, dtype, **parameter) -> float:
    def model():
        argument = {name: jnp.array(each, dtype) for name, each in parameter.items()}
        numpyro.sample("x", dist.Bernoulli(**argument), obs=jnp.array(x, dtype))

    return float(Trace_ELBO().loss(jax.random.key(0), {}, model, lambda: None))


def measure() -> dict[str, float]:
    """-log p(x) for x = 1 at probability 0, x = 0 at probability 1, and x = 1 at logit -1000."""
    numbers = {}
    for name, dtype in (("float32", jnp.float32), ("float64", jnp.float64)):
        numbers["never_" + name] = loss(1.0, dtype, probs=0.0)
        numbers["always_" + name] = loss(0.0, dtype, probs=1.0)
        numbers["logit_" + name] = loss(1.0, dtype, logits=-1000.0)
    return numbers


if __name__ == "__main__":
    print(measure())
