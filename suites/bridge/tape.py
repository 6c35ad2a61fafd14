"""The tape: one seeded stream of base noise, from which whole programs draw, whichever framework asks. NumPy only.

A program's own random calls are answered from the tape by `torch_tape`, and by its like for JAX; two programs that make
the same draws in the same order thereby meet at the same noise, without a change to their code. Each kind of draw has a
stream of its own, so that a dropout mask or an initialiser never shifts the normal draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import prod

import numpy as np

from elbo_compare.suites.contract import Array

SIGNIFICAND = 2**23  # uniforms are odd multiples of 2^-24: exact in float32, never 0 or 1, so that a log is finite


class Drawn(StrEnum):
    """What is drawn. `OTHER` (a gamma, a multinomial, a permutation): by the framework's own generator under a seed
    that the tape gives, and so the same for two programs of one framework only."""

    NORMAL = "normal"
    UNIFORM = "uniform"
    BERNOULLI = "bernoulli"
    DROPOUT = "dropout"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One draw in its order. noise: N(0, 1) or uniform base noise in its shape; None for `Drawn.OTHER`. by: who asked,
    as the framework calls it (`aten.randn_like`)."""

    kind: Drawn
    shape: tuple[int, ...]
    noise: Array | None
    by: str = ""


class TapeError(ValueError):
    """A draw that does not fit what the tape was given."""


class Tape:
    """Base noise in the order in which it is asked for, rounded to float32: exact in either dtype.

    seed: of all streams. given: the first normal draws, as recorded from another program or chosen (zeros: the mean);
    after them the seeded stream goes on. drawn: every draw so far.

    >>> Tape(0).normal((2,)).shape, Tape(0, given=[[0.0, 1.0]]).normal((2,)).tolist()
    ((2,), [0.0, 1.0])
    """

    def __init__(self, seed: int, given: Sequence[Array] = ()):
        self.seed = seed
        self.given = [np.asarray(each, np.float64) for each in given]
        self.drawn: list[Draw] = []
        self._streams = {kind: np.random.default_rng([seed, place]) for place, kind in enumerate(Drawn)}

    @property
    def normals(self) -> list[Array]:
        """The base noise of every normal draw so far, in order: what `given` takes."""
        return [draw.noise for draw in self.drawn if draw.kind is Drawn.NORMAL and draw.noise is not None]

    def normal(self, shape: Sequence[int], by: str = "") -> Array:
        """N(0, 1) noise in float64. Raises TapeError where the given noise has another shape."""
        sizes, place = tuple(map(int, shape)), len(self.normals)
        if place < len(self.given):
            noise = self.given[place]
            if noise.shape != sizes:
                raise TapeError(
                    f"normal draw {place + 1} ({by}) has the shape {sizes}; the tape has {noise.shape} there"
                )
        else:
            stream = self._streams[Drawn.NORMAL]
            noise = stream.standard_normal(prod(sizes)).astype(np.float32).astype(np.float64).reshape(sizes)
        self.drawn.append(Draw(kind=Drawn.NORMAL, shape=sizes, noise=noise, by=by))
        return noise

    def uniform(self, shape: Sequence[int], kind: Drawn = Drawn.UNIFORM, by: str = "") -> Array:
        """Noise in the open interval (0, 1), in float64, from the stream of `kind`."""
        sizes = tuple(map(int, shape))
        noise = (2.0 * self._streams[kind].integers(SIGNIFICAND, size=sizes) + 1.0) / (2.0 * SIGNIFICAND)
        noise = np.asarray(noise, np.float64)
        self.drawn.append(Draw(kind=kind, shape=sizes, noise=noise, by=by))
        return noise

    def seed_of(self, shape: Sequence[int], by: str = "") -> int:
        """A seed for one draw that only the framework can make."""
        self.drawn.append(Draw(kind=Drawn.OTHER, shape=tuple(map(int, shape)), noise=None, by=by))
        return int(self._streams[Drawn.OTHER].integers(2**31))
