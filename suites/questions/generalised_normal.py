"""The generalised normal distribution of the question's comments: its normaliser depends on shape and scale."""

from collections.abc import Callable, Iterator
from math import inf, lgamma, log, sqrt
from typing import Any

import numpy as np

from elbo_compare.suites.complex_step import STEP, Dual
from elbo_compare.suites.contract import Array
from elbo_compare.suites.questions.densities import generalised_normal, shape_constant
from elbo_compare.suites.questions.generalised_forms import draw, dropped_kl, dropping_adds, kl, power_mean
from elbo_compare.suites.questions.integrals import integral
from elbo_compare.suites.questions.question import Question, QuestionClaim, Row, Rule
from elbo_compare.suites.questions.rows import DRAWS, MEAN_REASON, MEAN_TOLERANCE, ROUNDING, ROUNDING_REASON, mean_row
from elbo_compare.suites.questions.univariate import kl as gaussian_kl
from elbo_compare.suites.questions.univariate import log_density as normal_log_density

DENSITY = "β / (2 α Γ(1/β)) exp(−(|x − μ| / α)^β)"
NADARAJAH = "Nadarajah 2005"
DO = "Do and Vetterli 2002"
SHAPES = (0.5, 1.0, 1.5, 2.0, 4.0, 8.0)
# (name, alpha and beta of q, alpha and beta of p), one location
PAIRS = (
    ("same shape and scale", 0.8, 1.5, 0.8, 1.5),
    ("same shape", 0.8, 1.5, 1.3, 1.5),
    ("same scale", 1.0, 1.0, 1.0, 2.0),
    ("heavy tails in q", 0.3, 0.5, 2.0, 2.0),
    ("heavy tails in p", 1.4, 4.0, 0.6, 0.5),
    ("Normal q, Laplace p", sqrt(2.0) * 0.7, 2.0, 1.0, 1.0),
)
SAMPLED = (1.0, 1.5, 4.0)
SCALES = np.logspace(-6, 6, 121)  # where a best scale is looked for
DRAWN = {"p": np.logspace(-0.3, 1.0, 40), "q": np.logspace(-1.0, 0.3, 40)}  # where it is drawn, over the best scale
POINTS = (0.0, 0.01, 0.3, 1.0, 3.0, 10.0, 100.0, 10_000.0, inf)

Divergence = Callable[[Any, Any, Any, Any], Any]

