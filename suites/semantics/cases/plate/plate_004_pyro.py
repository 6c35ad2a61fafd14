"""SEM-PLATE-004: a continuous autoguide for local latents in a subsampled plate (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoDiagonalNormal, AutoNormal

torch.set_default_dtype(torch.float64)
SIZE = 4
X = torch.tensor([-3.0, -1.0, 1.0, 3.0])
FIRST, SECOND = torch.tensor([0, 1]), torch.tensor([2, 3])


def model(batch):
    with pyro.plate("data", SIZE, subsample=batch):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=X[batch])


def raises(kind) -> float:
    """Whether the guide, made on one mini-batch, refuses another one."""
    pyro.clear_param_store()
    try:
        guide = kind(model)
        for batch in (FIRST, SECOND):
            Trace_ELBO().loss(model, guide, batch)
    except (NotImplementedError, ValueError):
        return 1.0
    return 0.0


def measure() -> dict[str, float]:
    """How many local latents each guide keeps for the four data, and what training on the first two does to the rest.

    `moved`: how far the mean of datum 2 goes when the mean of datum 0 is set to its posterior mean, -1.5.
    """
    numbers = {"raises": raises(AutoDiagonalNormal), "normal_raises": raises(AutoNormal)}
    pyro.clear_param_store()
    joint, sitewise = AutoDiagonalNormal(model), AutoNormal(model)
    for guide in (joint, sitewise):
        guide(FIRST)
    with torch.no_grad():
        before = joint.median(SECOND)["z"][0] - joint.loc[0]
        joint.loc[0] = -1.5
        moved = joint.median(SECOND)["z"][0] - before
        normal_before = sitewise.locs.z[2].clone()
        sitewise.locs.z[0] = -1.5
    numbers |= {"latents": float(joint.loc.numel()), "moved": float(moved)}
    return {
        **numbers,
        "normal_latents": float(sitewise.locs.z.numel()),
        "normal_moved": float(sitewise.locs.z[2] - normal_before),
    }


if __name__ == "__main__":
    print(measure())
