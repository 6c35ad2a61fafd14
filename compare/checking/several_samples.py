"""Functions of several samples, called with one of each datum: what they do to two is seen by calling them with two.

A mean over samples gives the mean of what each gives alone. A sum gives twice that, and a K-sample bound, a maximum or
whatever else something else again; with one sample all of them are the ELBO.
"""

from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.experiment import Experiment
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.inputs import ORDINARY, Trial
from elbo_compare.suites.contract import Array, DType

# Relative to the larger value: rounding of sums of some hundred terms, which a sum over two samples misses by half.
ROUNDING = {DType.FLOAT64: 1e-9, DType.FLOAT32: 1e-4}


def not_averaged(experiment: Experiment) -> str:
    """Why two samples don't give the mean of what each gives alone; "" where they do.

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
        wanted = [
            (one + more) / 2 for one, more in zip(_values(experiment, case), _values(experiment, second), strict=True)
        ]
        right = all(_same(got, want, experiment.dtype) for got, want in zip(found, wanted, strict=True))
        return "" if right else "two samples don't give the mean of what each gives alone"
    return "it can't be called with two samples"


def _beside(one: Array, other: Array) -> Array:
    return np.stack([one, other], axis=1).reshape(2 * len(one), -1)


def _values(experiment: Experiment, case: Trial) -> list[Array]:
    return [term.value for term in experiment.observe(case, differentiate=False).terms]


def _same(one: Array, other: Array, dtype: DType) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=ROUNDING[dtype], atol=ROUNDING[dtype]))
