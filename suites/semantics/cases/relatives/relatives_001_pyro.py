"""SEM-RELATIVES-001: Trace_ELBO and its relatives on a reparameterised latent, at one noise (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro import infer
from pyro.poutine.messenger import Messenger

torch.set_default_dtype(torch.float64)
X = torch.tensor([1.2, -0.3])
NOISE = torch.tensor([0.4, -1.1])
LOC, SCALE = torch.tensor(0.7), torch.tensor(0.5)
CLASSES = ("Trace", "TraceGraph", "TraceEnum", "JitTrace", "JitTraceGraph", "JitTraceEnum")


class SameNoise(Messenger):
    """Puts loc + scale * NOISE in place of the sample; the site stays unobserved, so Pyro scores it."""

    def _pyro_sample(self, msg):
        if msg["name"] == "z":
            msg["value"] = msg["fn"].loc + msg["fn"].scale * NOISE


def model():
    with pyro.plate("data", 2):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=X)


def guide():
    loc = pyro.param("loc", LOC.clone())
    with pyro.plate("data", 2):
        pyro.sample("z", dist.Normal(loc, SCALE))


def measure() -> dict[str, float]:
    """Loss and its derivative with respect to q's mean, for every ELBO class."""
    numbers = {}
    for name in CLASSES:
        pyro.clear_param_store()
        elbo = getattr(infer, f"{name}_ELBO")(max_plate_nesting=1, strict_enumeration_warning=False)
        loss = elbo.loss_and_grads(model, SameNoise()(guide))
        gradient = pyro.param("loc").unconstrained().grad
        numbers |= {name: float(loss), f"{name}_gradient": gradient.item()}
    return numbers


if __name__ == "__main__":
    print(measure())
