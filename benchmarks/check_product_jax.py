"""The mutants as functions of JAX arrays, for `check_product.py --jax`: the same bodies with `jax.numpy` for NumPy.

A mutant is NumPy code that a complex step differentiates; what detaches there is the real part. While such a body runs
on JAX arrays, `np` in its modules is `jax.numpy`, and `np.real` is `lax.stop_gradient`: its values and its gradients
are then JAX's own.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

MODULES = ("elbo_compare.suites.complex_step", "elbo_compare.suites.mutants.")


class _JaxNumPy:
    """`jax.numpy`, in which the real part cuts the gradient off."""

    def __init__(self) -> None:
        self.jnp, self.lax = import_module("jax.numpy"), import_module("jax.lax")

    def __getattr__(self, name: str) -> Any:
        return self.lax.stop_gradient if name == "real" else getattr(self.jnp, name)


@contextmanager
def _bodies_in(namespace: Any) -> Iterator[None]:
    """`np` of the mutants' modules is another namespace; put back afterwards."""
    found = [m for name, m in sys.modules.items() if name.startswith(MODULES) and hasattr(m, "np")]
    before = [vars(module)["np"] for module in found]
    for module in found:
        vars(module)["np"] = namespace
    try:
        yield
    finally:
        for module, was in zip(found, before, strict=True):
            vars(module)["np"] = was


def of_framework(f: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of JAX arrays."""
    namespace, body = _JaxNumPy(), f.__complex__  # type: ignore[attr-defined]

    @functools.wraps(f)
    def wrapped(**arguments):
        with _bodies_in(namespace):
            return body(**arguments)

    return wrapped


def framework_wrappings(f: Callable[..., Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every wrapping of a JAX function that its arguments allow; an array is changed in place by `.at[...].set`."""
    jax = import_module("jax")
    yield "plain", f
    yield "tuple", _keeping(f, lambda value: (value, 0.5 * value))
    yield "dict", _keeping(f, lambda value: {"loss": value, "kl_for_the_log": 0.5 * jax.lax.stop_gradient(value)})
    yield "method", getattr(type("Model", (), {f.__name__: staticmethod(f)})(), f.__name__)
    yield "partial", functools.partial(_keeping(f, lambda value: value))
    yield "in place", _in_place(f)
    yield "float32", _in_float32(f)
    if f.__name__ in ("loss", "log_weight"):
        yield "images", _images(f)


def _keeping(f: Callable[..., Any], make: Callable[[Any], Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    def wrapped(**arguments):
        return make(f(**arguments))

    return wrapped


def _in_place(f: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    def wrapped(**arguments):
        first = f(**arguments)
        cleared = {name: array.at[...].set(0.0) if name == "mean" else array for name, array in arguments.items()}
        return first + 0.0 * cleared["mean"].sum()

    return wrapped


def _in_float32(f: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    def wrapped(**arguments):
        return f(**{name: value.astype("float32") for name, value in arguments.items()})

    return wrapped


def _images(f: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    def wrapped(x, logits, **arguments):
        if x.ndim != 4 or x.shape[1] != 3:
            raise ValueError(f"pictures of three channels are wanted; {x.shape} arrived")
        return f(x=x.reshape(len(x), -1), logits=logits.reshape(len(x), -1), **arguments)

    return wrapped
