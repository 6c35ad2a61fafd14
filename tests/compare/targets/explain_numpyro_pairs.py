"""NumPyro pairs whose treatment by TraceMeanField_ELBO is known: name -> (model, guide, arguments)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.contrib.funsor import config_enumerate
from numpyro.infer.autoguide import AutoDelta, AutoIAFNormal, AutoNormal
from numpyro.primitives import mutable as numpyro_mutable

jax.config.update("jax_enable_x64", True)
DATA = jnp.array([0.3, -1.2, 2.0, 0.4])
KEEP = jnp.array([True, False, True, True])
COVARIANCE = jnp.array([[1.0, 0.3], [0.3, 1.5]])


def normal_guide():
    numpyro.sample("z", dist.Normal(0.7, 0.5))


def normal_model():
    numpyro.sample("z", dist.Normal(0.0, 1.0))


def annealed_model():
    with handlers.scale(scale=0.3):
        normal_model()


def annealed_guide():
    with handlers.scale(scale=0.3):
        normal_guide()


def plated_model():
    with numpyro.plate("data", 4):
        numpyro.sample("z", dist.Normal(0.0, 1.0))


def plated_guide():
    with numpyro.plate("data", 4):
        numpyro.sample("z", dist.Normal(DATA, 0.5))


def handler_masked_model():
    with numpyro.plate("data", 4), handlers.mask(mask=KEEP):
        numpyro.sample("z", dist.Normal(0.0, 1.0))


def handler_masked_guide():
    with numpyro.plate("data", 4), handlers.mask(mask=KEEP):
        numpyro.sample("z", dist.Normal(DATA, 0.5))


def own_masked_model():
    with numpyro.plate("data", 4):
        numpyro.sample("z", dist.Normal(0.0, 1.0).mask(KEEP))


def own_masked_guide():
    with numpyro.plate("data", 4):
        numpyro.sample("z", dist.Normal(DATA, 0.5).mask(jnp.ones(4, dtype=bool)))


def correlated_model():
    numpyro.sample("z", dist.MultivariateNormal(jnp.zeros(2), COVARIANCE))


def correlated_guide():
    numpyro.sample("z", dist.MultivariateNormal(jnp.ones(2), COVARIANCE))


def factorised_model():
    numpyro.sample("z", dist.Normal(jnp.zeros(2), 1.0).to_event(1))


def factorised_guide():
    numpyro.sample("z", dist.Normal(jnp.ones(2), 0.5).to_event(1))


def positive_model():
    numpyro.sample("z", dist.LogNormal(0.0, 1.0))


def chain_model():
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    numpyro.sample("b", dist.Normal(a, 1.0))


def reversed_guide():
    b = numpyro.sample("b", dist.Normal(0.5, 0.7))
    numpyro.sample("a", dist.Normal(1.5 * b, 0.4))


def partial_guide():
    numpyro.sample("a", dist.Normal(0.5, 0.7))


def auxiliary_guide():
    u = numpyro.sample("u", dist.Normal(0.0, 1.0), infer={"is_auxiliary": True})
    numpyro.sample("z", dist.Normal(u, 0.5))


def subsampled_model(data):
    with numpyro.plate("data", 12, subsample_size=4):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        numpyro.sample("x", dist.Normal(z, 1.0), obs=data)


def subsampled_guide(data):
    with numpyro.plate("data", 12, subsample_size=4):
        numpyro.sample("z", dist.Normal(data / 2, 0.7))


def small_plate_guide(data):
    with numpyro.plate("data", 4):
        numpyro.sample("z", dist.Normal(data / 2, 0.7))


def switch_model():
    numpyro.sample("z", dist.Bernoulli(0.3))


def switch_guide():
    numpyro.sample("z", dist.Bernoulli(logits=jnp.array(0.4)))


def pixel_model(pixel):
    numpyro.sample("z", dist.Normal(0.0, 1.0))
    numpyro.sample("x", dist.Bernoulli(probs=jnp.array(0.3)), obs=jnp.asarray(pixel))


def pixel_guide(pixel):
    normal_guide()


def arguments():
    return (DATA,)


def needs_data(data):
    raise ValueError("planted")


def plane_model():
    numpyro.sample("z", dist.Normal(jnp.zeros(2), 1.0).to_event(1))


def running_model(data):
    """A batch normalisation's state, as flax_module keeps it."""
    state = numpyro_mutable("state", {"mean": jnp.zeros(())})
    z = numpyro.sample("z", dist.Normal(0.0, 1.0))
    mean = 0.9 * state["mean"] + 0.1 * data.mean()
    state["mean"] = mean
    with numpyro.plate("data", 4):
        numpyro.sample("x", dist.Normal(z + mean, 1.0), obs=data)


def running_guide(data):
    numpyro.sample("z", dist.Normal(numpyro.param("loc", 0.5), 0.7))


def learned_switch_guide():
    numpyro.sample("z", dist.Bernoulli(logits=numpyro.param("switch", 0.4)))


