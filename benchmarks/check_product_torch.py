"""The mutants as torch functions, for `check_product.py --torch`: differentiated by the complex step."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from elbo_compare.suites import complex_step


def of_framework(f: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of torch tensors, differentiated by the complex step."""
    import torch

    class Bridged(torch.autograd.Function):
        @staticmethod
        def forward(ctx, names, *tensors):
            ctx.arguments = {n: t.detach().double().numpy().copy() for n, t in zip(names, tensors, strict=True)}
            return torch.tensor(np.array(f(**ctx.arguments)), dtype=tensors[0].dtype)

        @staticmethod
        def backward(ctx, *grad_outputs):
            weight = float(grad_outputs[0].flatten()[0])  # of a sum or mean of the result: the same for every datum
            parts = [
                torch.tensor(weight * complex_step.gradient(f.__complex__, name, **ctx.arguments))
                for name in ctx.arguments
            ]
            return (None, *(part.to(grad_outputs[0].dtype) for part in parts))

    @functools.wraps(f)
    def wrapped(**arguments):
        names = tuple(arguments)
        return Bridged.apply(names, *arguments.values())

    return wrapped


def framework_wrappings(f: Callable[..., Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every wrapping of a torch function."""
    yield "plain", f
    yield "tuple", _keeping(f, lambda value: (value, 0.5 * value))
    yield "dict", _keeping(f, lambda value: {"loss": value, "kl_for_the_log": 0.5 * value.detach()})
    yield "method", getattr(type("Model", (), {f.__name__: staticmethod(f)})(), f.__name__)
    yield "partial", functools.partial(_keeping(f, lambda value: value))
    yield "in place", _in_place_in_torch(f)
    yield "float32", _in_float32(f)  # no images: a complex step for each of 3,072 pixels takes minutes


def _keeping(f: Callable[..., Any], make: Callable[[Any], Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    def wrapped(**arguments):
        return make(f(**arguments))

    return wrapped


def _in_place_in_torch(f: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    def wrapped(**arguments):
        value = f(**arguments)
        arguments["mean"].zero_()
        return value

    return wrapped


def _in_float32(f: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    def wrapped(**arguments):
        return f(**{name: value.float() for name, value in arguments.items()})

    return wrapped
