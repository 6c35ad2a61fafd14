"""A VAE in complex-safe NumPy with one piece replaced: how a variant becomes an implementation of the contract.

Gradients of every weight by complex step, so that a variant is differentiated as it is written; for small problems.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from elbo_compare.suites.complex_step import STEP, Dual, gradient, sigmoid
from elbo_compare.suites.contract import (
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
    Training,
)
from elbo_compare.suites.mutants import correct
from elbo_compare.suites.mutants.loss import LogWeight, NegativeElbo, SampledKL
from elbo_compare.suites.mutants.variant import ALONE, Kind, Variant

_JUDGED_APART = (Kind.BOUND, Kind.FLOW)
BLOCK = 16_384  # draws that are computed at a time: they stay in a processor's cache
_NEVER_TRAINED = "A mutant is judged, never trained: it has no `fit` and no `stepper`."


def no_likelihood(x: Array, output: Dual, scale: float = 1.0) -> Dual:
    """No data term."""
    return np.zeros(len(output))


_LIKELIHOODS: dict[Likelihood, Callable[..., Any]] = {
    Likelihood.NONE: no_likelihood,
    Likelihood.BERNOULLI: correct.bernoulli_log_likelihood,
    Likelihood.NORMAL: correct.normal_log_likelihood,
}


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """What a session is made of."""

    loss: NegativeElbo = NegativeElbo()  # noqa: RUF009 - frozen
    sampler: Callable[..., Any] = correct.sampler
    noise: Callable[..., Any] = correct.noise


def pieces_of(variant: Variant, problem: Problem) -> Pieces:
    """The correct pieces with the variant's in its place, the likelihood being the problem's unless it is replaced."""
    function, right = variant.function, _LIKELIHOODS[problem.likelihood]
    if variant.kind is Kind.SAMPLER:
        return Pieces(sampler=function, loss=NegativeElbo(log_likelihood=right))
    if variant.kind is Kind.NOISE:
        return Pieces(noise=function, loss=NegativeElbo(log_likelihood=right))
    if variant.kind is Kind.ANALYTIC_KL:
        return Pieces(loss=NegativeElbo(log_likelihood=right, analytic_kl=function))
    if variant.kind is Kind.SAMPLED_KL:
        return Pieces(loss=NegativeElbo(log_likelihood=right, sampled_kl=function))
    if variant.kind is Kind.LOG_WEIGHT:
        return Pieces(loss=_from_log_weight(function, right))
    loss = function if isinstance(function, NegativeElbo) else None
    if loss is None:
        raise TypeError(f"{variant.id}: a negative ELBO must be a NegativeElbo, so that its terms can be read off")
    return Pieces(loss=loss if replaces_likelihood(variant) else replace(loss, log_likelihood=right))


def replaces_likelihood(variant: Variant) -> bool:
    """Whether the variant has a likelihood of its own, so that it fits one likelihood only."""
    if variant.kind is not Kind.NEGATIVE_ELBO:
        return False
    return variant.function.log_likelihood is not correct.bernoulli_log_likelihood


def _from_log_weight(function: Callable[..., Any], right: Callable[..., Any]) -> NegativeElbo:
    """A log weight read as -loss: its KL part is what is left of it without data."""
    if isinstance(function, LogWeight):
        return NegativeElbo(
            log_likelihood=right, sampled_kl=SampledKL(log_q=function.log_q, log_prior=function.log_prior)
        )

    def kl(z: Dual, mean: Dual, log_var: Dual) -> Dual:
        nothing = np.zeros((len(z), 0))
        return -function(nothing, nothing, z, mean, log_var)

    return NegativeElbo(log_likelihood=right, sampled_kl=kl)


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A variant of the catalogue as an implementation; its name is the variant's ID."""

    variant: Variant
    framework: str = "numpy"
    devices: tuple[Device, ...] = (Device.CPU,)
    dtypes: tuple[DType, ...] = (DType.FLOAT64,)

    @property
    def name(self) -> str:
        """The variant's permanent ID."""
        return self.variant.id

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None, or the reason why not."""
        kind, sampled = self.variant.kind, estimator.kl_term is KLTerm.SAMPLED
        if kind in _JUDGED_APART:
            return f"a {kind} is judged on problems of its own"
        if kind is Kind.ANALYTIC_KL and sampled:
            return "replaces the analytic KL, which sampled-kl does not use"
        if kind in (Kind.SAMPLED_KL, Kind.LOG_WEIGHT) and not sampled:
            return "replaces the sampled KL, which analytic-kl does not use"
        if replaces_likelihood(self.variant) and problem.likelihood is not self.variant.likelihood:
            return f"replaces the {self.variant.likelihood} likelihood, which {problem.name} does not have"
        return None

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> "MutantSession":
        """A session in float64 on the CPU. Raises ValueError for anything else."""
        if device is not Device.CPU or dtype is not DType.FLOAT64:
            raise ValueError(f"A mutant runs in float64 on the CPU; {dtype} on {device} arrived.")
        return MutantSession(problem=problem, estimator=estimator, variant=self.variant)


@dataclass(frozen=True, kw_only=True)
class MutantSession:
    """`suites.contract.Session` of one variant on one problem."""

    problem: Problem
    estimator: Estimator
    variant: Variant

    @cached_property
    def pieces(self) -> Pieces:
        """The VAE's pieces, one of them replaced."""
        return pieces_of(self.variant, self.problem)

    @property
    def sampled(self) -> bool:
        """Whether the KL term is the sampled one."""
        return self.estimator.kl_term is KLTerm.SAMPLED

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """Terms at z = mean + exp(log_var / 2) * noise; gradients by complex step in every weight."""
        terms = self._terms(params, x, noise[0])
        raw = float(np.sum(terms.loss))
        reduction = self.pieces.loss.reduction if np.ndim(terms.loss) == 0 else Reduction.SUM
        rows = len(x) if reduction is Reduction.SUM else 1
        return Evaluation(
            elbo=-raw / rows,
            kl=float(np.mean(terms.kl)),
            log_likelihood=float(np.mean(terms.log_likelihood)),
            log_likelihood_derived=False,
            log_q=float(np.mean(terms.log_q)),
            log_prior=float(np.mean(terms.log_prior)),
            gradients=_Asked(names=tuple(params), of=lambda name: -self._derivative(params, name, x, noise[0]) / rows),
            raw_loss=raw,
            raw_sign=-1,
            raw_reduction=reduction,
            dtype=DType.FLOAT64,
        )

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws at one datum, x (1, observed), with the pieces' own noise."""
        mean, log_var = encode(self.problem, params, x)
        rng = np.random.default_rng(seed)
        blocks = [
            draws_at(self.pieces, self.problem, params, x, mean, log_var, noise, sampled=self.sampled)
            for noise in self._noise(rng, n, chunk)
        ]
        elbo, kl = (np.real(np.concatenate([block[index] for block in blocks])) for index in (0, 1))
        return Draws(elbo=elbo, kl=kl, dtype=DType.FLOAT64)

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of d elbo / d(mean, log_var) at one datum; one complex step for each output moves every draw."""
        heads = encode(self.problem, params, x)
        rng = np.random.default_rng(seed)
        blocks = [self._gradient_block(params, x, heads, noise) for noise in self._noise(rng, n, chunk)]
        mean, log_var = (np.concatenate([block[index] for block in blocks]) for index in (0, 1))
        return GradientDraws(mean=mean, log_var=log_var, dtype=DType.FLOAT64)

    def fit(self, params: Params, training: Training) -> Fit:
        """Raises NotImplementedError."""
        raise NotImplementedError(_NEVER_TRAINED)

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Raises NotImplementedError."""
        raise NotImplementedError(_NEVER_TRAINED)

    def _terms(self, params: Params, x: Array, noise: Array) -> "_Terms":
        loss, scale = self.pieces.loss, self.problem.likelihood_scale
        mean, log_var = encode(self.problem, params, x)
        z = self.pieces.sampler(mean, log_var, noise)
        log_likelihood = loss.log_likelihood(x, decode(self.problem, params, z), scale)
        kl = loss.kl(z if self.sampled else None, mean, log_var)
        log_prior, log_q = correct.log_prior(z), correct.log_q(z, mean, log_var)
        if self.sampled and isinstance(loss.sampled_kl, SampledKL):
            log_prior, log_q = loss.sampled_kl.log_prior(z), loss.sampled_kl.log_q(z, mean, log_var)
        elif self.sampled:
            log_q = kl + log_prior
        total = loss.combine(log_likelihood, kl)
        return _Terms(log_likelihood=log_likelihood, kl=kl, log_q=log_q, log_prior=log_prior, loss=total)

    def _derivative(self, params: Params, name: str, x: Array, noise: Array) -> Array:
        def loss(weight: Dual) -> Dual:
            return self._terms({**params, name: weight}, x, noise).loss

        return gradient(loss, "weight", weight=params[name])

    def _noise(self, rng: np.random.Generator, n: int, chunk: int) -> Iterator[Array]:
        for start in range(0, n, chunk):
            noise = self.pieces.noise(rng, (min(chunk, n - start), 1, self.problem.latent))[:, 0]
            for first in range(0, len(noise), BLOCK):
                yield noise[first : first + BLOCK]

    def _gradient_block(
        self, params: Params, x: Array, heads: tuple[Array, Array], noise: Array
    ) -> tuple[Array, Array]:
        results = (np.empty(noise.shape), np.empty(noise.shape))
        for head, result in enumerate(results):
            for axis in range(self.problem.latent):
                moved = [np.array(value, complex) for value in heads]
                moved[head][0, axis] += 1j * STEP
                mean, log_var = moved
                elbo, _ = draws_at(self.pieces, self.problem, params, x, mean, log_var, noise, sampled=self.sampled)
                result[:, axis] = np.imag(elbo) / STEP
        return results


