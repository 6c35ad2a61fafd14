"""What one JAX program does, counted and not timed: instructions it runs, matrix-product FLOPs, bytes. No maths."""

import re
from collections.abc import Mapping
from math import prod
from typing import Any

import jax

# One instruction of an HLO computation is `name = type opcode(...)`; these move nothing and launch nothing.
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.-]+ = .*? ([\w-]+)\((.*)$", re.MULTILINE)
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.-]+) .*\{$", re.MULTILINE)
_FREE = frozenset({"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "async-done"})
# These run another computation's instructions; a fusion is one kernel, and a reducer is a part of its reduction's.
_CALLED = {
    "while": r"body=%?([\w.-]+)",
    "call": r"to_apply=%?([\w.-]+)",
    "conditional": r"(?:true_computation|false_computation)=%?([\w.-]+)",
    "async-start": r"calls=%?([\w.-]+)",
}
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_CONDITION = re.compile(r"condition=%?([\w.-]+)")


def count_program(compiled: jax.stages.Compiled, weights: Any) -> dict[str, float]:
    """`launches`: instructions that the optimised program runs, fusions whole; `flops`: XLA's own estimate;
    `bytes`: weights and gradients of the same shapes. A scan's body counts once."""
    analysis: Any = compiled.cost_analysis()
    found: Mapping[str, float] = analysis[0] if isinstance(analysis, list) else analysis or {}
    counted = {"launches": float(instructions(compiled.as_text() or "")), "bytes": 2.0 * bytes_of(weights)}
    return counted | ({"flops": float(found["flops"])} if "flops" in found else {})


def instructions(text: str) -> int:
    """Instructions of the entry computation and of all that it calls, in XLA's text form: bodies of loops once, their
    conditions where the number of turns is not known beforehand, every branch."""
    heads = list(_COMPUTATION.finditer(text))
    ends = [each.start() for each in heads[1:]] + [len(text)]
    bodies = {head[2]: text[head.end() : end] for head, end in zip(heads, ends, strict=True)}
    entries = [head[2] for head in heads if head[1]]
    return sum(_run(name, bodies) for name in entries)


def _run(name: str, bodies: Mapping[str, str]) -> int:
    total = 0
    for code, rest in _INSTRUCTION.findall(bodies[name]):
        called = _called(code, rest)
        total += sum(_run(each, bodies) for each in called) if called else code not in _FREE
    return total


def _called(code: str, rest: str) -> list[str]:
    if code not in _CALLED:
        return []
    found = re.findall(_CALLED[code], rest)
    if code == "while" and "known_trip_count" not in rest:
        found += _CONDITION.findall(rest)
    return found + [each.strip().lstrip("%") for several in _BRANCHES.findall(rest) for each in several.split(",")]


def bytes_of(weights: Any) -> int:
    """Bytes of every array of a tree."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(weights))


def equations(jaxpr: Any) -> int:
    """Primitive equations of a traced program, nested ones (loops, calls) counted once each."""
    total = 0
    for equation in jaxpr.eqns:
        inner = [each for value in equation.params.values() for each in _nested(value)]
        total += sum(map(equations, inner)) if inner else 1
    return total


def _nested(value: Any) -> list[Any]:
    values = value if isinstance(value, (tuple, list)) else [value]
    opened = [getattr(each, "jaxpr", each) for each in values]
    return [each for each in opened if hasattr(each, "eqns")]


def matrix_product_flops(jaxpr: Any) -> int:
    """Floating-point operations of a traced program's matrix products: 2 m k n for each, loops' bodies once."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left, out = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
            total += 2 * prod(out) * prod(left[axis] for axis in contracted)
        total += sum(matrix_product_flops(each) for value in equation.params.values() for each in _nested(value))
    return total
