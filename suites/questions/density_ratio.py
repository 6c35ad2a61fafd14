"""Density-ratio estimation of a KL: a classifier between samples of q and p, its logit averaged over q."""

from collections.abc import Callable, Iterator, Mapping
from math import sqrt
from typing import Any

import numpy as np

from elbo_compare.suites.contract import Array
from elbo_compare.suites.questions.question import RATIO, Question, QuestionClaim, Row, Rule
from elbo_compare.suites.questions.rows import MEAN_MARGIN, MEAN_REASON
from elbo_compare.suites.questions.univariate import kl, log_density

# Tiao's running example: q = N(1, 1), p = N(0, 2^2).
MEAN, SIGMA, PRIOR_SIGMA = 1.0, 1.0, 2.0
EXACT = kl(MEAN, SIGMA, 0.0, PRIOR_SIGMA)  # 0.4431 nats
# Of the sampled KL, log(q/p) = log 2 + (z^2 / 4 - (z - 1)^2) / 2 with z = 1 + e: a e + b e^2 + ...: a^2 + 2 b^2.
SLOPE, CURVE = MEAN * SIGMA / PRIOR_SIGMA**2, 0.5 * (SIGMA**2 / PRIOR_SIGMA**2 - 1.0)
SAMPLED_VARIANCE = SLOPE**2 + 2.0 * CURVE**2
MARGIN = MEAN_MARGIN * sqrt(SAMPLED_VARIANCE)

SMALLEST, LARGEST = 100, 10_000
# Sample size -> repetitions. Most where the estimates are skewed, so that their means are still close to normal.
REPETITIONS: Mapping[int, int] = {100: 1500, 300: 500, 1000: 500, 3000: 300, 10_000: 200}
MISSPECIFIED_REPETITIONS: Mapping[int, int] = {100: 100, 300: 100, 1000: 100, 3000: 100, 10_000: 100}

QUADRATIC, LINEAR = "quadratic features", "linear features"
TRAINING, HELD_OUT = "training sample", "held-out sample"
SUGIYAMA = 'Sugiyama, Suzuki and Kanamori 2012, "Density Ratio Estimation in Machine Learning"'
MOHAMED = "Mohamed and Lakshminarayanan 2016 (arXiv 1610.03483)"
TIAO = 'Tiao 2018, "Density Ratio Estimation for KL Divergence Minimization between Implicit Distributions"'

Features = Callable[[Array], Array]
Logit = Callable[[Array], Array]
Fit = Callable[[Array, Array, Features], Logit]

CLAIMS = (
    QuestionClaim(
        id="RATIO-001",
        rule=Rule.EQUAL,
        statement=(
            "With features that hold the true log ratio, the classifier's KL is unbiased within the margin "
            "at n = 10,000"
        ),
        derivation=(
            "The Bayes-optimal logit between equally many draws of q and p is log q − log p, and logistic regression "
            "is consistent where that lies in its features (1, z, z² for two Gaussians)."
        ),
        source=f"{TIAO}; {SUGIYAMA}; {MOHAMED}",
        tolerance="0.05 standard deviations of one draw of the sampled KL (0.029 nats)",
        reason=MEAN_REASON,
    ),
    QuestionClaim(
        id="RATIO-002",
        rule=Rule.ABOVE,
        statement="With z² and on the sample that it was trained on, its bias at n = 100 exceeds that at n = 10,000",
        derivation="A maximum-likelihood fit's bias is of order (features) / n.",
        source=SUGIYAMA,
        tolerance="above 0",
        reason="One-sided test of the difference of two independent means.",
    ),
    QuestionClaim(
        id="RATIO-003",
        rule=Rule.ABOVE,
        statement="With z² the estimate is larger on its training sample than on a held-out one, at n = 100",
        derivation="The fit follows the training sample's own noise, which its logit then counts as difference.",
        source=SUGIYAMA,
        tolerance="above 0",
        reason="One-sided test of the mean of paired differences.",
    ),
    QuestionClaim(
        id="RATIO-004",
        rule=Rule.BEYOND,
        statement="Without z² among the features the estimate is biased, and n = 10,000 does not mend it",
        derivation="The true log ratio of Gaussians of different scale is quadratic: no linear logit equals it.",
        source=f"{TIAO}; {SUGIYAMA}",
        tolerance="beyond 0.05 standard deviations of one draw of the sampled KL (0.029 nats)",
        reason=MEAN_REASON,
    ),
    QuestionClaim(
        id="RATIO-005",
        rule=Rule.EQUAL,
        statement="Without z² its limit is the mean, over q, of the linear logit of least expected logistic loss",
        derivation="Logistic regression converges to the minimiser of the expected loss, here found by quadrature.",
        source=SUGIYAMA,
        tolerance="0.05 standard deviations of one draw of the sampled KL (0.029 nats)",
        reason=MEAN_REASON,
    ),
    QuestionClaim(
        id="RATIO-006",
        rule=Rule.RATIO_ABOVE,
        statement="The variance of that well-specified estimate exceeds that of the sampled KL at the same n",
        derivation="The sampled KL knows both densities; the classifier learns their ratio from the samples alone.",
        source="Var of the sampled KL: Σ μ²σ² + (σ² − 1)²/2 over n, in units of p",
        tolerance="log of the variance ratio above 0",
        reason="The logarithm of a variance is close to normal; its standard error is √((kurtosis − 1)/repetitions).",
    ),
)


