"""A sample site as one run of a model or a guide left it, read alike from Pyro and from NumPyro; no framework here.

The distributions of both libraries have the same wrappers, shapes and names, so that one code reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import prod
from typing import Any

WRAPPERS = ("Independent", "MaskedDistribution", "ExpandedDistribution")
GAUSSIAN = ("Normal", "MultivariateNormal", "LowRankMultivariateNormal", "LogNormal")


class Draw(StrEnum):
    """How a site's value comes about and how its gradient passes."""

    REPARAMETERISED = "reparameterised"  # has_rsample
    SCORE = "score function"  # no reparameterisation: a discrete site, or one that the user detached
    PARTLY = "reparameterised in part"  # a rejection sampler: through the draw, and by its score
    POINT = "point"  # a Delta: no integral is done


@dataclass(frozen=True, kw_only=True)
class Plate:
    """One plate around a site: `size` as declared, `rows` drawn by subsampling; vectorised: rows are a dimension."""

    name: str
    size: int
    rows: int
    vectorised: bool = True


@dataclass(frozen=True, kw_only=True)
class Mask:
    """A mask, and over how many batch dimensions it lies (those outside of `to_event` first)."""

    kept: Any
    rank: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One site of one trace; numbers are arrays of the library, or what a compiler traces in their place.

    log_prob: scaled and masked as the library does it, over the batch. scale, mask: of the handlers in force (NumPyro's
    put their mask into `fn`). infer: what the site says of itself. nesting: plates that lie within one another there.
    partly: the score of the draw enters the gradient beside the draw itself. record: the library's own.
    """

    name: str
    fn: Any
    value: Any
    observed: bool
    log_prob: Any
    scale: Any = 1.0
    mask: Any = None
    infer: Mapping[str, Any]
    plates: tuple[Plate, ...] = ()
    nesting: int = 0
    partly: bool = False
    record: Any = None

    @cached_property
    def masks(self) -> tuple[Mask, ...]:
        """The handlers' mask and those of the distribution, the outermost first."""
        found = [] if self.mask is None else [Mask(kept=self.mask, rank=len(self.fn.batch_shape))]
        fn = self.fn
        while type(fn).__name__ in WRAPPERS:
            if type(fn).__name__ == "MaskedDistribution":
                found.append(Mask(kept=fn._mask, rank=len(fn.batch_shape)))
            fn = fn.base_dist
        return tuple(found)

    @property
    def own_mask(self) -> bool:
        """Whether the distribution itself is masked."""
        return len(self.masks) > (self.mask is not None)

    @cached_property
    def base(self) -> Any:
        """The innermost distribution below the wrappers."""
        fn = self.fn
        while type(fn).__name__ in WRAPPERS:
            fn = fn.base_dist
        return fn

    @property
    def family(self) -> str:
        """The class of `base`; a Bernoulli says what it is made of, its probability or its logits."""
        name = type(self.base).__name__
        return "BernoulliProbs" if name == "Bernoulli" and "probs" in vars(self.base) else name

    @property
    def shown(self) -> str:
        """Normal.to_event(1), batch (7,), event (2,)."""
        fn, base = self.fn, self.base
        within = len(fn.event_shape) - len(base.event_shape)
        name = type(base).__name__ + (f".to_event({within})" if within > 0 else "")
        name += ".mask()" if self.own_mask else ""
        return f"{name}, batch {tuple(fn.batch_shape)}, event {tuple(fn.event_shape)}"

    @property
    def draw(self) -> Draw:
        """How the value comes about."""
        if type(self.base).__name__ == "Delta":
            return Draw.POINT
        if self.partly:
            return Draw.PARTLY
        return Draw.REPARAMETERISED if self.fn.has_rsample else Draw.SCORE

    @property
    def discrete(self) -> bool:
        """Whether its values can be counted through."""
        return not self.fn.has_rsample and bool(getattr(self.fn, "has_enumerate_support", False))

    @property
    def elements(self) -> int:
        """Numbers of one event."""
        return prod(self.fn.event_shape)

    @property
    def normal_dims(self) -> float:
        """Dimensions of one batch element whose density has the factor (2 pi)^(-1/2), of a transformed normal too."""
        outer, base = prod(self.fn.batch_shape), self.fn
        while type(base).__name__ in ("TransformedDistribution", "MixtureSameFamily", *WRAPPERS):
            mixture = type(base).__name__ == "MixtureSameFamily"
            base = base.component_distribution if mixture else base.base_dist
            outer *= (base.batch_shape[-1] if base.batch_shape else 1) if mixture else 1
        if type(base).__name__ not in GAUSSIAN or outer == 0:
            return 0.0
        inner = prod((*base.batch_shape, *base.event_shape))
        # An expanded distribution's base may lack the batch: its event alone is then what one element holds.
        return inner / outer if inner >= outer else float(self.elements)


@dataclass(frozen=True, kw_only=True, eq=False)
class Traced:
    """A run of the guide and of the model replayed against it: the sites of each by name, in the order of the run."""

    model: Mapping[str, Node]
    guide: Mapping[str, Node]

    @property
    def names(self) -> list[str]:
        """Every site, the model's order first."""
        return list(dict.fromkeys([*self.model, *self.guide]))

    @property
    def latents_first(self) -> list[str]:
        """Every site: latents in the guide's order, then those of the model alone, the observed ones last."""
        guided = [name for name, node in self.guide.items() if not node.observed]
        own = [name for name, node in self.model.items() if not node.observed]
        return list(dict.fromkeys([*guided, *own, *(name for name, node in self.model.items() if node.observed)]))

    @property
    def order(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The sites that both have, in the model's and in the guide's order."""
        return (
            tuple(name for name in self.model if name in self.guide),
            tuple(name for name in self.guide if name in self.model),
        )
