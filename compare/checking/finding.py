"""The verdict on one function with everything that is said about it, and how a judged reading is put into it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from elbo_compare.compare.checking.diagnosis import Diagnosis
from elbo_compare.compare.checking.identify import Identified
from elbo_compare.compare.checking.inputs import Shapes
from elbo_compare.compare.checking.judging import JudgedReading, Subject
from elbo_compare.compare.checking.result import CheckVerdict, TermResult
from elbo_compare.compare.checking.wording import equation_of


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The verdict on what would be minimised, with everything that is said about it."""

    verdict: CheckVerdict
    message: str = ""
    equation: str = ""
    diagnosis: Diagnosis | None = None
    terms: tuple[TermResult, ...] = ()
    notes: tuple[str, ...] = ()
    objective: str = ""
    declared_by: str = ""
    identified: Identified | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    shapes: Shapes | None = None  # that it was called with


def finding_of(
    subject: Subject,
    one: JudgedReading,
    verdict: CheckVerdict,
    found: Identified | None,
    *,
    notes: Sequence[str] = (),
    diagnosis: Diagnosis | None = None,
    equation: str = "",
    objective: str = "",
    declared_by: str = "",
) -> Finding:
    """The finding on a term that was judged under one reading; what is wrong has no equation."""
    right = verdict in (CheckVerdict.RIGHT, CheckVerdict.BY_DESIGN)
    observed = subject.neutral[0].terms[subject.position]
    term = TermResult(
        name=observed.name,
        read_as=one.term.reading.title,
        reduction=one.term.reduction.value,
        right=right,
        claims=one.claims,
        diagnosis=diagnosis,
        note=one.note,
    )
    return Finding(
        verdict=verdict,
        equation=equation
        or (equation_of(one.term.reading, one.term.reduction, one.experiment.signature) if right else ""),
        diagnosis=diagnosis,
        terms=(term,),
        notes=(*notes, *([one.note] if one.note else [])),
        objective=objective,
        declared_by=declared_by,
        identified=found,
        parameters={a.name: a.meaning for a in one.experiment.signature.arguments},
    )
