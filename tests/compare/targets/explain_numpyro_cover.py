"""NumPyro pairs for what the others leave out: autoguides that others are made of, and every handler."""

from functools import partial
from importlib.util import find_spec

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from explain_numpyro_pairs import DATA, KEEP, enumerated_guide, lit_model
from explain_numpyro_supports import local, local_model, whole
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.infer import autoguide, init_to_uniform
from numpyro.infer.reparam import LocScaleReparam

CLASSES = ("Trace_ELBO", "TraceMeanField_ELBO")  # each further one is compiled
FURTHER = {"enumerated in the guide": ("TraceEnum_ELBO",)}
PARTS = {"AutoNormal": "positive", "AutoDiagonalNormal": "bounded"}  # autoguide -> the site of `supports_model`


def supports_model():
    s = numpyro.sample("positive", dist.LogNormal(0.0, 1.0).expand([2]).to_event(1))
    p = numpyro.sample("bounded", dist.Uniform(0.0, 2.0).expand([2]).to_event(1))
    with numpyro.plate("data", 4):
        numpyro.sample("x", dist.Normal(p[0], s[0]), obs=DATA)


def listed():
    guide = autoguide.AutoGuideList(supports_model)
    for name, site in PARTS.items():
        part = handlers.block(supports_model, expose=[site])
        guide.append(getattr(autoguide, name)(part, prefix=site, init_loc_fn=init_to_uniform))
    return guide


def local_part(m):
    with numpyro.plate("data", 4, subsample_size=2):
        x = numpyro.subsample(DATA, event_dim=0)
        z = numpyro.sample("z", dist.Normal(m, 1.0))
        numpyro.sample("x", dist.Normal(z, 1.0), obs=x)


def global_model():
    return numpyro.sample("m", dist.Normal(0.0, 1.0))


def whole_model():
    local_part(global_model())


def whole_guide():
    normal_guide("m")
    with numpyro.plate("data", 4, subsample_size=2):
        numpyro.sample("z", dist.Normal(numpyro.param("z_loc", 0.3), 0.7))


def normal_guide(*sites):
    for name in sites:
        numpyro.sample(name, dist.Normal(numpyro.param(f"{name}_loc", 0.3), 0.7))


def handled_model():
    """reparam, condition, do, block, scale, mask, lift and a factor around one another."""

    def inner():
        m = numpyro.sample("m", dist.Normal(0.0, 1.0))
        k = numpyro.sample("k", dist.Normal(m, 1.0))
        set_to = numpyro.sample("set", dist.Normal(0.0, 1.0))
        numpyro.sample("hidden", dist.Normal(0.0, 1.0))
        spread = numpyro.param("spread", 1.0)
        z = numpyro.sample("z", dist.Normal(k, 2.0))
        numpyro.factor("f", -((z - 1) ** 2))
        with numpyro.plate("data", 4), handlers.mask(mask=KEEP), handlers.scale(scale=0.5):
            numpyro.sample("x", dist.Normal(z + set_to, spread), obs=DATA)

    lifted = handlers.lift(inner, prior={"spread": dist.Exponential(1.0)})
    held = handlers.do(handlers.condition(lifted, data={"k": jnp.array(0.2)}), data={"set": jnp.array(0.1)})
    handlers.block(handlers.reparam(held, config={"z": LocScaleReparam(0.0)}), hide=["hidden", "set"])()


def handled_guide():
    normal_guide("m", "z_decentered")
    numpyro.sample("spread", dist.LogNormal(numpyro.param("spread_loc", 0.1), 0.3))


def obs_masked_model():
    with numpyro.plate("data", 4):
        numpyro.sample("x", dist.Normal(0.0, 1.0), obs=DATA, obs_mask=KEEP)


def markov_model():
    """A chain whose steps are a scan."""

    def step(z, x):
        with handlers.mask(mask=True):
            numpyro.sample("x", dist.Normal(z, 1.0), obs=x)
        return 0.5 * z, None

    z = numpyro.sample("z", dist.Normal(0.0, 1.0))
    scan(step, z, DATA)


def module_model():
    """A batch normalisation of flax, with its running state."""
    import flax.linen as nn
    from numpyro.contrib.module import flax_module

    made = nn.BatchNorm(use_running_average=False)
    net = flax_module("net", made, input_shape=(4, 1), mutable=["batch_stats"])
    x = net(DATA[:, None])[:, 0]
    slope = numpyro.sample("z", dist.Normal(0.0, 1.0))
    with numpyro.plate("data", 4):
        numpyro.sample("x", dist.Normal(slope * x, 1.0), obs=DATA)


def linear_model():
    """A linear map of haiku."""
    import haiku
    from numpyro.contrib.module import haiku_module

    net = haiku_module("net", haiku.transform(lambda x: haiku.Linear(1)(x)), input_shape=(4, 1))
    x = net(DATA[:, None])[:, 0]
    slope = numpyro.sample("z", dist.Normal(0.0, 1.0))
    with numpyro.plate("data", 4):
        numpyro.sample("x", dist.Normal(slope * x, 1.0), obs=DATA)


MODULES = {"flax": module_model, "haiku": linear_model}
PAIRS = {
    "list of autoguides": (supports_model, listed(), ()),
    "AutoSemiDAIS": (local_model, autoguide.AutoSemiDAIS(local_model, local, autoguide.AutoNormal(whole), K=2), ()),
    "all handlers at once": (handled_model, handled_guide, ()),
    "obs_mask": (obs_masked_model, lambda: None, ()),
    "Markov sites": (markov_model, partial(normal_guide, "z"), ()),
    "a global latent beside a mini-batch": (whole_model, whole_guide, ()),
    "enumerated in the guide": (lit_model, enumerated_guide, ()),
}  # fmt: skip
PAIRS |= {
    kind: (model, partial(normal_guide, "z"), ()) for kind, model in MODULES.items() if find_spec(kind) is not None
}
