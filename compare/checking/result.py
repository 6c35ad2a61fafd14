"""What a check found, as a record, as text (verdict, equation, cause, fix) and as JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from elbo_compare.compare.checking.claims import ClaimVerdict
from elbo_compare.compare.checking.diagnosis import Diagnosis
from elbo_compare.compare.records import Outcome
from elbo_compare.suites.mutants.variant import NOT_SEEN


class CheckVerdict(StrEnum):
    """The verdict on a function; `EXIT_CODES` has the exit code of each."""

    RIGHT = "right"
    BY_DESIGN = "by design"
    WRONG = "wrong"
    OTHER_OBJECTIVE = "another objective"
    INCONCLUSIVE = "inconclusive"
    NOT_JUDGED = "not judged"
    NOT_LOADED = "not loaded"
    FAILED = "failed"


GOOD = (CheckVerdict.RIGHT, CheckVerdict.BY_DESIGN)
EXIT_CODES = {
    CheckVerdict.RIGHT: 0,
    CheckVerdict.BY_DESIGN: 0,
    CheckVerdict.WRONG: 1,
    CheckVerdict.OTHER_OBJECTIVE: 1,
    CheckVerdict.NOT_LOADED: 2,
    CheckVerdict.FAILED: 3,
    CheckVerdict.INCONCLUSIVE: 3,
    CheckVerdict.NOT_JUDGED: 3,
}


@dataclass(frozen=True, kw_only=True)
class TermResult:
    """One returned term. `read_as`: the quantity it was judged as; "" where it was not judged (`note` says why)."""

    name: str
    read_as: str
    reduction: str
    right: bool
    claims: tuple[ClaimVerdict, ...] = ()
    diagnosis: Diagnosis | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """A whole check.

    parameters: the function's names -> ours. equation: what it computes. message: why there is no verdict on its
    values. objective: the name that --objective takes. notes: what else to know (a constant, a guard, a name).
    timings: seconds by stage.
    """

    target: str
    verdict: CheckVerdict
    message: str = ""
    equation: str = ""
    kind: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    framework: str = ""
    dtype: str = ""
    layout: str = ""
    draws: bool = False
    objective: str = ""
    declared_by: str = ""
    terms: tuple[TermResult, ...] = ()
    diagnosis: Diagnosis | None = None
    notes: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 right or a declared objective, 1 wrong, 2 not loaded, 3 failed, inconclusive or not judged."""
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
        plain = {
            name: getattr(self, name)
            for name in (
                *("target", "verdict", "exit_code", "message", "equation", "kind", "framework", "dtype", "layout"),
                *("draws", "objective", "declared_by", "reduction"),
            )
        }
        return plain | {
            "parameters": dict(self.parameters),
            "diagnosis": asdict(self.diagnosis) if self.diagnosis else None,
            "notes": list(self.notes),
            "timings": dict(self.timings),
            "terms": terms,
            "claims": claims,
        }

    def as_text(self, *, verbose: bool = False) -> str:
        """For a terminal: verdict, equation, cause, fix and a note in at most five lines; `verbose` has the rest."""
        lines = [f"{self.verdict.upper()}  {self.target}", *self._summary()]
        return "\n".join(lines + self._details() if verbose else lines)

    def _summary(self) -> list[str]:
        """At most four lines."""
        lines = [_line(self.message)] if self.message else []
        if self.equation:
            lines.append(f"  {self.equation}.")
        if self.diagnosis:
            cause = self.diagnosis
            lines.append(_line(cause.text + (f" [{cause.id}]" if cause.id else "")))
            lines += [_line(cause.advice)] if cause.advice else []
        room = 4 - len(lines)
        return lines[:4] + ([_line("Note: " + "; ".join(self.notes))] if self.notes and room > 0 else [])

    def _details(self) -> list[str]:
        """How it was read and called, every claim of every term, where the time went."""
        lines = [""]
        if self.diagnosis and self.diagnosis.seen and self.diagnosis.seen != NOT_SEEN:
            lines.append(f"  seen in    {self.diagnosis.seen}")
        if self.kind:
            read = ", ".join(f"{name} as {ours}" for name, ours in self.parameters.items())
            lines.append(f"  read as    {self.kind}: {read}")
        if self.framework:
            lines.append(f"  called     {self.framework}, {self.dtype}" + (f", x {self.layout}" if self.layout else ""))
        if self.draws:
            lines.append("  draws      its own random numbers: judged in expectation")
        lines += [f"  note       {note}" for note in self.notes]
        for term in self.terms:
            lines += _term_lines(term, alone=len(self.terms) == 1)
        if self.timings:
            spent = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in self.timings.items())
            lines += ["", f"  time       {spent}"]
        return lines


def _line(text: str) -> str:
    """A sentence, indented."""
    first, _, _ = text.partition(" ")
    head = text[:1] if set(first.rstrip(".,")) & set("_:./") else text[:1].upper()  # a name or file stays what it is
    return f"  {head}{text[1:]}" + ("" if text.endswith((".", "?", "!")) else ".")


def _term_lines(term: TermResult, *, alone: bool) -> list[str]:
    outcome = ("right" if term.right else "WRONG") if term.read_as else "not judged"
    lines = [] if alone else ["", f"  term {term.name!r}: {outcome}"]
    if term.read_as:
        lines += [f"  judged as  {term.read_as}", f"  reduction  {term.reduction}"]
    if term.note:
        lines.append(f"  note       {term.note}")
    for claim in term.claims:
        lines.append(f"    {claim.name:<15} {claim.outcome:<12} {_numbers(claim)}".rstrip())
    return lines


def _numbers(claim: ClaimVerdict) -> str:
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
