"""Pyro pairs whose treatment by TraceMeanField_ELBO is known: name -> (model, guide, arguments)."""

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.distributions.testing.rejection_gamma import ShapeAugmentedGamma
from pyro.distributions.transforms import planar
from pyro.infer import config_enumerate
from pyro.infer.autoguide import AutoDelta, AutoNormal, AutoNormalMessenger

torch.set_default_dtype(torch.float64)
DATA = torch.tensor([0.3, -1.2, 2.0, 0.4])
KEEP = torch.tensor([True, False, True, True])
COVARIANCE = torch.tensor([[1.0, 0.3], [0.3, 1.5]])


def normal_guide():
    pyro.sample("z", dist.Normal(0.7, 0.5))


def normal_model():
    pyro.sample("z", dist.Normal(0.0, 1.0))


def annealed_model():
    with poutine.scale(scale=0.3):
        normal_model()


def annealed_guide():
    with poutine.scale(scale=0.3):
        normal_guide()


def plated_model():
    with pyro.plate("data", 4):
        pyro.sample("z", dist.Normal(0.0, 1.0))


def plated_guide():
    with pyro.plate("data", 4):
        pyro.sample("z", dist.Normal(DATA, 0.5))


def sizeless_guide():
    with pyro.plate("data", dim=-1):  # as EasyGuide has it
        pyro.sample("z", dist.Normal(DATA, 0.5))


def handler_masked_model():
    with pyro.plate("data", 4), poutine.mask(mask=KEEP):
        pyro.sample("z", dist.Normal(0.0, 1.0))


def handler_masked_guide():
    with pyro.plate("data", 4), poutine.mask(mask=KEEP):
        pyro.sample("z", dist.Normal(DATA, 0.5))


def own_masked_model():
    with pyro.plate("data", 4):
        pyro.sample("z", dist.Normal(0.0, 1.0).mask(KEEP))


def own_masked_guide():
    with pyro.plate("data", 4):
        pyro.sample("z", dist.Normal(DATA, 0.5).mask(torch.ones(4, dtype=torch.bool)))


def correlated_model():
    pyro.sample("z", dist.MultivariateNormal(torch.zeros(2), COVARIANCE))


def factorised_guide():
    pyro.sample("z", dist.Normal(torch.ones(2), 0.5).to_event(1))


def positive_model():
    pyro.sample("z", dist.LogNormal(0.0, 1.0))


def chain_model():
    a = pyro.sample("a", dist.Normal(0.0, 1.0))
    pyro.sample("b", dist.Normal(a, 1.0))


def reversed_guide():
    b = pyro.sample("b", dist.Normal(0.5, 0.7))
    pyro.sample("a", dist.Normal(1.5 * b, 0.4))


def partial_guide():
    pyro.sample("a", dist.Normal(0.5, 0.7))


def auxiliary_guide():
    u = pyro.sample("u", dist.Normal(0.0, 1.0), infer={"is_auxiliary": True})
    pyro.sample("z", dist.Normal(u, 0.5))


def subsampled_model(data):
    with pyro.plate("data", 12, subsample=torch.arange(4)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=data)


def subsampled_guide(data):
    with pyro.plate("data", 12, subsample=torch.arange(4)):
        pyro.sample("z", dist.Normal(data / 2, 0.7))


def small_plate_guide(data):
    with pyro.plate("data", 4):
        pyro.sample("z", dist.Normal(data / 2, 0.7))


def switch_model():
    pyro.sample("z", dist.Bernoulli(0.3))


def switch_guide():
    pyro.sample("z", dist.Bernoulli(logits=torch.tensor(0.4)))


def pixel_model(pixel):
    pyro.sample("z", dist.Normal(0.0, 1.0))
    pyro.sample("x", dist.Bernoulli(probs=torch.tensor(0.3)), obs=torch.as_tensor(pixel))


def pixel_guide(pixel):
    normal_guide()


def arguments():
    return (DATA,)


def needs_data(data):
    raise ValueError("planted")


def plane_model():
    pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))


torch.manual_seed(1)
FLOW = planar(2)  # its inverse is in a cache of one entry


def flow_guide():
    pyro.module("flow", FLOW)
    pyro.sample("z", dist.TransformedDistribution(dist.Normal(torch.zeros(2), 1.0), [FLOW]))


def learned_switch_guide():
    logits = pyro.param("switch", torch.tensor(0.4))
    pyro.sample("z", dist.Bernoulli(logits=logits))


def lit_model():
    z = pyro.sample("z", dist.Bernoulli(0.3))
    pyro.sample("x", dist.Normal(2 * z, 1.0), obs=torch.tensor(1.3))


def bright_model():
    z = pyro.sample("z", dist.Bernoulli(0.5))
    pyro.sample("x", dist.Normal(8 * z, 1.0), obs=torch.tensor(8.0))


@config_enumerate
def enumerated_guide():
    learned_switch_guide()


def baseline_guide():
    logits = pyro.param("switch", torch.tensor(0.4))
    pyro.sample("z", dist.Bernoulli(logits=logits), infer={"baseline": {"use_decaying_avg_baseline": True}})


@config_enumerate
def mixture_model():
    weights = pyro.param("weights", torch.tensor([0.4, 0.6]), constraint=dist.constraints.simplex)
    with pyro.plate("data", 4):
        k = pyro.sample("k", dist.Categorical(weights))
        pyro.sample("x", dist.Normal(torch.tensor([-1.0, 1.0])[k], 0.8), obs=DATA)