def quadratic(z: Array) -> Array:
    """z, z^2: with the intercept, every log ratio of two Gaussians. Shapes: (n,) -> (n, 2)."""
    return np.column_stack([z, z**2])


def linear(z: Array) -> Array:
    """z alone: the log ratio of two Gaussians of one scale. Shapes: (n,) -> (n, 1)."""
    return z[:, None]


def logistic(q: Array, p: Array, features: Features) -> Logit:
    """scikit-learn's logistic regression without penalty, q labelled 1; its decision function is the logit."""
    from sklearn import config_context
    from sklearn.linear_model import LogisticRegression

    # C = inf: the default penalty would bias the logit towards 0. Newton needs few steps for two features.
    model: Any = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8, max_iter=100)
    with config_context(assume_finite=True, skip_parameter_validation=True):
        model.fit(features(np.concatenate([q, p])), np.repeat([1, 0], [len(q), len(p)]))
    weights, intercept = model.coef_[0], float(model.intercept_[0])
    return lambda z: features(z) @ weights + intercept


def exact_log_ratio(z: Array) -> Array:
    """log q(z) - log p(z). Shape: as z."""
    return log_density(z, MEAN, SIGMA) - log_density(z, 0.0, PRIOR_SIGMA)


def estimates(n: int, repetitions: int, features: Features, fit: Fit = logistic, seed: int = 0) -> Mapping[str, Array]:
    """Repeated estimates from n draws of q and n of p: on the training sample and on n fresh draws of q.

    For each of the two also the sampled KL of the same draws: `sampled ...`. Shapes: (repetitions,). Nats.
    """
    rng = np.random.default_rng([1610, 3483, n, seed])
    rows = []
    for _ in range(repetitions):
        q, p, fresh = (MEAN + SIGMA * rng.standard_normal(n), PRIOR_SIGMA * rng.standard_normal(n),
                       MEAN + SIGMA * rng.standard_normal(n))  # fmt: skip
        logit = fit(q, p, features)
        rows.append([function(z).mean() for z in (q, fresh) for function in (logit, exact_log_ratio)])
    names = (TRAINING, f"sampled {TRAINING}", HELD_OUT, f"sampled {HELD_OUT}")
    return dict(zip(names, np.array(rows).T, strict=True))


