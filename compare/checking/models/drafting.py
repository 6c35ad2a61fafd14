"""What is known of one way to a whole model's loss, and the record that is made of it once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from elbo_compare.compare.checking.claims import ClaimVerdict
from elbo_compare.compare.checking.diagnosis import Diagnosis
from elbo_compare.compare.checking.models.opening import Opened
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict, TermResult

GOOD = (CheckVerdict.RIGHT, CheckVerdict.BY_DESIGN)


@dataclass(kw_only=True)
class ResultDraft:
    """What is known so far of one way; the result is made of it once."""

    label: str
    opened: Opened
    model: Any
    likelihood: str | None
    objective: str | None
    constants: Mapping[str, Any]
    frozen: Sequence[str] = ()
    claims: list[ClaimVerdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    message: str = ""
    equation: str = ""
    title: str = ""
    reduction: str = ""
    named: str = ""
    by: str = ""

    def result(self, verdict: CheckVerdict, cause: Diagnosis | None = None, message: str = "") -> CheckResult:
        """The record. A part that was not judged is never silent: `message` says it."""
        way = self.opened.way
        given = [f"given: {', '.join(way.given)}"] if way.given else []
        if way.chosen.apart and not self.opened.elsewhere:
            given.insert(0, f"returned apart: {way.chosen.apart} is taken for the loss; what adds them was not seen")
        term = TermResult(
            name="loss",
            read_as=self.title,
            reduction=self.reduction,
            right=verdict in GOOD,
            claims=tuple(self.claims),
            diagnosis=cause,
        )
        return CheckResult(
            target=self.label,
            verdict=verdict,
            message=message or self.message,
            equation=self.equation if verdict in GOOD or verdict is CheckVerdict.NOT_JUDGED else "",
            kind="whole model",
            parameters={"loss": way.label, "x": self.opened.feed.text},
            framework=self.opened.program.framework,
            dtype="float64" if self.opened.program.roundoff < 1e-12 else "float32",
            draws=False,
            objective=self.named,
            declared_by=self.by,
            terms=(term,),
            diagnosis=cause,
            notes=(*self.notes, *given, *(f"old source: {each}" for each in self.opened.notes)),
        )
