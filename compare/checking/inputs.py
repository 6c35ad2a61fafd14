"""The inputs that a user's function is called with: ordinary ones, extreme ones, q = p, ragged parts.

Sizes of batch, latent and observed axes differ from each other everywhere, so that no broadcast goes unnoticed and no
two reductions coincide.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from elbo_compare.compare.checking.likelihoods import Domain
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.oracle import spread_of
from elbo_compare.compare.checking.signature import Signature, unit_prior
from elbo_compare.suites.contract import Array, DType

Inputs = Mapping[Role, Array]


class Layout(StrEnum):
    """The shape of x and of the output: any width; or, where the function asks for it, a picture's."""

    FLAT = "(batch, observed)"
    MNIST = "(batch, 784)"
    MAP = "(batch, 3, 2, observed)"
    IMAGE = "(batch, 1, 28, 28)"
    LAST = "(batch, 28, 28, 1)"
    COLOUR = "(batch, 3, 32, 32)"
    LARGE = "(batch, 3, 64, 64)"
    SIGNAL = "(batch, 1, observed)"
    STEPS = "(batch, steps, observed)"


PICTURES = {Layout.MNIST: (784,), Layout.IMAGE: (1, 28, 28), Layout.LAST: (28, 28, 1), Layout.COLOUR: (3, 32, 32),
            Layout.LARGE: (3, 64, 64)}  # fmt: skip
OTHER_PICTURES = PICTURES | {Layout.IMAGE: (1, 32, 36), Layout.LAST: (32, 36, 1), Layout.COLOUR: (3, 40, 44),
                             Layout.LARGE: (3, 72, 76)}  # fmt: skip
# Each axis that has one size in all calls, and a second size: an average over it is a constant at the first alone.
MAP_AXES = (3, 2), (5, 4)  # channels and height of the small picture; its width is free
LATENT_MAP = (2, 2), (3, 4)  # height and width of a feature-map latent; its channels are free
STEPS = 7, 13  # of a sequence: no size of a batch, nor of an axis of one step


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The axes of one call."""

    batch: int
    latent: int
    observed: int


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """How canonical (batch, axis) arrays are given to the function; sizes that are fixed, if any."""

    layout: Layout = Layout.FLAT
    latent_map: bool = False
    latent_steps: bool = False
    time_first: bool = False  # of a sequence: (steps, batch, axis)
    samples: int = 0  # of an axis of z for them, (batch, samples, latent); 0: there is none
    by_step: bool = False  # of sequences: each step is a datum of its own
    other: bool = False  # every axis that has one size in all calls has its second
    batch: int | None = None
    latent: int | None = None
    observed: int | None = None

    def sizes(self, sizes: Sizes) -> Sizes:
        """The sizes of the canonical arrays under these shapes."""
        picture = self.picture
        steps = 1 if self.by_step else self.steps
        wider = {Layout.MAP: int(np.prod(MAP_AXES[self.other])), Layout.STEPS: steps}.get(self.layout, 1)
        deeper = int(np.prod(LATENT_MAP[self.other])) if self.latent_map else steps if self.latent_steps else 1
        observed, latent = self.observed or sizes.observed * wider, self.latent or sizes.latent * deeper
        return Sizes(
            batch=(self.batch or sizes.batch) * (self.steps if self.by_step else 1),
            latent=latent,
            observed=int(np.prod(picture)) if picture else observed,
        )

    @property
    def steps(self) -> int:
        """Of a sequence."""
        return STEPS[self.other]

    @property
    def picture(self) -> tuple[int, ...] | None:
        """The shape of one picture; None where its axes are free."""
        return (OTHER_PICTURES if self.other else PICTURES).get(self.layout)

    @property
    def fixed(self) -> dict[str, tuple[int, ...]]:
        """The sizes of the axes that have one size in all calls, by what they are called; 784 pixels have 28 rows."""
        found: dict[str, tuple[int, ...]] = {}
        if self.layout is Layout.STEPS or self.latent_steps:
            found["steps"] = (self.steps,)
        if self.layout is Layout.MAP or self.picture:
            rows = PICTURES[Layout.IMAGE] if self.layout is Layout.MNIST else self.picture
            found["picture"] = rows or MAP_AXES[self.other]
        if self.latent_map:
            found["latent map"] = LATENT_MAP[self.other]
        return found

    @property
    def splits(self) -> bool:
        """Whether a batch may have any number of rows."""
        return self.batch is None and not self.by_step

    def shaped(self, role: Role, array: Array) -> Array:
        """A canonical array as the function wants it."""
        if role in (Role.X, Role.OUTPUT, Role.OUTPUT_SPREAD):
            axes = {Layout.MAP: (*MAP_AXES[self.other], -1), Layout.SIGNAL: (1, -1), Layout.STEPS: (self.steps, -1)}
            shape = self.picture or axes.get(self.layout)
            rows = len(array) // self.steps if self.by_step else len(array)
            return self._turned(array.reshape(rows, *shape)) if shape else array
        if self.samples and role is Role.Z:
            return array.reshape(len(array), self.samples, *((self.steps,) if self.latent_steps else ()), -1)
        if self.latent_map and array.ndim == 2:
            return array.reshape(len(array), -1, *LATENT_MAP[self.other])
        if self.latent_steps and array.ndim == 2:
            return self._turned(array.reshape(-1 if self.by_step else len(array), self.steps, self._width(array)))
        return array

    def _width(self, array: Array) -> int:
        return array.shape[1] if self.by_step else array.shape[1] // self.steps

    def _turned(self, array: Array) -> Array:
        return array.swapaxes(0, 1) if self.time_first and array.ndim == 3 else array

    def flat(self, array: Array) -> Array:
        """What came back in an argument's own shape as (batch, axis)."""
        array = self._turned(array)
        if self.by_step and array.ndim == 3:
            return array.reshape(-1, array.shape[2])
        return array.reshape(len(array), -1) if array.ndim else array

    @property
    def text(self) -> str:
        """In words, for the observed axis."""
        if self.observed and self.layout is Layout.FLAT:
            return f"(batch, {self.observed})"
        return self.layout.value.replace("batch, steps", "steps, batch") if self.time_first else self.layout.value

    @property
    def steps_text(self) -> str:
        """That sequences were given, and what a weight of 1/7 would be; "" otherwise."""
        if self.layout is not Layout.STEPS and not self.latent_steps:
            return ""
        axes = "steps, batch" if self.time_first else "batch, steps"
        if self.by_step:
            return f"called with sequences, ({axes}, axis): each step counts as a datum, so that a mean is over both"
        n = self.steps
        return f"called with sequences, ({axes}, axis), of {n} steps: 1/{n} of a sum is an average over the steps"