def linear_limit() -> float:
    """The mean over q of the linear logit a + b z that minimises E_q log(1 + e^-t) + E_p log(1 + e^t). Nats.

    Newton's method with Gauss-Hermite quadrature of 120 nodes, which is far beyond convergence for these integrands.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    z = np.concatenate([MEAN + SIGMA * nodes, PRIOR_SIGMA * nodes])
    label, weight = np.repeat([1.0, 0.0], len(nodes)), np.concatenate([weights, weights])
    design, at = np.column_stack([np.ones_like(z), z]), np.zeros(2)
    for _ in range(50):
        chance = 1.0 / (1.0 + np.exp(-design @ at))
        score = design.T @ (weight * (label - chance))
        at = at + np.linalg.solve(design.T * (weight * chance * (1.0 - chance)) @ design, score)
    return float(at @ [1.0, MEAN])


def measure(
    fit: Fit = logistic,
    repetitions: Mapping[int, int] = REPETITIONS,
    misspecified: Mapping[int, int] = MISSPECIFIED_REPETITIONS,
) -> Iterator[Row]:
    """Bias and variance over n for both sets of features; the well-specified one is judged most."""
    biases: dict[int, Array] = {}
    for n, times in repetitions.items():
        found = estimates(n, times, quadratic, fit)
        for sample in (TRAINING, HELD_OUT):
            bias = found[sample] - found[f"sampled {sample}"]
            yield _bias_row("RATIO-001" if n == LARGEST else "", QUADRATIC, sample, n, bias)
            yield _variance_row("RATIO-006", QUADRATIC, sample, n, found[sample])
        biases[n] = found[TRAINING] - found[f"sampled {TRAINING}"]
        optimism = biases[n] - (found[HELD_OUT] - found[f"sampled {HELD_OUT}"])
        yield _mean_row(optimism, claim="RATIO-003" if n == SMALLEST else "", case=f"{QUADRATIC}, {TRAINING}",
                        quantity="training − held-out", reference=0.0, margin=0.0, at=n)  # fmt: skip
    yield _shrinking_row(biases)
    limit = linear_limit()
    for n, times in misspecified.items():
        found = estimates(n, times, linear, fit, seed=1)
        bias = found[HELD_OUT] - found[f"sampled {HELD_OUT}"]
        yield _bias_row("RATIO-004" if n == LARGEST else "", LINEAR, HELD_OUT, n, bias)
        yield _variance_row("", LINEAR, HELD_OUT, n, found[HELD_OUT])
        if n == LARGEST:
            yield _mean_row(bias + EXACT, claim="RATIO-005", case=f"{LINEAR}, {HELD_OUT}", quantity="estimate",
                            reference=limit, margin=MARGIN, at=n)  # fmt: skip


def _bias_row(claim: str, features: str, sample: str, n: int, bias: Array) -> Row:
    """The mean of (estimate - sampled KL of the same draws): the sampled KL is unbiased, and takes its noise away."""
    return _mean_row(
        bias, claim=claim, case=f"{features}, {sample}", quantity="bias", reference=0.0, margin=MARGIN, at=n
    )


def _mean_row(values: Array, *, claim: str, case: str, quantity: str, reference: float, margin: float, at: int) -> Row:
    spread = float(values.std(ddof=1))
    return Row(
        claim=claim,
        case=case,
        quantity=quantity,
        value=float(values.mean()),
        reference=reference,
        standard_error=spread / sqrt(len(values)),
        margin=margin,
        at=at,
        n=len(values),
        skewness=_skewness(values),
    )


def _shrinking_row(biases: Mapping[int, Array]) -> Row:
    """bias(100) - bias(10,000) with both independent means' error; the skewness is that of the sum's cumulants."""
    small, large = biases[SMALLEST], biases[LARGEST]
    errors = [values.std(ddof=1) / sqrt(len(values)) for values in (small, large)]
    return Row(
        claim="RATIO-002",
        case=f"{QUADRATIC}, {TRAINING}",
        quantity=f"bias at {SMALLEST} − bias at {LARGEST:,}",
        value=float(small.mean() - large.mean()),
        reference=0.0,
        standard_error=float(np.hypot(*errors)),
        margin=0.0,
        n=min(len(small), len(large)),
        skewness=max(abs(_skewness(small)), abs(_skewness(large))),
    )


def _variance_row(claim: str, features: str, sample: str, n: int, values: Array) -> Row:
    """Var(estimate) against Var(sampled KL) = SAMPLED_VARIANCE / n, which is exact.

    With Y = (squared deviation), L = log mean Y has standard error cv(Y) / sqrt(R) and, for one draw, the skewness
    skew(Y) - 3 cv(Y) (delta method, second order).
    """
    squares = (values - values.mean()) ** 2
    spread = float(squares.std() / squares.mean())
    return Row(
        claim=claim,
        case=f"{features}, {sample}",
        quantity="variance over that of the sampled KL",
        value=float(values.var(ddof=1)) / (SAMPLED_VARIANCE / n),
        reference=1.0,
        standard_error=spread / sqrt(len(values)),
        at=n,
        n=len(values),
        skewness=_skewness(squares) - 3.0 * spread,
        unit=RATIO,
    )


def _skewness(values: Array) -> float:
    deviation, spread = values - values.mean(), values.std()
    return float((deviation**3).mean() / spread**3) if spread else 0.0


QUESTION = Question(
    id="RATIO",
    title="The KL from a classifier: density-ratio estimation",
    words=(
        "Where no density can be written down, a classifier between samples of q and p gives log q − log p as its "
        "logit. How far is the mean of that logit over q from the KL, and how noisy is it, over the sample size?"
    ),
    formula="KL(q ‖ p) ≈ (1/n) Σ logit D(zᵢ), zᵢ ~ q; here q = N(1, 1), p = N(0, 2²), KL = log 2 − ¼ = 0.4431 nats",
    source=f"{TIAO}; {SUGIYAMA}; {MOHAMED}",
    claims=CLAIMS,
    measure=measure,
)
