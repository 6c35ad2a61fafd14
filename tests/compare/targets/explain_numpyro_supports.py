"""Every autoguide of NumPyro on latents that are positive, on a simplex, bounded and real, and beside a discrete one.

Each is run op by op, without a compilation of its own: JAX compiles what the pairs have in common once.
"""

from typing import Any

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from explain_numpyro_pairs import DATA
from numpyro.contrib.funsor import config_enumerate
from numpyro.infer import autoguide, init_to_uniform

FURTHER = {"AutoNormal beside a discrete latent": ("TraceEnum_ELBO",)}
OPTIONS: dict[str, dict[str, Any]] = {
    "AutoNormal": {}, "AutoDelta": {}, "AutoDiagonalNormal": {}, "AutoMultivariateNormal": {},
    "AutoLowRankMultivariateNormal": {"rank": 1}, "AutoIAFNormal": {"num_flows": 1, "hidden_dims": [5]},
    "AutoBNAFNormal": {"num_flows": 1, "hidden_factors": [1]}, "AutoBatchedMultivariateNormal": {"batch_ndim": 0},
    "AutoBatchedLowRankMultivariateNormal": {"batch_ndim": 0, "rank": 1}, "AutoLaplaceApproximation": {},
    "AutoDAIS": {"K": 2},
}  # fmt: skip


def drawn():
    s = numpyro.sample("s", dist.LogNormal(0.0, 1.0))
    w = numpyro.sample("w", dist.Dirichlet(jnp.ones(3)))
    p = numpyro.sample("p", dist.Uniform(0.0, 2.0))
    z = numpyro.sample("z", dist.Normal(0.0, 1.0))
    return s, w, p, z


def observed(s, w, p, z, size=4):
    with numpyro.plate(f"data{size}", size):
        numpyro.sample("x", dist.Normal(z + p + w[0], s), obs=DATA[:size])


def model():
    observed(*drawn())


def surrogate():
    omega = numpyro.param("omega", 1.0, constraint=dist.constraints.positive)
    with numpyro.handlers.scale(scale=omega):
        observed(*drawn(), size=2)


def local(m):
    with numpyro.plate("data", 4, subsample_size=2):
        x = numpyro.subsample(DATA, event_dim=0)
        s = numpyro.sample("s", dist.LogNormal(m, 1.0))
        w = numpyro.sample("w", dist.Dirichlet(jnp.ones(3)))
        p = numpyro.sample("p", dist.Uniform(0.0, 2.0))
        numpyro.sample("x", dist.Normal(p + w[..., 0], s), obs=x)


def whole():
    return numpyro.sample("m", dist.Normal(0.0, 1.0))


def local_model():
    local(whole())


@config_enumerate
def discrete():
    s = numpyro.sample("s", dist.LogNormal(0.0, 1.0))
    k = numpyro.sample("k", dist.Bernoulli(0.3))
    numpyro.sample("x", dist.Normal(2.0 * k, s), obs=1.3)


def made(name, of=model, **options):
    return getattr(autoguide, name)(of, init_loc_fn=init_to_uniform, **options)


PAIRS = {f"{name} on supports": (model, made(name, **options), ()) for name, options in OPTIONS.items()}
PAIRS |= {
    "AutoSurrogateLikelihoodDAIS on supports": (
        model, autoguide.AutoSurrogateLikelihoodDAIS(model, surrogate, K=2), ()),
    "AutoNormal beside a discrete latent": (
        discrete, made("AutoNormal", numpyro.handlers.block(discrete, hide=["k"])), ()),
}  # fmt: skip
