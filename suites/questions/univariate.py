"""The closed-form KL of two univariate Gaussians, which the question's comments quote."""

from collections.abc import Callable, Iterator
from math import log, pi
from typing import Any

import numpy as np

from elbo_compare.suites.contract import Array
from elbo_compare.suites.questions.integrals import integral
from elbo_compare.suites.questions.question import Question, QuestionClaim, Row, Rule
from elbo_compare.suites.questions.rows import DRAWS, MEAN_REASON, MEAN_TOLERANCE, ROUNDING_REASON, mean_row

SOURCE = "Kullback and Leibler 1951; the Gaussian case as in Kingma and Welling 2014 (arXiv 1312.6114), appendix B"
# (name, m1, s1, m2, s2): from equal to the extremes of `gaussian-kl`.
CASES = (
    ("equal", 0.3, 0.7, 0.3, 0.7),
    ("near", 0.3, 0.7, 0.3 + 1e-4, 0.7),
    ("same mean", 0.5, 2.0, 0.5, 0.5),
    ("same scale", -1.0, 1.5, 2.0, 1.5),
    ("against N(0, 1)", 0.8, 0.6, 0.0, 1.0),
    ("Tiao's example", 1.0, 1.0, 0.0, 2.0),
    ("narrow q", 0.2, 1e-3, 0.0, 1.0),
    ("wide q", 0.2, 10.0, 0.0, 1.0),
)
DISTINCT = CASES[1:]
SAMPLED = ("against N(0, 1)", "Tiao's example", "same scale")
RADIUS = 40.0  # standard deviations: beyond, a normal density is below 1e-347

Formula = Callable[[float, float, float, float], float]

CLAIMS = (
    QuestionClaim(
        id="UNI-001",
        rule=Rule.ROUNDING,
        statement="KL(N(m₁, s₁²) ‖ N(m₂, s₂²)) = log(s₂/s₁) + (s₁² + (m₁ − m₂)²) / (2 s₂²) − ½ = ∫ q log(q/p)",
        derivation="log q − log p is a quadratic in z; its mean under q needs only the mean and variance of q.",
        source=SOURCE,
        tolerance="16 u S: u = 2⁻⁵³, S = |log(s₂/s₁)| + (s₁² + (m₁ − m₂)²) / (2 s₂²) + ½",
        reason="The integral is good to 20 digits, the formula to its rounding (Higham 2002, section 3.1).",
    ),
    QuestionClaim(
        id="UNI-002",
        rule=Rule.ROUNDING,
        statement="It is the multivariate formula at dimension 1, and adds over independent dimensions",
        derivation="½ (tr(Σ₂⁻¹ Σ₁) + d' Σ₂⁻¹ d − D + log(|Σ₂| / |Σ₁|)) with diagonal Σ is the sum over dimensions.",
        source=SOURCE,
        tolerance="16 u S, S summed over the dimensions",
        reason=ROUNDING_REASON,
    ),
    QuestionClaim(
        id="UNI-003",
        rule=Rule.ABOVE,
        statement="KL(q ‖ p) > 0 for q ≠ p, already at a shift of 10⁻⁴, and 0 at q = p",
        derivation="Gibbs' inequality: E_q log(p/q) ≤ log E_q(p/q) = 0 by Jensen, with equality only for p = q.",
        source="Kullback and Leibler 1951",
        tolerance="above 16 u S",
        reason="What rounding could make is not called positive.",
    ),
    QuestionClaim(
        id="UNI-004",
        rule=Rule.BEYOND,
        statement="It is not symmetric: KL(q ‖ p) ≠ KL(p ‖ q) where the scales differ",
        derivation="With equal means: log r + r⁻²/2 − ½ against −log r + r²/2 − ½, r = s₂/s₁, equal at r = 1 only.",
        source="Kullback and Leibler 1951",
        tolerance="10⁻³ nats",
        reason="A difference that any report with three digits would show.",
    ),
    QuestionClaim(
        id="UNI-005",
        rule=Rule.EQUAL,
        statement="The mean of log q(z) − log p(z), z ~ q, is this KL",
        derivation="The KL is that mean by definition.",
        source="Kingma and Welling 2014 (arXiv 1312.6114), eq. 6",
        tolerance=MEAN_TOLERANCE,
        reason=MEAN_REASON,
    ),
)


def kl(m1: float, s1: float, m2: float, s2: float) -> float:
    """log(s2/s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2: KL(N(m1, s1^2) || N(m2, s2^2)). Nats."""
    return log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2.0 * s2**2) - 0.5


def multivariate(d: Array, first: Array, second: Array) -> float:
    """(tr(S2^-1 S1) + d' S2^-1 d - D + log(|S2| / |S1|)) / 2. Shapes: d (D,), S1, S2 (D, D). Nats."""
    solved = np.linalg.solve(second, first)
    return float(0.5 * (np.trace(solved) + d @ np.linalg.solve(second, d) - len(d) - np.linalg.slogdet(solved)[1]))


