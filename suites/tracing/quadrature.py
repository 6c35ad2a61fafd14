"""Points and weights for expectations under N(0, I): the exact ELBO of a pair whose continuous draws are normal ones.

Two rules each time. Where both give the same, the integrand is one that they integrate exactly (a quadratic), or a
smooth one in one or two dimensions; where they differ, nothing is called exact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

MOST_RUNS = 600  # of the pair, over both rules and all states of the discrete sites
MOST_DIMENSIONS = 32
FEW_NODES = (3, 5)  # in one dimension: both are exact for a quadratic
NODES = {1: (40, 56), 2: (12, 14)}
AGREEING = 1e-7  # of the size of the values: by how much two rules may differ where both have converged
ROUNDING = 1e-13  # likewise, where both are exact
Value = TypeVar("Value")
CLOSED = "closed form of a Gaussian integral"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Shapes: points (n, dimensions), weights (n,), which add up to one."""

    points: np.ndarray
    weights: np.ndarray


def rules(dimensions: int, states: int = 1, most: int = MOST_RUNS) -> tuple[tuple[Rule, Rule], ...]:
    """Couples of rules that are affordable, by `most` runs of the pair, beside a sum over `states`, the cheapest first.

    >>> [len(rule.points) for rule in rules(3)[0]]
    [6, 6]
    """
    quadratic = [_quadratic(dimensions)] if 0 < dimensions <= MOST_DIMENSIONS else []
    smooth = [_smooth(*nodes, dimensions) for nodes in [NODES.get(dimensions)] if nodes]
    couples, left = [], most
    for couple in (*quadratic, *smooth):
        left -= states * sum(len(rule.points) for rule in couple)
        couples += [couple] if left >= 0 else []
    return tuple(couples)


def _quadratic(dimensions: int) -> tuple[Rule, Rule]:
    """+-sqrt(D) along D axes, and along turned ones: exact for a quadratic, as linear-Gaussian pairs have it."""
    if dimensions == 1:
        few, more = (_product(nodes, 1) for nodes in FEW_NODES)
        return few, more
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(dimensions, dimensions)))[0]
    return _sphere(np.eye(dimensions)), _sphere(turned)


def _sphere(axes: np.ndarray) -> Rule:
    points = np.sqrt(len(axes)) * np.concatenate([axes, -axes])
    return Rule(points=points, weights=np.full(len(points), 1 / len(points)))


def _smooth(few: int, more: int, dimensions: int) -> tuple[Rule, Rule]:
    return _product(few, dimensions), _product(more, dimensions)


def _product(nodes: int, dimensions: int) -> Rule:
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    grid = np.stack(np.meshgrid(*[points] * dimensions, indexing="ij"), -1).reshape(-1, dimensions)
    mass = np.stack(np.meshgrid(*[weights / weights.sum()] * dimensions, indexing="ij"), -1)
    return Rule(points=grid, weights=mass.reshape(-1, dimensions).prod(1))


def integrated(
    integral: Callable[[Rule], tuple[float, Value]], dimensions: int, states: int, most: int = MOST_RUNS
) -> tuple[Value, str] | None:
    """(the integral by the better rule, its text) of the first couple of rules that agree; else None.

    >>> integrated(lambda rule: (float(rule.weights @ rule.points[:, 0] ** 2), 0), 1, 1)[1]
    'closed form of a Gaussian integral'
    """
    for one, other in rules(dimensions, states, most):
        (value, _), (better, result) = integral(one), integral(other)
        if agree(value, better):
            quadratic = len(one.points) <= max(2 * dimensions, FEW_NODES[0])
            closed = quadratic and abs(value - better) <= ROUNDING * (abs(better) + 1)
            return result, CLOSED if closed else f"quadrature of {len(other.points)} nodes, to {AGREEING:g}"
    return None


def nothing_drawn() -> Rule:
    """One point without a dimension."""
    return Rule(points=np.zeros((1, 0)), weights=np.ones(1))


def agree(one: float, other: float) -> bool:
    """Whether two rules have given the same."""
    return bool(np.isfinite(one) and abs(one - other) <= AGREEING * (abs(one) + 1))
