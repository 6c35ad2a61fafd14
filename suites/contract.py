"""The contract between what is compared (`suites`) and what runs it (`compare`): records and two protocols.

Every number that crosses this boundary is in nats per datum with ELBO sign (larger is better).
Axes are named `particle`, `batch`, `latent`, `observed`, `step` and always stand in that order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from elbo_compare.suites.choices import (
    Bound,
    Device,
    DType,
    Flow,
    GradientForm,
    KLTerm,
    Likelihood,
    Noise,
    Prior,
    Reduction,
)
from elbo_compare.suites.choices import Kind as Kind  # for plug-ins: see `Implementation`
from elbo_compare.suites.shapes import Array, Float, Indices, Integer

Params = Mapping[str, Array]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Model and weights, framework-free: everybody computes the same function of `params`, x and noise.

    encoder  h = x; for i in 0..gated_layers-1: h = (h A_i' + a_i) * sigmoid(h G_i' + g_i)
             mean = h M' + m, log_var = h V' + v            q(z|x) = N(mean, diag exp(log_var))
    flow     z = f(z_0), z_0 = mean + exp(log_var / 2) e; h is the encoder's last hidden layer (x without layers);
             log q(z|x) = log N(z_0; mean, diag exp(log_var)) - log |det df/dz_0|
             HOUSEHOLDER, T = flow_length: v_1 = h V_0' + c_0, v_{t+1} = v_t V_t' + c_t,
               z_t = z_{t-1} - 2 v_t (v_t.z_{t-1}) / |v_t|^2                      `flow.{t}.weight|bias`, t = 0..T-1
             LINEAR_IAF: z = L z_0, L unit lower triangular, its entries below the diagonal, row by row,
               h B' + b                                                           `flow.lower.weight|bias`
             CONVEX_LINEAR_IAF, K = flow_length: z = sum_k y_k L_k z_0, y = softmax(h C' + c)
               `flow.lower.weight|bias` (the K triangles one after another), `flow.combination.weight|bias`
             PLANAR, T = flow_length: z_t = z_{t-1} + u^ tanh(w.z_{t-1} + b), u, w, b affine in h,
               u^ = u + (softplus(w.u) - 1 - w.u) w / |w|^2                       `flow.{t}.u|w|b.weight|bias`
             AUTOREGRESSIVE, T = flow_length: z_t = m + exp(s) z_{t-1},
               a = tanh(z_{t-1} (A o M)' + h G' + g), m = a (B o N)' + b, s = a (C o N)' + c
               `flow.{t}.hidden.weight` (A), `.context.weight|bias` (G, g), `.mean.weight|bias`, `.log_scale...`
               M_ji = [i <= d_j], N_ij = [i > d_j], d_j = 1 + j mod (latent - 1), i = 1..latent, j = 0..width-1
    prior    STANDARD_NORMAL: p(z) = N(0, I); LAPLACE: a product of Laplace(0, 1)
             MIXTURE: the mean of C normals                         `prior.mean`, `prior.log_var`, each (C, latent)
             VAMP: the mean of C normals N(mean, diag exp(log_var)) from the encoder at `prior.pseudo_inputs`
               (C, observed)
    decoder  the same gated layers on z, then output = h O' + o   (absent when likelihood is NONE)
             BERNOULLI: p(x|z) = Bernoulli(logits=output); NORMAL: p(x|z) = N(output, likelihood_scale^2 I)

    Names in `params` (weights have shape (out, in)): `encoder.{i}.linear.weight|bias`,
    `encoder.{i}.gate.weight|bias`, `encoder.mean.weight|bias`, `encoder.log_var.weight|bias`,
    `decoder.{i}.linear.weight|bias`, `decoder.{i}.gate.weight|bias`, `decoder.output.weight|bias`.

    Networks and Householder flow: Tomczak and Welling 2016 (arXiv 1611.09630), section 4 (two hidden layers of 300
    gated units); linear IAF: Tomczak and Welling 2017 (arXiv 1706.02326); planar: Rezende and
    Mohamed 2015 (arXiv 1505.05770), eq. 10 and appendix A; IAF: Kingma et al. 2016 (arXiv 1606.04934), with the masks
    of Germain et al. 2015 (arXiv 1502.03509); VampPrior: Tomczak and Welling 2018 (arXiv 1705.07120).

    >>> from elbo_compare.suites import problems
    >>> problem = problems.load('linear-gaussian', 'generic')
    >>> print(problem.likelihood, problem.latent, problem.observed, problem.has_analytic_kl)
    normal 3 8 True
    """

    name: str
    weights: str
    likelihood: Likelihood
    gated_layers: int
    latent: int
    observed: int
    params: Params
    likelihood_scale: float = 1.0
    flow: Flow = Flow.NONE
    flow_length: int = 0
    prior: Prior = Prior.STANDARD_NORMAL
    note: str = ""

    @property
    def has_analytic_kl(self) -> bool:
        """KL(q(z|x) || p(z)) is closed: a Gaussian q and the standard normal prior."""
        return self.flow.is_linear and self.prior is Prior.STANDARD_NORMAL


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Arrays of shape (rows, observed), float64, with the digest of their bytes and where they come from.
    `validation` is None where the set has no such part of its own (see `datasets.split`).

    >>> from elbo_compare.suites import datasets
    >>> digits = datasets.load('digits')
    >>> print(digits.name, digits.train.shape, digits.test.shape)
    digits (1500, 64) (297, 64)
    """

    name: str
    train: Float[Array, "rows observed"]
    test: Float[Array, "test_rows observed"]
    sha256: str
    source: str
    validation: Float[Array, "validation_rows observed"] | None = None


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """What is estimated. `library_classes` names the public ELBO class per framework that computes it, and is empty
    where no library has it. `particles`: samples z per value, `alpha` of the Renyi bound (0: IWAE).

    >>> from elbo_compare.suites.estimators import ESTIMATORS
    >>> pair = ESTIMATORS['antithetic']
    >>> print(pair.kl_term, pair.bound, pair.particles, pair.noise_rows)
    sampled elbo 2 1
    """

    name: str
    kl_term: KLTerm
    formula: str
    source: str
    library_classes: Mapping[str, str]
    bound: Bound = Bound.ELBO
    alpha: float = 0.0
    particles: int = 1
    noise: Noise = Noise.INDEPENDENT
    gradient: GradientForm = GradientForm.REPARAMETERISED

    @property
    def noise_rows(self) -> int:
        """Rows of base noise per value: half as many as particles where each is used with both signs."""
        return self.particles // 2 if self.noise is Noise.ANTITHETIC else self.particles


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One evaluation at a given x and a given noise. Scalars: nats per datum (mean over the batch).

    With several particles, `kl`, `log_likelihood`, `log_q` and `log_prior` are means over them; under a Renyi bound,
    which is no sum of terms, `kl` and `log_likelihood` are nan. `log_q` is log q(z|x) of the last z, flow included.
    `gradients`: d elbo / d params (or what the estimator puts in its place), per datum, named and shaped as `params`.
    `log_q`, `log_prior`: log q(z|x) and log p(z) as this implementation writes them, constants kept or dropped.
    `log_likelihood_derived`: True when it is ELBO + KL and not a number of its own.
    `raw_loss` is what the implementation's loss returned, `raw_sign` * ELBO reduced over the batch by `raw_reduction`.
    `dtype` is the dtype that the framework actually computed in.

    >>> from elbo_compare.suites import problems, registry
    >>> from elbo_compare.suites.estimators import SAMPLED_KL
    >>> problem = problems.load('gaussian-kl', '2-typical')
    >>> session = registry.load('numpy-oracle').prepare(problem, SAMPLED_KL, Device.CPU, DType.FLOAT64)
    >>> value = session.evaluate(problem.params, np.zeros((1, 1)), np.ones((1, 1, 2)))
    >>> print(round(value.elbo, 4), round(value.kl, 4), value.dtype)
    -0.8408 0.8408 float64
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

    >>> draws = Draws(elbo=np.array([-1.0, -3.0]), kl=np.array([1.0, 3.0]), dtype=DType.FLOAT64)
    >>> print(draws.elbo.mean(), draws.ties.shape)
    -2.0 (0, 2)
    """

    elbo: Float[Array, " n"]
    kl: Float[Array, " n"]
    dtype: DType
    ties: Float[Array, "blocks 2"] = field(default_factory=lambda: np.empty((0, 2)))