CLAIMS = (
    QuestionClaim(
        id="GGD-001",
        rule=Rule.ROUNDING,
        statement=f"{DENSITY} integrates to 1 for every shape and scale",
        derivation="∫ exp(−(|x|/α)^β) dx = 2 α Γ(1/β) / β by t = (x/α)^β: without the normaliser, the mass is this.",
        source=NADARAJAH,
        tolerance=ROUNDING,
        reason=f"The integral is good to 20 digits. {ROUNDING_REASON}",
    ),
    QuestionClaim(
        id="GGD-002",
        rule=Rule.ROUNDING,
        statement=(
            "KL(q ‖ p) at one μ = log(β₁ α₂ Γ(1/β₂) / (β₂ α₁ Γ(1/β₁))) + (α₁/α₂)^β₂ Γ((β₂ + 1)/β₁) / Γ(1/β₁) − 1/β₁"
        ),
        derivation="E_q |z − μ|^b = α₁^b Γ((b + 1)/β₁) / Γ(1/β₁) gives both expectations.",
        source=DO,
        tolerance=ROUNDING,
        reason=f"The integral is good to 20 digits. {ROUNDING_REASON}",
    ),
    QuestionClaim(
        id="GGD-003",
        rule=Rule.ROUNDING,
        statement="β = 2 is a Normal of σ = α/√2, β = 1 a Laplace of scale α: densities and KL",
        derivation="Γ(1/2) = √π and Γ(1) = 1 in the density.",
        source=NADARAJAH,
        tolerance=ROUNDING,
        reason=ROUNDING_REASON,
    ),
    QuestionClaim(
        id="GGD-004",
        rule=Rule.ROUNDING,
        statement="Dropping both normalisers adds log(α₁/c₁) − log(α₂/c₂) to the KL, c = β / (2 Γ(1/β))",
        derivation="log q and log p each lose their own log(c/α), whatever z is: at equal shape and scale nothing.",
        source=f"{NADARAJAH}; the definition of the KL",
        tolerance=ROUNDING,
        reason=f"The integral is good to 20 digits. {ROUNDING_REASON}",
    ),
    QuestionClaim(
        id="GGD-005",
        rule=Rule.ROUNDING,
        statement="With normalisers a learned scale has one optimum; without, none: p's runs to ∞, q's to 0",
        derivation=(
            "dKL/d log α₂ = 1 − β₂ E_q(|z|/α₂)^β₂ has one root, α₂ = (β₂ E_q|z|^β₂)^(1/β₂). Without the normaliser the "
            "1 is missing: the slope is negative everywhere, and −1 at that root; for q's scale it is +1."
        ),
        source=f"{DO} for the expectations",
        tolerance=f"{ROUNDING}, over the slope of the derivative for a root; counts exactly",
        reason=ROUNDING_REASON,
    ),
    QuestionClaim(
        id="GGD-006",
        rule=Rule.EQUAL,
        statement="z = μ ± α G^(1/β), G ~ Gamma(1/β, 1), either sign alike, has the density's moments and KL",
        derivation="(|z − μ|/α)^β ~ Gamma(1/β, 1): mean 1/β; E(z − μ)² = α² Γ(3/β)/Γ(1/β).",
        source="Nardon and Pianca 2009",
        tolerance=MEAN_TOLERANCE,
        reason=MEAN_REASON,
    ),
)


def measure(divergence: Divergence = kl) -> Iterator[Row]:
    """Every claim on every case; `divergence` is the closed form that is judged."""
    yield from _mass_rows()
    for name, *numbers in PAIRS:
        value, scale = float(np.real(divergence(*numbers))), _scale(*numbers)
        reference = _by_integration(*numbers, normalised=True)
        yield Row(claim="GGD-002", case=name, quantity="closed form", value=value, reference=reference, scale=scale)
        without = _by_integration(*numbers, normalised=False)
        yield Row(claim="GGD-004", case=name, quantity="KL without normalisers − KL", value=without - value,
                  reference=float(np.real(dropping_adds(*numbers))), scale=scale)  # fmt: skip
    yield from _reduction_rows(divergence)
    yield from _learned_scale_rows(divergence)
    yield from _curve_rows(divergence)
    yield from _sampled_rows(divergence)


def _scale(alpha1: float, beta1: float, alpha2: float, beta2: float) -> float:
    both = ((alpha1, beta1), (alpha2, beta2))
    normalisers = sum(abs(log(a)) + log(2.0) + abs(log(b)) + abs(lgamma(1 / b)) for a, b in both)
    # exp of a sum of logarithms: its relative error is u times their absolute sum
    exponent = beta2 * abs(log(alpha1 / alpha2)) + abs(lgamma((beta2 + 1) / beta1)) + abs(lgamma(1 / beta1))
    cross = float(np.real(power_mean(beta2, alpha1, beta1))) / alpha2**beta2
    return normalisers + cross * (1.0 + exponent) + 1.0 / beta1


def _mass_rows() -> Iterator[Row]:
    for beta in SHAPES:
        for alpha in (0.3, 1.0, 4.0):
            mass = 2.0 * integral(lambda x, mp, a=alpha, b=beta: mp.exp(-((x / a) ** b)), [alpha * p for p in POINTS])
            constant = float(np.real(shape_constant(beta))) - log(alpha)
            scale = 1.0 + abs(log(alpha)) + abs(log(beta)) + log(2.0) + abs(lgamma(1.0 / beta))
            case = f"α = {alpha:g}, β = {beta:g}"
            yield Row(claim="GGD-001", case=case, quantity="mass", value=mass * np.exp(constant), reference=1.0,
                      scale=scale, unit="")  # fmt: skip
            if alpha == 1.0:
                yield Row(claim="", case=case, quantity="mass without the normaliser", value=mass, unit="")


