"""The VAE in NumPy with gradients derived by hand: the float64 oracle that the other implementations are held against.

No framework, no automatic differentiation. Every normaliser is kept: log q and log p(z) are full log densities, so
that the constants ledger has a normalised witness. log q(z|x) is computed from z, not from the noise, as the
questioned code does, so that it loses the same digits when sigma is small.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suites.contract import (
    Array,
    Device,
    Draws,
    DType,
    Estimator,
    Evaluation,
    Fit,
    GradientDraws,
    KLTerm,
    Likelihood,
    Params,
    Problem,
    Reduction,
    Stepper,
)

LOG_2PI = float(np.log(2.0 * np.pi))
EPSILON = 1e-8  # Adam's, the same in every implementation

# One gated layer's input, linear part and gate, kept for the backward pass; each (batch, width).
Tape = list[tuple[Array, Array, Array]]
# The delta (batch, out) and input (batch, in) of one linear layer; its weight's gradient is delta' input.
Contractions = dict[str, tuple[Array, Array]]


# --- networks


def encode(problem: Problem, params: Params, x: Array) -> tuple[Array, Array]:
    """Mean and log-variance of q(z|x). Shapes: x (batch, observed) -> two of (batch, latent)."""
    h, _ = _gated_forward(problem, params, "encoder", x)
    return _linear(params, "encoder.mean", h), _linear(params, "encoder.log_var", h)


def decode(problem: Problem, params: Params, z: Array) -> Array:
    """Logits (Bernoulli) or mean (normal) of p(x|z). Shapes: z (batch, latent) -> (batch, observed)."""
    h, _ = _gated_forward(problem, params, "decoder", z)
    return _linear(params, "decoder.output", h)


def _linear(params: Params, layer: str, h: Array) -> Array:
    return h @ params[f"{layer}.weight"].T + params[f"{layer}.bias"]


def _gated_forward(problem: Problem, params: Params, side: str, h: Array) -> tuple[Array, Tape]:
    """h <- (h A' + a) * sigmoid(h G' + g), layer by layer (Dauphin et al. 2017, arXiv 1612.08083, eq. 1)."""
    tape: Tape = []
    for index in range(problem.gated_layers):
        linear = _linear(params, f"{side}.{index}.linear", h)
        gate = sigmoid(_linear(params, f"{side}.{index}.gate", h))
        tape.append((h, linear, gate))
        h = linear * gate
    return h, tape


def _gated_backward(params: Params, side: str, tape: Tape, delta: Array, into: Contractions) -> Array:
    """The derivative at the layers' input, from `delta` at their output; each layer's contraction goes `into`."""
    for index in reversed(range(len(tape))):
        h, linear, gate = tape[index]
        linear_delta = delta * gate
        gate_delta = delta * linear * gate * (1.0 - gate)
        into[f"{side}.{index}.linear"] = (linear_delta, h)
        into[f"{side}.{index}.gate"] = (gate_delta, h)
        delta = linear_delta @ params[f"{side}.{index}.linear.weight"]
        delta = delta + gate_delta @ params[f"{side}.{index}.gate.weight"]
    return delta


def sigmoid(t: Array) -> Array:
    """1 / (1 + exp(-t)), without overflow and with full relative accuracy in both tails."""
    small = np.exp(-np.abs(t))
    return np.where(t >= 0.0, 1.0, small) / (1.0 + small)


# --- densities


def log_normal_diag(z: Array, mean: Array, log_var: Array) -> Array:
    """log N(z; mean, diag exp(log_var)), fully normalised. Shapes: (batch, latent) each -> (batch,). Nats."""
    return -0.5 * (LOG_2PI + log_var + (z - mean) ** 2 * np.exp(-log_var)).sum(-1)


def log_normal_standard(z: Array) -> Array:
    """log N(z; 0, I), fully normalised. Shapes: (batch, latent) -> (batch,). Nats."""
    return -0.5 * (LOG_2PI + z**2).sum(-1)


def log_bernoulli(x: Array, logits: Array) -> Array:
    """sum x log p + (1 - x) log(1 - p), p = sigmoid(logits). Shapes: (batch, observed) each -> (batch,). Nats."""
    return (x * logits - np.logaddexp(0.0, logits)).sum(-1)


def log_normal_isotropic(x: Array, mean: Array, scale: float) -> Array:
    """log N(x; mean, scale^2 I), fully normalised. Shapes: (batch, observed) each -> (batch,). Nats."""
    return -0.5 * (LOG_2PI + 2.0 * float(np.log(scale)) + ((x - mean) / scale) ** 2).sum(-1)


def analytic_kl(mean: Array, log_var: Array) -> Array:
    """KL(N(mean, diag exp(log_var)) || N(0, I)). Shapes: (batch, latent) each -> (batch,). Nats.

    Kingma and Welling 2014 (arXiv 1312.6114), appendix B.
    """
    return 0.5 * (mean**2 + np.exp(log_var) - 1.0 - log_var).sum(-1)


def log_likelihood(problem: Problem, x: Array, output: Array) -> Array:
    """log p(x|z) from the decoder's output. Shapes: (batch, observed) each -> (batch,). Nats; 0 where there is none."""
    if problem.likelihood is Likelihood.BERNOULLI:
        return log_bernoulli(x, output)
    if problem.likelihood is Likelihood.NORMAL:
        return log_normal_isotropic(x, output, problem.likelihood_scale)
    return np.zeros(len(output), output.dtype)


