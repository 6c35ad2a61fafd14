"""Shape types, `Float[Array, "batch latent"]`: axes by name, checked in the tests and by nothing else.

A type checker sees jaxtyping's names, and so do the tests, which set `ELBO_COMPARE_SHAPE_TYPES` before anything is
imported and check every call (tests/conftest.py). Otherwise an annotation is the array's type alone: jaxtyping is then
neither needed nor imported. Axes of one call with the same name have the same size; `*rest` stands for any number of
them, `#` for axes that broadcast.

>>> Float[Array, "batch latent"] is not None
True
"""

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

SWITCH = "ELBO_COMPARE_SHAPE_TYPES"

if TYPE_CHECKING:
    from jaxtyping import Float as Float
    from jaxtyping import Inexact as Inexact
    from jaxtyping import Integer as Integer

    Array = NDArray[np.floating]
    Indices = NDArray[np.integer]
    Value = NDArray[Any]  # real, or complex where an imaginary part carries a derivative
elif os.environ.get(SWITCH):
    from jaxtyping import Float, Inexact, Integer

    Array = Indices = np.ndarray
    Value = np.ndarray | np.inexact  # a sum over the only axis is a NumPy scalar
else:

    class _Unchecked:
        """`[array, shape]` is the array's type."""

        def __class_getitem__(cls, item: tuple[Any, str]) -> Any:
            return item[0]

    Float = Inexact = Integer = _Unchecked
    Array = Value = NDArray[np.floating]
    Indices = NDArray[np.integer]
