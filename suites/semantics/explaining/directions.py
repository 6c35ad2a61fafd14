"""The directions along which gradients are compared: coordinates of small parameters, random signs of large ones."""

from collections.abc import Mapping, Sequence

import numpy as np

COORDINATES = 64  # in all; more parameters than this, and tensors above SMALL are projected
SMALL = 4
SIGNS = 2  # random directions of a large tensor, each of length one


class Directions:
    """Named directions for parameters of the given shapes.

    A bias of the gradient that is orthogonal to every direction goes unseen; along random signs that has probability
    zero. Each direction has length one, so that a component is a derivative per unit of the parameters.

    >>> print(Directions({"loc": (2,)}).names)
    ('loc[0]', 'loc[1]')
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        sizes = {name: int(np.prod(shape, dtype=int)) for name, shape in shapes.items()}
        whole = sum(sizes.values()) <= COORDINATES
        generator = np.random.default_rng(0)
        names: list[str] = []
        self._signs: list[np.ndarray | None] = []
        for name, size in sizes.items():
            if whole or size <= SMALL:
                names += [name] if not shapes[name] else [f"{name}[{_index(i, shapes[name])}]" for i in range(size)]
                self._signs.append(None)
            else:
                names += [f"{name}, random direction {k + 1}" for k in range(SIGNS)]
                signs = generator.integers(0, 2, (SIGNS, size), dtype=np.int8) * 2 - 1
                self._signs.append(signs.astype(np.float32) / np.float32(np.sqrt(size)))
        self.names = tuple(names)

    def along(self, slopes: Sequence[np.ndarray]) -> np.ndarray:
        """The gradient along each direction; `slopes` in the order of the parameters, shapes as given -> (names,)."""
        parts = [
            each.ravel() if signs is None else signs @ each.ravel()
            for each, signs in zip(slopes, self._signs, strict=True)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    @property
    def signs(self) -> list[np.ndarray | None]:
        """Of each parameter its random directions (SIGNS, size), or None where its coordinates are taken."""
        return self._signs


def _index(flat: int, shape: tuple[int, ...]) -> str:
    return ", ".join(str(each) for each in np.unravel_index(flat, shape))