def empty_guide():
    pass


def unmarked_guide():
    pyro.sample("u", dist.Normal(0.0, 1.0))
    normal_guide()


def zero_model():
    with poutine.scale(scale=0.0):
        normal_model()


def saturated_model():
    normal_model()
    pyro.sample("x", dist.Bernoulli(probs=torch.tensor([0.3, 1.0])).to_event(1), obs=torch.tensor([1.0, 0.0]))


def branching_model():
    z = pyro.sample("z", dist.Bernoulli(0.3))
    if z.item() > 0.5:
        pyro.sample("x", dist.Normal(2.0, 1.0), obs=torch.tensor(1.3))
    else:
        pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.tensor(1.3))


def harmless_guide():
    a = pyro.sample("b", dist.Normal(0.5, 0.7))
    pyro.sample("a", dist.Normal(0.6, 0.4) if a is not None else None)


def independent_model():
    pyro.sample("a", dist.Normal(0.0, 1.0))
    pyro.sample("b", dist.Normal(0.5, 0.7))


def keyword_model(*, x):
    pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.tensor(x))


def keyword_guide(x=0.0):
    pass


def keywords():
    return (), {"x": 1.5}


def factored_guide():
    u = pyro.sample("u", dist.Normal(pyro.param("loc", torch.tensor(0.2)), 0.5), infer={"is_auxiliary": True})
    pyro.factor("jacobian", -u, has_rsample=False)  # untrue: u is reparameterised
    pyro.sample("z", dist.Delta(u.exp()))


def lognormal_model():
    z = pyro.sample("z", dist.LogNormal(0.0, 1.0))
    pyro.deterministic("twice", 2 * z)
    pyro.sample("x", dist.Normal(z, 1.0), obs=torch.tensor(0.3))


def gamma_model():
    pyro.sample("z", dist.Gamma(2.0, 1.0))


def rejection_guide():
    pyro.sample("z", ShapeAugmentedGamma(pyro.param("shape", torch.tensor(2.5)), torch.tensor(1.2)))


@config_enumerate
def summed_model():
    z = pyro.sample("z", dist.Bernoulli(0.3))
    pyro.sample("x", dist.Normal(2 * z, 1.0), obs=torch.tensor(1.3))


@config_enumerate
def renamed_model():
    z = pyro.sample(f"z{int(torch.rand(()) < 0.5)}", dist.Bernoulli(0.3))
    pyro.sample("x", dist.Normal(2 * z, 1.0), obs=torch.tensor(1.3))


def local_model(data):
    with pyro.plate("data", 12, subsample=torch.arange(4)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=data)


def wide_guide(data):
    with pyro.plate("data", 12, subsample=torch.arange(4)):
        pyro.sample("z", dist.Normal(0.1 * data, 1.2))


SCALE = 0.5


def scaled_model():
    pyro.sample("z", dist.Normal(0.0, SCALE))


def placed_guide():
    pyro.sample("z", dist.Normal(pyro.param("place", torch.tensor(0.7)), 0.5))


PAIRS = {
    "guide that runs the model": (lognormal_model, AutoNormalMessenger(lognormal_model), ()),
    "factor of the guide": (lognormal_model, factored_guide, ()),
    "rejection": (gamma_model, rejection_guide, ()),
    "summed in the model": (summed_model, empty_guide, ()),
    "summed under changing names": (renamed_model, empty_guide, ()),
    "local latents of a mini-batch": (local_model, wide_guide, (DATA,)),
    "plain": (normal_model, normal_guide, ()),
    "annealed in the model": (annealed_model, normal_guide, ()),
    "annealed in both": (annealed_model, annealed_guide, ()),
    "plate without a size": (plated_model, sizeless_guide, ()),
    "masked in the model": (handler_masked_model, plated_guide, ()),
    "masked in both": (handler_masked_model, handler_masked_guide, ()),
    "distributions masked differently": (own_masked_model, own_masked_guide, ()),
    "factorised guide, correlated prior": (correlated_model, factorised_guide, ()),
    "autoguide on a LogNormal": (positive_model, AutoNormal(positive_model), ()),
    "order violated": (chain_model, reversed_guide, ()),
    "latent missing in the guide": (chain_model, partial_guide, ()),
    "auxiliary site": (normal_model, auxiliary_guide, ()),
    "subsampled": (subsampled_model, subsampled_guide, (DATA,)),
    "guide plate of the batch": (subsampled_model, small_plate_guide, (DATA,)),
    "discrete guide": (switch_model, switch_guide, ()),
    "pixel by probability": (pixel_model, pixel_guide, (1.0,)),
    "flow": (plane_model, flow_guide, ()),
    "point": (positive_model, AutoDelta(positive_model), ()),
    "learned switch": (lit_model, learned_switch_guide, ()),
    "enumerated in the guide": (lit_model, enumerated_guide, ()),
    "baseline": (lit_model, baseline_guide, ()),
    "enumerated in the model": (mixture_model, empty_guide, ()),
    "unmarked auxiliary": (normal_model, unmarked_guide, ()),
    "saturated": (saturated_model, normal_guide, ()),
    "branching": (branching_model, learned_switch_guide, ()),
    "another order that costs nothing": (independent_model, harmless_guide, ()),
}