@dataclass(frozen=True, kw_only=True)
class _Asked(Mapping[str, Array]):
    """Gradients by name, each computed when it is first asked for: one evaluation for every weight is most of the work,
    and where a closed form is compared nobody reads them."""

    names: tuple[str, ...]
    of: Callable[[str], Array]
    known: dict[str, Array] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Array:
        if name not in self.names:
            raise KeyError(name)
        if name not in self.known:
            self.known[name] = self.of(name)
        return self.known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, kw_only=True)
class _Terms:
    """Each (batch,), or a scalar where a variant reduces the batch. Nats."""

    log_likelihood: Dual
    kl: Dual
    log_q: Dual
    log_prior: Dual
    loss: Dual


def draws_at(
    pieces: Pieces,
    problem: Problem,
    params: Params,
    x: Array,
    mean: Dual,
    log_var: Dual,
    noise: Array,
    *,
    sampled: bool,
) -> tuple[Dual, Dual]:
    """ELBO and KL, (draw,) each, of batches of one datum. Shapes: mean, log_var (1, latent), noise (draw, latent)."""
    n, loss = len(noise), pieces.loss
    means, log_vars, data = (np.repeat(value, n, axis=0) for value in (mean, log_var, x))
    z = by_row(pieces.sampler, means, log_vars, noise)
    output = decode(problem, params, z)
    log_likelihood = by_row(lambda row, out: loss.log_likelihood(row, out, problem.likelihood_scale), data, output)
    if sampled:
        kl = by_row(loss.sampled_kl, z, means, log_vars)
    else:
        kl = np.repeat(np.reshape(loss.analytic_kl(mean, log_var), 1), n)
    return -_combined(loss.combine, log_likelihood, kl), kl


