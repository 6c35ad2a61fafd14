"""SEM-DISCRETE-003: a discrete latent in a mini-batch, under a scale and under a mask, TraceGraph_ELBO (NumPyro)."""

import jax
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.infer import Trace_ELBO, TraceGraph_ELBO

jax.config.update("jax_enable_x64", True)
KEY = jax.random.key(0)
LATENT = {
    "subsampled": lambda: numpyro.plate("data", 6, subsample_size=2),
    "outside": lambda: numpyro.plate("data", 2),  # with 6 / 2 times the loss
    "scaled": lambda: handlers.scale(scale=0.3),  # of the latent alone: annealing
    "masked": lambda: handlers.mask(mask=False),
}
drawn = {}


def model(way, theta):
    inside = way in ("subsampled", "outside")
    with LATENT[way]():
        z = numpyro.sample("z", dist.Bernoulli(0.5))
        if inside:
            numpyro.sample("x", dist.Normal(2.0 * z, 1.0), obs=0.8)
    if not inside:
        numpyro.sample("x", dist.Normal(2.0 * z, 1.0), obs=0.8)


def guide(way, theta):
    with LATENT[way]():
        drawn[way] = numpyro.sample("z", dist.Bernoulli(logits=theta))


def measure() -> dict[str, float]:
    """The draws, and the gradient with respect to the logit 0.4 of q(z = 1), by what stands around the latent."""
    numbers = {}
    for way in LATENT:
        Trace_ELBO().loss(KEY, {}, model, guide, way, 0.4)  # the same key, and so the same draws
        numbers |= {f"z_{way}_{row}": float(z) for row, z in enumerate(drawn[way].reshape(-1))}
        loss = jax.grad(lambda theta, way=way: TraceGraph_ELBO().loss(KEY, {}, model, guide, way, theta))
        numbers[way] = float(loss(0.4)) * (3 if way == "outside" else 1)
    return numbers


if __name__ == "__main__":
    print(measure())
