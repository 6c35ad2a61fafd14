"""Objectives other than the ELBO, by value: their name, source, weight relative to the ELBO, and what declares them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product
from math import isclose, log

import numpy as np

from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.fitting import EXACT, Columns, Law, short
from elbo_compare.compare.checking.identify import Identified, Standing
from elbo_compare.compare.checking.readings import (
    Floor,
    Quantity,
    Reading,
    Reduction,
    floored,
    reduced,
    reductions,
)
from elbo_compare.suites.contract import Array

BISECTIONS = 60
MOST_FACTORS = 4  # weights that are tried on a floored KL
MOST_NUMBERS = 10  # of the source's and the arguments', as candidates for a level or a weight


class Name(StrEnum):
    """What --objective takes."""

    ELBO = "elbo"
    BETA = "beta"
    CAPACITY = "capacity"
    FREE_BITS = "free-bits"
    SCALED = "scaled"
    PER_PIXEL = "per-pixel"
    ANNEALING = "annealing"
    IWAE = "iwae"
    RENYI = "renyi"
    PRIOR = "prior"
    BALANCED = "kl-balancing"


SOURCES = {
    Name.BETA: "beta-VAE, Higgins et al. 2017",
    Name.CAPACITY: "capacity, Burgess et al. 2018, arXiv 1804.03599",
    Name.FREE_BITS: "free bits, Kingma et al. 2016, arXiv 1606.04934",
    Name.SCALED: "the same optimum as the ELBO's",
    Name.PER_PIXEL: "the same optimum as the ELBO's",
    Name.IWAE: "IWAE, Burda et al. 2016, arXiv 1509.00519",
    Name.RENYI: "variational Renyi bound, Li and Turner 2016, arXiv 1602.02311",
    Name.PRIOR: "a Gaussian prior of its own",
    Name.BALANCED: "KL balancing, Hafner et al. 2021, arXiv 2010.02193",
    Name.ANNEALING: "KL annealing, Bowman et al. 2016, arXiv 1511.06349",
}


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A recognised objective. formula: relative to the ELBO; number: the weight or level that makes it another one."""

    name: Name
    formula: str
    number: float

    @property
    def text(self) -> str:
        """`reconstruction + 4 x KL: beta-VAE, Higgins et al. 2017`."""
        return f"{self.formula}: {SOURCES[self.name]}"


def linear(found: Identified, data_name: str) -> Objective | None:
    """beta or a scaled ELBO from a linear fit; None for a mistake (a negative factor, a weight of 0)."""
    reading = found.reading
    kl = "KL" if reading.has_data else ""
    if found.standing is Standing.BETA and found.beta is not None:
        scale = found.scale.factor if found.scale else 1.0
        if reading.kl_weight <= 0 or scale <= 0:
            return None
        left = data_name if scale == 1.0 else f"{short(scale)} x {data_name}"
        weight = short(found.beta.factor * scale)
        right = kl if weight == "1" else f"{weight} x {kl}"
        more = f", beta = {short(found.beta.factor)}" if scale != 1.0 else ""
        return Objective(name=Name.BETA, formula=f"{left} + {right}{more}", number=found.beta.factor)
    kl_alone = reading.quantity is Quantity.KL and found.standing is Standing.SCALED and found.scale is not None
    if kl_alone and found.scale is not None and found.scale.plain and found.scale.factor > 0:
        weight = found.scale.factor  # of a KL alone: a weight where an argument bears it, a mistake where none does
        return Objective(name=Name.BETA, formula=f"{short(weight)} x KL", number=weight)
    if found.standing is Standing.SCALED and found.scale is not None and reading.has_data and reading.has_kl:
        if found.scale.factor <= 0:
            return None
        if found.scale.powers == (0, 0, -1) and isclose(found.scale.factor, 1, rel_tol=1e-6):
            return Objective(name=Name.PER_PIXEL, formula="the negative ELBO / the observed dimensions", number=1.0)
        if found.scale.powers == (0, 0, -1) and isclose(found.scale.factor, 1 / log(2), rel_tol=1e-6):
            text = "the negative ELBO / the observed dimensions, in bits"
            return Objective(name=Name.PER_PIXEL, formula=text, number=1.0)
        if found.scale.plain:
            text = f"{short(found.scale.factor)} x the negative ELBO"
            return Objective(name=Name.SCALED, formula=text, number=found.scale.factor)
    return None


@dataclass(frozen=True, kw_only=True)
class Floored:
    """A term that equals a reading with a floor or a capacity, on every value."""

    reading: Reading
    reduction: Reduction
    objective: Objective


def find_floors(
    columns: Columns, position: int, readings: Sequence[Reading], numbers: Sequence[float], data_name: str
) -> Iterator[Floored]:
    """Free bits or a capacity under one of the readings; the level is found by bisection, a capacity among numbers.

    Several may hold here, where no datum lies between a level and its batch's mean; the battery decides.
    """
    first = _all(columns)[0]
    allowed = [r for r in reductions(first.terms[position].value, first) if r is not Reduction.ELEMENTS]
    for reading in readings:
        weights = (1.0, 2.0) if reading.data is not None and reading.data.weighted else (1.0,)
        for weight, reduction in product(weights if reading.has_kl else (), allowed):
            weighed = replace(reading, weight=weight)
            for candidate in _candidates(columns, position, weighed, reduction, numbers):
                if _equal(columns, position, candidate, reduction):
                    name, text = named_floor(candidate, data_name)
                    objective = Objective(name=name, formula=text, number=candidate.level)
                    yield Floored(reading=candidate, reduction=reduction, objective=objective)


