"""The contract between what is compared (`suites`) and what runs it (`compare`): records and two protocols.

Every number that crosses this boundary is in nats per datum with ELBO sign (larger is better).
Axes are named `particle`, `batch`, `latent`, `observed`, `step` and always stand in that order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Params = Mapping[str, Array]


class Likelihood(StrEnum):
    """p(x | z). NONE: there is no data term, so that ELBO = -KL."""

    NONE = "none"
    NORMAL = "normal"
    BERNOULLI = "bernoulli"


class KLTerm(StrEnum):
    """How an estimator obtains the KL term of the ELBO."""

    SAMPLED = "sampled"
    ANALYTIC = "analytic"


class Reduction(StrEnum):
    """How a raw loss combines the batch."""

    SUM = "sum"
    MEAN = "mean"


class DType(StrEnum):
    """What a session computes in."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"


class Device(StrEnum):
    """Where a session computes."""

    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Model and weights, framework-free: everybody computes the same function of `params`, x and noise.

    encoder  h = x; for i in 0..gated_layers-1: h = (h A_i' + a_i) * sigmoid(h G_i' + g_i)
             mean = h M' + m, log_var = h V' + v            q(z|x) = N(mean, diag exp(log_var))
    prior    p(z) = N(0, I)
    decoder  the same gated layers on z, then output = h O' + o   (absent when likelihood is NONE)
             BERNOULLI: p(x|z) = Bernoulli(logits=output); NORMAL: p(x|z) = N(output, likelihood_scale^2 I)

    Names in `params` (weights have shape (out, in)): `encoder.{i}.linear.weight|bias`,
    `encoder.{i}.gate.weight|bias`, `encoder.mean.weight|bias`, `encoder.log_var.weight|bias`,
    `decoder.{i}.linear.weight|bias`, `decoder.{i}.gate.weight|bias`, `decoder.output.weight|bias`.

    Networks: Tomczak and Welling 2016 (arXiv 1611.09630), section 4 (two hidden layers of 300 gated units).
    """

    name: str
    weights: str
    likelihood: Likelihood
    gated_layers: int
    latent: int
    observed: int
    params: Params
    likelihood_scale: float = 1.0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Arrays of shape (rows, observed), float64, with the digest of their bytes and where they come from."""

    name: str
    train: Array
    test: Array
    sha256: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """What is estimated. `library_classes` names the public ELBO class per framework."""

    name: str
    kl_term: KLTerm
    formula: str
    source: str
    library_classes: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One evaluation at a given x and a given noise. Scalars: nats per datum (mean over the batch).

    `gradients`: d elbo / d params, per datum, the same names and shapes as `params`.
    `log_q`, `log_prior`: log q(z|x) and log p(z) as this implementation writes them, constants kept or dropped.
    `log_likelihood_derived`: True when it is ELBO + KL and not a number of its own.
    `raw_loss` is what the implementation's loss returned, `raw_sign` * ELBO reduced over the batch by `raw_reduction`.
    `dtype` is the dtype that the framework actually computed in.
    """

    elbo: float
    kl: float
    log_likelihood: float
    log_likelihood_derived: bool
    log_q: float
    log_prior: float
    gradients: Params
    raw_loss: float
    raw_sign: int
    raw_reduction: Reduction
    dtype: DType


@dataclass(frozen=True, kw_only=True)
class Draws:
    """n independent draws with the implementation's own random numbers, for one datum.

    `elbo`, `kl`: shape (n,), nats, paired (the same z). `ties`, shape (blocks, 2): for every block, the mean of the
    ELBO draws and, under the same seed, the value that the public ELBO object returned; empty where each draw is
    itself a return value of that object.
    """

    elbo: Array
    kl: Array
    dtype: DType
    ties: Array = field(default_factory=lambda: np.empty((0, 2)))


@dataclass(frozen=True, kw_only=True)
class GradientDraws:
    """n independent draws of d elbo / d(encoder outputs) for one datum. `mean`, `log_var`: shape (n, latent)."""

    mean: Array
    log_var: Array
    dtype: DType


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A training run. `elbo`: shape (step,), nats per datum, at the weights before each step's update."""

    elbo: Array
    params: Params
    checkpoints: Mapping[int, Params]
    dtype: DType


@dataclass(frozen=True, kw_only=True)
class Stepper:
    """Training steps for the clock. `compile` is None where nothing is compiled ahead; `step(k)` runs k training
    steps (forward, backward, Adam) and returns after the device has finished."""

    compile: Callable[[], None] | None
    step: Callable[[int], None]


class Session(Protocol):
    """One implementation of one (problem, estimator), at one dtype on one device. `params` and `x` are float64 or
    already rounded to the dtype; the session casts. A session may be called with any weights of the same shapes."""

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The estimator at z = mean + exp(log_var / 2) * noise. x (batch, observed), noise (1, batch, latent)."""
        ...

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws at one datum, x (1, observed), in vectorised blocks of at most `chunk`."""
        ...

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of the gradient at one datum, x (1, observed), in vectorised blocks of at most `chunk`."""
        ...

    def fit(
        self,
        params: Params,
        x: Array,
        batches: NDArray[np.integer],
        learning_rate: float,
        seed: int,
        noise: Array | None = None,
        checkpoints: tuple[int, ...] = (),
    ) -> Fit:
        """Adam (beta 0.9, 0.999, epsilon 1e-8) on the batch-mean loss; x (rows, observed), batches (step, batch) row
        indices, noise (step, 1, batch, latent) or None for own random numbers. `checkpoints`: numbers of completed
        steps (0 = the start) after which the weights are kept."""
        ...

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Training steps on the batch x (batch, observed) with own random numbers."""
        ...


class Implementation(Protocol):
    """One way to write the VAE. `framework` is the package whose version matters ("torch", "pyro", ...)."""

    name: str
    framework: str
    devices: tuple[Device, ...]
    dtypes: tuple[DType, ...]

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None, or the reason why not."""
        ...

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> Session:
        """A session for one (problem, estimator). Raises RuntimeError where the device is not there."""
        ...
