"""One side of a comparison in JAX: a NumPyro pair or a hand-written loss, its weights, its runs at a tape.

Within its context JAX computes in float64, afterwards as before. Weights are a tree that is passed along, so that
nothing of the program is changed.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elbo_compare.suites.bridge.pairs.jax_loss import JaxLoss
from elbo_compare.suites.bridge.pairs.jax_weights import (
    JaxGradients,
    as_weight,
    described,
    leaves_of,
    mapped,
    to_numpy,
)
from elbo_compare.suites.bridge.pairs.records import OWN_ONLY, Asked, Run, SiteFacts, Weight
from elbo_compare.suites.bridge.tape import Tape
from elbo_compare.suites.contract import Array, DType


@dataclass(kw_only=True)
class JaxSide:
    """pair: of `numpyro_pair`, or a `JaxLoss`. tree, state: parameters and mutable state, once they are made; shapes
    in their places until a value is wanted: the other side's take the places of most of them."""

    pair: Any
    dtype: Any
    tree: Any = None
    state: Any = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    turned: set[str] = field(default_factory=set)

    def set_up(self, rows: Sequence[Array]) -> None:
        """Make the weights, as a first call does."""
        if self.tree is None:
            made = self.pair.weights(self.arguments(rows))
            self.tree, self.state = (mapped(each, self._cast) for each in made)

    def _fill(self) -> None:
        """The values of a first call, where shapes stand so far."""
        leaves = [leaf for tree in (self.tree, self.state) for _, leaf in leaves_of(tree)]
        if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves):
            made = [dict(leaves_of(each)) for each in self.pair.first_values()]
            self.tree, self.state = (
                mapped(tree, lambda path, leaf, own=own: leaf if isinstance(leaf, jax.Array)
                       else self._cast(path, own[path]))
                for tree, own in zip((self.tree, self.state), made, strict=True)
            )  # fmt: skip

    def weights(self) -> list[Weight]:
        """In the order in which the program makes them, the guide's first."""
        return described(self.tree or {})

    def values(self) -> dict[str, Array]:
        """Name -> value of every weight."""
        self._fill()
        return {name: to_numpy(leaf) for name, leaf in leaves_of(self.tree)}

    def take(self, tied: Mapping[str, str], values: Mapping[str, Array], kernels: Collection[str] = ()) -> None:
        """Give the weights named by `tied` (ours -> the other side's) the other side's values; matrices that one side
        keeps as (in, out) and the other as (out, in) are turned."""
        self.names, new = dict(tied), {}
        ours = {each.name: each for each in self.weights()}
        for mine, theirs in tied.items():
            value = values[theirs]
            if ours[mine].kernel != (theirs in kernels) and value.ndim == 2:
                value = value.T
                self.turned.add(theirs)
            new[mine] = jnp.asarray(np.array(value, order="C"), self.dtype)
        self.tree = mapped(self.tree, lambda path, leaf: new.get(path, leaf))

    def buffers(self) -> list[Array]:
        """The mutable state, in order."""
        self._fill()
        return [to_numpy(leaf) for _, leaf in leaves_of(self.state)]

    def take_buffers(self, values: Sequence[Array]) -> bool:
        """The other side's state, where it fits in order and shape; whether it did."""
        ours = list(leaves_of(self.state))
        fits = [tuple(leaf.shape) for _, leaf in ours] == [each.shape for each in values]
        if fits:
            new = {name: jnp.asarray(value, self.dtype) for (name, _), value in zip(ours, values, strict=True)}
            self.state = mapped(self.state, lambda path, leaf: new.get(path, leaf))
        return fits

    def facts(self, rows: Sequence[Array]) -> list[SiteFacts]:
        """The pair's sites."""
        self._fill()
        return self.pair.facts(self.arguments(rows), self.tree, self.state)

    def run(self, rows: Sequence[Array], tape: Tape, *, gradients: bool = False, asked: Asked = OWN_ONLY) -> Run:
        """Values of the program at the tape, with `gradients` by the weights under the other side's names."""
        self._fill()
        wanted = JaxGradients(self.names, self.turned) if gradients and self.tree else None
        return self.pair.run(self.arguments(rows), self.tree, self.state, tape, wanted, asked)

    def exact(self, rows: Sequence[Array]) -> Run | None:
        """Trace_ELBO's expected loss, summed over every state of discrete latents, with its gradient; None without."""
        self._fill()
        return self.pair.exact(self.arguments(rows), self.tree, self.state, JaxGradients(self.names, self.turned))

    def arguments(self, rows: Sequence[Array]) -> list[Any]:
        """Arrays: numbers in the side's dtype, labels as they are."""
        return [jnp.asarray(each, self.dtype if each.dtype.kind == "f" else None) for each in rows]

    def _cast(self, path: str, leaf: Any) -> Any:
        return as_weight(leaf, self.dtype)


@contextmanager
def opened(programs: Sequence[Callable[..., Any]], dtype: DType) -> Iterator[JaxSide]:
    """A side whose weights have `dtype` within."""
    with jax.enable_x64(dtype is DType.FLOAT64):
        if len(programs) > 1:
            module = import_module("elbo_compare.suites.bridge.pairs.numpyro_pair")
            yield JaxSide(pair=module.NumPyroPair(model=programs[0], guide=programs[1]), dtype=jnp.dtype(dtype.value))
        else:
            side = JaxSide(pair=JaxLoss(programs[0]), dtype=jnp.dtype(dtype.value))
            side.set_up([])  # its weights are there before any data
            yield side