def _output_delta(problem: Problem, x: Array, output: Array) -> Array:
    """d log p(x|z) / d output, (batch, observed)."""
    if problem.likelihood is Likelihood.BERNOULLI:
        return x - sigmoid(output)
    return (x - output) / problem.likelihood_scale**2


# --- estimators


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Every term of the estimator, per datum, and what it was computed from. Nats, (batch,) unless said otherwise."""

    mean: Array  # batch, latent
    log_var: Array  # batch, latent
    z: Array  # batch, latent
    output: Array  # batch, observed (empty where there is no likelihood)
    log_q: Array
    log_prior: Array
    log_likelihood: Array
    kl: Array

    @property
    def elbo(self) -> Array:
        """log p(x|z) - kl."""
        return self.log_likelihood - self.kl


def terms_and_backward(
    problem: Problem, estimator: Estimator, params: Params, x: Array, noise: Array
) -> tuple[Terms, Contractions]:
    """All terms at z = mean + exp(log_var / 2) * noise, and what the gradient of sum_batch ELBO is made of.

    Shapes: x (batch, observed), noise (batch, latent). Kingma and Welling 2014 (arXiv 1312.6114), eqs 6 and 7.
    """
    h, tape = _gated_forward(problem, params, "encoder", x)
    mean, log_var = _linear(params, "encoder.mean", h), _linear(params, "encoder.log_var", h)
    terms, decoder_tape = _sample(problem, estimator, params, x, mean, log_var, noise)
    into: Contractions = {}
    mean_delta, log_var_delta = _sample_backward(problem, estimator, params, x, noise, terms, decoder_tape, into)
    into["encoder.mean"], into["encoder.log_var"] = (mean_delta, h), (log_var_delta, h)
    delta = mean_delta @ params["encoder.mean.weight"] + log_var_delta @ params["encoder.log_var.weight"]
    _gated_backward(params, "encoder", tape, delta, into)
    return terms, into


def _sample(
    problem: Problem, estimator: Estimator, params: Params, x: Array, mean: Array, log_var: Array, noise: Array
) -> tuple[Terms, Tape]:
    """The terms at z = mean + exp(log_var / 2) * noise, and the decoder's tape."""
    z = mean + np.exp(0.5 * log_var) * noise
    output, tape = z[:, :0], []
    if problem.likelihood is not Likelihood.NONE:
        h, tape = _gated_forward(problem, params, "decoder", z)
        output = _linear(params, "decoder.output", h)
    log_q, log_prior = log_normal_diag(z, mean, log_var), log_normal_standard(z)
    sampled = estimator.kl_term is KLTerm.SAMPLED
    terms = Terms(
        mean=mean,
        log_var=log_var,
        z=z,
        output=output,
        log_q=log_q,
        log_prior=log_prior,
        log_likelihood=log_likelihood(problem, x, output),
        kl=log_q - log_prior if sampled else analytic_kl(mean, log_var),
    )
    return terms, tape


