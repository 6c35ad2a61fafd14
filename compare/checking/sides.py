"""Probes of a term's two sides, and the weights by which known quantities enter it, whatever constant stands beside."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import Law, Size, explain
from elbo_compare.compare.checking.inputs import ORDINARY, Inputs, Sizes, Trial, neutral
from elbo_compare.compare.checking.judging import Subject
from elbo_compare.suites.contract import Array

PROBES = 10  # of each side, at every size
CROSSED = 3  # calls at which both sides differ from the first
SEPARATE, SINGLE = 1e-8, 5e-5  # left over, relative to the values: float64, float32
SMALL = 1e-6  # of the largest weight: below it a part is not there
DATA_SIDE = ("x", "output", "data_term", "output_log_var", "output_spread")

Probes = dict[Size, list[Observation]]


def with_data_of(one: Trial, other: Trial) -> Trial:
    """The latent side of `other` beside the data side of `one`."""
    return replace(other, **{name: getattr(one, name) for name in DATA_SIDE})


def cases_of(subject: Subject) -> dict[Sizes, list[Trial]]:
    """Neutral cases of every size."""
    sizes = [subject.experiment.sizes(size) for size in ORDINARY]
    return {size: [neutral(size, replicate) for replicate in range(PROBES)] for size in sizes}


def observed_at(subject: Subject, case: Trial) -> Observation:
    """A call. Raises FunctionError where the term is no number."""
    one = subject.experiment.observe(case, differentiate=False)
    if not np.isfinite(one.terms[subject.position].value).all():
        raise FunctionError("It is no number at the probes.")
    return one


def probes_of(subject: Subject) -> Probes:
    """Neutral calls, by size."""
    return mixed_probes(subject, lambda first, other: other)


def mixed_probes(subject: Subject, mixed: Callable[[Trial, Trial], Trial]) -> Probes:
    """Calls at the first case mixed with each, by size."""
    found: Probes = {}
    for size, cases in cases_of(subject).items():
        key = (size.batch, size.latent, size.observed)
        found[key] = [observed_at(subject, mixed(cases[0], case)) for case in cases]
    return found


def separable(subject: Subject) -> bool:
    """Whether the mixed differences of data and latent side are zero."""
    for cases in cases_of(subject).values():
        first = cases[0]
        base = value_at(subject, first)
        for case in cases[1 : 1 + CROSSED]:
            data, latent = (value_at(subject, with_data_of(*pair)) for pair in ((case, first), (first, case)))
            both = value_at(subject, case)
            size = max(np.abs(part).max() for part in (base, data, latent, both))
            if np.abs(both - data - latent + base).max() > allowed_for(subject) * size:
                return False
    return True


def value_at(subject: Subject, case: Trial) -> Array:
    """The value of a call, flat."""
    return observed_at(subject, case).terms[subject.position].value.ravel()


def allowed_for(subject: Subject) -> float:
    """What may be left over, relative to the values."""
    return SINGLE if subject.neutral[0].terms[subject.position].dtype == "float32" else SEPARATE


def changes(subject: Subject, probes: Sequence[Observation]) -> list[Array]:
    """What the value changes by from the first probe."""
    values = [one.terms[subject.position].value.ravel() for one in probes]
    return [value - values[0] for value in values[1:]]


def constant(subject: Subject, probes: Probes) -> bool:
    """Whether the value never changes."""
    return all(np.abs(change).max() == 0 for group in probes.values() for change in changes(subject, group))


def weights_of(
    subject: Subject,
    probes: Probes,
    columns: Sequence[Callable[[Inputs], Array]],
    *,
    zero: bool = False,
    allowed: float = 0.0,
) -> tuple[Law, ...] | None:
    """The laws by which (batch, axis) quantities enter, where the value's changes are explained by them alone; zero:
    some may have no weight."""
    solved: list[dict[Size, float]] = [{} for _ in columns]
    for size, group in probes.items():
        whole = np.concatenate(changes(subject, group))
        rows = [column_of(subject, group, column) for column in columns]
        matrix = np.stack(rows, axis=1)
        if len(matrix) != len(whole) or not np.isfinite(matrix).all():
            return None
        found = np.linalg.lstsq(matrix, whole, rcond=None)[0]
        scale = max(np.abs(one.terms[subject.position].value).max() for one in group) + np.abs(matrix * found).max()
        if np.abs(matrix @ found - whole).max() > max(allowed_for(subject), allowed) * scale:
            return None
        for column, coefficient in zip(solved, found, strict=True):
            column[size] = float(coefficient)
    if zero:
        small = max(SMALL, 30 * allowed_for(subject))
        largest = max(abs(each) for column in solved for each in column.values())
        solved = [{s: c if abs(c) > small * largest else 0.0 for s, c in column.items()} for column in solved]
    tier = max(allowed_for(subject), allowed)
    laws = [explain(column, tier) if not zero or any(column.values()) else Law(factor=0.0) for column in solved]
    return None if any(law is None for law in laws) else tuple(law for law in laws if law)


def column_of(subject: Subject, group: Sequence[Observation], quantity: Callable[[Inputs], Array]) -> Array:
    """What a (batch, axis) quantity changes by from the first probe, in the shape of the value."""
    parts = [_as_returned(quantity(one.inputs), one, subject.position) for one in group]
    return np.concatenate([part - parts[0] for part in parts[1:]])


def _as_returned(quantity: Array, one: Observation, position: int) -> Array:
    """One value per datum, one per datum and dimension, or a sum."""
    size = one.terms[position].value.size
    if size == one.batch > 1:
        return quantity.sum(1)
    return quantity.ravel() if size == quantity.size else quantity.sum(keepdims=True).ravel()
