"""A Pyro model and guide made of a person's own torch networks, and what Pyro's ELBO objects give on them.

The guide samples z from Normal(mean, sigma), the model puts that z in place of the person's own and observes x under
the recognised likelihood. The numbers are the ELBO objects' own; nothing of them is computed here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro import infer, poutine
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from torch import Tensor, nn

from elbo_compare.suites.bridge.program import Setting
from elbo_compare.suites.bridge.tape import Tape
from elbo_compare.suites.bridge.torch_program import TorchProgram
from elbo_compare.suites.bridge.torch_tape import TorchTape
from elbo_compare.suites.contract import Array

NAME = f"Pyro {pyro.__version__}"
LIKELIHOODS: dict[tuple[str, str], Any] = {
    ("bernoulli", "probs"): lambda o, w: dist.Bernoulli(probs=o, validate_args=False),
    ("bernoulli", "logits"): lambda o, w: dist.Bernoulli(logits=o, validate_args=False),
    ("normal", "location"): lambda o, w: dist.Normal(o, w**-0.5),
    ("laplace", "location"): lambda o, w: dist.Laplace(o, 1 / w),
    ("poisson", "plain"): lambda o, w: dist.Poisson(o, validate_args=False),
    ("poisson", "logits"): lambda o, w: dist.Poisson(o.exp(), validate_args=False),
    ("continuous_bernoulli", "probs"): lambda o, w: dist.ContinuousBernoulli(probs=o, validate_args=False),
    ("continuous_bernoulli", "logits"): lambda o, w: dist.ContinuousBernoulli(logits=o, validate_args=False),
}


def losses(
    program: TorchProgram,
    setting: Setting,
    *,
    sites: Sequence[tuple[int, int, float, Array]],
    far: float,
    output: int,
    likelihood: tuple[str, str],
    weight: float,
    kl_weight: float,
) -> dict[str, tuple[float, dict[str, Array]]]:
    """ELBO object -> (its loss on this batch, its gradient by every weight), in nats of the whole batch.

    sites: of each latent the array, the step that makes it, its sigma's sign and its noise; far: the noise at which its
    sigma is read; output: the decoder's array. Raises KeyError for a likelihood that Pyro has no distribution of.
    """
    observed = LIKELIHOODS[likelihood]
    restored = replace(setting, restored=None)
    x = torch.as_tensor(np.asarray(setting.x).reshape(len(setting.x), -1), dtype=program.dtype)
    rows = len(x)
    last = max(step for _, step, _, _ in sites)
    none, afar = (program.run(replace(restored, filled=noise, until=last)) for noise in (0.0, far))

    def guide() -> None:
        with pyro.plate("data", rows):
            for number, (at, _, sign, _) in enumerate(sites):
                mean = none.arrays[at].reshape(rows, -1)
                sigma = sign * (afar.arrays[at].reshape(rows, -1) - mean) / far
                with poutine.scale(scale=kl_weight):
                    pyro.sample(f"z{number}", dist.Normal(mean, sigma).to_event(1))

    def model() -> None:
        with pyro.plate("data", rows):
            put: dict[int, Tensor] = {}
            for number, (_, step, _, noise) in enumerate(sites):
                width = noise.size // rows
                prior = dist.Normal(x.new_zeros(rows, width), x.new_ones(rows, width)).to_event(1)
                with poutine.scale(scale=kl_weight):
                    put[step] = pyro.sample(f"z{number}", prior)
            with _alone():
                run = program.run(restored, put)
            if run.error:
                raise RuntimeError(run.error)
            pyro.sample("x", observed(run.arrays[output].reshape(rows, -1), weight).to_event(1), obs=x)

    given = [sign * np.asarray(noise).reshape(rows, -1) for _, _, sign, noise in sites]
    found = {}
    weights = {name: each for name, each in program.module.named_parameters() if each.is_floating_point()}
    frozen = [each for each in weights.values() if not each.requires_grad]
    for elbo in (Trace_ELBO(), TraceMeanField_ELBO()):
        with TorchTape(Tape(0, given=given)):
            loss: Any = elbo.differentiable_loss(model, guide)
        for each in frozen:
            each.requires_grad_(True)
        parts = torch.autograd.grad(loss, list(weights.values()), allow_unused=True, retain_graph=True)
        for each in frozen:
            each.requires_grad_(False)
        found[type(elbo).__name__] = (float(loss.detach()), _by_name(weights, parts))
    return found


@contextmanager
def _alone() -> Iterator[None]:
    """Within, no handler sees what is sampled: the person's own networks may be a Pyro pair, whose sites are theirs."""
    stack, plates = poutine.runtime._PYRO_STACK, poutine.runtime._DIM_ALLOCATOR
    before, taken = stack[:], plates._stack
    stack.clear()
    plates._stack = []
    try:
        yield
    finally:
        stack[:], plates._stack = before, taken


def _by_name(weights: Mapping[str, Tensor], parts: Sequence[Tensor | None]) -> dict[str, Array]:
    return {
        name: np.zeros(tuple(each.shape)) if part is None else part.detach().to(torch.float64).numpy().copy()
        for (name, each), part in zip(weights.items(), parts, strict=True)
    }


class _Holder(nn.Module):
    """A pair of functions with the networks that stand beside them."""

    def __init__(self, model: Callable[..., Any], guide: Callable[..., Any], networks: Mapping[str, nn.Module]):
        super().__init__()
        for name, each in networks.items():
            self.add_module(name, each)
        self.model, self.guide = model, guide


def holder(
    model: Callable[..., Any], guide: Callable[..., Any], names: Mapping[str, Any], given: Mapping[str, Any]
) -> nn.Module:
    """The pair as one module; its weights are those of every module among the names. given: arguments beside the data,
    by name, as both functions take them."""
    if given:
        model, guide = partial(model, **given), partial(guide, **given)
    return _Holder(model, guide, {name: each for name, each in names.items() if isinstance(each, nn.Module)})


def objective(model: Callable[..., Any], guide: Callable[..., Any], name: str) -> Callable[..., Tensor]:
    """(model's arguments) -> the loss of Pyro's ELBO object of that name; its parameter store stands as it stood."""
    elbo = getattr(infer, name)()

    def loss(*arguments: Any) -> Tensor:
        with pyro.get_param_store().scope():
            return elbo.differentiable_loss(model, guide, *arguments)

    return loss
