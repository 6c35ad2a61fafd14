"""A hand-written torch loss at a tape."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from elbo_compare.suites.bridge.pairs.records import NAMED, ProgramError, Run, Total
from elbo_compare.suites.bridge.pairs.torch_weights import Gradients
from elbo_compare.suites.bridge.tape import Tape
from elbo_compare.suites.bridge.torch_tape import TorchTape
from elbo_compare.suites.bridge.user_arrays import leaves


def run_loss(loss: Callable[..., Any], args: Sequence[Any], tape: Tape, gradients: Gradients | None) -> Run:
    """The loss's value at the tape, and with `gradients` its gradient. One value per datum is summed.

    Raises ProgramError where no number comes back, and whatever the loss raises.
    """
    with TorchTape(tape):
        value = loss_of(loss(*args))
    summed = value.sum()
    return Run(
        values={Total.LOSS.value: float(summed.detach())},
        scales={Total.LOSS.value: float(value.detach().abs().sum())},
        draws=tuple((draw.kind.value, draw.shape) for draw in tape.drawn),
        gradients={Total.LOSS.value: gradients.of(summed)} if gradients else {},
    )


def loss_of(result: Any) -> Tensor:
    """The tensor that would be minimised: the only one, or the first that is called loss or is a scalar."""
    found = [(name, each) for name, each in leaves(result) if isinstance(each, Tensor) and each.is_floating_point()]
    if not found:
        numbers = [each for _, each in leaves(result) if isinstance(each, float)]
        if numbers:
            return torch.tensor(numbers[0])
        raise ProgramError(
            f"the loss returned {type(result).__name__}, no tensor and no number: return what is minimised"
        )
    named = [each for name, each in found if name.rpartition(".")[2].lower() in NAMED]
    scalars = [each for _, each in found if each.numel() == 1]
    return (named or scalars or [found[0][1]])[0]
