"""What a check found, as a record, as text (verdict first, then the diagnosis) and as JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from elbo_compare.compare.checking.claims import Claim
from elbo_compare.compare.checking.diagnosis import Diagnosis
from elbo_compare.compare.records import Outcome
from elbo_compare.suites.mutants.variant import NOT_SEEN


class CheckVerdict(StrEnum):
    """The verdict on a function; `EXIT_CODES` has the exit code of each."""

    RIGHT = "right"
    WRONG = "wrong"
    INCONCLUSIVE = "inconclusive"
    NOT_LOADED = "not loaded"
    FAILED = "failed"


EXIT_CODES = {
    CheckVerdict.RIGHT: 0,
    CheckVerdict.WRONG: 1,
    CheckVerdict.NOT_LOADED: 2,
    CheckVerdict.FAILED: 3,
    CheckVerdict.INCONCLUSIVE: 3,
}


@dataclass(frozen=True, kw_only=True)
class TermResult:
    """One returned term. `read_as`: the quantity it was judged as; "" where it was not judged (`note` says why)."""

    name: str
    read_as: str
    reduction: str
    right: bool
    claims: tuple[Claim, ...] = ()
    diagnosis: Diagnosis | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """A whole check. `parameters`: the function's names -> ours. `message`: why there is no verdict on its values."""

    target: str
    verdict: CheckVerdict
    message: str = ""
    kind: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    framework: str = ""
    dtype: str = ""
    layout: str = ""
    draws: bool = False
    terms: tuple[TermResult, ...] = ()
    diagnosis: Diagnosis | None = None

    @property
    def exit_code(self) -> int:
        """0 right, 1 wrong, 2 not loaded, 3 failed or inconclusive."""
        return EXIT_CODES[self.verdict]

    @property
    def reduction(self) -> str:
        """The reduction of the whole function: of its first judged term."""
        return next((term.reduction for term in self.terms if term.read_as), "")

    def as_json(self) -> str:
        """One JSON object; what is no number is null."""
        return json.dumps(_plain(self.as_dict()), indent=2)

    def as_dict(self) -> dict[str, Any]:
        """The record as plain data. `claims` are those of all terms, each with its term's name."""
        claims = [{"term": term.name, **asdict(claim)} for term in self.terms for claim in term.claims]
        terms = [
            {k: v for k, v in asdict(term).items() if k != "claims"} | {"claims": len(term.claims)}
            for term in self.terms
        ]
        return {
            "target": self.target,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "message": self.message,
            "kind": self.kind,
            "parameters": dict(self.parameters),
            "framework": self.framework,
            "dtype": self.dtype,
            "layout": self.layout,
            "draws": self.draws,
            "reduction": self.reduction,
            "diagnosis": asdict(self.diagnosis) if self.diagnosis else None,
            "terms": terms,
            "claims": claims,
        }

    def as_text(self) -> str:
        """For a terminal: at most one line of verdict, the diagnosis, how it was read, and one line for each claim."""
        lines = [f"{self.verdict.upper()}  {self.target}"]
        if self.message:
            lines.append(f"  {self.message}")
        if self.diagnosis:
            lines += _diagnosis_lines(self.diagnosis, "  ")
        if self.kind:
            read = ", ".join(f"{name} as {ours}" for name, ours in self.parameters.items())
            lines += ["", f"  read as    {self.kind}: {read}"]
        if self.framework:
            lines.append(f"  called     {self.framework}, {self.dtype}" + (f", x {self.layout}" if self.layout else ""))
        if self.draws:
            lines.append("  draws      its own random numbers: judged in expectation")
        for term in self.terms:
            lines += _term_lines(term, alone=len(self.terms) == 1)
        return "\n".join(lines)


def _diagnosis_lines(diagnosis: Diagnosis, indent: str) -> list[str]:
    identity = f" [{diagnosis.id}]" if diagnosis.id else ""
    lines = [f"{indent}{diagnosis.text[:1].upper()}{diagnosis.text[1:]}{identity}."]
    if diagnosis.advice:
        lines.append(f"{indent}{diagnosis.advice[:1].upper()}{diagnosis.advice[1:]}.")
    if diagnosis.seen and diagnosis.seen != NOT_SEEN:
        lines.append(f"{indent}Seen in: {diagnosis.seen}.")
    return lines


def _term_lines(term: TermResult, *, alone: bool) -> list[str]:
    outcome = ("right" if term.right else "WRONG") if term.read_as else "not judged"
    lines = [] if alone else ["", f"  term {term.name!r}: {outcome}"]
    if term.read_as:
        lines += [f"  judged as  {term.read_as}", f"  reduction  {term.reduction}"]
    if term.note:
        lines.append(f"  note       {term.note}")
    if term.diagnosis and not alone and term.read_as:
        lines += _diagnosis_lines(term.diagnosis, "  ")
    for claim in term.claims:
        lines.append(f"    {claim.name:<15} {claim.outcome:<12} {_numbers(claim)}".rstrip())
    return lines


def _numbers(claim: Claim) -> str:
    if claim.outcome is Outcome.NOT_RUN or math.isnan(claim.difference):
        return claim.note
    note = f"; {claim.note}" if claim.note else ""
    return f"off by {claim.difference:.2g}, allowed {claim.tolerance:.2g} ({claim.where}){note}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
