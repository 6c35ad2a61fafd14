"""The oracle's sessions: evaluation, draws, gradients of draws and training; shapes and units: `suites.contract`."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from elbo_compare.suites.bridge.batches import training_rows
from elbo_compare.suites.complex_step import STEP
from elbo_compare.suites.contract import (
    Array,
    Bound,
    Draws,
    DType,
    Estimator,
    Evaluation,
    Fit,
    Flow,
    GradientDraws,
    GradientForm,
    KLTerm,
    Params,
    Prior,
    Problem,
    Reduction,
    Stepper,
)
from elbo_compare.suites.numpy_oracle.adam import Adam
from elbo_compare.suites.numpy_oracle.model import Heads, encoder_heads, sample
from elbo_compare.suites.numpy_oracle.noise import draw_noise, particles_of
from elbo_compare.suites.numpy_oracle.objective import kl_term, surrogate, value
from elbo_compare.suites.numpy_oracle.vae import gradients, sample_backward, sample_terms, terms_and_backward


def derived_by_hand(problem: Problem, estimator: Estimator) -> bool:
    """Whether `vae.py` has this gradient on paper: one particle, sampled or analytic KL, no flow, N(0, I) prior."""
    plain = problem.flow is Flow.NONE and problem.prior is Prior.STANDARD_NORMAL
    core = estimator.kl_term in (KLTerm.SAMPLED, KLTerm.ANALYTIC) and estimator.bound is Bound.ELBO
    return plain and core and estimator.particles == 1 and estimator.gradient is GradientForm.REPARAMETERISED


class OracleSession:
    """One (problem, estimator) of the oracle; see `suites.contract.Session` for the shapes and units."""

    def __init__(self, problem: Problem, estimator: Estimator) -> None:
        self.problem, self.estimator = problem, estimator
        self.by_hand = derived_by_hand(problem, estimator)

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The estimator and its terms at the given noise (noise_rows, batch, latent); gradients where by hand."""
        params, x = to_float64(params), np.asarray(x, np.float64)
        if not self.by_hand:
            return self._evaluate(params, x, noise)
        terms, contractions = terms_and_backward(self.problem, self.estimator, params, x, one_particle(noise))
        return evaluation(
            elbo=terms.elbo,
            kl=terms.kl,
            log_likelihood=terms.log_likelihood,
            log_q=terms.log_q,
            log_prior=terms.log_prior,
            gradients=gradients(self.problem, contractions, len(x)),
        )

    def _evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        heads = encoder_heads(self.problem, params, x)
        drawn = sample(self.problem, params, heads, x, particles_of(self.estimator, np.asarray(noise, np.float64)))
        summed = self.estimator.bound is Bound.ELBO
        unknown = np.array(np.nan)
        return evaluation(
            elbo=value(self.problem, self.estimator, params, heads, drawn),
            kl=kl_term(self.problem, self.estimator, params, heads, drawn) if summed else unknown,
            log_likelihood=drawn.log_likelihood if summed else unknown,
            log_q=drawn.log_q,
            log_prior=drawn.log_prior,
            gradients={},
        )

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws of ELBO and KL at one datum; one stream of noise, so the draws do not depend on `chunk`.

        Under a Renyi bound, which has no KL term, `kl` is nan.
        """
        params, x = to_float64(params), np.asarray(x, np.float64)
        blocks = []
        for heads, noise in self._blocks(params, x, n, seed, chunk):
            drawn = sample(self.problem, params, heads, x, particles_of(self.estimator, noise))
            elbo = value(self.problem, self.estimator, params, heads, drawn)
            kl = np.full_like(elbo, np.nan)
            if self.estimator.bound is Bound.ELBO:
                kl = kl_term(self.problem, self.estimator, params, heads, drawn).mean(0)
            blocks.append((elbo, kl))
        elbo, kl = (np.concatenate(column) for column in zip(*blocks, strict=True))
        return Draws(elbo=elbo, kl=kl, dtype=DType(elbo.dtype.name))

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of the gradient by (mean, log_var) at one datum: by hand, or by complex step in each component."""
        params, x = to_float64(params), np.asarray(x, np.float64)
        blocks = []
        for heads, noise in self._blocks(params, x, n, seed, chunk):
            if self.by_hand:
                arguments = self.problem, self.estimator, params, x
                terms, tape = sample_terms(*arguments, heads.mean, heads.log_var, noise[0])
                blocks.append(sample_backward(*arguments, noise[0], terms, tape, {}))
            else:
                blocks.append(self._head_gradients(params, x, heads, noise))
        mean, log_var = (np.concatenate(column) for column in zip(*blocks, strict=True))
        return GradientDraws(mean=mean, log_var=log_var, dtype=DType(mean.dtype.name))

    def _head_gradients(self, params: Params, x: Array, heads: Heads, noise: Array) -> tuple[Array, Array]:
        """d surrogate / d (mean, log_var) of every draw: one evaluation of all draws for each latent dimension."""
        particles, result = particles_of(self.estimator, noise), []
        for head in ("mean", "log_var"):
            columns = []
            for axis in np.eye(self.problem.latent):
                moved = {"mean": heads.mean, "log_var": heads.log_var}
                moved[head] = moved[head] + 1j * STEP * axis
                at = Heads(hidden=heads.hidden, **moved)
                drawn = sample(self.problem, params, at, x, particles)
                columns.append(np.imag(surrogate(self.problem, self.estimator, params, x, at, drawn)) / STEP)
            result.append(np.stack(columns, axis=-1))
        return result[0], result[1]

    def _blocks(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Iterator[tuple[Heads, Array]]:
        """The heads of one datum, (1, latent) each, and fresh noise (noise_rows, rows, latent), for n draws."""
        if len(x) != 1:
            raise ValueError(f"Draws are of one datum, x (1, observed); x of shape {x.shape} arrived.")
        heads, rng = encoder_heads(self.problem, params, x), np.random.default_rng(seed)
        for start in range(0, n, chunk):
            yield heads, draw_noise(self.estimator, rng, min(chunk, n - start), self.problem.latent)

    def fit(
        self,
        params: Params,
        x: Array,
        batches: NDArray[np.integer],
        learning_rate: float,
        seed: int,
        noise: Array | None = None,
        checkpoints: tuple[int, ...] = (),
        kl_weights: Array | None = None,
        binarise: int | None = None,
        stop: Callable[[int, Params], bool] | None = None,
    ) -> Fit:
        """Adam on the batch-mean loss; see `suites.contract.Session.fit`. ValueError without gradients by hand."""
        self._require_gradients()
        rng, elbo = np.random.default_rng(seed), []
        optimiser, x = Adam(to_float64(params), learning_rate), np.asarray(x, np.float64)
        kept: dict[int, Params] = {}

        def stopped(step: int) -> bool:
            if step not in checkpoints:
                return False
            kept[step] = optimiser.weights()
            return stop is not None and stop(step, kept[step])

        if not stopped(0):
            for step, rows in enumerate(batches):
                shape = (len(rows), self.problem.latent)
                e = rng.standard_normal(shape) if noise is None else one_particle(noise[step])
                weight = 1.0 if kl_weights is None else float(kl_weights[step])
                elbo.append(self._train(optimiser, training_rows(x, rows, step, binarise), e, weight))
                if stopped(step + 1):
                    break
        return Fit(elbo=np.array(elbo), params=optimiser.weights(), checkpoints=kept, dtype=DType.FLOAT64)

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Training steps on one batch at learning rate 1e-3; nothing is compiled."""
        self._require_gradients()
        rng = np.random.default_rng(seed)
        optimiser, x = Adam(to_float64(params), 1e-3), np.asarray(x, np.float64)

        def step(steps: int) -> None:
            for _ in range(steps):
                self._train(optimiser, x, rng.standard_normal((len(x), self.problem.latent)))

        return Stepper(compile=None, step=step)

    def _require_gradients(self) -> None:
        if not self.by_hand:
            raise ValueError(
                f"numpy-oracle does not train {self.problem.name} under {self.estimator.name}: gradients by hand are "
                "those of sampled-kl and analytic-kl without flow and with a N(0, I) prior."
            )

    def _train(self, optimiser: Adam, x: Array, noise: Array, kl_weight: float = 1.0) -> float:
        """One step up log p(x|z) - weight KL; returns the ELBO before it, nats per datum."""
        terms, contractions = terms_and_backward(self.problem, self.estimator, optimiser.params, x, noise, kl_weight)
        optimiser.step(gradients(self.problem, contractions, len(x)))
        return float(terms.elbo.mean())


def evaluation(
    *, elbo: Array, kl: Array, log_likelihood: Array, log_q: Array, log_prior: Array, gradients: Params
) -> Evaluation:
    """The record of one evaluation: means over particles and batch."""
    mean = float(elbo.mean())
    return Evaluation(
        elbo=mean,
        kl=float(kl.mean()),
        log_likelihood=float(log_likelihood.mean()),
        log_likelihood_derived=False,
        log_q=float(log_q.mean()),
        log_prior=float(log_prior.mean()),
        gradients=gradients,
        raw_loss=-mean,
        raw_sign=-1,
        raw_reduction=Reduction.MEAN,
        dtype=DType(elbo.dtype.name),
    )


def one_particle(noise: Array) -> Array:
    """noise (1, batch, latent) -> float64 (batch, latent). Raises ValueError for another number of particles."""
    if noise.ndim != 3 or noise.shape[0] != 1:
        raise ValueError(f"Noise of shape {noise.shape} arrived; one particle, (1, batch, latent), is needed.")
    return np.asarray(noise[0], np.float64)


def to_float64(params: Params) -> dict[str, Array]:
    """The same weights in float64."""
    return {name: np.asarray(value, np.float64) for name, value in params.items()}