def _combined(combine: Callable[..., Any], log_likelihood: Dual, kl: Dual) -> Dual:
    """combine on every draw as a batch of one. Where it mixes the batch, one row at a time would take minutes: it is
    then affine in its two numbers, which is tried out on the first rows."""
    if _rows_apart(combine, log_likelihood, kl):
        return combine(log_likelihood, kl)

    def of(a: complex, b: complex) -> complex:
        return complex(np.sum(combine(np.array([a]), np.array([b]))))

    start = of(0.0, 0.0)
    affine = start + (of(1.0, 0.0) - start) * log_likelihood + (of(0.0, 1.0) - start) * kl
    few = zip(log_likelihood[:8].tolist(), kl[:8].tolist(), affine[:8].tolist(), strict=True)
    if all(abs(of(a, b) - value) <= 1e-12 * (abs(a) + abs(b) + abs(value)) for a, b, value in few):
        return affine
    return by_row(combine, log_likelihood, kl)


def by_row(function: Callable[..., Any], *arrays: Dual) -> Dual:
    """function on every row as a batch of one; in one call where it treats rows apart, as its first rows show, or where
    it names a function that does and is it alone."""
    if _rows_apart(function, *arrays):
        return function(*arrays)
    apart = getattr(function, ALONE, None)
    if apart is not None:
        return apart(*arrays)
    rows = [_alone(function, arrays, index) for index in range(len(arrays[0]))]
    joined = np.concatenate(rows)
    return joined[:, 0] if joined.shape[1] == 1 and np.ndim(function(*(value[:2] for value in arrays))) < 2 else joined


def _rows_apart(function: Callable[..., Any], *arrays: Dual) -> bool:
    probe = min(len(arrays[0]), 3)
    together = np.asarray(function(*(value[:probe] for value in arrays)))
    if together.shape[:1] != (probe,):
        return False
    alone = np.concatenate([_alone(function, arrays, index) for index in range(probe)])
    return np.allclose(together.reshape(probe, -1), alone, rtol=1e-12, atol=1e-12)


def _alone(function: Callable[..., Any], arrays: tuple[Dual, ...], index: int) -> Dual:
    return np.reshape(function(*(value[index : index + 1] for value in arrays)), (1, -1))


def encode(problem: Problem, params: Params, x: Array) -> tuple[Dual, Dual]:
    """Mean and log-variance of q(z|x). Shapes: (batch, observed) -> two of (batch, latent)."""
    h = _gated(problem, params, "encoder", x)
    return _linear(params, "encoder.mean", h), _linear(params, "encoder.log_var", h)


def decode(problem: Problem, params: Params, z: Dual) -> Dual:
    """The decoder's output, (batch, observed); of width 0 where there is no likelihood."""
    if problem.likelihood is Likelihood.NONE:
        return np.zeros((len(z), 0))
    return _linear(params, "decoder.output", _gated(problem, params, "decoder", z))


def _gated(problem: Problem, params: Params, side: str, h: Dual) -> Dual:
    for index in range(problem.gated_layers):
        gate = sigmoid(_linear(params, f"{side}.{index}.gate", h))
        h = _linear(params, f"{side}.{index}.linear", h) * gate
    return h


def _linear(params: Params, layer: str, h: Dual) -> Dual:
    return h @ params[f"{layer}.weight"].T + params[f"{layer}.bias"]
