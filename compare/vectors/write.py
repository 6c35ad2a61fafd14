"""`compare vectors write DIR`: one JSON file per family, and the JSON Schema that they satisfy."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from elbo_compare.compare.claims.pointwise import REASON
from elbo_compare.compare.files import write_atomically
from elbo_compare.compare.vectors.families import FAMILIES, Family
from elbo_compare.compare.vectors.must_fail import must_fail, values_wrong
from elbo_compare.compare.vectors.vector import Function, Vector

FORMAT = 1
SCHEMA = "vectors.schema.json"
CONVENTIONS = {
    "inputs": (
        "JSON numbers, each exactly representable in binary32 and so in binary64. Axes stand in the order particle (or "
        "point), batch, latent or observed; a scalar is a number."
    ),
    "expected": (
        "Decimal strings, 50 significant digits, by mpmath at 80. 'value' is what the function returns; "
        "'gradient.NAME' is the derivative of the sum of the values by that argument, all arguments independent. "
        "Unit: nats, unless the function says otherwise."
    ),
    "tolerance": (
        "Per number: |result - expected| <= tolerance, where tolerance = 16 u scale, u = 2^-53 (float64) or 2^-24 "
        "(float32) and scale the sum of the absolute terms, cancellation and each argument's own rounding included."
    ),
    "tolerance_reason": REASON,
    "must_not_equal": (
        "What a named mutant gives. A correct result is farther from it than the tolerance in at least one number of "
        "every list. A number in place of a list is the mutant's sum or mean over the batch, to be held against the "
        "same reduction of the right values."
    ),
    "ids": "Permanent and append-only: a vector is never changed.",
}


@cache
def documents() -> dict[str, dict[str, Any]]:
    """Every family's document by file name."""
    valued = values_wrong(FAMILIES)
    return {f"{family.name}.json": _document(family, valued) for family in FAMILIES}


def write(folder: Path) -> list[Path]:
    """Write every family and the schema into `folder`; returns the files. Each is whole or absent."""
    written = []
    for name, content in documents().items():
        written.append(folder / name)
        write_atomically(written[-1], _lines(content).encode())
    written.append(folder / SCHEMA)
    write_atomically(written[-1], schema_text().encode())
    return written


def schema_text() -> str:
    """The JSON Schema (draft 2020-12) as it stands in the package."""
    return files("elbo_compare.compare.vectors").joinpath(SCHEMA).read_text("utf-8")


def _document(family: Family, valued: frozenset[str]) -> dict[str, Any]:
    wrong = must_fail(family, valued)
    return {
        "$schema": f"./{SCHEMA}",
        "format": FORMAT,
        "family": family.name,
        "title": family.title,
        "conventions": CONVENTIONS,
        "functions": _functions(family.vectors),
        "vectors": [vector.as_json() for vector in (*family.vectors, *wrong)],
    }


def _functions(vectors: tuple[Vector, ...]) -> dict[str, dict[str, Any]]:
    return {vector.function.name: _function(vector.function) for vector in vectors}


def _function(function: Function) -> dict[str, Any]:
    return {
        "parameters": dict(function.parameters),
        "returns": function.returns,
        "formula": function.formula,
        "source": function.source,
    }


def _lines(document: dict[str, Any]) -> str:
    """Strict JSON with one line per vector: a changed vector is one changed line."""
    head = {name: content for name, content in document.items() if name != "vectors"}
    text = json.dumps(head, indent=1, ensure_ascii=False, allow_nan=False)
    vectors = ",\n".join(
        "  " + json.dumps(vector, ensure_ascii=False, allow_nan=False) for vector in document["vectors"]
    )
    return f'{text[:-2]},\n "vectors": [\n{vectors}\n ]\n}}\n'