@dataclass(frozen=True, kw_only=True)
class GradientDraws:
    """n independent draws of d elbo / d(encoder outputs) for one datum. `mean`, `log_var`: shape (n, latent).

    >>> draws = GradientDraws(mean=np.zeros((5, 2)), log_var=np.ones((5, 2)), dtype=DType.FLOAT64)
    >>> print(draws.mean.shape, draws.log_var.mean(0))
    (5, 2) [1. 1.]
    """

    mean: Float[Array, "n latent"]
    log_var: Float[Array, "n latent"]
    dtype: DType


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a training is asked for: Adam (beta 0.9, 0.999, epsilon 1e-8) on the batch-mean loss.

    `x` (rows, observed); `batches` (step, batch): row indices; `noise` (step, noise_rows, batch, latent): everybody's,
    or None for own random numbers from `seed`. `checkpoints`: numbers of completed steps (0 = the start) after which
    the weights are kept.

    `kl_weights` (step,): the loss of each step is weight * KL term - log p(x|z) (warm-up starts at exactly 0); only for
    Bound.ELBO. `binarise`: x holds probabilities and each step's rows are drawn anew, by
    `bridge.training.training_rows` with this seed, the same for everybody. `stop(step, weights)` is called at every
    checkpoint and ends the training when it returns True. Who has not written these says so: see `refuse_all_but`.

    >>> rows = np.zeros((50, 16), int)
    >>> training = Training(x=np.zeros((64, 3)), batches=rows, learning_rate=1e-3, seed=0, checkpoints=(0, 50))
    >>> print(training.batches.shape, sorted(training.asked))
    (50, 16) ['checkpoints']
    """

    x: Float[Array, "rows observed"]
    batches: Integer[Indices, "step batch"]
    learning_rate: float
    seed: int
    noise: Float[Array, "step noise_rows batch latent"] | None = None
    checkpoints: tuple[int, ...] = ()
    kl_weights: Float[Array, " step"] | None = None
    binarise: int | None = None
    stop: Callable[[int, Params], bool] | None = None

    @property
    def asked(self) -> frozenset[str]:
        """Names of the optional fields that are set: `noise`, `checkpoints`, `kl_weights`, `binarise`, `stop`."""
        optional = ("noise", "kl_weights", "binarise", "stop")
        found = {name for name in optional if getattr(self, name) is not None}
        return frozenset(found | ({"checkpoints"} if self.checkpoints else set()))

    def refuse_all_but(self, *written: str) -> None:
        """Raise NotImplementedError where something else is asked for than what was written: no option is passed over.

        >>> rows = np.zeros((1, 2), int)
        >>> plain = Training(x=np.zeros((2, 3)), batches=rows, learning_rate=1e-3, seed=0, checkpoints=(1,))
        >>> plain.refuse_all_but("noise", "checkpoints")
        >>> plain.refuse_all_but("noise")
        Traceback (most recent call last):
            ...
        NotImplementedError: no training with checkpoints here; options that it has: noise
        """
        if unknown := sorted(self.asked - set(written)):
            known = ", ".join(written) or "none"
            raise NotImplementedError(f"no training with {', '.join(unknown)} here; options that it has: {known}")


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A training run. `elbo`: shape (step,), nats per datum, at the weights before each step's update.

    >>> fit = Fit(elbo=np.array([-9.0, -7.5]), params={'w': np.ones(1)}, checkpoints={}, dtype=DType.FLOAT64)
    >>> print(len(fit.elbo), fit.elbo[-1])
    2 -7.5
    """

    elbo: Float[Array, " step"]
    params: Params
    checkpoints: Mapping[int, Params]
    dtype: DType


