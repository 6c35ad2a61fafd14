"""SEM-FALLBACK-019: TraceMeanField_ELBO with q = Kumaraswamy, p = Beta, 1000 terms (NumPyro)."""

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)


def model():
    numpyro.sample("z", dist.Beta(2.0, 3.0))


def guide():
    q = dist.Kumaraswamy(1.5, 2.5)
    q.KL_KUMARASWAMY_BETA_TAYLOR_ORDER = 1000
    numpyro.sample("z", q)


def measure() -> dict[str, float]:
    """Both losses under two keys: an analytic KL does not change, a sampled one equals Trace_ELBO's."""
    losses = {}
    for suffix, seed in (("", 0), ("_again", 1)):
        key = jax.random.key(seed)
        losses["trace" + suffix] = float(Trace_ELBO().loss(key, {}, model, guide))
        losses["mean_field" + suffix] = float(TraceMeanField_ELBO().loss(key, {}, model, guide))
    return losses


if __name__ == "__main__":
    print(measure())