# Several batch, latent and observed sizes: what a result is averaged over shows in its ratio to the right value.
ORDINARY = (
    Sizes(batch=4, latent=3, observed=5),
    Sizes(batch=6, latent=2, observed=7),
    Sizes(batch=3, latent=40, observed=11),
)
WIDE = Sizes(batch=130, latent=67, observed=101)  # a branch on the size, or a slice, shows here
REPLICATES = 3  # calls of each size at which gradients are compared too
FITTED = 14  # values alone: a formula of up to ten terms is told from a wrong one
RAGGED = (1, 5)  # how the batch of 6 is split
SMALL_SIGMA, LARGE_SIGMA, FAR_MEAN, FAR_OUTPUT, EDGE = 1e-3, 10.0, 30.0, 30.0, 1e-6


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One call: canonical latent arrays (batch, latent), x and the output in its own form (batch, observed).

    `spread`: in place of log_var, a positive array that any form of spread may hold.
    """

    label: str
    x: Array
    output: Array
    z: Array
    mean: Array
    log_var: Array
    prior_mean: Array
    prior_log_var: Array
    data_term: Array
    output_log_var: Array
    spread: Array | None = None
    prior_spread: Array | None = None
    output_spread: Array | None = None

    def inputs(self, signature: Signature, dtype: DType) -> dict[Role, Array]:
        """The arrays that the function gets, in its own forms, rounded to `dtype` and back to float64."""
        spread, prior = self.spread, self.prior_spread
        whole = {
            Role.X: self.x,
            Role.OUTPUT: self.output,
            Role.Z: self.z,
            Role.MEAN: self.mean,
            Role.SPREAD: spread_of(self.log_var, signature.form(Role.SPREAD)) if spread is None else spread,
            Role.PRIOR_MEAN: self.prior_mean,
            Role.PRIOR_SPREAD: spread_of(self.prior_log_var, signature.form(Role.PRIOR_SPREAD))
            if prior is None
            else prior,
            Role.OUTPUT_SPREAD: spread_of(self.output_log_var, signature.form(Role.OUTPUT_SPREAD))
            if self.output_spread is None
            else self.output_spread,
            Role.DATA_TERM: self.data_term,
        }
        roles = {argument.role for argument in signature.arguments}
        if unit_prior(signature):  # N(m, I), or N(0, s^2): the other number is not the function's to choose
            whole[Role.PRIOR_MEAN] = whole[Role.PRIOR_MEAN] if Role.PRIOR_MEAN in roles else np.zeros_like(self.mean)
            whole[Role.PRIOR_SPREAD] = (
                whole[Role.PRIOR_SPREAD] if Role.PRIOR_SPREAD in roles else np.ones_like(self.mean)
            )
            roles |= {Role.PRIOR_MEAN, Role.PRIOR_SPREAD}
        return {role: array.astype(str(dtype)).astype(float) for role, array in whole.items() if role in roles}

    def rows(self, part: slice) -> "Trial":
        """Some of its rows."""
        arrays = {
            name: value[part] for name, value in vars(self).items() if isinstance(value, np.ndarray) and value.ndim
        }
        return replace(self, **arrays)


def ordinary(sizes: Sizes, domain: Domain | None, replicate: int = 0) -> Trial:
    """mean and log_var of order one, z drawn from q, output away from its edges."""
    rng = np.random.default_rng((sizes.batch, sizes.latent, sizes.observed, replicate))
    mean = rng.normal(size=(sizes.batch, sizes.latent))
    log_var = rng.normal(size=mean.shape)
    x, output = _observed(rng, sizes, domain)
    z = mean + np.exp(log_var / 2) * rng.normal(size=mean.shape)
    return Trial(
        label="ordinary",
        x=x,
        output=output,
        z=z,
        mean=mean,
        log_var=log_var,
        prior_mean=rng.normal(size=mean.shape),
        prior_log_var=0.5 * rng.normal(size=mean.shape),
        data_term=np.array(rng.uniform(1, 3)),
        output_log_var=rng.normal(size=x.shape),
    )


def neutral(sizes: Sizes, replicate: int) -> Trial:
    """A case that is valid whatever the form of spread or output is: every one of them between 0 and 2."""
    case = ordinary(sizes, None, replicate)
    rng = np.random.default_rng((sizes.batch, sizes.latent, replicate))
    spread, prior = (rng.uniform(0.4, 1.8, size=case.mean.shape) for _ in range(2))
    mean = case.mean
    if replicate % 4 == 3:  # close to the prior, in the logarithmic forms or in the others: where a floor acts
        close = rng.random(mean.shape) < 0.6
        mean = np.where(close, 0.1 * mean, mean)
        spread = np.where(close, rng.choice([0.1, 1.0], size=mean.shape) + 0.1 * rng.random(mean.shape), spread)
    z = mean + 0.8 * rng.normal(size=mean.shape)
    own = rng.uniform(0.4, 1.8, size=case.x.shape)
    return replace(case, mean=mean, z=z, spread=spread, prior_spread=prior, output_spread=own)


def _observed(rng: np.random.Generator, sizes: Sizes, domain: Domain | None) -> tuple[Array, Array]:
    shape = (sizes.batch, sizes.observed)
    binary, standard, uniform = (rng.random(shape) < 0.5).astype(float), rng.normal(size=shape), rng.random(shape)
    if domain is Domain.REAL:
        return standard + rng.normal(size=shape), standard
    if domain is Domain.LOGIT:
        return binary, 1.5 * standard
    return binary, 0.05 + 0.9 * uniform  # a probability, and as good a logit, rate or mean while the form is unknown


def with_noise(case: Trial, noise: float) -> Trial:
    """z = mean + sigma * noise, noise the same number everywhere: the average over +1 and -1 is the exact KL."""
    return replace(case, label=f"noise {noise:+g}", z=case.mean + np.exp(case.log_var / 2) * noise)


def prior(case: Trial) -> Trial:
    """q = p: the prior's mean and log_var (0 and 0 where none is given), and the z of the case."""
    zeros = np.zeros_like(case.mean)
    return replace(case, label="q = p", mean=zeros, log_var=zeros, prior_mean=zeros, prior_log_var=zeros)