@dataclass(frozen=True, kw_only=True)
class Stepper:
    """Training steps for the clock. `compile` is None where nothing is compiled ahead; `step(k)` runs k training
    steps (forward, backward, Adam) and returns after the device has finished.

    >>> done = []
    >>> stepper = Stepper(compile=None, step=done.append)
    >>> stepper.step(2)
    >>> print(done)
    [2]
    """

    compile: Callable[[], None] | None
    step: Callable[[int], None]


@runtime_checkable
class Session(Protocol):
    """One implementation of one (problem, estimator), at one dtype on one device. `params` and `x` are float64 or
    already rounded to the dtype; the session casts. A session may be called with any weights of the same shapes.

    >>> from elbo_compare.suites import problems, registry
    >>> from elbo_compare.suites.estimators import SAMPLED_KL
    >>> problem = problems.load('gaussian-kl', '2-typical')
    >>> session = registry.load('numpy-oracle').prepare(problem, SAMPLED_KL, Device.CPU, DType.FLOAT64)
    >>> print(isinstance(session, Session), session.draw(problem.params, np.zeros((1, 1)), 5, 0, 5).kl.shape)
    True (5,)
    """

    def evaluate(
        self, params: Params, x: Float[Array, "batch observed"], noise: Float[Array, "noise_rows batch latent"]
    ) -> Evaluation:
        """The estimator at z_0 = mean + exp(log_var / 2) * noise. x (batch, observed), noise (noise_rows, batch,
        latent), see `Estimator.noise_rows`; an antithetic estimator forms the other half itself."""
        ...

    def draw(self, params: Params, x: Float[Array, "1 observed"], n: int, seed: int, chunk: int) -> Draws:
        """n draws at one datum, x (1, observed), in vectorised blocks of at most `chunk`."""
        ...

    def draw_gradients(
        self, params: Params, x: Float[Array, "1 observed"], n: int, seed: int, chunk: int
    ) -> GradientDraws:
        """n draws of the gradient at one datum, x (1, observed), in vectorised blocks of at most `chunk`."""
        ...

    def fit(self, params: Params, training: Training) -> Fit:
        """A training from these weights; see `Training`. `Fit.elbo` is always the unweighted ELBO, and holds the
        completed steps only where `stop` ended it. Raises NotImplementedError for an option that is not written."""
        ...

    def stepper(self, params: Params, x: Float[Array, "batch observed"], seed: int) -> Stepper:
        """Training steps on the batch x (batch, observed) with own random numbers."""
        ...


