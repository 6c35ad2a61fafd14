"""Distributions over whole data, `Independent(Normal(loc, scale), 1)`: their KL is one number for each datum.

`kl_divergence(q, p).mean()` is an average over the batch of these, and one over the latents too of plain normals. Which
of them come in is no matter of the function. So where a plain normal gives an accusation, a floor on the mean is asked
of the others as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from elbo_compare.compare.checking.failure import FunctionError, TargetError
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict
from elbo_compare.compare.checking.roles import Assignment

OBJECTIVES = (CheckVerdict.BY_DESIGN, CheckVerdict.OTHER_OBJECTIVE)


def of_joint(
    result: CheckResult, read: Sequence[Assignment], best: Callable[[Sequence[Assignment]], CheckResult]
) -> CheckResult:
    """An objective of distributions over whole data in place of an accusation: not judged, since nothing tells which
    come in, and right or wrong in no other case. best: the verdict over some readings."""
    if result.verdict is not CheckVerdict.WRONG or not any(one.callee.distributions for one in read):
        return result
    try:
        other = best([replace(one, callee=replace(one.callee, joint=True)) for one in read])
    except (FunctionError, TargetError):
        return result
    if other.verdict not in OBJECTIVES or not other.objective:
        return result
    formula = other.equation or (other.diagnosis.text if other.diagnosis else "")
    text = f"{formula}, where its distributions are Independent(Normal, 1); of plain normals the mean is over the "
    text = f"{read[0].signature.name}: {text}latents too, which nothing here tells: not judged"
    return replace(other, verdict=CheckVerdict.NOT_JUDGED, message=text, equation="", diagnosis=None)
