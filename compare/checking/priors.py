"""A KL to another Gaussian prior than N(0, I): recognised by its fitted formula, down to the constant.

KL(N(mean, sigma^2) || N(m, v)) has 1/(2v) before mean^2 and sigma^2, -1/2 before log sigma^2, -m/v before mean, and
the constant (log v + m^2/v - 1)/2: four numbers of two, so that no mistake comes to it by chance.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.fitting import Columns, Law, Size
from elbo_compare.compare.checking.formula import OWN_LOG, OWN_SQUARE, Formula, fitted, solved_by_size
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.objectives import Name, Objective
from elbo_compare.compare.checking.readings import REDUCED_UNITS, Reading, Reduction, reductions

TRIED: tuple[tuple[str, ...], ...] = ((), ("mean",))
CLOSE = 1e-7
OF_A_PRIOR = ("mean^2", "sigma^2", "log sigma^2", "mean")
OF_A_GIVEN_MEAN = ("(mean - prior mean)^2 / s^2", "sigma^2 / s^2", "log sigma^2", "mean")


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


def of_their_sizes(columns: Columns, position: int, readings: Sequence[Reading]) -> str:
    """A KL to N(m, v I) whose v depends on the number of latents, in words; "" where there is none.

    Such is the Gaussian that stands for a Dirichlet over K topics, v = 1 - 1/K (Srivastava and Sutton 2017, eq. 3).
    """
    one = next(iter(columns.groups.values()))[0]
    if len({size[1] for size in columns.groups}) < 2 or not {Role.MEAN, Role.SPREAD} <= set(one.inputs):
        return ""
    allowed = [r for r in reductions(one.terms[position].value, one) if r is not Reduction.ELEMENTS]
    unit = Role.PRIOR_SPREAD not in one.inputs or bool(np.all(one.inputs[Role.PRIOR_SPREAD] == 1))
    plain = [r for r in readings if r.has_kl and unit and not (r.has_data or r.joint or r.sampled or r.relative)]
    for reading, reduction in ((reading, reduction) for reading in plain for reduction in allowed):
        solved = solved_by_size(columns, position, reading, ("mean",))
        names = OF_A_PRIOR if reading.prior is None else OF_A_GIVEN_MEAN
        found = {size[1]: _at(size, each, reduction, names) for size, each in (solved or {}).items()}
        variances = {latent: pair[1] for latent, pair in found.items() if pair}
        if found and len(variances) == len(found) and len({f"{v:.6g}" for v in variances.values()}) > 1:
            where = ", ".join(f"{v:.4g} at {latent} latents" for latent, v in sorted(variances.items()))
            return f"it is KL(q || N(m, v I)) with a v that depends on their number, {where}"
    return ""


def _at(
    size: Size, coefficients: Mapping[str, float], reduction: Reduction, names: Sequence[str]
) -> tuple[float, float] | None:
    """(mean, variance) of the prior whose KL has these coefficients at one size; None where there is none."""
    unit = Law(factor=1.0, powers=REDUCED_UNITS[reduction]).at(size)
    square, spread, log, mean = (coefficients[name] / unit for name in names)
    if square <= 0 or not math.isclose(log, -0.5, rel_tol=CLOSE) or not math.isclose(spread, square, rel_tol=CLOSE):
        return None
    variance = 1 / (2 * square)
    location = -mean * variance
    rows = size[0] if reduction in (Reduction.SUM, Reduction.MEAN) else 1
    constant = rows * size[1] * (math.log(variance) + location**2 / variance - 1) / 2
    right = math.isclose(coefficients["1"] / unit, constant, rel_tol=CLOSE, abs_tol=CLOSE)
    return (location, variance) if right else None