def lit_model():
    z = numpyro.sample("z", dist.Bernoulli(0.3))
    numpyro.sample("x", dist.Normal(2 * z, 1.0), obs=1.3)


@config_enumerate
def enumerated_guide():
    learned_switch_guide()


@config_enumerate
def mixture_model():
    weights = numpyro.param("weights", jnp.array([0.4, 0.6]), constraint=dist.constraints.simplex)
    with numpyro.plate("data", 4):
        k = numpyro.sample("k", dist.Categorical(weights))
        numpyro.sample("x", dist.Normal(jnp.array([-1.0, 1.0])[k], 0.8), obs=DATA)


def empty_guide():
    pass


def unmarked_guide():
    numpyro.sample("u", dist.Normal(0.0, 1.0))
    normal_guide()


def saturated_model():
    normal_model()
    numpyro.sample("x", dist.Bernoulli(probs=jnp.array([0.3, 1.0])).to_event(1), obs=jnp.array([1.0, 0.0]))


def grey_model():
    normal_model()
    numpyro.sample("x", dist.Bernoulli(logits=jnp.zeros(2)).to_event(1), obs=jnp.array([1.0, 0.5]))


def beta_model():
    numpyro.sample("z", dist.Beta(2.0, 8.0))


def beta_guide():
    numpyro.sample("z", dist.Beta(9.0, 3.0))


def independent_model():
    numpyro.sample("a", dist.Normal(0.0, 1.0))
    numpyro.sample("b", dist.Normal(0.5, 0.7))


def harmless_guide():
    numpyro.sample("b", dist.Normal(0.5, 0.7))
    numpyro.sample("a", dist.Normal(0.6, 0.4))


def branching_model():
    z = numpyro.sample("z", dist.Normal(0.0, 1.0))
    numpyro.sample("x", dist.Normal(2.0 if float(z) > 0 else 0.0, 1.0), obs=1.3)  # no compiler can follow this


def zero_model():
    with handlers.scale(scale=0.0):
        normal_model()


def keyword_model(*, x):
    numpyro.sample("x", dist.Normal(0.0, 1.0), obs=jnp.asarray(x))


def keyword_guide(x=0.0):
    pass


def keywords():
    return (), {"x": 1.5}


SCALE, IDLE = 0.5, 2.0


def marked_model():
    numpyro.sample("z", dist.Normal(0.0, SCALE), infer={"kl": "analytic"})
    numpyro.sample("u", dist.Normal(0.0 * IDLE, 1.0))


def marked_guide():
    numpyro.sample("z", dist.Normal(numpyro.param("place", 0.7), 0.5))
    numpyro.sample("u", dist.Normal(0.1, 0.8))


def guarded_model(data):
    """The same state, which takes no batch that is not finite, and as flax_module no parameters without it."""
    known, weights = numpyro_mutable("net"), numpyro.param("weights")
    assert (known is None) == (weights is None)
    if known is None:
        numpyro_mutable("net", {"seen": jnp.zeros(())})
        numpyro.param("weights", 1.0)
    running_model(jnp.nan_to_num(data, posinf=0.0))


PAIRS = {
    "plain": (normal_model, normal_guide, ()),
    "annealed in the model": (annealed_model, normal_guide, ()),
    "annealed in both": (annealed_model, annealed_guide, ()),
    "masked in the model": (handler_masked_model, plated_guide, ()),
    "masked in both": (handler_masked_model, handler_masked_guide, ()),
    "distributions masked differently": (own_masked_model, own_masked_guide, ()),
    "factorised guide, correlated prior": (correlated_model, factorised_guide, ()),
    "correlated guide, factorised prior": (factorised_model, correlated_guide, ()),
    "autoguide on a LogNormal": (positive_model, AutoNormal(positive_model), ()),
    "order violated": (chain_model, reversed_guide, ()),
    "latent missing in the guide": (chain_model, partial_guide, ()),
    "auxiliary site": (normal_model, auxiliary_guide, ()),
    "subsampled": (subsampled_model, subsampled_guide, (DATA,)),
    "guide plate of the batch": (subsampled_model, small_plate_guide, (DATA,)),
    "discrete guide": (switch_model, switch_guide, ()),
    "pixel by probability": (pixel_model, pixel_guide, (1.0,)),
    "flow": (plane_model, AutoIAFNormal(plane_model, num_flows=1, hidden_dims=[4]), ()),
    "mutable state": (running_model, running_guide, (DATA,)),
    "point": (positive_model, AutoDelta(positive_model), ()),
    "learned switch": (lit_model, learned_switch_guide, ()),
    "enumerated in the guide": (lit_model, enumerated_guide, ()),
    "enumerated in the model": (mixture_model, empty_guide, ()),
    "unmarked auxiliary": (normal_model, unmarked_guide, ()),
    "saturated": (saturated_model, normal_guide, ()),
    "grey pixel": (grey_model, normal_guide, ()),
    "betas": (beta_model, beta_guide, ()),
    "branching": (branching_model, normal_guide, ()),
    "another order that costs nothing": (independent_model, harmless_guide, ()),
}
