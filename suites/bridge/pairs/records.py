"""What a program gives at one tape, free of any framework. The terms of a pair are told by what they are and where.

A run's `values` are summed over the batch, in nats, with the sign of a log density; `scales` are the sums of the
absolute elements: what a rounding error is measured by.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

import numpy as np

from elbo_compare.suites.contract import Array

NAMED = ("loss", "elbo", "total_loss")  # what is minimised, where a program returns several things
PROJECTIONS = 6  # random directions per tensor: two unequal gradients agree on all of them with probability zero


class ProgramError(ValueError):
    """A program that can't be run as it stands; one line that says what to give."""


class What(StrEnum):
    """The terms of a site. The first group is the pair's own, as its ELBO object adds them up, scale and mask applied;
    the second holds the parts of a Gaussian term, the third what people write in place of a likelihood."""

    LOG_LIKELIHOOD = "log p(x)"
    LOG_Q = "log q"
    LOG_P = "log p"
    KL = "KL"
    ENUMERATED = "TraceEnum_ELBO"  # all sites at once, the discrete ones summed over

    IMPORTANCE = "log mean weight"  # the importance-weighted bound over as many draws as `Term.draw` says
    STANDARD = "log N(0, I)"  # in place of the prior that the model has
    COORDINATE = "KL of one latent"  # of two Gaussians; the site is z[0]
    KL_STANDARD = "KL to N(0, I)"  # of a Gaussian guide, in closed form, in place of the model's prior
    LOG_DET_Q = "log determinant of q"  # of the transform that the site's distribution has
    LOG_DET_P = "log determinant of p"

    LOG_VAR = "log var"
    NOISE2 = "e^2"
    PRIOR_LOG_VAR = "log prior var"
    PRIOR_RESIDUAL2 = "prior residual^2"
    MEAN2 = "mean^2"
    VAR = "var"
    SIGMA = "sigma"
    VAR2 = "var^2"
    MEAN = "mean"  # these three: of the KL whose mean and log sigma^2 are taken for one another
    LOG_VAR2 = "(log var)^2"
    EXP_MEAN = "exp(mean)"

    SQUARED_ERROR = "squared error"
    STANDARDISED_ERROR = "standardised squared error"
    OBSERVED_LOG_VAR = "log sigma^2"
    ABSOLUTE_ERROR = "absolute error"
    CROSS_ENTROPY = "cross-entropy"
    TWICE_SIGMOID = "cross-entropy, sigmoid applied twice"
    LOGITS_SQUARED_ERROR = "squared error of the logits"
    UNMASKED = "log density without the mask"
    TEMPERED = "log density at a temperature"  # of logits / T; `Term.clamp` is T, 0 where it is not known yet
    TEMPERED_SLOPE = "its slope by 1 / T"

    LOG_FACTORIAL = "log x!"  # parts of a likelihood that the data alone determine: no gradient sees them
    LOG_CHOOSE = "the log of the combinatorial coefficient"


class Total(StrEnum):
    """What is minimised: a hand-written loss, or what a library's own ELBO object returns for a pair."""

    LOSS = "loss"
    TRACE = "Trace_ELBO"
    MEAN_FIELD = "TraceMeanField_ELBO"
    ENUM = "TraceEnum_ELBO"


@dataclass(frozen=True, order=True)
class Term:
    """A term: what, at which site, at which draw (1: the pair's own; 2: as if the guide ran again; see `SAMPLERS`).

    clamp: where probabilities are cut off, in `CROSS_ENTROPY`.
    """

    what: What
    site: str
    draw: int = 1
    clamp: float = 0.0

    @property
    def key(self) -> str:
        """As text, for a record that travels between processes."""
        return f"{self.what.value}|{self.site}|{self.draw}|{self.clamp:g}"

    @classmethod
    def of(cls, key: str) -> "Term":
        """The inverse of `key`."""
        what, site, draw, clamp = key.rsplit("|", 3)
        return cls(What(what), site, int(draw), float(clamp))


