"""Problems of their own for the kinds that no session holds: the importance-weighted bound and flows.

Each check is one number beside what it must be; `compare.judging.mutants` judges it. Strength in words, because
`suites` knows nobody: "exact", "pointwise", "ordering".
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.complex_step import STEP, gradient
from elbo_compare.suites.contract import Array
from elbo_compare.suites.mutants import correct
from elbo_compare.suites.mutants.flows import Autoregressive, Flow, Layer, Linear, Planar
from elbo_compare.suites.mutants.loss import LogWeight
from elbo_compare.suites.mutants.session import decode, encode
from elbo_compare.suites.mutants.variant import Kind, Variant

# Sums of fewer than 100 terms of order 1 to 10^3, a logarithm and an exponential: 10^-16 x 10^3, with a factor of 10.
ROUNDING = 1e-12
# The trapezoid rule on [-12, 12]^2 in steps of 0.06: what is left out in the tails is about 10^-9 for these flows.
QUADRATURE = 1e-7
BOX, STEPS = 12.0, 401


@dataclass(frozen=True, kw_only=True)
class Check:
    """`value` must be `reference` within `tolerance` (at least `reference` where `ordering`)."""

    id: str
    statement: str
    strength: str
    value: float
    reference: float
    tolerance: float
    of_gradient: bool = False

    @property
    def holds(self) -> bool:
        """Whether it is so; a value that is not a number is not."""
        difference = self.value - self.reference
        return difference >= -self.tolerance if self.strength == "ordering" else abs(difference) <= self.tolerance


def checks(variant: Variant) -> list[Check]:
    """Every check of a variant of kind BOUND or FLOW. Raises ValueError for any other kind."""
    if variant.kind is Kind.BOUND:
        return list(_bound_checks(variant.function))
    if variant.kind is Kind.FLOW:
        return list(_flow_checks(variant.function))
    raise ValueError(f"{variant.id} is a {variant.kind}: it is judged in a session, not on a problem of its own.")


# --- the importance-weighted bound


@cache
def log_weights(weights: str) -> tuple[Array, Array]:
    """log w (5 particles, 4 data) of `linear-gaussian` under correct pieces, and log p(x) of each datum.

    At the exact posterior every weight is p(x): log p(x) is read off there. Shapes: (5, 4) and (4,).
    """
    problem = problems.load("linear-gaussian", weights)
    x = datasets.load("linear-gaussian").test[:4]
    noise = np.random.default_rng(1509).standard_normal((5, len(x), problem.latent))
    mean, log_var = encode(problem, problem.params, x)
    log_weight = LogWeight(log_likelihood=correct.normal_log_likelihood)
    rows = []
    for each in noise:
        z = correct.sampler(mean, log_var, each)
        rows.append(log_weight(x, decode(problem, problem.params, z), z, mean, log_var, problem.likelihood_scale))
    return np.array(rows), _log_evidence(x)


def _log_evidence(x: Array) -> Array:
    """log N(x; b, W W' + tau^2 I), the linear-Gaussian VAE's evidence (Tipping and Bishop 1999, eq. 4)."""
    problem = problems.load("linear-gaussian", "posterior")
    w, b = problem.params["decoder.output.weight"], problem.params["decoder.output.bias"]
    covariance = w @ w.T + problem.likelihood_scale**2 * np.eye(problem.observed)
    _, log_det = np.linalg.slogdet(covariance)
    distance = np.einsum("ni,ni->n", x - b, np.linalg.solve(covariance, (x - b).T).T)
    return -0.5 * (problem.observed * math.log(2.0 * math.pi) + log_det + distance)


def _bound_checks(bound: Callable[..., Any]) -> Iterator[Check]:
    log_weight, evidence = log_weights("generic")
    at_posterior, _ = log_weights("posterior")
    direct = [math.log(math.fsum(map(math.exp, column)) / len(column)) for column in log_weight.T]
    value = bound(log_weight)
    yield _worst("bound-posterior", "bound = log p(x) at the exact posterior", "exact", bound(at_posterior), evidence)
    yield _worst("bound-value", "bound = log((1/K) sum w), summed as written", "pointwise", value, np.array(direct))
    yield _worst("bound-one", "bound = log w for one particle", "pointwise", bound(log_weight[:1]), log_weight[0])
    apart = np.array([float(np.sum(bound(log_weight[:, [i]]))) for i in range(log_weight.shape[1])])
    yield _worst("bound-additive", "a datum's bound does not depend on its batch", "pointwise", value, apart)
    shifted = bound(log_weight - 2000.0) + 2000.0
    yield _worst("bound-shift", "bound(log w - 2000) = bound(log w) - 2000", "pointwise", shifted, value)
    gaps = np.real(value) - log_weight.mean(0)
    worst = float(np.min(np.where(np.isnan(gaps), -np.inf, gaps)))
    yield Check(
        id="bound-ordering",
        statement="mean of log w <= bound (Jensen)",
        strength="ordering",
        value=worst,
        reference=0.0,
        tolerance=ROUNDING,
    )
    softmax = np.exp(log_weight - np.array(direct)) / len(log_weight)
    slope = gradient(lambda log_weight: bound(log_weight), "log_weight", log_weight=log_weight)
    yield _worst("bound-gradient", "d bound / d log w = w / sum w", "pointwise", slope, softmax, of_gradient=True)


def _worst(
    identifier: str, statement: str, strength: str, value: Any, reference: Array, *, of_gradient: bool = False
) -> Check:
    """The element with the largest |difference|; one that is not finite before any other."""
    found, wanted = np.broadcast_arrays(np.real(value), reference)
    gap = np.abs(found - wanted)
    index = int(np.where(np.isfinite(gap), gap, np.inf).argmax())
    return Check(
        id=identifier,
        statement=statement,
        strength=strength,
        value=float(found.flat[index]),
        reference=float(wanted.flat[index]),
        tolerance=ROUNDING * (1.0 + abs(float(wanted.flat[index]))),
        of_gradient=of_gradient,
    )


# --- flows


MEAN, LOG_VAR = np.array([0.5, -0.7]), np.array([-0.4, 0.3])
LINEAR = Linear(lower=np.array([[1.4, 0.0], [0.6, 0.8]]))
CURVED: tuple[tuple[str, Layer], ...] = (
    ("planar", Planar(u=np.array([0.9, -0.4]), w=np.array([1.1, 0.7]), b=0.2)),
    ("iaf", Autoregressive(shift=0.1, scale=0.15)),
)


def _flow_checks(flow: Flow) -> Iterator[Check]:
    yield from _linear_checks(flow)
    for name, layer in CURVED:
        z0, cell = _grid()
        mean, log_var = (np.broadcast_to(value, z0.shape) for value in (MEAN, LOG_VAR))
        terms = flow(z0, mean, log_var, layer)
        with np.errstate(over="ignore"):  # a flow that mixes data sees the whole grid as its batch
            normalised = float((np.exp(terms.log_q) * jacobian(layer, z0)).sum() * cell)
            ratio = float(np.exp(correct.log_q(z0, mean, log_var) + terms.log_prior - terms.log_q).sum() * cell)
        yield _integral(f"flow-normalised-{name}", "integral of q(z_T) = 1", normalised)
        yield _integral(f"flow-ratio-{name}", "E_q[p(z_T) / q(z_T)] = 1", ratio)


def _linear_checks(flow: Flow) -> Iterator[Check]:
    """The linear flow, whose q(z_T|x) is N(L mean, L S^2 L'): its density, and the KL to N(0, I)."""
    noise = np.random.default_rng(1606).standard_normal((6, 2))
    mean, log_var = (np.broadcast_to(value, noise.shape) for value in (MEAN, LOG_VAR))
    z0 = correct.sampler(mean, log_var, noise)
    terms = flow(z0, mean, log_var, LINEAR)
    lower = LINEAR.lower
    centre, covariance = lower @ MEAN, lower @ np.diag(np.exp(LOG_VAR)) @ lower.T
    distance = terms.z - centre
    _, log_det = np.linalg.slogdet(covariance)
    exact = -0.5 * (2.0 * math.log(2.0 * math.pi) + log_det + (distance @ np.linalg.inv(covariance) * distance).sum(-1))
    yield _worst(
        "flow-density", "log q(z_T) = log N(z_T; L mean, L S^2 L') for a linear flow", "exact", terms.log_q, exact
    )
    apart = [flow(z0[i : i + 1], mean[i : i + 1], log_var[i : i + 1], LINEAR).kl for i in range(len(noise))]
    yield _worst(
        "flow-additive", "a datum's term does not depend on its batch", "pointwise", terms.kl, np.concatenate(apart)
    )
    # The KL term is quadratic in the noise, so that its mean over +-sqrt(2) e_i is its expectation.
    points = np.concatenate([np.eye(2), -np.eye(2)]) * math.sqrt(2.0)
    heads = [np.broadcast_to(value, points.shape) for value in (MEAN, LOG_VAR)]
    average = float(np.mean(flow(correct.sampler(heads[0], heads[1], points), heads[0], heads[1], LINEAR).kl))
    kl = 0.5 * (np.trace(covariance) + centre @ centre - 2.0 - log_det)
    yield _worst("flow-kl", "E[KL term] = KL(N(L mean, L S^2 L') || N(0, I)) for a linear flow", "exact", average, kl)


def jacobian(layer: Layer, z: Array) -> Array:
    """|det df/dz| of a two-dimensional layer, by complex step: knows nothing of `log_det`. (batch, 2) -> (batch,)."""
    columns = []
    for axis in range(2):
        moved = z.astype(complex)
        moved[:, axis] += 1j * STEP
        columns.append(np.imag(layer.forward(moved)) / STEP)
    first, second = columns
    return np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])


@cache
def _grid() -> tuple[Array, float]:
    """Points of the trapezoid rule, (points, 2), and the area of one cell."""
    line = np.linspace(-BOX, BOX, STEPS)
    first, second = np.meshgrid(line, line, indexing="ij")
    return np.stack([first.ravel(), second.ravel()], axis=-1), float((line[1] - line[0]) ** 2)


def _integral(identifier: str, statement: str, value: float) -> Check:
    return Check(id=identifier, statement=statement, strength="exact", value=value, reference=1.0, tolerance=QUADRATURE)
