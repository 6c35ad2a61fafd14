"""Objects that are made of arrays, and a method of theirs as one function: `Gaussian(parameters).kl()`, `.nll(sample)`.

The constructor is run at every call, so that what it does to its arrays (a clamp, an exponential) is judged with the
method. Another object of the same class, `q.kl(p)`, is made of arrays of its own, which are read as the prior's.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from elbo_compare.compare.checking.names import Role, names_a_size, read_name, words_of
from elbo_compare.compare.checking.packing import Packed, packed_in
from elbo_compare.compare.checking.source import methods_called

MOMENTS = re.compile(r"^(params?|parameters|moments|stats|statistics|h|theta)$")  # both halves in one array
CUT_ALONG = re.compile(r"^(chunk_|split_|feat_|feature_|latent_)?(dim|axis)$")  # of the array with both halves
AXIS_OF_HALVES = 1  # as `side_by_side` puts them
OTHER = "prior_"  # in front of the arrays of the second object
SIZED = frozenset(["features", "units", "channels", "width", "hidden"])  # `in_features` is no array
SAMPLES = (Role.Z, Role.X)


class Made:
    """A method without arguments of an object that is made of arrays, as a function of the constructor's."""

    def __init__(self, owner: type, method: str) -> None:
        self.owner, self.method = owner, method
        self.__name__ = method
        bare: Any = owner.__new__(owner)  # pyright: ignore
        self.__wrapped__ = bare.__init__  # its parameters and its body

    def __call__(self, **arguments: Any) -> Any:
        """Make the object, call the method."""
        return getattr(self.owner(**arguments), self.method)()


class MadeWith:
    """A method that takes arrays, or another object of the class. `parameters`: the names of all arrays, in order."""

    def __init__(
        self,
        owner: type,
        method: str,
        own: tuple[str | Packed, ...],
        taken: Mapping[str, bool],
        settings: Mapping[str, int],
    ) -> None:
        self.owner, self.method, self.own, self.settings = owner, method, own, settings
        self.arrays = tuple(name for name, is_object in taken.items() if not is_object)
        self.others = tuple(name for name, is_object in taken.items() if is_object)
        names = [part for one in own for part in ((one,) if isinstance(one, str) else one.parts)]
        self.parameters = (*names, *(OTHER + name for name in names if self.others), *self.arrays)
        self.__name__ = method
        bare: Any = owner.__new__(owner)  # pyright: ignore
        self.__wrapped__ = getattr(bare, method)  # its body

    def __call__(self, **values: Any) -> Any:
        """Make the objects, call the method."""
        others = {name: self._made(values, OTHER) for name in self.others}
        arrays = {name: values[name] for name in self.arrays}
        return getattr(self._made(values, ""), self.method)(**others, **arrays)

    def _made(self, values: Mapping[str, Any], prefix: str) -> Any:
        given: dict[str, Any] = dict(self.settings)
        for one in self.own:
            if isinstance(one, str):
                given[one] = values[prefix + one]
            else:
                given[one.name] = one.pack({part: values[prefix + part] for part in one.parts})
        return self.owner(**given)


def of_arrays(owner: type, method: str) -> Made | MadeWith | None:
    """The method as a function of arrays, where the constructor takes nothing else; else None."""
    wanted, free = _required(owner.__init__), _required(getattr(owner, method))
    cut = {name: AXIS_OF_HALVES for name in wanted or () if CUT_ALONG.search(name)}
    wanted = [name for name in wanted or () if name not in cut]
    if not wanted or free is None or not all(_is_array(name) for name in wanted):
        return None
    if not free and not cut:
        return Made(owner, method)
    bare: Any = owner.__new__(owner)  # pyright: ignore
    halves = {one.name: one for one in packed_in(bare.__init__, wanted)}
    own = tuple(halves.get(name, name) for name in wanted)
    if any(isinstance(one, str) and read_name(one) is None for one in own):
        return None
    function = getattr(owner, method)
    taken = {name: _is_object(function, name) for name in free}
    arrays = [read_name(name) for name, is_object in taken.items() if not is_object]
    if any(pair is None or pair[0] not in SAMPLES for pair in arrays) or sum(taken.values()) > 1:
        return None
    return MadeWith(owner, method, own, taken, cut)


def takes_arrays(owner: type) -> bool:
    """Whether a constructor takes arrays: what it makes of them is no input of a method."""
    return any(_is_array(name) for name in _required(owner.__init__) or ())


def _required(function: Callable[..., Any]) -> list[str] | None:
    """The parameters without a default, self left out; None where they can't be read."""
    try:
        shown = list(inspect.signature(function).parameters.values())[1:]
    except (TypeError, ValueError):
        return None
    return [p.name for p in shown if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]


def _is_array(name: str) -> bool:
    sized = names_a_size(name) or bool(set(words_of(name)) & SIZED)
    return (read_name(name) is not None and not sized) or bool(MOMENTS.search(name))


def _is_object(function: Callable[..., Any], name: str) -> bool:
    """Whether the method reads attributes of a parameter that no array has: `other.mean`, `normal_dist.sigma`."""
    read = [read_name(attribute) for attribute in methods_called(function, name)]
    return any(pair is not None and pair[0] in (Role.MEAN, Role.SPREAD) for pair in read)
