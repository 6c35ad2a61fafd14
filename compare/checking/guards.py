"""Guards against log 0, as what they are: a clamp or an added epsilon, where it begins, what it costs in nats there.

A guard is found by scanning one argument towards its edge: what the function took for the probability (or the
variance) follows from its value. It is named only where the formula with that guard equals the function on every probe.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from elbo_compare.compare.checking import oracle
from elbo_compare.compare.checking.names import WrittenAs
from elbo_compare.compare.checking.oracle import Elements
from elbo_compare.suites.complex_step import STEP, clip, maximum
from elbo_compare.suites.contract import Array

LARGEST_EPSILON = 2e-5  # a guard of more than this moves ordinary values by more than four digits: no guard any more
LARGEST_VARIANCE = 1e-5  # the same for a variance: sigma = 0.003
PROBABILITIES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
SIGMAS = (0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5)
STEADY = 0.02  # relative spread within which an epsilon or a floor is one number


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One guarded quantity q: max(q, size), or q + size."""

    clamped: bool
    size: float

    def apply(self, quantity: Any) -> Any:
        """The guarded quantity, complex-safe."""
        return maximum(quantity, self.size) if self.clamped else quantity + self.size


@dataclass(frozen=True, kw_only=True)
class Guard:
    """Guards of log p (`ones`), log(1 - p) (`zeros`), and of the spread.

    spread guards the variance, or sigma where `of_sigma`; `everywhere`: in the whole KL, not in the logarithm alone.
    """

    ones: Bound | None = None
    zeros: Bound | None = None
    spread: Bound | None = None
    of_sigma: bool = False
    everywhere: bool = False
    saturates: bool = False  # the probabilities are a sigmoid of the logits that came in

    @property
    def tolerated(self) -> bool:
        """Whether it is small enough to leave ordinary values alone."""
        data = all(b is None or b.size <= LARGEST_EPSILON for b in (self.ones, self.zeros))
        size = self.spread.size ** (2 if self.of_sigma else 1) if self.spread else 0.0
        return data and size <= LARGEST_VARIANCE

    @property
    def text(self) -> str:
        """`probabilities clamped to [1e-05, 1 - 1e-05]: begins there, costs 2.3 nats a pixel at 1e-06`."""
        parts = []
        bound = self.ones or self.zeros
        if bound is not None:
            both = self.ones is not None and self.zeros is not None
            if not both:
                name = f"log({'max(p, ' if bound.clamped else 'p + '}{bound.size:g}{')' if bound.clamped else ''})"
            elif bound.clamped:
                name = f"probabilities clamped to [{bound.size:g}, 1 - {bound.size:g}]"
            else:
                name = f"log(p + {bound.size:g})" + f" and log(1 - p + {bound.size:g})"
            place = bound.size / 10
            cost = math.log(bound.apply(place) / place)
            parts.append(f"{name}: it acts below p = {bound.size:g} and costs {cost:.2g} nats a dimension at {place:g}")
        if self.spread is not None:
            parts.append(self._spread_text(self.spread))
        return "; ".join(parts)

    def _spread_text(self, bound: Bound) -> str:
        what, log = "sigma" if self.of_sigma else "sigma^2", math.log(bound.size)
        name = f"{what} + {bound.size:g} for {what}" if self.everywhere else f"log({what} + {bound.size:g})"
        if bound.clamped:
            whole = abs(log - round(log)) < 1e-12
            name = f"log {what} clamped at {log:.0f}" if whole else f"{what} clamped at {bound.size:g}"
        at = 1e-3 if self.of_sigma else 1e-6
        begins = bound.size if self.of_sigma else math.sqrt(bound.size)
        cost = math.log(float(np.real(bound.apply(at))) / at) * (1.0 if self.of_sigma else 0.5)
        return f"{name}: it acts below sigma = {begins:.2g} and costs {cost:.2g} nats a latent at sigma 0.001"


def guarded_bernoulli(guard: Guard) -> Callable[[Array, Array], Elements]:
    """-x log g(p) - (1 - x) log g(1 - p) by element, with the guards' own gradients."""

    def formula(x: Any, probs: Any) -> Any:
        ones, zeros = probs, 1 - probs
        if guard.ones and guard.ones.clamped and guard.zeros and guard.zeros.clamped:
            ones = clip(probs, guard.ones.size, 1 - guard.zeros.size)
            zeros = 1 - ones
        else:
            ones = guard.ones.apply(ones) if guard.ones else ones
            zeros = guard.zeros.apply(zeros) if guard.zeros else zeros
        return -x * np.log(ones) - (1 - x) * np.log(zeros)

    def elements(x: Array, probs: Array) -> Elements:
        rest = 1 - probs
        magnified = np.abs(1 - x) / rest + np.abs(x) / probs
        value = np.real(formula(x, probs))
        return Elements(
            value=value,
            scale=np.abs(value) + magnified,
            gradients={oracle.Role.OUTPUT: np.imag(formula(x, probs + 1j * STEP)) / STEP},
            gradient_scales={oracle.Role.OUTPUT: magnified * (1 + 1 / rest + 1 / probs)},
        )

    return elements


