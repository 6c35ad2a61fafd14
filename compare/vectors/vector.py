"""What a test vector is, and how it is written as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from elbo_compare.compare.claims.pointwise import ROUNDING_FACTOR, UNIT_ROUNDOFF
from elbo_compare.compare.vectors.densities import Term
from elbo_compare.compare.vectors.exact import MP, Nested, decimal, mapped, shape

VALUE = "value"
GRADIENT = "gradient."  # + the argument's name: d sum(value) / d argument, z, mean and log_var independent


@dataclass(frozen=True, kw_only=True)
class Function:
    """What a vector is about: a function of named arrays.

    `parameters`: name -> shape in words. `outputs` gives, for the inputs in mpmath, nested lists of `Term` by output
    name. `claim`: the ID of the claim that judges the libraries on the same statement, or None.
    """

    name: str
    parameters: Mapping[str, str]
    returns: str
    formula: str
    source: str
    claim: str | None
    outputs: Any


@dataclass(frozen=True, kw_only=True)
class Vector:
    """Inputs, and what a correct function gives. `id` is permanent, and so is all that it names."""

    id: str
    function: Function
    comment: str
    inputs: Mapping[str, Nested]
    flags: tuple[str, ...] = ()

    @cached_property
    def terms(self) -> dict[str, Nested]:
        """What a correct function gives, in mpmath: nested terms by output name."""
        return self.function.outputs({name: mapped(MP.mpf, values) for name, values in self.inputs.items()})

    def as_json(self) -> dict[str, Any]:
        """The vector as plain data."""
        terms = self.terms
        return _header(self, self.comment, self.flags) | {
            "expected": {name: mapped(lambda term: decimal(term.value), each) for name, each in terms.items()},
            "scale": {name: mapped(lambda term: float(term.scale), each) for name, each in terms.items()},
            "tolerance": tolerances(terms),
        }


@dataclass(frozen=True, kw_only=True)
class MustFail:
    """What a mutant gives at the inputs of `vector`, and no correct function does: by output name, as float64 numbers.

    A number in place of a list is the mutant's sum or mean over the batch: neither reduction of the right values is it.
    """

    id: str
    vector: Vector
    mutant: Mapping[str, str]
    value: Mapping[str, Nested] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The vector as plain data."""
        terms = self.vector.terms
        flags = (*self.vector.flags, "must-fail")
        return _header(self.vector, f"{self.mutant['title']}, at the inputs of {self.vector.id}", flags) | {
            "id": self.id,
            "mutant": dict(self.mutant),
            "must_not_equal": {name: mapped(_text, each) for name, each in self.value.items()},
            "tolerance": tolerances({name: terms[name] for name in self.value}),
        }


def tolerance(term: Term, dtype: str) -> float:
    """c u S, the rule of every pointwise claim."""
    return ROUNDING_FACTOR * UNIT_ROUNDOFF[dtype] * float(term.scale)


def tolerances(terms: Mapping[str, Nested]) -> dict[str, dict[str, Nested]]:
    """c u S by dtype and output name."""
    return {
        dtype: {name: mapped(lambda term, dtype=dtype: tolerance(term, dtype), each) for name, each in terms.items()}
        for dtype in UNIT_ROUNDOFF
    }


def _header(vector: Vector, comment: str, flags: tuple[str, ...]) -> dict[str, Any]:
    function = vector.function
    return {
        "id": vector.id,
        "function": function.name,
        "claim": function.claim,
        "comment": comment,
        "flags": list(flags),
        "source": function.source,
        "shapes": {name: list(shape(values)) for name, values in vector.inputs.items()},
        "inputs": dict(vector.inputs),
    }


def _text(value: float) -> str:
    return repr(float(value))
