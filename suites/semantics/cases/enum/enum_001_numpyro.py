"""SEM-ENUM-001: TraceEnum_ELBO sums a discrete latent out, in the guide or in the model (NumPyro with funsor)."""

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.funsor import config_enumerate
from numpyro.infer import TraceEnum_ELBO

jax.config.update("jax_enable_x64", True)
KEY = jax.random.key(0)


def model(theta):
    z = numpyro.sample("z", dist.Bernoulli(0.5))
    numpyro.sample("x", dist.Normal(2.0 * z, 1.0), obs=0.8)


def guide(theta):
    numpyro.sample("z", dist.Bernoulli(logits=theta))


def empty_guide(theta):
    pass


def measure() -> dict[str, float]:
    """The guide-enumerated loss and its gradient at logit 0.4, and the model-enumerated loss; nothing is random."""
    elbo = TraceEnum_ELBO(max_plate_nesting=0)
    loss, gradient = jax.value_and_grad(lambda theta: elbo.loss(KEY, {}, model, config_enumerate(guide), theta))(0.4)
    marginal = elbo.loss(KEY, {}, config_enumerate(model), empty_guide, 0.4)
    return {"loss": float(loss), "gradient": float(gradient), "marginal_loss": float(marginal)}


if __name__ == "__main__":
    print(measure())
