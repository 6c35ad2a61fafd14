"""Sizes of an axis that a source names, and those at which a fitted weight would be right."""

import re
from dataclasses import replace

from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.diagnosis import DifferenceForm
from elbo_compare.compare.checking.experiment import LARGEST_LATENT
from elbo_compare.compare.checking.finding import Finding
from elbo_compare.compare.checking.identify import Standing
from elbo_compare.compare.checking.inputs import Shapes
from elbo_compare.compare.checking.names import OWN
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict
from elbo_compare.compare.checking.source import LARGEST_AXIS, SMALLEST_AXIS, axis_sizes, batch_sizes

UNEXPLAINED = (DifferenceForm.FORMULA, DifferenceForm.LINEAR, DifferenceForm.UNKNOWN)
OF_LATENTS = re.compile(r"latent|topic|(^|_)z(_?(dim|size)|_|$)|factors|^(n|num)_?dims?$|^dim$")
MOST_HELD = 3  # sizes that are tried


def sizes_named(callee: Callee) -> tuple[int, ...]:
    """Sizes that the source or a parameter's whole number (`x_dim=640`) may name for an axis, largest first."""
    held = [n for n in (*callee.scalars.values(), *callee.held_sizes) if n == int(n)]
    given = {int(n) for n in held if SMALLEST_AXIS <= n <= LARGEST_AXIS}
    return tuple(sorted({*axis_sizes(callee.function), *given}, reverse=True))


def said_of_sizes(used: Shapes, asked: Shapes) -> str:
    """`784 observed dimensions and 20 latents`: the sizes that nobody asked for."""
    sizes = ((used.observed, asked.observed, "observed dimensions"), (used.latent, asked.latent, "latents"))
    return " and ".join(f"{n} {axis}" for n, given, axis in sizes if n and not given)


def only_there(shape: Shapes) -> str:
    """What a verdict at one shape alone is worth."""
    sizes = ((shape.observed, "observed dimensions"), (shape.latent, "latents"), (shape.batch, "data in a batch"))
    where = "the " + " and ".join(f"{n} {axis}" for n, axis in sizes if n)
    where = where if shape.observed or shape.latent or shape.batch else f"pictures {shape.layout}"
    return f"right at {where} that it is written for, and only there"


def written_for(finding: Finding, given: Shapes, callee: Callee) -> list[Shapes]:
    """Sizes at which the fitted weights would be right: a mean over pixels times 784."""
    found = finding.identified
    if found is None or found.standing not in (Standing.MISMATCH, Standing.SCALED):
        return []
    sizes: dict[str, int] = {}
    rows = round(1 / found.scale.factor) if found.scale and found.scale.plain and found.scale.factor > 1e-9 else 0
    if rows in batch_sizes(callee.function) and not given.batch:
        sizes["batch"] = rows  # a sum over the batch / the batch size that the source names
    for law in (found.fit.data, found.fit.kl):
        for axis, name in ((1, "latent"), (2, "observed")):
            whole = round(law.factor) if law else 0
            if law and law.powers[axis] == -1 and whole > 4 and abs(law.factor - whole) < 1e-6 * whole:
                sizes[name] = whole
            if (
                law
                and law.powers[axis] == -1
                and whole > 4
                and whole % 2 == 0
                and found.fit.reading.data
                and found.fit.reading.data.weighted
                and axis == 2
            ):
                sizes[name] = whole // 2  # sum of squares = 2 x the half squared error
    named = {*sizes_named(callee), *batch_sizes(callee.function)}
    sizes = {axis: n for axis, n in sizes.items() if n in named}  # a size that the source names, and no other number
    return [replace(given, **sizes)] if sizes else []


def held_latents(result: CheckResult, given: Shapes, callee: Callee) -> list[Shapes]:
    """Numbers of latents that an object holds by name, `self.num_topics`: what it subtracts for its constant is right
    there alone."""
    form = result.diagnosis.form if result.diagnosis else None
    if given.latent or result.verdict is not CheckVerdict.WRONG or form not in UNEXPLAINED:
        return []
    held = {name.removeprefix(OWN): value for name, value in callee.scalars.items() if name.startswith(OWN)}
    named = [int(value) for name, value in held.items() if OF_LATENTS.search(name.lower()) and value == int(value)]
    sizes = dict.fromkeys(n for n in named if SMALLEST_AXIS < n <= LARGEST_LATENT)
    return [replace(given, latent=n) for n in [*sizes][:MOST_HELD]]
