"""The fitted formula of a wrong term: the coefficients of mean^2, sigma^2, log sigma^2, z^2, e^2, the likelihood and 1.

Two mistakes at once are named term by term: each coefficient beside the one that is right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isclose
from typing import Any

import numpy as np

from elbo_compare.compare.checking import oracle
from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.fitting import EXACT, Columns, Law, Size, explain, solve
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.readings import REDUCED_UNITS, Reading, Reduction, reductions
from elbo_compare.suites.contract import Array

# Shown in this order; each with the coefficient that is right where the term belongs to the quantity.
ANALYTIC = {"mean^2": 0.5, "sigma^2": 0.5, "log sigma^2": -0.5}
SAMPLED = {"z^2": 0.5, "e^2": -0.5, "log sigma^2": -0.5}
TO_PRIOR = {"(mean - prior mean)^2 / s^2": 0.5, "sigma^2 / s^2": 0.5, "log sigma^2": -0.5, "log s^2": 0.5}
OWN_SQUARE, OWN_LOG = "(x - output)^2 / s^2", "log s^2"  # s^2: the decoder's own variance
# What stands in a wrong formula and in no right one.
STRANGERS: tuple[tuple[str, ...], ...] = (
    (),
    ("mean",),
    ("sigma",),
    ("sigma^4",),
    ("log^2 sigma^2",),
    ("mean^2",),
    ("mean", "sigma"),
    ("mean^2", "sigma^2"),
    ("sigma", "log^2 sigma^2"),
    ("sigma^4", "log^2 sigma^2"),
    ("e",),
    ("e^2 sigma",),
    ("e^2 sigma^4",),
    ("(z - mean)^2",),
    ("(mean - prior mean)^2",),
    ("s^2",),
    ("(mean - prior mean)^2", "sigma^2"),
)
# The same of a KL of two Gaussians alone: a square that is missing, or the wrong spread.
STRANGERS_OF_TWO: tuple[tuple[str, ...], ...] = (
    ("sigma / s^2",),
    ("sigma^2 / s",),
    ("sigma / s",),
    ("(mean - prior mean)^2 / s",),
    ("(mean - prior mean)^2 / sigma^2",),
    ("(mean - prior mean) / s^2",),
    ("(mean - prior mean)^2 / s", "sigma^2 / s"),
    ("(mean - prior mean)^2 / s", "sigma / s"),
    ("sigma^2 / s^4",),
    ("log^2(sigma / s)",),
)


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """One term of the formula: what it is, and what is right under the reduction."""

    name: str
    law: Law | None
    right: float

    @property
    def off(self) -> bool:
        """Whether it is not what it should be."""
        if self.law is None:
            return self.right != 0
        return not (self.law.plain and isclose(self.law.factor, self.right, rel_tol=1e-6))


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A term written out. `constant`: its law; the right one is -1/2 per latent dimension of an analytic KL, else 0."""

    reading: Reading
    reduction: Reduction
    coefficients: tuple[Coefficient, ...]
    constant: Law | None
    right_constant: Law | None

    @property
    def text(self) -> str:
        """`0.5 mean^2 + 0.5 sigma^2 + 0.5 log sigma^2 - 0.5 x latent`."""
        shown = [(c.name, c.law) for c in self.coefficients if c.law] + ([("", self.constant)] if self.constant else [])
        parts = []
        for name, law in shown:
            sign = "-" if law.factor < 0 else "+"
            size = Law(factor=abs(law.factor), powers=law.powers).text
            size = "" if size == "1" and name else size
            parts.append(f"{sign} {' '.join(part for part in (size, name) if part)}")
        text = " ".join(parts) or "0"
        return text.removeprefix("+ ").replace("- ", "-", 1) if text.startswith("- ") else text.removeprefix("+ ")

    @property
    def _normaliser(self) -> bool:
        """Whether the constant only counts observed dimensions, beside a likelihood that is known up to one."""
        known = self.right_constant is None and self.constant is not None and self.reading.data is not None
        return known and self.reading.data.up_to_a_constant and self.constant.powers[1:] == (0, 1)  # type: ignore[union-attr]

    @property
    def off(self) -> tuple[str, ...]:
        """Term by term, what is off: `log sigma^2 has 0.5 where -0.5 is right`."""
        found = []
        for c in sorted(self.coefficients, key=lambda c: c.right != 0):  # what does not belong there first
            if c.off:
                right = f"where {c.right:g} is right" if c.right else "and does not belong here"
                found.append(f"{c.name} has {c.law.text if c.law else 'no weight'} {right}")
        if not _same(self.constant, self.right_constant) and not self._normaliser:
            shown = self.constant.text if self.constant else "0"
            right = self.right_constant.text if self.right_constant else "0"
            found.append(f"the constant is {shown} where {right} is right")
        return tuple(found)