# The discrete latents summed over, each state weighed by q: a term's expectation over them.
EXPECTED = -9

# Draws that are none of the guide's own: the same base noise by another sampler, as people write it by mistake.
ZERO_NOISE, BY_VARIANCE, BY_LOG_VAR, BY_ROOT, SHARED, SWAPPED = 0, -1, -2, -3, -4, -5
SAMPLERS = {
    ZERO_NOISE: "at zero noise (z = mean)",
    BY_VARIANCE: "at z = mean + sigma^2 e",
    BY_LOG_VAR: "at z = mean + log sigma^2 e",
    BY_ROOT: "at z = mean + sqrt(sigma) e",
    SHARED: "at one noise for the whole batch",
    SWAPPED: "at z = log sigma^2 + exp(mean / 2) e",
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """draws: runs of the guide on one tape. wide: parts and stand-ins, instead of the ELBO objects; moved: those at
    other samplers' latents too.
    enumerate: discrete sites are summed over by TraceEnum_ELBO. lean: the sites' own terms and Trace_ELBO alone.
    sharpness: 1 / T, where the likelihoods of logits are wanted at a temperature T too; 0: they are not."""

    draws: int = 1
    wide: bool = False
    moved: bool = False
    enumerate: bool = False
    lean: bool = False
    sharpness: float = 0.0


OWN_ONLY = Asked()


@dataclass(frozen=True, kw_only=True)
class SiteFacts:
    """A site of a pair. elements: numbers in it for one batch. guide_scale, model_scale: what the library
    multiplies its log densities by. shown: family and shapes."""

    name: str
    observed: bool
    elements: int
    family: str = ""
    shown: str = ""
    reparameterised: bool = True
    discrete: bool = False
    guide_scale: float = 1.0
    model_scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Gradient:
    """d value / d one weight: its norm, and its products with `PROJECTIONS` seeded directions."""

    norm: float
    projections: tuple[float, ...]


class Later(Mapping[str, Mapping[str, Gradient]]):
    """Gradients by key, each made when it is first read: of a hundred terms a formula has three. They are read within
    the side's context."""

    def __init__(self, making: Mapping[str, Callable[[], Mapping[str, Gradient]]]) -> None:
        self._making, self._made = making, dict[str, Mapping[str, Gradient]]()

    def __getitem__(self, key: str) -> Mapping[str, Gradient]:
        if key not in self._made:
            self._made[key] = self._making[key]()
        return self._made[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._making)

    def __len__(self) -> int:
        return len(self._making)


def together(*several: Mapping[str, Mapping[str, Gradient]]) -> Later:
    """The gradients of several runs by key, those of a later run first; none is made by it."""
    return Later({key: partial(each.__getitem__, key) for each in several for key in each})


@dataclass(frozen=True, kw_only=True)
class Run:
    """One program at one tape and batch. draws: (kind, shape) of every draw. gradients: of a total or a term, by
    weight; a key with `@detached` is the same with every latent cut off. errors: why an ELBO object has no value."""

    values: Mapping[str, float]
    scales: Mapping[str, float] = field(default_factory=dict)
    draws: tuple[tuple[str, tuple[int, ...]], ...] = ()
    gradients: Mapping[str, Mapping[str, Gradient]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Weight:
    """A weight: its name, shape, whether it is a matrix of JAX's orientation (in, out), and which object holds it."""

    name: str
    shape: tuple[int, ...]
    kernel: bool = False
    identity: int = 0


def directions(name: str, shape: tuple[int, ...]) -> Array:
    """The seeded directions of one weight, (PROJECTIONS, elements), in the orientation of `shape`."""
    seed = [len(name), *name.encode(), *shape]
    drawn = np.random.default_rng(seed).standard_normal((PROJECTIONS, int(np.prod(shape, dtype=int))), np.float32)
    return drawn.astype(np.float64)
