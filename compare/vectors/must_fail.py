"""Must-fail vectors: what each mutant of the catalogue gives at the first vector where it is seen to be wrong.

One vector per mutant and family, with the mutant's number in its ID, so that the IDs are as permanent as the mutants'.
A mutant is seen where it is off by more than twice the float32 tolerance in some number: then no correct result, of
either precision, lies within tolerance of the mutant's.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from elbo_compare.compare.vectors import functions as f
from elbo_compare.compare.vectors.exact import Nested, flat, shape
from elbo_compare.compare.vectors.families import Family
from elbo_compare.compare.vectors.vector import GRADIENT, VALUE, Function, MustFail, Vector, tolerance
from elbo_compare.suites.complex_step import gradient
from elbo_compare.suites.contract import Likelihood
from elbo_compare.suites.mutants.catalogue import Kind, Variant, mutants
from elbo_compare.suites.mutants.loss import SampledKL

Arrays = Mapping[str, Any]
Compute = Callable[[Variant, Arrays], Any]


def _call(*names: str) -> Compute:
    """The mutant's function of the inputs of these names, in this order."""
    return lambda mutant, arrays: mutant.function(*(arrays[name] for name in names))


def _negative_elbo(mutant: Variant, arrays: Arrays) -> Any:
    output = arrays["logits"] if "logits" in arrays else arrays["location"]
    scale = {"scale": float(arrays["scale"])} if "scale" in arrays else {}
    return mutant.function(arrays["x"], output, arrays.get("z"), arrays["mean"], arrays["log_var"], **scale)


def _log_q(mutant: Variant, arrays: Arrays) -> Any:
    return mutant.function.log_q(arrays["z"], arrays["mean"], arrays["log_var"])


def _log_prior(mutant: Variant, arrays: Arrays) -> Any:
    return mutant.function.log_prior(arrays["z"])


def _kl_over_points(mutant: Variant, arrays: Arrays) -> Any:
    mean, log_var = (np.broadcast_to(arrays[name], arrays["noise"].shape) for name in ("mean", "log_var"))
    return np.mean(mutant.function(mean + np.exp(log_var / 2) * arrays["noise"], mean, log_var))


def _elbo_over_points(mutant: Variant, arrays: Arrays) -> Any:
    mean, log_var = (np.broadcast_to(arrays[name], arrays["noise"].shape) for name in ("mean", "log_var"))
    z = mean + np.exp(log_var / 2) * arrays["noise"]
    location = z @ arrays["weight"].T + arrays["bias"]
    x = np.broadcast_to(arrays["x"], location.shape)
    return -np.mean(mutant.function(x, location, z, mean, log_var, scale=float(arrays["scale"])))


def _slopes(compute: Compute, *names: str) -> Compute:
    """The mutant's gradient by each of the inputs of these names, by the complex step."""

    def slopes(mutant: Variant, arrays: Arrays) -> dict[str, Any]:
        def moved(**changed: Any) -> Any:
            return compute(mutant, {**arrays, **changed})

        given = {name: arrays[name] for name in names}
        return {GRADIENT + name: gradient(moved, name, **given) for name in names}

    return slopes


# Function -> which mutants have its signature, and how they are called.
ROUTES: tuple[tuple[Function, Kind, Likelihood | None, Compute], ...] = (
    (f.ANALYTIC_KL, Kind.ANALYTIC_KL, None, _call("mean", "log_var")),
    (f.SAMPLED_KL, Kind.SAMPLED_KL, None, _call("z", "mean", "log_var")),
    (f.LOG_Q, Kind.SAMPLED_KL, None, _log_q),
    (f.LOG_PRIOR, Kind.SAMPLED_KL, None, _log_prior),
    (f.BERNOULLI_ELBO, Kind.NEGATIVE_ELBO, Likelihood.BERNOULLI, _negative_elbo),
    (f.BERNOULLI_ELBO_ANALYTIC, Kind.NEGATIVE_ELBO, Likelihood.BERNOULLI, _negative_elbo),
    (f.NORMAL_ELBO, Kind.NEGATIVE_ELBO, Likelihood.NORMAL, _negative_elbo),
    (f.LOG_WEIGHT, Kind.LOG_WEIGHT, Likelihood.BERNOULLI, _call("x", "logits", "z", "mean", "log_var")),
    (f.IWAE_BOUND, Kind.BOUND, None, _call("log_weight")),
    (f.ANALYTIC_KL_GRADIENT, Kind.ANALYTIC_KL, None, _slopes(_call("mean", "log_var"), "mean", "log_var")),
    (f.SAMPLED_KL_GRADIENT, Kind.SAMPLED_KL, None, _slopes(_call("z", "mean", "log_var"), "z", "mean", "log_var")),
    (
        f.BERNOULLI_ELBO_GRADIENT,
        Kind.NEGATIVE_ELBO,
        Likelihood.BERNOULLI,
        _slopes(_negative_elbo, "logits", "z", "mean", "log_var"),
    ),
    (f.IWAE_BOUND_GRADIENT, Kind.BOUND, None, _slopes(_call("log_weight"), "log_weight")),
    (f.KL_OVER_POINTS, Kind.SAMPLED_KL, None, _kl_over_points),
    (f.ELBO_OVER_POINTS, Kind.NEGATIVE_ELBO, Likelihood.NORMAL, _elbo_over_points),
)
# Gradients are asked of the mutants that are wrong in nothing else: the others have a vector for their value.
GRADIENTS_ONLY = (f.ANALYTIC_KL_GRADIENT, f.SAMPLED_KL_GRADIENT, f.BERNOULLI_ELBO_GRADIENT, f.IWAE_BOUND_GRADIENT)


