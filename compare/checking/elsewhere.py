"""Where fitted weights do not hold: a floor, a clamp or an overflow beside them, at one of the battery's inputs."""

import numpy as np

from elbo_compare.compare.checking.claims import Record
from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.fitting import EXACT, Columns, Size
from elbo_compare.compare.checking.identify import Identified
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.oracle import Elements
from elbo_compare.compare.checking.readings import data_elements, kl_elements
from elbo_compare.suites.bridge.user_arrays import DETACHED

SAME_FORMULA = 1e-6  # relative: extreme inputs magnify what a fit leaves over
SAME_SINGLE = 1e-4  # the same of weights that were fitted to float32's rounding, 1e-5, which extreme inputs magnify


def off_somewhere(record: Record, position: int, found: Identified) -> str:
    """At which of the battery's inputs the fitted weights do not hold: a floor, a clamp or an overflow beside them."""
    columns, same = Columns(record.everywhere), _same(found)
    for size, group in columns.groups.items():
        for one in group:
            with np.errstate(all="ignore"):
                fit, value = found.fit, one.terms[position].value
                parts = [(fit.data, columns.data), (fit.kl, columns.kl)]
                rows = sum((law.at(size) * part(fit.reading, one).sum(1) for law, part in parts if law), np.zeros(1))
                total = rows if value.size == one.batch > 1 else np.sum(rows)
                total = total + (fit.constant.at(size) if fit.constant else 0.0)
                gap = np.abs(value.ravel() - np.ravel(total)) if np.size(total) == value.size else np.zeros(1)
                if not np.all(gap <= same * (np.abs(total).max() + np.abs(value).max() + 1)):
                    return f"{one.label} inputs"
            if _gradient_off(one, position, found, size):
                return f"{one.label} inputs (the gradient)"
    return ""


def _same(found: Identified) -> float:
    return SAME_FORMULA if found.fit.tier == EXACT else SAME_SINGLE


def _gradient_off(one: Observation, position: int, found: Identified, size: Size) -> bool:
    """Whether the fitted weights give another gradient; a term that is cut off from every input has one."""
    term, reading, inputs = one.terms[position], found.fit.reading, one.inputs
    if term.gradients is None:
        return term.no_gradient == DETACHED
    parts: list[tuple[float, Elements]] = []
    if found.fit.data and reading.data is not None:
        parts.append((found.fit.data.at(size), data_elements(reading, reading.data, inputs)))
    if found.fit.kl and reading.has_kl:
        parts.append((found.fit.kl.at(size), kl_elements(reading, inputs)))
    for role, got in term.gradients.items():
        right = sum(weight * np.asarray(part.gradients.get(role, 0.0)) for weight, part in parts)
        scale = sum(abs(weight) * np.max(part.gradient_scales.get(role, 0.0)) for weight, part in parts)
        if role is not Role.DATA_TERM and not np.all(np.abs(got - right) <= _same(found) * (scale + 1e-12)):
            return True
    return False
