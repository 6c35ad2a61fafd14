"""What a function that differs from the vectors equals: mutants of the catalogue, and legitimate variants of it."""

from collections.abc import Iterator, Mapping, Sequence

from elbo_compare.compare.vectors.calling import Caller, Reduction, equals
from elbo_compare.compare.vectors.families import FAMILIES
from elbo_compare.compare.vectors.must_fail import ROUTES, must_fail, values_at
from elbo_compare.compare.vectors.vector import GRADIENT, Vector
from elbo_compare.suites.contract import DType
from elbo_compare.suites.mutants.catalogue import Aspect, Variant, legitimate


def mutants_of(caller: Caller, reduction: Reduction) -> Iterator[Mapping[str, str]]:
    """The mutants whose must-fail vectors the function falls into."""
    names = caller.reading.functions
    families = [each for each in FAMILIES if any(vector.function.name in names for vector in each.vectors)]
    for wrong in (wrong for family in families for wrong in must_fail(family)):
        if wrong.vector.function.name not in names:
            continue
        result = caller.result(wrong.vector, DType.FLOAT64)
        outputs = wrong.value.items()
        if result.term is not None and all(equals(result, caller.reading, reduction, *each) for each in outputs):
            yield {"vector": wrong.id, **wrong.mutant}


def legitimate_gradients(caller: Caller, reduction: Reduction, vectors: Sequence[Vector]) -> Variant | None:
    """The legitimate variant whose gradients the function has at all of these vectors, or None.

    Only variants that the catalogue exempts from gradients at the same noise (sticking the landing is one).
    """
    exempt = [each for each in legitimate() if Aspect.SAME_NOISE_GRADIENT in dict(each.exempt)]
    return next((each for each in exempt if all(_has_gradients(caller, reduction, each, v) for v in vectors)), None)


def _has_gradients(caller: Caller, reduction: Reduction, variant: Variant, vector: Vector) -> bool:
    route = next((route for route in ROUTES if route[0] is vector.function and route[1] is variant.kind), None)
    result = caller.result(vector, DType.FLOAT64)
    if route is None or result.term is None:
        return False
    given = values_at(variant, vector, route[3])
    return all(
        name.startswith(GRADIENT) and equals(result, caller.reading, reduction, name, value)
        for name, value in given.items()
    )
