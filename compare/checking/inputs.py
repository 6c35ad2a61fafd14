"""The inputs that a user's function is called with: ordinary ones, extreme ones, q = p, ragged parts.

Sizes of batch, latent and observed axes differ from each other everywhere, so that no broadcast goes unnoticed and no
two reductions coincide.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from elbo_compare.compare.checking.oracle import spread_of
from elbo_compare.compare.checking.signature import Form, Role, Signature
from elbo_compare.suites.contract import Array, DType

Inputs = Mapping[Role, Array]


class Layout(StrEnum):
    """The shape of x and of the output: any width; or, where the function asks for it, MNIST's."""

    FLAT = "(batch, observed)"
    MNIST = "(batch, 784)"
    IMAGE = "(batch, 1, 28, 28)"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The axes of one call."""

    batch: int
    latent: int
    observed: int


# Several batch, latent and observed sizes: what a result is averaged over shows in its ratio to the right value.
ORDINARY = (
    Sizes(batch=4, latent=3, observed=5),
    Sizes(batch=6, latent=2, observed=7),
    Sizes(batch=3, latent=40, observed=11),
)
REPLICATES = 5  # a linear form has three unknown coefficients at each size
RAGGED = (1, 5)  # how the batch of 6 is split
SMALL_SIGMA, LARGE_SIGMA, FAR_MEAN, FAR_OUTPUT = 1e-3, 10.0, 30.0, 30.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call: canonical latent arrays (batch, latent), x and the output in its own form (batch, observed)."""

    label: str
    x: Array
    output: Array
    z: Array
    mean: Array
    log_var: Array

    def inputs(self, signature: Signature, dtype: DType) -> dict[Role, Array]:
        """The arrays that the function gets, in its own forms, rounded to `dtype` and back to float64."""
        whole = {
            Role.X: self.x,
            Role.OUTPUT: self.output,
            Role.Z: self.z,
            Role.MEAN: self.mean,
            Role.SPREAD: spread_of(self.log_var, signature.form(Role.SPREAD)),
        }
        roles = {argument.role for argument in signature.arguments}
        return {role: array.astype(str(dtype)).astype(float) for role, array in whole.items() if role in roles}


def observed_sizes(sizes: Sizes, layout: Layout) -> Sizes:
    """The sizes under a layout that fixes the observed axis."""
    if layout is Layout.FLAT:
        return sizes
    return Sizes(batch=sizes.batch, latent=sizes.latent, observed=784)


def ordinary(sizes: Sizes, form: Form, replicate: int = 0) -> Case:
    """mean and log_var of order one, z drawn from q, output away from its edges."""
    rng = np.random.default_rng((sizes.batch, sizes.latent, sizes.observed, replicate))
    mean = rng.normal(size=(sizes.batch, sizes.latent))
    log_var = rng.normal(size=mean.shape)
    x, output = _observed(rng, sizes, form)
    z = mean + np.exp(log_var / 2) * rng.normal(size=mean.shape)
    return Case(label="ordinary", x=x, output=output, z=z, mean=mean, log_var=log_var)


def _observed(rng: np.random.Generator, sizes: Sizes, form: Form) -> tuple[Array, Array]:
    shape = (sizes.batch, sizes.observed)
    binary, standard, uniform = (rng.random(shape) < 0.5).astype(float), rng.normal(size=shape), rng.random(shape)
    if form is Form.LOCATION:
        return standard + rng.normal(size=shape), standard
    if form is Form.LOGITS:
        return binary, 1.5 * standard
    return binary, 0.05 + 0.9 * uniform  # a probability, and as good a logit or mean while the form is unknown


def with_noise(case: Case, noise: float) -> Case:
    """z = mean + sigma * noise, noise the same number everywhere: the average over +1 and -1 is the exact KL."""
    z = case.mean + np.exp(case.log_var / 2) * noise
    return Case(label=f"noise {noise:+g}", x=case.x, output=case.output, z=z, mean=case.mean, log_var=case.log_var)


def prior(case: Case) -> Case:
    """q = p: mean 0, log_var 0, and the z of the case."""
    zeros = np.zeros_like(case.mean)
    return Case(label="q = p", x=case.x, output=case.output, z=case.z, mean=zeros, log_var=zeros)


def ragged(case: Case) -> Iterator[Case]:
    """The rows of a case in parts of `RAGGED` rows."""
    start = 0
    for rows in RAGGED:
        part = slice(start, start + rows)
        start += rows
        yield Case(
            label=f"{rows} of {len(case.x)} rows",
            x=case.x[part],
            output=case.output[part],
            z=case.z[part],
            mean=case.mean[part],
            log_var=case.log_var[part],
        )


def extremes(sizes: Sizes, form: Form, *, observed: bool) -> Iterator[Case]:
    """One extreme thing at a time: sigma 0.001, sigma 10, a mean of 30, and (where x is read) an output at its edge."""
    case = ordinary(sizes, form, REPLICATES)
    noise = np.random.default_rng(REPLICATES).normal(size=case.mean.shape)
    sign = np.where(np.arange(case.mean.size).reshape(case.mean.shape) % 2 == 0, 1.0, -1.0)
    for sigma in (SMALL_SIGMA, LARGE_SIGMA):
        yield _changed(case, f"sigma {sigma:g}", case.mean, np.full_like(case.mean, 2 * np.log(sigma)), noise)
    yield _changed(case, f"|mean| {FAR_MEAN:g}", FAR_MEAN * sign, case.log_var, noise)
    if observed:
        edge = np.where(np.arange(case.output.size).reshape(case.output.shape) % 2 == 0, 1.0, -1.0)
        output = FAR_OUTPUT * edge if form is not Form.PROBS else 0.5 + (0.5 - 1e-6) * edge
        label = "probabilities 1e-06 from 0 and 1" if form is Form.PROBS else f"|{form.value}| {FAR_OUTPUT:g}"
        yield Case(label=label, x=case.x, output=output, z=case.z, mean=case.mean, log_var=case.log_var)


def _changed(case: Case, label: str, mean: Array, log_var: Array, noise: Array) -> Case:
    z = mean + np.exp(log_var / 2) * noise
    return Case(label=label, x=case.x, output=case.output, z=z, mean=mean, log_var=log_var)
