"""Functions of several samples, called with one of each datum: what they do to two is seen by calling them with two.

A mean over samples gives the mean of what each gives alone. A sum gives twice that, and a K-sample bound, a maximum or
whatever else something else again; with one sample all of them are the ELBO.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from elbo_compare.compare.checking.experiment import Experiment
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.inputs import ORDINARY, Trial
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict
from elbo_compare.compare.checking.signature import Signature
from elbo_compare.compare.checking.source import given_another_axis, names_samples_of, source_of
from elbo_compare.suites.contract import Array, DType

# Words for several samples of one datum. "A sample" and "sampled" name any z; "(n_samples, " may be the batch.
SEVERAL = re.compile(
    r"(?<![a-z(])(n|nr|num|nb|mc|number[_ ]of|several|multiple|many|k|l|s)[_ -]?((mc|is|z)[_ -]?)?"
    r"(samples?|particles|draws)(?![a-z])|(?<![a-z])particles|draws of each|samples (of|for|per) (each|every|a) "
    r"|(batch|b), *(n_?|num_?)?samples?,"
)

# Relative to the larger value: rounding of sums of some hundred terms, which a sum over two samples misses by half.
ROUNDING = {DType.FLOAT64: 1e-9, DType.FLOAT32: 1e-4}


def not_averaged(experiment: Experiment) -> str:
    """Why two samples don't give the mean of what each gives alone, nor one value for each; "" where they do.

    The outputs are those of a datum, or of every sample, (batch x samples, observed) as `reshape(-1, ...)` has them.
    """
    two = replace(experiment, shapes=replace(experiment.shapes, samples=2))
    case, other = (experiment.ordinary(ORDINARY[0], replicate) for replicate in (0, 1))
    both = replace(case, z=np.concatenate([case.z, other.z], axis=1))
    of_a_datum = both, replace(case, z=other.z)
    of_a_sample = (
        replace(
            both,
            output=_beside(case.output, other.output),
            output_log_var=_beside(case.output_log_var, other.output_log_var),
        ),
        replace(case, z=other.z, output=other.output, output_log_var=other.output_log_var),
    )
    for together, second in (of_a_datum, of_a_sample):
        try:
            found = _values(two, together)
        except FunctionError:
            continue
        each = list(zip(_values(experiment, case), _values(experiment, second), strict=True))
        wanted = [(one + more) / 2 for one, more in each]
        right = all(_same(got, want, experiment.dtype) for got, want in zip(found, wanted, strict=True))
        apart = [np.concatenate([one, more], axis=1) if one.ndim > 1 else np.zeros(0) for one, more in each]
        right = right or all(_same(got, want, experiment.dtype) for got, want in zip(found, apart, strict=True))
        return "" if right else "two samples don't give the mean of what each gives alone"
    return "it can't be called with two samples"


def _beside(one: Array, other: Array) -> Array:
    return np.stack([one, other], axis=1).reshape(2 * len(one), -1)


def _values(experiment: Experiment, case: Trial) -> list[Array]:
    return [term.value for term in experiment.observe(case, differentiate=False).terms]


def _same(one: Array, other: Array, dtype: DType) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=ROUNDING[dtype], atol=ROUNDING[dtype]))


def wants_samples(signature: Signature, function: Callable[..., Any]) -> bool:
    """Whether the body gives q's mean or spread an axis that z must have then: (batch, samples, latent)."""
    z, of_q = signature.find(Role.Z), [a for r in (Role.MEAN, Role.SPREAD) if (a := signature.find(r))]
    samples_named = z is not None and names_samples_of(function, z.name)
    return z is not None and not samples_named and any(given_another_axis(function, a.name) for a in of_q)


def samples_said(result: CheckResult, function: Callable[..., Any]) -> CheckResult:
    """What is right for a z of samples, where the source speaks of them; else not judged."""
    if SEVERAL.search(source_of(function).lower()):
        return result
    text = f"{result.target}: right where z has an axis for samples, (batch, samples, latent), which nothing says"
    return replace(result, verdict=CheckVerdict.NOT_JUDGED, message=f"{text}: not judged", equation="", notes=())
