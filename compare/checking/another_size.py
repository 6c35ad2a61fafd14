"""What is right at a second size too of every axis that has one size in all calls: steps, a picture's, a latent map's.

An average over such an axis is a constant at one size, and looks like a decoder's variance.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from math import isclose, prod

from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.finding import Finding
from elbo_compare.compare.checking.fitting import SIMPLE, short
from elbo_compare.compare.checking.inputs import Layout, Shapes
from elbo_compare.compare.checking.objectives import Name
from elbo_compare.compare.checking.result import GOOD, CheckResult, CheckVerdict
from elbo_compare.compare.checking.signature import FunctionKind

NOT_CALLED = (CheckVerdict.FAILED, CheckVerdict.NOT_JUDGED)
Judged = tuple[CheckResult, Finding | None]


def held(
    result: CheckResult, finding: Finding | None, at: Callable[[Shapes], Judged], own: Sequence[float] = ()
) -> CheckResult:
    """A good result, where the second size has the same; else what the function is. `at`: the check at other shapes;
    own: numbers of a source that averages over no such axis, one of which may be a variance."""
    used = finding.shapes if finding else None
    if finding is None or used is None or result.verdict not in GOOD or not used.fixed:
        return result
    weight = _weight(finding)
    if weight is not None and (_settled(used, weight) or not _free(finding)):
        return result
    one_size = used.layout is Layout.MNIST and not used.latent_map and not used.latent_steps
    other, second = (None, None) if one_size else at(replace(used, other=True))
    if other is None or other.verdict in NOT_CALLED:
        averaged = weight and _of_an_axis(used, weight) and not _is_a_number_of(own, weight)
        return _average(result, used, weight, None) if averaged else result
    if other.verdict in GOOD:
        again = second and _weight(second)
        return result if other.equation == result.equation else _average(result, used, weight, again or None)
    return replace(other, notes=(f"right with {_sizes(used)}, and not with others", *other.notes))


def _weight(finding: Finding) -> float | None:
    """Of the data term: 1 / the variance that was fitted."""
    return finding.identified.reading.weight if finding.identified else None


def _free(finding: Finding) -> bool:
    """Whether a weight was fitted: only what has one can take up an average. One that is declared is another number."""
    reading = finding.identified.reading if finding.identified else None
    fitted = reading is not None and reading.data is not None and reading.data.weighted
    return fitted or finding.verdict is CheckVerdict.BY_DESIGN


def _settled(used: Shapes, weight: float) -> bool:
    """A picture of one shape alone is dear, and no average over 28 or 3 of its axes is a simple number."""
    pictures = used.picture is not None and not used.latent_map
    return pictures and any(isclose(weight, n) for n in SIMPLE)


def _of_an_axis(used: Shapes, weight: float) -> bool:
    """Whether the weight is the size of fixed axes or its reciprocal, times 1 or 2 (a sum of squares)."""
    sizes = [n for axes in used.fixed.values() for n in axes if n > 2]
    whole = [prod(some) for count in range(1, len(sizes) + 1) for some in combinations(sizes, count)]
    return any(isclose(weight * n**power, factor) for n in whole for power in (1, -1) for factor in (1.0, 2.0))


def _is_a_number_of(own: Sequence[float], weight: float) -> bool:
    """Whether a variance, 1 / the weight, stands in the source: itself, doubled in 2 s^2, or as s."""
    written = [n * k for n in own for k in (1.0, 0.5)] + [n * n for n in own]
    return any(isclose(1 / weight, n, rel_tol=1e-9) or isclose(weight, n, rel_tol=1e-9) for n in written)


def _sizes(used: Shapes) -> str:
    said = {name: " x ".join(map(str, axes)) for name, axes in used.fixed.items()}
    return " and ".join(f"{n} steps" if name == "steps" else f"a {name} of {n}" for name, n in said.items())


def _average(result: CheckResult, used: Shapes, weight: float | None, again: float | None) -> CheckResult:
    """Another objective where a KL is beside it; a mistake, like an average over pixels, where it stands alone."""
    alone = result.kind == FunctionKind.RECONSTRUCTION
    axes = " or ".join("the steps" if name == "steps" else f"axes of a {name}" for name in used.fixed)
    weighs = ""
    if weight is not None:
        more = f", {short(again)} with {_sizes(replace(used, other=True))}" if again is not None else ""
        weighs = f" weighs {short(weight)} with {_sizes(used)}{more}, relative to {'its sum' if alone else 'the KL'}"
    part = "" if alone else "one term "
    text = f"averages {part}over {axes}: its data term{weighs or ' changes with their size'}"
    text = text if alone else f"is not the ELBO: it {text}"
    advice = f"sum over {axes} in both terms" if not alone else f"sum over {axes}"
    advice += "; if it is meant: a variance or a weight of a name of its own" if not alone else ""
    form = DifferenceForm.LINEAR if alone else DifferenceForm.OBJECTIVE
    return replace(
        result,
        verdict=CheckVerdict.WRONG if alone else CheckVerdict.OTHER_OBJECTIVE,
        equation="",
        objective="" if alone else Name.BETA,
        declared_by="",
        diagnosis=Diagnosis(form=form, text=text, advice=advice),
        terms=tuple(replace(term, right=False) for term in result.terms),
        notes=tuple(note for note in result.notes if not note.startswith("up to a constant")),
    )