def _same(one: Law | None, other: Law | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.powers == other.powers and isclose(one.factor, other.factor, rel_tol=1e-6)


def fitted(
    columns: Columns,
    position: int,
    readings: Sequence[Reading],
    others: Sequence[Reading] = (),
    strangers: Sequence[tuple[str, ...]] = STRANGERS,
) -> Formula | None:
    """The exact formula of fewest terms under one of the readings; None where there is none.

    others: readings that the names speak against, tried last and without strange terms.
    """
    first = next(iter(columns.groups.values()))[0]
    allowed = [r for r in reductions(first.terms[position].value, first) if r is not Reduction.ELEMENTS]
    tried = [(strange, reading) for strange in strangers for reading in readings] + [((), r) for r in others]
    if strangers is STRANGERS:
        tried += [
            (strange, r) for strange in STRANGERS_OF_TWO for r in readings if r.prior is not None and not r.sampled
        ]
    for strange, reading in tried:
        if not reading.joint:
            found = _fit(columns, position, reading, strange)
            if found is not None and allowed:
                formulas = [_formula(reading, reduction, *found) for reduction in allowed]
                return min(formulas, key=lambda formula: len(formula.off))
    return None


def fitted_by_element(
    observations: Sequence[Observation], position: int, readings: Sequence[Reading], others: Sequence[Reading] = ()
) -> Formula | None:
    """The formula of a term with one value per datum and latent dimension: each is a datum of one dimension."""
    if any(Role.MEAN not in one.inputs or Role.SPREAD not in one.inputs for one in observations):
        return None
    if any(one.terms[position].value.size != one.inputs[Role.MEAN].size for one in observations):
        return None
    found = fitted(Columns([_flattened(one, position) for one in observations]), position, readings, others)
    if found is None:
        return None
    right = Law(factor=-0.5) if found.right_constant is not None else None
    return replace(found, reduction=Reduction.ELEMENTS, right_constant=right)


def _flattened(one: Observation, position: int) -> Observation:
    shape = one.inputs[Role.MEAN].shape
    latents = {role: part.reshape(-1, 1) for role, part in one.inputs.items() if part.shape == shape}
    terms = tuple(replace(t, value=t.value.ravel()) if i == position else t for i, t in enumerate(one.terms))
    return replace(one, inputs=latents, terms=terms)


def _terms(columns: Columns, reading: Reading, one: Observation, strangers: Sequence[str]) -> dict[str, Array]:
    """(batch,) of every column."""
    found: dict[str, Array] = {}
    if reading.has_kl:
        latent = _latent(reading, one)
        form = (reading.spread, reading.prior, reading.sampled)
        for name in (*_wanted(reading), *strangers):
            if name in latent and name not in found:
                make = latent[name]
                found[name] = columns.kept((name, form), one, lambda make=make: make().sum(1))
    if reading.has_data and reading.data is not None:
        found |= _data(columns, reading, one)
    return found


def _latent(reading: Reading, one: Observation) -> dict[str, Callable[[], Any]]:
    """(batch, latent) of every column that a KL, right or wrong, may have."""
    inputs = one.inputs
    mean, log_var = inputs[Role.MEAN], oracle.log_var_of(inputs[Role.SPREAD], reading.spread)
    latent = {
        "mean^2": lambda: mean**2,
        "sigma^2": lambda: np.exp(log_var),
        "log sigma^2": lambda: log_var,
        "mean": lambda: mean,
        "sigma": lambda: np.exp(log_var / 2),
        "sigma^4": lambda: np.exp(2 * log_var),
        "log^2 sigma^2": lambda: log_var**2,
    } | _sampled(reading, one, mean, log_var)
    if reading.prior is not None:
        latent |= _to_prior(inputs[Role.PRIOR_MEAN], inputs[Role.PRIOR_SPREAD], reading, mean, log_var)
    return latent


def _wanted(reading: Reading) -> dict[str, float]:
    if reading.prior is not None and not reading.sampled:
        return TO_PRIOR
    return SAMPLED if reading.sampled else ANALYTIC


def _sampled(reading: Reading, one: Observation, mean: Array, log_var: Array) -> dict[str, Callable[[], Any]]:
    if not reading.sampled:
        return {}
    z = one.inputs[Role.Z]
    return {
        "z^2": lambda: z**2,
        "e^2": lambda: (z - mean) ** 2 * np.exp(-log_var),
        "e": lambda: (z - mean) * np.exp(-log_var),
        "e^2 sigma": lambda: (z - mean) ** 2 * np.exp(-log_var / 2),
        "e^2 sigma^4": lambda: (z - mean) ** 2 * np.exp(log_var),
        "(z - mean)^2": lambda: (z - mean) ** 2,
    }


def _to_prior(
    other: Array, spread: Array, reading: Reading, mean: Array, log_var: Array
) -> dict[str, Callable[[], Any]]:
    prior = oracle.log_var_of(spread, reading.prior)  # type: ignore[arg-type]
    return {
        "(mean - prior mean)^2 / s^2": lambda: (mean - other) ** 2 * np.exp(-prior),
        "(mean - prior mean)^2": lambda: (mean - other) ** 2,
        "sigma^2 / s^2": lambda: np.exp(log_var - prior),
        "(mean - prior mean)^2 / s": lambda: (mean - other) ** 2 * np.exp(-prior / 2),
        "(mean - prior mean)^2 / sigma^2": lambda: (mean - other) ** 2 * np.exp(-log_var),
        "(mean - prior mean) / s^2": lambda: (mean - other) * np.exp(-prior),
        "sigma / s^2": lambda: np.exp(log_var / 2 - prior),
        "sigma^2 / s": lambda: np.exp(log_var - prior / 2),
        "sigma / s": lambda: np.exp((log_var - prior) / 2),
        "sigma^2 / s^4": lambda: np.exp(log_var - 2 * prior),
        "log^2(sigma / s)": lambda: (log_var - prior) ** 2 / 4,
        "log s^2": lambda: prior,
        "s^2": lambda: np.exp(prior),
    }


def _data(columns: Columns, reading: Reading, one: Observation) -> dict[str, Array]:
    data, inputs = reading.data, one.inputs
    if data is None:
        return {}
    if data.spread is None and not (data.likelihood == "bernoulli" and data.form.value == "probs"):
        return {data.name: columns.kept(("sum", data), one, lambda: columns.data(reading, one).sum(1))}

    def parts() -> dict[str, Array]:
        x, output = inputs[Role.X], inputs[Role.OUTPUT]
        if data.spread is not None:
            own = oracle.log_var_of(inputs[Role.OUTPUT_SPREAD], data.spread)
            return {OWN_SQUARE: ((x - output) ** 2 * np.exp(-own)).sum(1), OWN_LOG: own.sum(1)}
        return {"x log p": (x * np.log(output)).sum(1), "(1 - x) log(1 - p)": ((1 - x) * np.log1p(-output)).sum(1)}

    return columns.kept(("parts", data), one, parts)


def _fit(
    columns: Columns, position: int, reading: Reading, strangers: Sequence[str]
) -> tuple[dict[str, Law | None], Law | None] | None:
    solved = solved_by_size(columns, position, reading, strangers)
    if solved is None:
        return None
    found: dict[str, dict[Size, float]] = {}
    for size, coefficients in solved.items():
        for name, coefficient in coefficients.items():
            found.setdefault(name, {})[size] = coefficient
    laws = {name: explain(column) for name, column in found.items()}
    if any(laws[name] is None and any(column.values()) for name, column in found.items()):
        return None
    return {name: law for name, law in laws.items() if name != "1"}, laws["1"]


def solved_by_size(
    columns: Columns, position: int, reading: Reading, strangers: Sequence[str]
) -> dict[Size, dict[str, float]] | None:
    """The coefficients at each size, "1" being the constant's; None where something is left over."""
    found: dict[Size, dict[str, float]] = {}
    for size, group in columns.groups.items():
        rows, values, names = [], [], []
        for one in group:
            with np.errstate(all="ignore"):
                terms = _terms(columns, reading, one, strangers)
            names, value = [*terms], one.terms[position].value
            if value.size == one.batch:
                rows.append(np.stack([*terms.values(), np.ones(one.batch)], axis=1))
            elif value.size == 1:
                rows.append(np.array([[*(term.sum() for term in terms.values()), 1.0]]))
            else:
                return None
            values.append(value.ravel())
        solved = solve(np.concatenate(rows), np.concatenate(values), EXACT)
        if solved is None:
            return None
        found[size] = {n: float(coefficient) for n, coefficient in zip([*names, "1"], solved, strict=True)}
    return found


def _formula(reading: Reading, reduction: Reduction, laws: dict[str, Law | None], constant: Law | None) -> Formula:
    unit = REDUCED_UNITS[reduction]
    wanted = _wanted(reading) if reading.has_kl else {}
    right = {"x log p": -1.0, "(1 - x) log(1 - p)": -1.0, OWN_SQUARE: 0.5, OWN_LOG: 0.5} | wanted
    right |= {reading.data.name: 1.0} if reading.data else {}
    over = {name: law.over(Law(factor=1.0, powers=unit)) if law else None for name, law in laws.items()}
    kept = [
        Coefficient(name=name, law=law, right=right.get(name, 0.0))
        for name, law in over.items()
        if law is not None or name in right
    ]
    rows = 1 if reduction in (Reduction.SUM, Reduction.MEAN) else 0
    analytic = reading.has_kl and not reading.sampled
    return Formula(
        reading=reading,
        reduction=reduction,
        coefficients=tuple(kept),
        constant=constant.over(Law(factor=1.0, powers=unit)) if constant else None,
        right_constant=Law(factor=-0.5, powers=(rows, 1, 0)) if analytic else None,
    )
