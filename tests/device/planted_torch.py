"""The faults that torch's code had on a GPU, planted again one by one. For `pretend_torch`, in its process."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import isfinite, nan
from typing import Any

import numpy as np
import torch
from patching import patched

from elbo_compare.suites.forms import Workload


@contextmanager
def set_early(precision: Any) -> Iterator[None]:
    """The flag set once, not around the products: whoever opens the device afterwards resets it."""
    yield


@contextmanager
def host_state_only(device: Any) -> Iterator[None]:
    """The CPU's random state put back and not the device's."""
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)


def planted() -> dict[str, Any]:
    """A fault, or its number in `TORCH_FAULTS` -> a context in which it is there."""
    import pyro

    from elbo_compare.suites.peers import pyro_tutorial
    from elbo_compare.suites.pyro_ppl import draws as pyro_draws
    from elbo_compare.suites.pyro_ppl import training as pyro_training
    from elbo_compare.suites.torch_hand import ceiling as ceilings
    from elbo_compare.suites.torch_hand import evaluation, forms

    whole_init, whole_model = forms.GraphTrainer.__init__, pyro_draws.model

    def rounded(self: Any, *args: Any) -> None:
        whole_init(self, *args)
        self.captured_loss = torch.zeros((), device=self.device)

    def shared(form: Any, params: Any, *args: Any, **options: Any) -> None:
        stored = pyro.get_param_store()
        kept = {n: each for n, each in params.items() if n not in pyro_draws.HEAD_BIASES or n not in stored}
        whole_model(form, kept, *args, **options)

    drawn = evaluation.base_noise

    def on_the_host(form: Any, size: int, generator: Any, dtype: Any) -> torch.Tensor:
        if generator.device.type == "cpu":
            return drawn(form, size, generator, dtype)
        return torch.randn((form.noise_rows, size, form.latent), dtype=torch.float64).to(generator.device)

    cuda: Any = torch.cuda
    return {
        "1": patched(ceilings, multiplying=set_early),
        "2": patched(pyro_training, numbers_drawn_again=host_state_only),
        "3": patched(forms.GraphTrainer, __init__=rounded),
        "4": patched(forms, in_bfloat16=forms.in_bfloat16.__wrapped__),
        "8": patched(forms, ADAM={"eager": {}}),
        "9": patched(forms.GraphTrainer, count=forms.TorchTrainer.count),
        "10": patched(cuda, max_memory_reserved=cuda.max_memory_allocated),
        "14: a form takes the outline's weights": patched(forms, initial_weights=outline),
        "14: seeded weights travel": patched(pyro_tutorial, initial_weights=travelling),
        "15": patched(pyro_draws, model=shared),
        "mixed devices": patched(forms, joined_loss=mixing),
        "a number read in a step": patched(forms, plain_loss=reading),
        "an upload in a step": patched(forms, plain_loss=uploading),
        "a number read in a capture": patched(forms, joined_loss=reading),
        "a random number in a capture": patched(forms, joined_loss=drawing),
        "mixed devices, compiled": patched(forms, joined_loss=mixing),
        "a number read, compiled": patched(forms, plain_loss=reading),
        "products of the host's autocast": patched(forms, in_bfloat16=autocast_on_the_host),
        "random numbers of the host": patched(evaluation, base_noise=on_the_host),
        "TF32 on in a full form": allowed(),
    }


def outline(case: Workload, device: torch.device) -> dict[str, torch.Tensor]:
    """The problem's own weights, whether they are any or not."""
    from elbo_compare.suites.bridge.torch_arrays import to_tensors

    return to_tensors(case.problem.params, device, case.dtype)


def travelling(case: Workload, device: torch.device) -> dict[str, torch.Tensor]:
    """Weights made on the host."""
    rng = np.random.default_rng(0)
    return {
        name: torch.tensor(rng.standard_normal(each.shape)).to(device) for name, each in case.problem.params.items()
    }


def mixing(weights: Any, form: Any, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """A loss with a constant that lies on the host."""
    from elbo_compare.suites.torch_hand.joined import joined_loss

    return joined_loss(weights, form, x + torch.zeros(x.shape[-1], dtype=x.dtype), noise)


def reading(weights: Any, form: Any, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """A loss that is looked at."""
    from elbo_compare.suites.torch_hand import joined, vae

    whole = joined.joined_loss if "heads.bias" in weights else partial(_plain, vae)
    loss = whole(weights, form, x, noise)
    return loss if isfinite(loss.item()) else nan * loss


def drawing(weights: Any, form: Any, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """A loss that draws its noise itself."""
    from elbo_compare.suites.torch_hand.joined import joined_loss

    return joined_loss(weights, form, x, torch.randn_like(noise))


def uploading(weights: Any, form: Any, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """A loss times a number that travels."""
    from elbo_compare.suites.torch_hand import vae

    return _plain(vae, weights, form, x, noise) * torch.tensor(1.0, dtype=x.dtype, device=x.device)


def autocast_on_the_host(loss: Any) -> Any:
    """A loss under another device's autocast."""

    def run(*args: Any) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return loss(*args)

    return run


def _plain(vae: Any, weights: Any, form: Any, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    return vae.batch_loss(weights, form, x, noise)[0]


@contextmanager
def allowed() -> Iterator[None]:
    """Someone lets TF32 in whenever the device is opened."""
    from elbo_compare.suites.torch_hand import forms

    whole = forms.open_device

    def opened(device: Any) -> torch.device:
        found = whole(device)
        torch.backends.cuda.matmul.allow_tf32 = True
        return found

    with patched(forms, open_device=opened):
        yield
    torch.backends.cuda.matmul.allow_tf32 = False