@runtime_checkable
class ReplicaSession(Session, Protocol):
    """A session that can train several seeds in one program. The method is optional: who lacks it trains one by one.

    >>> from elbo_compare.suites import problems, registry
    >>> from elbo_compare.suites.estimators import SAMPLED_KL
    >>> problem = problems.load('gaussian-kl', '2-typical')
    >>> session = registry.load('numpy-oracle').prepare(problem, SAMPLED_KL, Device.CPU, DType.FLOAT64)
    >>> print(isinstance(session, ReplicaSession))
    False
    """

    def fit_replicas(self, params: Params, trainings: tuple[Training, ...]) -> tuple[Fit, ...]:
        """Replica i is `fit(params, trainings[i])` up to rounding, its own random numbers included. The trainings
        share x, learning rate and checkpoints and have batches of one shape; no KL weights, binarisation or stop."""
        ...


@runtime_checkable
class Implementation(Protocol):
    """One way to write the VAE. `framework` is the package whose version matters ("torch", "pyro", ...).

    >>> from elbo_compare.suites import problems, registry
    >>> from elbo_compare.suites.estimators import ESTIMATORS
    >>> oracle = registry.load('numpy-oracle')
    >>> print(isinstance(oracle, Implementation), oracle.framework)
    True numpy
    >>> print(oracle.supports(problems.load('gaussian-kl', '2-typical'), ESTIMATORS['jit-trace']))
    jit-trace is sampled KL through another class of a library
    """

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