def _sample_backward(
    problem: Problem,
    estimator: Estimator,
    params: Params,
    x: Array,
    noise: Array,
    terms: Terms,
    tape: Tape,
    into: Contractions,
) -> tuple[Array, Array]:
    """d ELBO / d (mean, log_var) of each datum, (batch, latent) each; the decoder's contractions go `into`."""
    mean, log_var, z = terms.mean, terms.log_var, terms.z
    z_delta = np.zeros_like(z)
    if problem.likelihood is not Likelihood.NONE:
        delta = _output_delta(problem, x, terms.output)
        h = tape[-1][1] * tape[-1][2] if tape else z
        into["decoder.output"] = (delta, h)
        z_delta = _gated_backward(params, "decoder", tape, delta @ params["decoder.output.weight"], into)
    half_step = 0.5 * np.exp(0.5 * log_var) * noise  # dz / d log_var
    if estimator.kl_term is KLTerm.ANALYTIC:
        return z_delta - mean, z_delta * half_step + 0.5 - 0.5 * np.exp(log_var)
    score = (z - mean) * np.exp(-log_var)  # d log q / d mean = -d log q / dz
    z_delta = z_delta - z + score
    return z_delta - score, z_delta * half_step + 0.5 - 0.5 * (z - mean) * score


def gradients(problem: Problem, contractions: Mapping[str, tuple[Array, Array]], batch: int) -> dict[str, Array]:
    """d (mean over the batch of ELBO) / d params, in the problem's order of names."""
    result: dict[str, Array] = {}
    for name in problem.params:
        layer, kind = name.rsplit(".", 1)
        delta, h = contractions[layer]
        result[name] = (delta.T @ h if kind == "weight" else delta.sum(0)) / batch
    return result


# --- session


