"""The layer that every network and flow here is made of, in complex-safe NumPy."""

import numpy as np

from elbo_compare.suites.complex_step import Dual
from elbo_compare.suites.contract import Params


def affine(params: Params, name: str, h: Dual) -> Dual:
    """h W' + b with the weights called `name`. Shapes: (..., in) -> (..., out)."""
    return product(h, params[f"{name}.weight"].T) + params[f"{name}.bias"]


def product(a: Dual, b: Dual) -> Dual:
    """The matrix product a b; where one factor is real and the other complex, two real products instead of four."""
    if np.iscomplexobj(a) == np.iscomplexobj(b):
        return a @ b
    if np.iscomplexobj(a):
        return np.real(a) @ b + 1j * (np.imag(a) @ b)
    return a @ np.real(b) + 1j * (a @ np.imag(b))
