"""A KL to another Gaussian prior than N(0, I): recognised by its fitted formula, down to the constant.

KL(N(mean, sigma^2) || N(m, v)) has 1/(2v) before mean^2 and sigma^2, -1/2 before log sigma^2, -m/v before mean, and
the constant (log v + m^2/v - 1)/2: four numbers of two, so that no mistake comes to it by chance.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.fitting import Columns
from elbo_compare.compare.checking.formula import OWN_LOG, OWN_SQUARE, Formula, fitted
from elbo_compare.compare.checking.objectives import Name, Objective
from elbo_compare.compare.checking.readings import Reading, Reduction

TRIED: tuple[tuple[str, ...], ...] = ((), ("mean",))
CLOSE = 1e-7


def fixed_priors(
    columns: Columns, position: int, readings: Sequence[Reading], data_name: str, numbers: Sequence[float]
) -> Iterator[tuple[Objective, Reading, Reduction]]:
    """The objective with the Gaussian prior that the formula has, and the reading under which it is judged."""
    plain = [r for r in readings if r.has_kl and r.prior is None and not r.joint]
    formula = fitted(columns, position, plain, strangers=TRIED)
    prior = _prior(formula, numbers) if formula else None
    if formula is None or prior is None:
        return
    reading = replace(formula.reading, fixed=prior)
    text = f"KL(q || {reading.prior_text})"
    text = f"{data_name} + {text}" if reading.has_data else text
    yield Objective(name=Name.PRIOR, formula=text, number=prior[1]), reading, formula.reduction


def _prior(formula: Formula, numbers: Sequence[float]) -> tuple[float, float] | None:
    """(mean, variance) of the prior, None where the coefficients are not those of one."""
    laws = {c.name: c.law for c in formula.coefficients if c.law}
    if not all(law.plain for law in laws.values()) or not _data_is_right(formula):
        return None
    found = {name: law.factor for name, law in laws.items()}
    sampled = formula.reading.sampled
    square, log = found.get("z^2" if sampled else "mean^2", 0.0), found.get("log sigma^2", 0.0)
    spread, right = (found.get("e^2", 0.0), -0.5) if sampled else (found.get("sigma^2", 0.0), square)
    if square <= 0 or not math.isclose(log, -0.5, rel_tol=CLOSE) or not math.isclose(spread, right, rel_tol=CLOSE):
        return None
    variance = 1 / (2 * square)
    mean = 0.0 if sampled else -found.get("mean", 0.0) * variance + 0.0
    constant = (math.log(variance) + mean**2 / variance - (0 if sampled else 1)) / 2
    law = formula.constant
    rows = 1 if formula.reduction in (Reduction.SUM, Reduction.MEAN) else 0
    same = law is not None and law.powers == (rows, 1, 0) and math.isclose(law.factor, constant, rel_tol=CLOSE)
    same = same or (law is None and abs(constant) < CLOSE)
    changed = abs(variance - 1) > CLOSE or abs(mean) > CLOSE
    return (_named(mean, numbers), _named(variance, numbers)) if same and changed else None


def _named(number: float, numbers: Sequence[float]) -> float:
    """The number that the source names, itself or its square, in float32 too; else a short decimal nearby."""
    single = [float(np.float32(n)) for n in numbers]
    near = [n for n in (*numbers, *single) for n in (n, n * n) if math.isclose(n, number, rel_tol=1e-9)]
    short = float(f"{number:.7g}")
    return near[0] if near else short if math.isclose(short, number, rel_tol=1e-9, abs_tol=1e-9) else number


def _data_is_right(formula: Formula) -> bool:
    names = {OWN_SQUARE, OWN_LOG, "x log p", "(1 - x) log(1 - p)"}
    names |= {formula.reading.data.name} if formula.reading.data else set()
    return not any(c.off for c in formula.coefficients if c.name in names)