def _by_integration(alpha1: float, beta1: float, alpha2: float, beta2: float, *, normalised: bool) -> float:
    """E_q of log q - log p with normalisers or without; q itself always has its own."""

    def integrand(x: Any, mp: Any) -> Any:
        # Exactly the floating-point parameters, in 30 digits.
        a1, b1, a2, b2 = map(mp.mpf, (alpha1, beta1, alpha2, beta2))
        first, second = -((x / a1) ** b1), -((x / a2) ** b2)
        c1, c2 = (mp.log(b / (2 * a * mp.gamma(1 / b))) for a, b in ((a1, b1), (a2, b2)))
        ratio = first + c1 - second - c2 if normalised else first - second
        return 2 * mp.exp(first + c1) * ratio

    return integral(integrand, [alpha1 * point for point in POINTS])


def _reduction_rows(divergence: Divergence) -> Iterator[Row]:
    z, sigma, scale = np.linspace(-6.0, 6.0, 241), 0.7, 1.3
    normal = generalised_normal(z, np.array(0.4), np.array(sigma * sqrt(2.0)), np.array(2.0))
    laplace = generalised_normal(z, np.array(0.4), np.array(scale), np.array(1.0))
    known = {
        "β = 2 against Normal": (normal, normal_log_density(z, 0.4, sigma)),
        "β = 1 against Laplace": (laplace, -np.abs(z - 0.4) / scale - log(2.0 * scale)),
    }
    for case, (terms, reference) in known.items():
        value, sizes = np.real(terms.sum(0)), 2.0 * np.abs(terms).sum(0) + 2.0 * log(2.0)
        worst = int((np.abs(value - reference) / sizes).argmax())
        yield Row(claim="GGD-003", case=case, quantity="log density, worst of 241 points", value=float(value[worst]),
                  reference=float(reference[worst]), scale=float(sizes[worst]), n=len(z))  # fmt: skip
    first, second = 0.7, 1.9
    numbers = (first * sqrt(2.0), 2.0, second * sqrt(2.0), 2.0)
    yield Row(claim="GGD-003", case="β = 2 against Normal", quantity="KL", value=float(np.real(divergence(*numbers))),
              reference=gaussian_kl(0.0, first, 0.0, second), scale=2.0 * _scale(*numbers))  # fmt: skip
    numbers = (first, 1.0, second, 1.0)
    yield Row(claim="GGD-003", case="β = 1 against Laplace", quantity="KL", value=float(np.real(divergence(*numbers))),
              reference=log(second / first) + first / second - 1.0, scale=2.0 * _scale(*numbers))  # fmt: skip


# --- A scale that is learned ---

Q, P = (0.9, 1.5), (1.0, 2.5)  # (alpha, beta); the one that is learned is varied


def _objective(divergence: Divergence, whose: str) -> Callable[[Dual], Dual]:
    """The divergence as a function of log alpha of p, or of q."""
    if whose == "p":
        return lambda log_alpha: divergence(*Q, np.exp(log_alpha), P[1])
    return lambda log_alpha: divergence(np.exp(log_alpha), Q[1], *P)


def _slope(objective: Callable[[Dual], Dual], log_alpha: Dual) -> Array:
    return np.imag(objective(log_alpha + 1j * STEP)) / STEP


def _best_scale(whose: str) -> float:
    """Where the KL is smallest: alpha2 = (beta2 E_q|z|^beta2)^(1/beta2), or that equation solved for alpha1."""
    unit = float(np.real(power_mean(P[1], 1.0, Q[1])))
    return Q[0] * (P[1] * unit) ** (1.0 / P[1]) if whose == "p" else P[0] / (P[1] * unit) ** (1.0 / P[1])


