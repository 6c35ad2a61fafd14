"""Pyro pairs for what the others leave out: every autoguide on a model of all supports, handlers, Markov sites."""

from functools import partial
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from explain_pyro_pairs import DATA
from pyro import poutine
from pyro.infer import autoguide
from pyro.infer.reparam import LocScaleReparam
from pyro.nn import PyroModule, PyroSample

FURTHER: dict[str, tuple[str, ...]] = {}
KEEP: Any = torch.tensor([True, False, True, True])
CLASSES = ("Trace_ELBO", "TraceMeanField_ELBO", "TraceGraph_ELBO", "TraceEnum_ELBO")


def supports_model():
    """A positive, a simplex, a bounded latent, and one in a plate."""
    s = pyro.sample("s", dist.Gamma(2.0, 1.0))
    w = pyro.sample("w", dist.Dirichlet(torch.ones(2)))
    p = pyro.sample("p", dist.Beta(2.0, 3.0))
    with pyro.plate("data", 4):
        z = pyro.sample("z", dist.Normal(p, 1.0))
        pyro.sample("x", dist.Normal(z + w[..., 0], s), obs=DATA)


def lit_model():
    z = pyro.sample("z", dist.Categorical(torch.tensor([0.2, 0.3, 0.5])))
    pyro.sample("x", dist.Normal(z.to(DATA.dtype), 1.0), obs=DATA[0])


def listed():
    """An AutoGuideList of a normal, a point, and a function of one's own (AutoCallable)."""
    guide = autoguide.AutoGuideList(supports_model)
    guide.append(autoguide.AutoNormal(poutine.block(supports_model, expose=["s", "z"])))
    guide.append(autoguide.AutoDelta(poutine.block(supports_model, expose=["w"])))
    guide.append(own_p)
    return guide


def own_p():
    value = pyro.sample("p", dist.Beta(pyro.param("own_p", torch.tensor(2.0)), 3.0))
    return {"p": value}


def laplace():
    """After the fit: a multivariate normal at the mode."""
    guide = autoguide.AutoLaplaceApproximation(supports_model)
    guide()
    return guide.laplace_approximation()


def centred_model():
    m = pyro.sample("m", dist.Normal(0.0, 1.0))
    z = pyro.sample("z", dist.Normal(m, 2.0))
    pyro.sample("x", dist.Normal(z, 1.0), obs=DATA[0])


def markov_model():
    z = torch.tensor(0.0)
    for t in pyro.markov(range(3)):
        z = pyro.sample(f"z{t}", dist.Normal(z, 1.0))
        pyro.sample(f"x{t}", dist.Normal(z, 1.0), obs=DATA[t])


def factor_model():
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    pyro.factor("f", -((z - 1) ** 2))


def obs_masked_model():
    with pyro.plate("data", 4):
        pyro.sample("x", dist.Normal(0.0, 1.0), obs=DATA, obs_mask=KEEP)


def lifted_model():
    scale = pyro.param("scale", torch.tensor(1.0))
    pyro.sample("x", dist.Normal(0.0, scale), obs=DATA[0])


def lifted_guide():
    pyro.sample("scale", dist.LogNormal(pyro.param("lift_loc", torch.tensor(0.1)), 0.3))


def normal_guide(*sites):
    for name in sites:
        pyro.sample(name, dist.Normal(pyro.param(f"cover_{name}", torch.tensor(0.3)), 0.7))


class Line(PyroModule):
    """A module with a sampled parameter and running state (a batch normalisation)."""

    def __init__(self):
        super().__init__()
        self.slope = PyroSample(dist.Normal(0.0, 1.0))
        self.norm = torch.nn.BatchNorm1d(1)

    def forward(self):
        x = self.norm(DATA[:, None])[:, 0]
        with pyro.plate("data", 4):
            pyro.sample("x", dist.Normal(self.slope * x, 1.0), obs=DATA)


LINE = Line()
NAMES = (
    "AutoNormal", "AutoDiagonalNormal", "AutoMultivariateNormal", "AutoLowRankMultivariateNormal", "AutoDelta",
    "AutoIAFNormal", "AutoStructured", "AutoLaplaceApproximation", "AutoNormalMessenger", "AutoGaussian",
    "AutoHierarchicalNormalMessenger", "AutoRegressiveMessenger",
)  # fmt: skip
PAIRS = {name: (supports_model, getattr(autoguide, name)(supports_model), ()) for name in NAMES} | {
    "AutoGuideList, AutoCallable": (supports_model, listed(), ()),
    "AutoNormalizingFlow": (
        supports_model,
        autoguide.AutoNormalizingFlow(supports_model, partial(dist.transforms.iterated, 1, dist.transforms.planar)), (),
    ),
    "AutoDiscreteParallel": (lit_model, autoguide.AutoDiscreteParallel(lit_model), ()),
    "obs_mask": (obs_masked_model, lambda: None, ()),
    "Markov sites": (markov_model, partial(normal_guide, "z0", "z1", "z2"), ()),
    "factor": (factor_model, partial(normal_guide, "z"), ()),
    "reparam": (poutine.reparam(centred_model, config={"z": LocScaleReparam(0.0)}),
                partial(normal_guide, "m", "z_decentered"), ()),
    "condition": (poutine.condition(centred_model, data={"m": DATA[3]}), partial(normal_guide, "z"), ()),
    "do": (poutine.do(centred_model, data={"m": DATA[3]}), partial(normal_guide, "z"), ()),
    "block": (poutine.block(centred_model, hide=["m"]), partial(normal_guide, "z"), ()),
    "lift": (poutine.lift(lifted_model, prior={"scale": dist.Exponential(1.0)}), lifted_guide, ()),
    "PyroModule with state": (LINE, autoguide.AutoNormal(LINE), ()),
}  # fmt: skip