def named_floor(reading: Reading, data_name: str) -> tuple[Name, str]:
    """The objective of a reading with a floor or a capacity, and its formula."""
    level, weight = short(reading.level), short(reading.kl_weight)
    factor = "" if weight == "1" else f"{weight} x "
    kl = {
        Floor.DIMENSION: f"sum over latents of max(KL, {level})",
        Floor.DIMENSION_MEAN: f"sum over latents of max(batch mean of the KL, {level})",
        Floor.GROUP: f"max(KL, {level})",
        Floor.GROUP_MEAN: f"max(batch mean of the KL, {level})",
        Floor.CAPACITY: f"|KL - {level}|",
        Floor.CAPACITY_MEAN: f"|batch mean of the KL - {level}|",
    }[reading.floor]
    capacity = reading.floor in (Floor.CAPACITY, Floor.CAPACITY_MEAN)
    left = f"{data_name} + " if reading.has_data else ""
    return (Name.CAPACITY if capacity else Name.FREE_BITS), f"{left}{factor}{kl}"


def _candidates(
    columns: Columns, position: int, reading: Reading, reduction: Reduction, numbers: Sequence[float]
) -> Iterator[Reading]:
    numbers = [abs(n) for n in numbers if 0 < abs(n) < 1e6][:MOST_NUMBERS]
    means = (Floor.DIMENSION_MEAN, Floor.GROUP_MEAN) if reduction is Reduction.MEAN else ()
    for floor in (Floor.DIMENSION, Floor.GROUP, *means):
        for factor in dict.fromkeys((1.0, *numbers[:MOST_FACTORS])):
            changed = replace(reading, floor=floor, kl_weight=factor)
            level = _level(columns, position, changed, reduction)
            if level is not None:
                yield replace(changed, level=level)
    means = (Floor.CAPACITY_MEAN,) if reduction is Reduction.MEAN else ()
    for floor in (Floor.CAPACITY, *means):
        for level in numbers:
            for factor in dict.fromkeys((1.0, *numbers)):
                yield replace(reading, floor=floor, level=level, kl_weight=factor)


def _value(columns: Columns, reading: Reading, reduction: Reduction, one: Observation) -> Array:
    """The value alone, from columns that are there."""
    return _together(reading, reduction, _data_of(columns, reading, reduction, one), columns.kl(reading, one))


def _data_of(columns: Columns, reading: Reading, reduction: Reduction, one: Observation) -> Array | float:
    """(batch,) of the weighed reconstruction term."""
    if not reading.has_data:
        return 0.0
    rows = columns.kept(("rows", reading.data), one, lambda: columns.data(reading, one).sum(1))
    return reading.weight * rows * (one.batch if reading.given and reduction is not Reduction.SUM else 1)


def _together(reading: Reading, reduction: Reduction, data: Array | float, kl: Array) -> Array:
    total, _ = floored(reading, kl)
    return np.asarray(reduced(np.asarray(data + reading.kl_weight * total), reduction))


def _all(columns: Columns) -> list[Observation]:
    return [one for group in columns.groups.values() for one in group]


def _level(columns: Columns, position: int, reading: Reading, reduction: Reduction) -> float | None:
    """The level at which a value agrees, where the floor acts most: a floored KL grows with it."""
    if reduction is Reduction.ELEMENTS:
        return None
    without = replace(reading, level=0.0)
    chosen, most = None, 0.0
    for one in _all(columns):
        value = float(np.sum(one.terms[position].value))
        gap = value - float(np.sum(_value(columns, without, reduction, one)))
        if gap < -EXACT * (1 + abs(value)):  # a floor never makes it smaller
            return None
        chosen, most = (one, gap) if gap > most else (chosen, most)
    if chosen is None:
        return None
    wanted, low, high = float(np.sum(chosen.terms[position].value)), 0.0, 50.0
    data, kl = _data_of(columns, reading, reduction, chosen), columns.kl(reading, chosen)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        now = float(np.sum(_together(replace(reading, level=middle), reduction, data, kl)))
        low, high = (middle, high) if now < wanted else (low, middle)
    rounded = float(f"{high:.6g}")
    return rounded if abs(rounded - high) < 1e-8 * max(high, 1.0) else high


def _equal(columns: Columns, position: int, reading: Reading, reduction: Reduction) -> bool:
    for one in _all(columns):
        value, right = one.terms[position].value, _value(columns, reading, reduction, one)
        if right.size != value.size:
            return False
        if not np.all(np.abs(value.ravel() - right.ravel()) <= EXACT * (np.abs(right).max() + 1)):
            return False
    return True


def mismatch_effect(beta: Law) -> str:
    """What a size-dependent weight does to the KL, at sizes as they are."""
    at = beta.at((64, 20, 784))
    if at > 1:
        return f"at a batch of 64, 20 latents and 784 dimensions {at:,.0f} times: q is pressed onto the prior"
    return f"at a batch of 64, 20 latents and 784 dimensions {at:.2g} times: next to nothing holds q to the prior"
