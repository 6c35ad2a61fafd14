"""Exact gradients without a framework, for code that is written in complex-safe NumPy.

For a real-analytic f, Im f(a + i h) / h = f'(a) + O(h^2): no difference is taken, so that h may be 1e-30 and the
gradient is exact to rounding. (Squire and Trapp 1998, SIAM Review 40, 110.) What detaches a tensor in a framework is
here the real part: the identity in value, without a derivative.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elbo_compare.suites.contract import Array

STEP = 1e-30  # h^2 is below every float64 number beside f, and h * f' far above the smallest one
STEP_32 = 1e-12  # for complex64: the same, and h^2 is still a normal float32 number

# A float64 array whose imaginary part, where it has one, carries a derivative.
Dual = NDArray[Any]


def stop_gradient(a: Dual) -> Array:
    """The same value without its derivative (`detach`, `stop_gradient`)."""
    return np.real(a)


def clip(a: Dual, low: float, high: float) -> Dual:
    """`clamp`: a within [low, high], with derivative 0 outside, as in the frameworks."""
    return np.where(np.real(a) < low, low, np.where(np.real(a) > high, high, a))


def maximum(a: Dual, floor: float) -> Dual:
    """max(a, floor), with derivative 0 where the floor holds."""
    return np.where(np.real(a) > floor, a, floor)


def softplus(a: Dual) -> Dual:
    """log(1 + exp(a)) without overflow: max(a, 0) + log(1 + exp(-|a|))."""
    positive = np.real(a) > 0
    return np.where(positive, a, 0.0) + np.log1p(np.exp(np.where(positive, -a, a)))


def sigmoid(a: Dual) -> Dual:
    """1 / (1 + exp(-a)) without overflow."""
    shift = np.minimum(np.real(a), 0.0)
    return np.exp(shift) / (np.exp(shift) + np.exp(shift - a))


def logsumexp(a: Dual, axis: int) -> Dual:
    """log(sum(exp(a))) along one axis, shifted by the largest real part."""
    shift = np.real(a).max(axis, keepdims=True)
    return np.log(np.exp(a - shift).sum(axis)) + np.squeeze(shift, axis)


def gradient(function: Callable[..., Any], argument_name: str, **arguments: Any) -> Array:
    """d sum(function(**arguments)) / d arguments[argument_name], the shape of that argument.

    One evaluation for each element of the argument.
    """
    at = np.asarray(arguments[argument_name], float)
    result = np.empty(at.shape)
    for index in np.ndindex(at.shape):
        moved = at.astype(complex)
        moved[index] += 1j * STEP
        result[index] = np.imag(np.sum(function(**{**arguments, argument_name: moved}))) / STEP
    return result