def ragged(case: Trial) -> Iterator[Trial]:
    """The rows of a case in parts of `RAGGED` rows."""
    start = 0
    for rows in RAGGED:
        part = slice(start, start + rows)
        start += rows
        yield replace(case.rows(part), label=f"{rows} of {len(case.x)} rows")


def extremes(sizes: Sizes, domain: Domain | None, far: float = FAR_OUTPUT, *, observed: bool) -> Iterator[Trial]:
    """One extreme thing at a time: sigma 0.001, sigma 10, a mean of 30, q close to p (where a floor acts), and (where x
    is read) an output at its edge."""
    case = ordinary(sizes, domain, REPLICATES)
    noise = np.random.default_rng(REPLICATES).normal(size=case.mean.shape)
    for sigma in (SMALL_SIGMA, LARGE_SIGMA):
        log_var = np.full_like(case.mean, 2 * np.log(sigma))
        yield _moved(replace(case, label=f"sigma {sigma:g}", log_var=log_var), noise)
    yield _moved(replace(case, label=f"|mean| {FAR_MEAN:g}", mean=FAR_MEAN * signs(case.mean)), noise)
    decades = 10.0 ** -(1 + np.arange(case.mean.size) % 4).reshape(case.mean.shape)
    close = replace(case, label="q close to p", mean=decades * case.mean, log_var=decades * case.log_var)
    yield _moved(close, noise)
    if observed:
        yield at_edge(case, domain, far, EDGE)


def at_edge(case: Trial, domain: Domain | None, far: float, edge: float) -> Trial:
    """Outputs at both edges of their domain, in turn."""
    sign = signs(case.output)
    if domain in (Domain.UNIT, None):
        return replace(case, label=f"probabilities {edge:g} from 0 and 1", output=0.5 + (0.5 - edge) * sign)
    if domain is Domain.POSITIVE:
        return replace(case, label=f"rates {edge:g} and {far:g}", output=np.where(sign > 0, far, edge))
    return replace(case, label=f"|{'logits' if domain is Domain.LOGIT else 'location'}| {far:g}", output=far * sign)


def signs(array: Array) -> Array:
    """+1 and -1 in turn, in the array's shape."""
    return np.where(np.arange(array.size).reshape(array.shape) % 2 == 0, 1.0, -1.0)


def _moved(case: Trial, noise: Array) -> Trial:
    return replace(case, z=case.mean + np.exp(case.log_var / 2) * noise)
