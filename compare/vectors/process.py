"""Holds a target against the vectors in a process of its own, with a time limit."""

from collections.abc import Sequence

from elbo_compare.compare.checking.process import Answer, program_of
from elbo_compare.compare.launching.target import IMPORTS_S, Limits, run_target
from elbo_compare.compare.vectors.report import Report

TIMEOUT_S = 120.0  # JAX compiles one program for each shape and dtype


def run_vectors(
    target: str,
    *,
    kind: str | None = None,
    mapping: Sequence[str] = (),
    framework: str | None = None,
    timeout_s: float = TIMEOUT_S,
    imports_s: float = IMPORTS_S,
) -> Answer:
    """A target against the vectors, in a fresh interpreter that is killed `timeout_s` seconds after its imports."""
    request = {"target": target, "kind": kind, "mapping": list(mapping), "framework": framework}
    limits = Limits(calls_s=timeout_s, imports_s=imports_s)
    returned = run_target("elbo_compare.compare.vectors.child:answer", request, program_of(target), limits)
    if returned.answer is not None:
        return Answer(**returned.answer)
    report = Report(target=target, message=returned.reason)
    return Answer(exit_code=report.exit_code, text=report.as_text(), json=report.as_json())