def must_fail(family: Family, valued: frozenset[str] = frozenset()) -> tuple[MustFail, ...]:
    """The must-fail vectors of a family, one per mutant, in the order of the mutants' IDs.

    valued: mutants that a vector of another family shows to be wrong in value; they have none in `gradients`.
    """
    found: dict[str, MustFail] = {}
    for function, kind, likelihood, compute in ROUTES:
        vectors = [vector for vector in family.vectors if vector.function is function]
        for mutant in mutants() if vectors else ():
            skipped = mutant.id in found or (function in GRADIENTS_ONLY and mutant.id in valued)
            if skipped or not _has_signature(mutant, function, kind, likelihood):
                continue
            seen = next(_seen(mutant, vectors, compute), None)
            if seen is not None:
                vector, value = seen
                identifier = f"VEC-{family.prefix}-{mutant.id}"
                found[mutant.id] = MustFail(id=identifier, vector=vector, mutant=_named(mutant), value=value)
    return tuple(found[name] for name in sorted(found))


def values_wrong(families: tuple[Family, ...]) -> frozenset[str]:
    """The mutants that a must-fail vector for a value shows."""
    others = [family for family in families if not any(v.function in GRADIENTS_ONLY for v in family.vectors)]
    return frozenset(vector.mutant["id"] for family in others for vector in must_fail(family))


def _has_signature(mutant: Variant, function: Function, kind: Kind, likelihood: Likelihood | None) -> bool:
    if mutant.kind is not kind or likelihood not in (None, mutant.likelihood):
        return False
    return function not in (f.LOG_Q, f.LOG_PRIOR) or isinstance(mutant.function, SampledKL)


def _named(mutant: Variant) -> dict[str, str]:
    return {"id": mutant.id, "title": mutant.title, "flag": str(mutant.flag), "seen": mutant.seen}


def values_at(variant: Variant, vector: Vector, compute: Compute) -> dict[str, Nested]:
    """What a variant gives at a vector, by output name; `compute` is that of its route."""
    arrays = {name: np.asarray(values, float) for name, values in vector.inputs.items()}
    with np.errstate(all="ignore"):
        given = compute(variant, arrays)
    by_name = given if isinstance(given, dict) else {VALUE: given}
    return {name: np.real(each).tolist() for name, each in by_name.items()}


def _seen(mutant: Variant, vectors: list[Vector], compute: Compute) -> Iterator[tuple[Vector, dict[str, Nested]]]:
    for vector in vectors:
        value = values_at(mutant, vector, compute)
        wrong = {name: each for name, each in value.items() if is_apart(each, vector.terms[name])}
        if wrong:
            yield vector, wrong


def is_apart(value: Nested, terms: Nested) -> bool:
    """Whether some number is off by more than twice the float32 tolerance.

    A number in place of a list is apart where it is neither the sum nor the mean of the right values.
    """
    right = flat(terms)
    allowed = [2 * tolerance(term, "float32") for term in right]
    exact = [float(term.value) for term in right]
    if shape(value) == shape(terms):
        return any(
            _beyond(each, *pair) for each, pair in zip(flat(value), zip(exact, allowed, strict=True), strict=True)
        )
    if shape(value) != ():
        return False
    total, room = math.fsum(exact), math.fsum(allowed)
    return _beyond(value, total, room) and _beyond(value, total / len(exact), room / len(exact))


def _beyond(value: float, exact: float, allowed: float) -> bool:
    return not math.isfinite(value) or abs(value - exact) > allowed