def _root(objective: Callable[[Dual], Dual]) -> float:
    """The scale at which the slope is 0; infinite where it has one sign at both ends."""
    from scipy.optimize import brentq

    low, high = float(np.log(SCALES[0])), float(np.log(SCALES[-1]))
    ends = _slope(objective, np.array([low, high]))
    if not ends[0] * ends[1] < 0:
        return inf
    found: Any = brentq(lambda at: float(_slope(objective, np.asarray(at))), low, high, xtol=1e-15)
    return float(np.exp(found))


def _learned_scale_rows(divergence: Divergence) -> Iterator[Row]:
    for whose, missing in (("p", -1.0), ("q", 1.0)):
        full, dropped, best = _objective(divergence, whose), _objective(dropped_kl, whose), _best_scale(whose)
        case = f"learned scale of {whose}"
        for name, objective, roots in (("with", full, 1), ("without", dropped, 0)):
            signs = np.sign(_slope(objective, np.log(SCALES)))
            yield Row(claim="GGD-005", case=case, quantity=f"optima between 10⁻⁶ and 10⁶ {name} normalisers",
                      value=float((np.diff(signs) != 0).sum()), reference=float(roots), n=len(SCALES),
                      unit="")  # fmt: skip
        # Slope of the derivative at the root: beta2 (p's scale enters as alpha^-beta2, q's as alpha^beta2).
        size = best * (2.0 + _scale(*Q, *P)) / P[1]
        yield Row(claim="GGD-005", case=case, quantity="best scale with normalisers", value=_root(full),
                  reference=best, scale=size, unit="")  # fmt: skip
        at = np.asarray(log(best))
        for name, objective, slope in (("with", full, 0.0), ("without", dropped, missing)):
            yield Row(claim="GGD-005", case=case, quantity=f"slope in log α at the best scale, {name} normalisers",
                      value=float(_slope(objective, at)), reference=slope, scale=2.0 + _scale(*Q, *P),
                      unit="nats per unit")  # fmt: skip


def _curve_rows(divergence: Divergence) -> Iterator[Row]:
    for quantity, function in (("KL", divergence), ("KL without normalisers", dropped_kl)):
        for whose in ("p", "q"):
            scales = _best_scale(whose) * DRAWN[whose]
            values = np.real(_objective(function, whose)(np.log(scales)))
            for at, value in zip(scales, values, strict=True):
                case = f"over the scale of {whose}"
                yield Row(claim="", case=case, quantity=quantity, value=float(value), at=float(at))


def _sampled_rows(divergence: Divergence) -> Iterator[Row]:
    alpha, prior = 0.8, (1.2, 2.0)
    for place, beta in enumerate(SAMPLED):
        z = draw(np.random.default_rng([1923, place]), DRAWS, alpha, beta)
        powered = (np.abs(z) / alpha) ** beta
        ratios = _log(z, alpha, beta) - _log(z, *prior)
        moment = alpha**2 * float(np.exp(lgamma(3.0 / beta) - lgamma(1.0 / beta)))
        known = (
            ("mean of (|z|/α)^β", powered, 1.0 / beta, ""),
            ("mean of z²", z**2, moment, ""),
            ("mean of log q − log p", ratios, float(np.real(divergence(alpha, beta, *prior))), "nats"),
        )
        for quantity, draws, reference, unit in known:
            yield mean_row(draws, claim="GGD-006", case=f"α = {alpha:g}, β = {beta:g}", quantity=quantity,
                           reference=reference, unit=unit)  # fmt: skip


def _log(z: Array, alpha: float, beta: float) -> Array:
    return np.real(generalised_normal(z, np.array(0.0), np.array(alpha), np.array(beta)).sum(0))


QUESTION = Question(
    id="GGD",
    title="The generalised normal: when may its normaliser be dropped?",
    words=(
        "The normaliser of a generalised normal depends on its shape and scale. When may it be left out of a sampled "
        "KL, and what happens to a learned scale when it is?"
    ),
    formula=DENSITY,
    source=f"{NADARAJAH}; KL: {DO}",
    claims=CLAIMS,
    measure=measure,
)