def by_integration(m1: float, s1: float, m2: float, s2: float) -> float:
    """The integral of q log(q / p), both densities written out with their normalisers. Nats."""

    def integrand(x: Any, mp: Any) -> Any:
        log_q = -(((x - m1) / s1) ** 2) / 2 - mp.log(s1) - mp.log(2 * mp.pi) / 2
        log_p = -(((x - m2) / s2) ** 2) / 2 - mp.log(s2) - mp.log(2 * mp.pi) / 2
        return mp.exp(log_q) * (log_q - log_p)

    return integral(integrand, [m1 + s1 * step for step in (-RADIUS, -8.0, -2.0, 0.0, 2.0, 8.0, RADIUS)])


def measure(formula: Formula = kl) -> Iterator[Row]:
    """Every claim on every case; `formula` is what is judged."""
    for name, *numbers in CASES:
        value, scale = formula(*numbers), _scale(*numbers)
        reference = by_integration(*numbers)
        yield Row(claim="UNI-001", case=name, quantity="closed form", value=value, reference=reference, scale=scale)
    yield from _multivariate_rows(formula)
    for name, *numbers in CASES:
        value, scale = formula(*numbers), _scale(*numbers)
        if name == "equal":
            yield Row(claim="UNI-002", case=name, quantity="KL(q ‖ q)", value=value, reference=0.0, scale=scale)
        else:
            yield Row(claim="UNI-003", case=name, quantity="KL(q ‖ p)", value=value, reference=0.0,
                      margin=16 * 2.0**-53 * scale)  # fmt: skip
    for name, m1, s1, m2, s2 in CASES:
        if s1 != s2:
            yield Row(claim="UNI-004", case=name, quantity="KL(q ‖ p) against KL(p ‖ q)", value=formula(m1, s1, m2, s2),
                      reference=formula(m2, s2, m1, s1), margin=1e-3)  # fmt: skip
    yield from (_sampled_row(formula, name, *numbers) for name, *numbers in CASES if name in SAMPLED)


def _scale(m1: float, s1: float, m2: float, s2: float) -> float:
    return abs(log(s2 / s1)) + (s1**2 + (m1 - m2) ** 2) / (2.0 * s2**2) + 0.5


def _multivariate_rows(formula: Formula) -> Iterator[Row]:
    for name, m1, s1, m2, s2 in DISTINCT:
        value = multivariate(np.array([m1 - m2]), np.array([[s1**2]]), np.array([[s2**2]]))
        numbers = (m1, s1, m2, s2)
        yield Row(claim="UNI-002", case=name, quantity="closed form at dimension 1", value=formula(*numbers),
                  reference=value, scale=2.0 * _scale(*numbers))  # fmt: skip
    m1, s1, m2, s2 = np.array([numbers for _, *numbers in DISTINCT]).T
    yield Row(
        claim="UNI-002",
        case=f"all {len(DISTINCT)} as one diagonal Gaussian",
        quantity="sum over dimensions",
        value=sum(formula(*numbers) for _, *numbers in DISTINCT),
        reference=multivariate(m1 - m2, np.diag(s1**2), np.diag(s2**2)),
        scale=2.0 * sum(_scale(*numbers) for _, *numbers in DISTINCT),
    )


def _sampled_row(formula: Formula, name: str, m1: float, s1: float, m2: float, s2: float) -> Row:
    z = m1 + s1 * np.random.default_rng([1951, SAMPLED.index(name)]).standard_normal(DRAWS)
    draws = log_density(z, m1, s1) - log_density(z, m2, s2)
    return mean_row(
        draws, claim="UNI-005", case=name, quantity="mean of log q − log p", reference=formula(m1, s1, m2, s2)
    )


def log_density(z: Array, mean: float, sigma: float) -> Array:
    """-(z - mean)^2 / (2 sigma^2) - log sigma - log(2 pi) / 2. Shape: as z."""
    return -0.5 * ((z - mean) / sigma) ** 2 - log(sigma) - 0.5 * log(2.0 * pi)


QUESTION = Question(
    id="UNI",
    title="The closed-form KL of two univariate Gaussians",
    words="Is log(s₂/s₁) + (s₁² + (m₁ − m₂)²)/(2 s₂²) − ½ right, and is it what the sampled line estimates?",
    formula="KL(N(m₁, s₁²) ‖ N(m₂, s₂²)) = log(s₂/s₁) + (s₁² + (m₁ − m₂)²) / (2 s₂²) − ½",
    source=SOURCE,
    claims=CLAIMS,
    measure=measure,
    see="What Pyro and NumPyro register for this and every other pair: the sweep in 'Findings about the libraries'.",
)