def after_a_sigmoid(guard: Guard, exact: Elements, x: Array, logits: Array) -> Elements:
    """A cross-entropy of sigmoid(logits), with what a rounding of p comes to in it; exact: of the logits themselves."""
    probs, rest = 1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(logits))
    magnified = np.abs(1 - x) / rest + np.abs(x) / probs
    role, part = oracle.Role.OUTPUT, exact
    if guard.ones or guard.zeros:
        part = guarded_bernoulli(guard)(x, probs)
        part = replace(part, gradients={role: part.gradients[role] * probs * rest})
    return replace(
        part, scale=part.scale + magnified, gradient_scales={role: exact.gradient_scales[role] + 1 / (probs * rest)}
    )


def guarded_poisson(guard: Guard) -> Callable[[Array, Array], Elements]:
    """rate - x log g(rate) by element."""

    def formula(x: Any, rate: Any) -> Any:
        return rate - x * np.log(guard.ones.apply(rate) if guard.ones else rate)

    def elements(x: Array, rate: Array) -> Elements:
        return Elements(
            value=np.real(formula(x, rate)),
            scale=np.abs(np.real(formula(x, rate))) + x + rate + 1,
            gradients={oracle.Role.OUTPUT: np.imag(formula(x, rate + 1j * STEP)) / STEP},
            gradient_scales={oracle.Role.OUTPUT: 1 + x / rate},
        )

    return elements


def guarded_multinomial(guard: Guard) -> Callable[[Array, Array], Elements]:
    """-x log g(p) by element."""

    def formula(x: Any, probs: Any) -> Any:
        return -x * np.log(guard.ones.apply(probs) if guard.ones else probs)

    def elements(x: Array, probs: Array) -> Elements:
        value = np.real(formula(x, probs))
        return Elements(
            value=value,
            scale=np.abs(value) + np.abs(x),
            gradients={oracle.Role.OUTPUT: np.imag(formula(x, probs + 1j * STEP)) / STEP},
            gradient_scales={oracle.Role.OUTPUT: 1 + np.abs(x) / probs},
        )

    return elements


def guarded_data(guard: Guard, likelihood: str) -> Callable[[Array, Array], Elements]:
    """The guarded reconstruction term of a likelihood that has guards."""
    known = {"poisson": guarded_poisson, "multinomial": guarded_multinomial}
    return known.get(likelihood, guarded_bernoulli)(guard)


def guarded_kl(
    part: Elements, log_var: Array, slope: Array, guard: Guard, again: Callable[[Array], Elements] | None
) -> Elements:
    """A KL's elements with the spread guarded, in its logarithm or everywhere; gradients by mean and z are kept where
    the logarithm alone is guarded. again: the KL of a log variance, None where a sample keeps it from being guarded."""
    assert guard.spread is not None
    spread = guard.spread

    def log_of(log_var: Any) -> Any:
        quantity = np.exp(log_var / 2 if guard.of_sigma else log_var)
        return np.log(spread.apply(quantity)) * (2 if guard.of_sigma else 1)

    changed = log_of(log_var)
    chain = np.imag(log_of(log_var + 1j * STEP)) / STEP
    role = oracle.Role.SPREAD
    if not guard.everywhere:
        gradient = part.gradients[role] + 0.5 * (1 - chain) * slope
        return replace(part, value=part.value + 0.5 * (log_var - changed), gradients={**part.gradients, role: gradient})
    if again is None:
        return part
    other = again(changed)
    return replace(other, gradients={**other.gradients, role: other.gradients[role] * chain * slope})


def bound_of(at: Sequence[float], taken: Sequence[float], known: Sequence[float]) -> Bound | None:
    """The bound under which quantities `at` were taken for `taken`; None where it is no clamp and no epsilon.

    known: numbers of the source, one of which it should be; else its first digit counts.
    """
    pairs = [(a, t) for a, t in zip(at, taken, strict=True) if math.isfinite(t) and t > 0]
    moved = [(a, t) for a, t in pairs if abs(t - a) > STEADY * a]
    if len(moved) < 2:
        return None
    epsilons = [t - a for a, t in moved]
    if max(epsilons) - min(epsilons) <= STEADY * abs(epsilons[-1]):
        return Bound(clamped=False, size=_named(epsilons[-1], known))
    floors = [t for _, t in moved]
    if max(floors) - min(floors) <= STEADY * floors[-1]:
        return Bound(clamped=True, size=_named(floors[-1], known))
    return None


def _named(size: float, known: Sequence[float]) -> float:
    near = [n for n in known if abs(n - size) <= STEADY * size]
    digit = float(f"{size:.0e}")
    return near[0] if near else (digit if abs(digit - size) <= STEADY * size else size)


def has_edge(form: WrittenAs) -> bool:
    """Whether a spread of this form has an edge at 0, which a guard protects from."""
    return form in (WrittenAs.SIGMA, WrittenAs.VAR)
