"""The verdict on one function with everything that is said about it, and how a judged reading is put into it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.discretised import Found
from elbo_compare.compare.checking.identify import Identified
from elbo_compare.compare.checking.inputs import Shapes
from elbo_compare.compare.checking.judging import JudgedReading, Subject
from elbo_compare.compare.checking.likelihoods import OF_RAW_OUTPUTS
from elbo_compare.compare.checking.minimised import minimised
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.result import CheckVerdict, TermResult
from elbo_compare.compare.checking.wording import equation_of

ROUNDED_ONLY = "right to float32 rounding only"  # a note that is untrue of what is wrong
# A name that promises minus a log density: `gaussian_nll`, `neg_log_p`, `recon_loss`; `log_prob_loss` promises both.
PROMISES_MINUS = re.compile(r"nll|neg(ative)?_?(log|ll|lik)")
PROMISES_A_LOSS = re.compile(r"(?<![a-z])loss(?![a-z])")
PROMISES_A_DENSITY = re.compile(r"log_?(p|q|lik|dens)|li?ke?lih|densit|pdf")
RECONSTRUCTION = re.compile(r"rec(on|$)|x_?hat")  # what a decoder has brought into its domain, by its name


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
        notes=(*notes, *([one.note] if one.note and (right or not one.note.startswith(ROUNDED_ONLY)) else [])),
        objective=objective,
        declared_by=declared_by,
        identified=found,
        parameters={a.name: a.meaning for a in one.experiment.signature.arguments},
    )


def of_levels(subject: Subject, levels: Found) -> Finding:
    """The finding on a likelihood of levels."""
    if levels.unsure:
        text = f"{subject.signature.name}: {levels.unsure}; look for a clamp: not judged"
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=text)
    verdict = CheckVerdict.WRONG if levels.diagnosis else CheckVerdict.RIGHT
    equation = "" if levels.diagnosis else levels.text
    return Finding(verdict=verdict, equation=equation, diagnosis=levels.diagnosis, notes=levels.notes)


def as_promised(finding: Finding, subject: Subject) -> Finding:
    """The finding, where what is right is also what names promise: a loss is minus a log density, and a reconstruction
    needs no sigmoid any more."""
    if finding.verdict is not CheckVerdict.RIGHT:
        return finding
    twice = _squashed_twice(finding, subject)
    if twice:
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=f"{subject.signature.name}: {twice}")
    if not _is_flipped(finding, subject):
        return finding
    cause = Diagnosis(
        form=DifferenceForm.LINEAR,
        text=f"equals {finding.equation}, where its name promises minus that: its sign is flipped",
        advice="return minus the log density, or name it as one",
    )
    terms = tuple(replace(term, right=False, diagnosis=cause) for term in finding.terms)
    return replace(finding, verdict=CheckVerdict.WRONG, equation="", diagnosis=cause, terms=terms, notes=())


def _is_flipped(finding: Finding, subject: Subject) -> bool:
    """Whether a log density is returned under the name of a loss, and no line of its file minimises minus it."""
    name = subject.signature.name.rsplit(".", 1)[-1].lower()
    loss = PROMISES_A_LOSS.search(name) and not PROMISES_A_DENSITY.search(name)
    if not finding.equation.startswith("log ") or not (loss or PROMISES_MINUS.search(name)):
        return False
    use = minimised(subject.callee.function)
    return use is None or use.sign > 0


def _squashed_twice(finding: Finding, subject: Subject) -> str:
    """Why a loss that takes the sigmoid or softplus of a reconstruction is not judged; "" for any other."""
    data = finding.identified.reading.data if finding.identified else None
    output = subject.signature.find(Role.OUTPUT)
    if data not in OF_RAW_OUTPUTS or output is None or not RECONSTRUCTION.search(output.name.lower()):
        return ""
    return (
        f"equals {finding.equation}: right if {output.name} is what the last layer gave as it stands; by its name it "
        "may have been through its sigmoid or softplus, which is taken twice then; nothing says which: not judged"
    )
