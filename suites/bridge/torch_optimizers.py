"""Optimizers that nobody compiles, without the compiler that torch imports for them: three seconds of imports.

A new optimizer tells torch.compile to leave it alone, and each of its steps that a graph ends there, for which torch
loads the whole of it. Nothing of a check and of a training here is compiled, so that its methods are marked as left
alone already, and its steps say nothing: outside of what is compiled, nobody hears it.
"""

import functools
import sys
from typing import Any

import torch

MARK = "__dynamo_disable"  # what `torch._compile` looks up on a function before it imports anything


def left_alone() -> None:
    """Mark the methods of torch's optimizers."""
    for method in vars(torch.optim.Optimizer).values():
        plain = getattr(method, "__wrapped__", None)
        if plain is not None and getattr(method, "__code__", None) is _leaving.__code__:
            vars(plain).setdefault(MARK, plain)


def steps_alone(kind: type[torch.optim.Optimizer]) -> None:
    """The same for a class of them, whose steps compute what they did and tell the compiler nothing.

    For trainings, not for the clock: there the first step costs what it costs. Before the first of its kind is made.
    """
    left_alone()
    plain = getattr(vars(kind).get("step"), "__wrapped__", None)
    if plain is None or vars(kind)["step"].__code__ is not _stepping.__code__:  # done, in use, or of another torch
        return

    @functools.wraps(plain)
    def step(self: torch.optim.Optimizer, *args: Any, **options: Any) -> Any:
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return plain(self, *args, **options)

    kind.step = step


_leaving = torch._disable_dynamo(left_alone)  # type: ignore[reportPrivateImportUsage]  # what it wraps is looked for
_module = sys.modules[torch.optim.Optimizer.__module__]
_stepping = getattr(_module, "_use_grad_for_differentiable", lambda function: function)(left_alone)
