"""The weights of a JAX program: leaves of a tree by the path that leads to them, a layer's matrix before its bias."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elbo_compare.suites.bridge.pairs.records import Gradient, Later, Weight, directions
from elbo_compare.suites.contract import Array

FIRST = ("kernel", "weight", "w", "W", "embedding", "0")  # what a layer calls its matrix
TURNED_NOT = ("weight", "embedding")  # equinox keeps its matrices as torch does, (out, in); an embedding is no matrix


def leaves_of(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(path, leaf) of every array, in the order in which the program made them, matrices before biases."""
    if isinstance(tree, Mapping):
        parts = [(str(key), each) for key, each in tree.items()]
    elif isinstance(tree, (list, tuple)):
        parts = [(str(place), each) for place, each in enumerate(tree)]
    elif hasattr(tree, "shape"):
        yield name, tree
        return
    else:
        flat = jax.tree_util.tree_flatten_with_path(tree)[0] if tree is not None else []
        for path, leaf in flat:
            if hasattr(leaf, "shape"):
                yield name + "." + jax.tree_util.keystr(path).strip(".[]'"), leaf
        return
    if all(hasattr(each, "shape") for _, each in parts) and isinstance(tree, Mapping):
        parts = sorted(parts, key=lambda part: part[0] not in FIRST)
    for key, each in parts:
        yield from leaves_of(each, f"{name}.{key}" if name else key)


def mapped(tree: Any, function: Callable[[str, Any], Any], name: str = "") -> Any:
    """function(path, leaf) in place of every array; the order of a dict stays, which JAX's own maps sort."""
    if isinstance(tree, Mapping):
        return {key: mapped(each, function, f"{name}.{key}" if name else str(key)) for key, each in tree.items()}
    if isinstance(tree, (list, tuple)) and not hasattr(tree, "_fields"):
        parts = [mapped(each, function, f"{name}.{place}" if name else str(place)) for place, each in enumerate(tree)]
        return type(tree)(parts)
    if hasattr(tree, "shape"):
        return function(name, tree)
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: (
            function(name + "." + jax.tree_util.keystr(path).strip(".[]'"), leaf) if hasattr(leaf, "shape") else leaf
        ),
        tree,
    )


def described(tree: Any) -> list[Weight]:
    """As records."""
    return [
        Weight(name=name, shape=tuple(leaf.shape), kernel=leaf.ndim == 2 and name.rpartition(".")[2] not in TURNED_NOT)
        for name, leaf in leaves_of(tree)
        if jnp.issubdtype(leaf.dtype, jnp.floating)
    ]


class JaxGradients:
    """Gradients by the weights, as records. names: of the leaves, as the other side knows them; turned: as there."""

    def __init__(self, names: Mapping[str, str], turned: Collection[str]):
        self.names, self.turned = names, frozenset(turned)

    def of(self, keys: Sequence[str], pull: Callable[[str], Any]) -> Later:
        """Key -> weight -> gradient, once it is read. pull: key -> the gradient of its value by the tree."""
        return Later({key: partial(self._pulled, pull, key) for key in keys})

    def _pulled(self, pull: Callable[[str], Any], key: str) -> dict[str, Gradient]:
        return self._records(pull(key))

    def _records(self, gradient: Any) -> dict[str, Gradient]:
        records = {}
        for path, leaf in leaves_of(gradient):
            if not jnp.issubdtype(leaf.dtype, jnp.floating):
                continue
            name = self.names.get(path, path)
            array = to_numpy(leaf)
            array = array.T if name in self.turned else array
            along = directions(name, array.shape) @ array.reshape(-1)
            records[name] = Gradient(norm=float(np.linalg.norm(array)), projections=tuple(along.tolist()))
        return records


def as_weight(leaf: Any, dtype: Any) -> Any:
    """A number in `dtype`, anything else as it is; a shape stays one. By NumPy: each cast of JAX is compiled."""
    if jnp.issubdtype(leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype, jnp.floating):
        shaped = isinstance(leaf, jax.ShapeDtypeStruct)
        return jax.ShapeDtypeStruct(leaf.shape, dtype) if shaped else jnp.asarray(np.asarray(leaf, dtype))
    return leaf if isinstance(leaf, jax.ShapeDtypeStruct) else jnp.asarray(leaf)


def seeded(seed: int) -> Any:
    """The words of `jax.random.PRNGKey(seed)`, a compiled program less."""
    if jax.config.jax_default_prng_impl != "threefry2x32":  # pyright: ignore[reportAttributeAccessIssue]
        return jax.random.PRNGKey(seed)
    return np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32)


def to_numpy(leaf: Any) -> Array:
    """A float64 copy."""
    return np.array(leaf, np.float64)