class NumpyOracle:
    """The oracle as an implementation: float64 on the CPU."""

    name = "numpy-oracle"
    framework = "numpy"
    devices = (Device.CPU,)
    dtypes = (DType.FLOAT64,)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None: every problem with both estimators."""
        return None

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> "OracleSession":
        """A session. Raises ValueError for another device or dtype than float64 on the CPU."""
        if device not in self.devices or dtype not in self.dtypes:
            raise ValueError(f"numpy-oracle computes in float64 on the CPU only; {dtype} on {device} was asked for.")
        return OracleSession(problem, estimator)


class OracleSession:
    """One (problem, estimator) of the oracle; see `suites.contract.Session` for the shapes and units."""

    def __init__(self, problem: Problem, estimator: Estimator) -> None:
        self.problem, self.estimator = problem, estimator

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The estimator, its terms and its gradients at the given noise (1, batch, latent)."""
        terms, contractions = terms_and_backward(
            self.problem, self.estimator, to_float64(params), np.asarray(x, np.float64), one_particle(noise)
        )
        elbo = float(terms.elbo.mean())
        return Evaluation(
            elbo=elbo,
            kl=float(terms.kl.mean()),
            log_likelihood=float(terms.log_likelihood.mean()),
            log_likelihood_derived=False,
            log_q=float(terms.log_q.mean()),
            log_prior=float(terms.log_prior.mean()),
            gradients=gradients(self.problem, contractions, len(x)),
            raw_loss=-elbo,
            raw_sign=-1,
            raw_reduction=Reduction.MEAN,
            dtype=DType(terms.z.dtype.name),
        )

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws of ELBO and KL at one datum; one stream of noise, so the draws do not depend on `chunk`."""
        params, x = to_float64(params), np.asarray(x, np.float64)
        blocks = []
        for mean, log_var, noise in self._blocks(params, x, n, seed, chunk):
            terms, _ = _sample(self.problem, self.estimator, params, x, mean, log_var, noise)
            blocks.append((terms.elbo, terms.kl))
        elbo, kl = (np.concatenate(column) for column in zip(*blocks, strict=True))
        return Draws(elbo=elbo, kl=kl, dtype=DType(elbo.dtype.name))

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of d ELBO / d (mean, log_var) at one datum: back through the decoder only."""
        params, x = to_float64(params), np.asarray(x, np.float64)
        blocks = []
        for mean, log_var, noise in self._blocks(params, x, n, seed, chunk):
            terms, tape = _sample(self.problem, self.estimator, params, x, mean, log_var, noise)
            blocks.append(_sample_backward(self.problem, self.estimator, params, x, noise, terms, tape, {}))
        mean, log_var = (np.concatenate(column) for column in zip(*blocks, strict=True))
        return GradientDraws(mean=mean, log_var=log_var, dtype=DType(mean.dtype.name))

    def _blocks(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Iterator[tuple[Array, Array, Array]]:
        """Mean, log-variance and fresh noise, (rows, latent) each, for n draws at one datum."""
        if len(x) != 1:
            raise ValueError(f"Draws are of one datum, x (1, observed); x of shape {x.shape} arrived.")
        mean, log_var = encode(self.problem, params, x)
        rng = np.random.default_rng(seed)
        for start in range(0, n, chunk):
            rows = min(chunk, n - start)
            noise = rng.standard_normal((rows, self.problem.latent))
            yield np.repeat(mean, rows, axis=0), np.repeat(log_var, rows, axis=0), noise

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
        """Adam on the batch-mean loss -ELBO; see `suites.contract.Session.fit`."""
        rng = np.random.default_rng(seed)
        optimiser = Adam(to_float64(params), learning_rate)
        x, elbo = np.asarray(x, np.float64), np.empty(len(batches))
        kept = {0: optimiser.weights()} if 0 in checkpoints else {}
        for step, rows in enumerate(batches):
            shape = (len(rows), self.problem.latent)
            e = rng.standard_normal(shape) if noise is None else one_particle(noise[step])
            elbo[step] = self._train(optimiser, x[rows], e)
            if step + 1 in checkpoints:
                kept[step + 1] = optimiser.weights()
        return Fit(elbo=elbo, params=optimiser.weights(), checkpoints=kept, dtype=DType(elbo.dtype.name))

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Training steps on one batch at learning rate 1e-3; nothing is compiled."""
        rng = np.random.default_rng(seed)
        optimiser, x = Adam(to_float64(params), 1e-3), np.asarray(x, np.float64)

        def step(steps: int) -> None:
            for _ in range(steps):
                self._train(optimiser, x, rng.standard_normal((len(x), self.problem.latent)))

        return Stepper(compile=None, step=step)

    def _train(self, optimiser: "Adam", x: Array, noise: Array) -> float:
        """One step up the ELBO; returns the ELBO before it, nats per datum."""
        terms, contractions = terms_and_backward(self.problem, self.estimator, optimiser.params, x, noise)
        optimiser.step(gradients(self.problem, contractions, len(x)))
        return float(terms.elbo.mean())


def one_particle(noise: Array) -> Array:
    """noise (1, batch, latent) -> float64 (batch, latent). Raises ValueError for another number of particles."""
    if noise.ndim != 3 or noise.shape[0] != 1:
        raise ValueError(f"Noise of shape {noise.shape} arrived; one particle, (1, batch, latent), is needed.")
    return np.asarray(noise[0], np.float64)


def to_float64(params: Params) -> dict[str, Array]:
    """The same weights in float64."""
    return {name: np.asarray(value, np.float64) for name, value in params.items()}


# --- training


class Adam:
    """Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1) going uphill: beta 0.9, 0.999, epsilon 1e-8.

    w <- w + rate * m_hat / (sqrt(v_hat) + epsilon), the bias-corrected form that torch, optax and NumPyro share.
    """

    def __init__(self, params: Params, learning_rate: float) -> None:
        self.params = {name: value.copy() for name, value in params.items()}
        self.first = {name: np.zeros_like(value) for name, value in params.items()}
        self.second = {name: np.zeros_like(value) for name, value in params.items()}
        self.learning_rate, self.steps = learning_rate, 0

    def step(self, gradients: Params) -> None:
        """One update in place."""
        self.steps += 1
        first_correction, second_correction = 1.0 - 0.9**self.steps, 1.0 - 0.999**self.steps
        for name, gradient in gradients.items():
            first, second = self.first[name], self.second[name]
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient**2 - second)
            rate = self.learning_rate / first_correction
            self.params[name] += rate * first / (np.sqrt(second / second_correction) + EPSILON)

    def weights(self) -> dict[str, Array]:
        """A copy of the weights as they are now."""
        return {name: value.copy() for name, value in self.params.items()}
