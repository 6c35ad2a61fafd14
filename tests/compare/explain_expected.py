"""What the pairs of `compare explain` were built to show: roles, findings, and costs in closed form."""

from importlib.util import find_spec
from math import exp, inf, log, pi

import pytest

BOTH = ("pyro", "numpyro")
COMPILED = ("distributions masked differently", "learned switch")  # of NumPyro, by explain_all
NUMPYRO_ONLY = ("distributions masked differently",)  # 0.7 nats under a spread of 1.5: NumPyro's draws are cheaper


def pair_of(library, *names):
    lacking = pytest.mark.skipif(find_spec(library) is None, reason=f"{library} is not installed")
    return pytest.param(library, *names, marks=lacking)


LIBRARIES = [pair_of(each) for each in BOTH]
PYRO = LIBRARIES[:1]
# What each pair was built to show: site -> roles under TraceMeanField_ELBO, for Pyro and for NumPyro, and the findings
# that cost something, in both.
EXPECTED = {
    "plain": (({"z": "analytic"},) * 2, ()),
    "annealed in the model": (({"z": "analytic + wrong scale"},) * 2, ("001",)),
    "annealed in both": (({"z": "analytic"},) * 2, ()),
    "plate without a size": (({"z": "analytic"},) * 2, ()),
    "masked in the model": (
        ({"z": "analytic + mask ignored"}, {"z": "reparameterised"}), {"pyro": ("007",), "numpyro": ()},
    ),
    "masked in both": (({"z": "analytic"},) * 2, ()),
    "distributions masked differently": (
        ({"z": "analytic + mask ignored"},) * 2, {"pyro": ("020",), "numpyro": ("012",)},
    ),
    "factorised guide, correlated prior": (({"z": "analytic"}, {"z": "reparameterised"}), ()),
    "autoguide on a LogNormal": (
        ({"z": "point", "z_unconstrained": "auxiliary + reparameterised"}, {"z": "reparameterised"}),
        {"pyro": ("008",), "numpyro": ()},
    ),
    "order violated": (({"a": "analytic", "b": "analytic"},) * 2, ("003",)),
    "another order that costs nothing": (({"a": "analytic", "b": "analytic"},) * 2, ()),
    "latent missing in the guide": (({"a": "analytic", "b": "raises"},) * 2, ("004",)),
    "auxiliary site": (({"z": "analytic", "u": "auxiliary + reparameterised"},) * 2, ()),
    "unmarked auxiliary": (({"z": "analytic", "u": "raises"},) * 2, ()),
    "subsampled": (({"z": "analytic", "x": "log-likelihood"},) * 2, {"pyro": ("009",), "numpyro": ()}),
    "guide plate of the batch": (({"z": "analytic + wrong scale", "x": "log-likelihood"},) * 2, ("002",)),
    "discrete guide": (({"z": "raises"}, {"z": "no score function"}), ()),  # it has no parameter
    "learned switch": (
        ({"z": "raises", "x": "log-likelihood"}, {"z": "no score function", "x": "log-likelihood"}),
        {"pyro": ("027",), "numpyro": ("008",)},
    ),
    "pixel by probability": (({"z": "analytic", "x": "log-likelihood"},) * 2, ()),  # no probability is clamped
    "saturated": (({"z": "analytic", "x": "log-likelihood"},) * 2, ("005",)),
    "point": (({"z": "point"},) * 2, ()),
}  # fmt: skip
KL = (0.7**2 + 0.5**2 - 1) / 2 - log(0.5)
CROSS = 0.5 * log(2 * pi) + (0.7**2 + 0.5**2) / 2  # E_q[-log p] of q = N(0.7, 0.5^2)
# Closed forms of what a finding costs: pair, finding, class -> nats.
COSTS = {
    ("annealed in the model", "001", "TraceMeanField_ELBO"): -(1 - 0.3) * CROSS,
    ("latent missing in the guide", "004", "Trace_ELBO"): -0.5 * log(2 * pi) - 0.5,
    ("order violated", "003", "TraceMeanField_ELBO"): -1.5 * 0.7**2,  # Cov_q(a, b) with q(a | b) = N(1.5 b, .)
    ("saturated", "005", "Trace_ELBO"): inf,
}


def renyi_bound(logit, prior, pixel, step):
    """The bound of two particles (alpha 0), summed over their four pairs of z ~ Bernoulli(logit), but for a constant;
    the model: z ~ Bernoulli(prior), pixel ~ Normal(step z, 1)."""
    q = (1 / (1 + exp(logit)), 1 / (1 + exp(-logit)))
    weight = [p * exp(-0.5 * (pixel - step * z) ** 2) / q[z] for z, p in enumerate((1 - prior, prior))]
    return sum(q[a] * q[b] * log((weight[a] + weight[b]) / 2) for a in (0, 1) for b in (0, 1))
