"""What a backend extracts from one model and guide, free of any framework: sites, classes, and blocks of draws."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Protocol

import numpy as np

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.tracing.site import Draw, Plate

# The class name under which a block gives Trace_ELBO on the mended pair: the guide's plates carry the model's N / B,
# and a latent that the guide lacks (drawn from its prior, which is its q then) is scored by neither.
INTENDED = "intended"


@dataclass(frozen=True, kw_only=True)
class Side:
    """A site in the model or in the guide.

    `scale`: (least, largest) in force; `kept`: share of the elements that the masks keep (handlers and dist.mask);
    `own_mask`: the distribution itself is masked; digests tell masks apart, `handler_digest` those of Pyro's handlers
    alone. `weight`: sum of scale * mask over elements, event dimensions included. `log_prob`: scaled and masked sum in
    nats. `log_density`: of a Delta, summed. `edge`: parameters or data lie where a finding about the family begins (a
    shared end, a concentration of 8, a grey pixel). `normal_dims`: dimensions whose density has the factor
    (2 pi)^(-1/2), a transformed normal's too, weighted by scale and mask.
    `clamp`: nats that clamped probabilities add to log p here (library less unclamped float64). `given`: observed on
    this side, a factor too. `infer_kl`: what the site says of its KL (NumPyro's config_kl).
    """

    family: str
    shown: str
    scale: tuple[float, float] = (1.0, 1.0)
    kept: float = 1.0
    own_mask: bool = False
    mask_digest: str = ""
    handler_digest: str = ""
    weight: float = 0.0
    plates: tuple[Plate, ...] = ()
    log_prob: float = nan
    log_density: float = 0.0
    normal_dims: float = 0.0
    draw: Draw = Draw.REPARAMETERISED
    discrete: bool = False
    enumerate: str = ""
    baseline: bool = False
    edge: bool = False
    clamp: float = 0.0
    given: bool = False
    infer_kl: str = ""

    @property
    def batch_factor(self) -> float:
        """The product of size / rows over the plates: what subsampling multiplies the log density by."""
        return float(np.prod([plate.size / plate.rows for plate in self.plates if plate.rows]))


@dataclass(frozen=True, kw_only=True)
class SiteFacts:
    """One name. `kl`: the library's own term (KL scaled and masked as it does it), None where none is registered or
    the guide lacks the site; `error`: what TraceMeanField_ELBO raises for this site. `exact_kl`: an independent value
    of an analytic KL, where one is at hand. `deterministic`: it records a value and has no density."""

    name: str
    model: Side | None = None
    guide: Side | None = None
    observed: bool = False
    kl: float | None = None
    error: str = ""
    exact_kl: float | None = None
    deterministic: bool = False

    @property
    def term(self) -> float:
        """log p - log q at the draw of this run, each with its own scale and mask: what Trace_ELBO adds."""
        model = self.model.log_prob if self.model else 0.0
        return model - (self.guide.log_prob if self.guide else 0.0)

    @property
    def loses_mask(self) -> bool:
        """Whether the library's term has another mask than the model's: its KL takes the guide's.

        Of a point it is -log p there, which keeps what the model's distribution masks itself.
        """
        model, guide = self.model, self.guide
        if model is None or guide is None:
            return False
        if guide.draw is Draw.POINT and not guide.own_mask:
            return model.handler_digest != guide.handler_digest
        return model.mask_digest != guide.mask_digest


@dataclass(frozen=True, kw_only=True)
class ClassFacts:
    """One ELBO object. `name`: as it was made, without empty brackets. `kind`: the public class without Jit.

    `value`: ELBO (its loss with the sign turned) under seed 0; `error`: what it raised. `asked`: it is explained;
    else it is drawn from as a reference alone. `unchecked`: its ELBO without the library's validation, where that is
    what refused the pair.
    """

    name: str
    kind: str
    value: float = nan
    error: str = ""
    particles: int = 1
    asked: bool = True
    unchecked: float = nan


@dataclass(frozen=True, kw_only=True)
class Block:
    """n draws: of each class the ELBO and its gradient along the pair's directions, of each site its terms.

    Shapes: values (n,), gradients (n, directions), sampled, kl and guide (n, sites); kl is nan where none is used;
    `guide`: log q.
    """

    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    gradients: Mapping[str, np.ndarray] = field(default_factory=dict)
    sampled: np.ndarray | None = None
    kl: np.ndarray | None = None
    guide: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Exact:
    """The exact ELBO and its gradient along the directions, with the route that gave them."""

    value: float
    gradient: np.ndarray
    route: str


class Pair(Protocol):
    """A model and a guide with their arguments, ready to be drawn from.

    `bits`: 32 or 64, of the model's values. `mended`: what the class name INTENDED stands for, empty where it is
    Trace_ELBO on the pair as it is. `order`: the shared sites in the model's and in the guide's order.
    `latents_of_positions`: rows of a mini-batch for which a continuous autoguide keeps a posterior each. `first_s`:
    seconds that draws took which the pair keeps, and gives again without drawing. `enumerates_other_rows`:
    TraceEnum_ELBO has other rows of a mini-batch in the model than in the guide, and is no reference.
    """

    library: Library
    versions: str
    bits: int
    mended: str
    sites: tuple[SiteFacts, ...]
    classes: tuple[ClassFacts, ...]
    directions: tuple[str, ...]
    remarks: tuple[str, ...]
    order: tuple[tuple[str, ...], tuple[str, ...]]
    latents_of_positions: int
    first_s: float
    enumerates_other_rows: bool

    def block(self, first: int, n: int, names: Collection[str], *, terms: bool) -> Block:
        """Draws under the seeds first .. first + n - 1; a backend may give more classes and terms than asked for."""
        ...

    def exact(self) -> Exact | None:
        """Enumeration of every latent, where all are discrete and few; else None."""
        ...


def joined(blocks: Sequence[Block]) -> Block:
    """The draws of several blocks in one."""
    names = set.intersection(*(set(each.values) for each in blocks)) if blocks else set()
    terms = [each for each in blocks if each.sampled is not None]
    return Block(
        values={name: np.concatenate([each.values[name] for each in blocks]) for name in sorted(names)},
        gradients={name: np.concatenate([each.gradients[name] for each in blocks]) for name in sorted(names)},
        sampled=np.concatenate([each.sampled for each in terms if each.sampled is not None]) if terms else None,
        kl=np.concatenate([each.kl for each in terms if each.kl is not None]) if terms else None,
        guide=np.concatenate([each.guide for each in terms if each.guide is not None]) if terms else None,
    )
