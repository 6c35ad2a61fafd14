"""What a folder says about an ID: a table whose columns suit its sort, from the frame that judging left of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from elbo_compare.compare.citing.evidence import NONE_PUBLISHED, SEPARATOR, Evidence
from elbo_compare.compare.citing.identifiers import Identified, Sort
from elbo_compare.compare.judging.standing import outcomes_told
from elbo_compare.reports.tables import state, wanted, worded
from elbo_compare.suites.roster import BY_NAME

Frame = Any  # pandas.DataFrame, which no checker can narrow after `frame[mask]`
Rows = Iterable[tuple[str, ...]]
REGISTERED, UNBIASED = "as registered", "an unbiased draw"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a sort's outcomes stand: the frame, its column of IDs, and the columns that say which number a row is
    about (`place`). `shown`: column of the table -> column of the frame; `words`: how an outcome is called, where it
    is not by its own name; `made_by`: the command that makes the frame."""

    frame: str
    identifier: str
    place: tuple[str, ...]
    shown: Mapping[str, str]
    made_by: str
    words: Mapping[str, str] = field(default_factory=dict)

    def told(self, frame: Frame) -> Frame:
        """The frame with its outcomes in this sort's words."""
        return frame.assign(outcome=[self.words.get(str(each), str(each)) for each in frame["outcome"]])

    def worded(self, frame: Frame) -> Frame:
        """The same for a reader: where a rule wants things apart, "agrees" beside two numbers would mislead."""
        frame = self.told(frame)
        if self.frame == "findings":  # where its workaround alone has changed, a finding is there all the same
            reasons = frame["reason"] if "reason" in frame else [""] * len(frame)
            words = [state(outcome, why) for outcome, why in zip(frame["outcome"], reasons, strict=True)]
            return frame.assign(outcome=words)
        if "sampled" in frame:  # the oracle's number is then a mean, and no single right draw is near it
            words = [
                f"{outcome} ({UNBIASED})" if drawn and outcome == REGISTERED else outcome
                for outcome, drawn in zip(frame["outcome"], frame["sampled"], strict=True)
            ]
            return frame.assign(outcome=words)
        if "rule" not in frame:
            return frame
        words = [worded(outcome, rule) for outcome, rule in zip(frame["outcome"], frame["rule"], strict=True)]
        asked = [wanted(rule, bound) for rule, bound in zip(frame["rule"], frame["tolerance"], strict=True)]
        return frame.assign(outcome=words, wanted=asked)


def _shown_as(*columns: str, **called: str) -> dict[str, str]:
    """Column of the table -> column of the frame: under its own name, but for those that are called otherwise."""
    return {called.get(column, column): column for column in columns}


SUITE = ("measured", "registered", "oracle", "tolerance", "outcome", "versions")
CASE = Source(
    frame="semantics",
    identifier="case",
    place=("library", "quantity"),
    shown=_shown_as("library", "quantity", *SUITE, oracle="right would be", tolerance="allowed"),
    made_by="compare run semantics",
    words={"agrees": REGISTERED, "differs": "changed"},
)
MUTANT = Source(
    frame="sensitivity",
    identifier="variant",
    place=("claim",),
    shown=_shown_as("claim", "strength", "outcome", "detail"),
    made_by="compare mutants -o DIR",
    words={"agrees": "passes", "differs": "caught"},
)
SOURCES: Mapping[Sort, Source] = {
    Sort.QUESTION: Source(
        frame="questions",
        identifier="claim",
        place=("question", "case", "quantity", "at"),
        shown=_shown_as("case", "quantity", "at", "value", "reference", "wanted", "n", "outcome"),
        made_by="compare run questions",
    ),
    Sort.CASE: CASE,
    Sort.SWEEP: replace(
        CASE,
        frame="semantics_pairs",
        shown=_shown_as("library", "quantity", *SUITE, quantity="pair", oracle="right would be", tolerance="allowed"),
    ),
    Sort.FINDING: Source(
        frame="findings",
        identifier="id",
        place=("library",),
        shown=_shown_as(
            *("library", "outcome", "measured_error", "workaround_verdict", "versions", "reason"),
            measured_error="largest error",
            workaround_verdict="workaround",
            reason="why",
        ),
        made_by="compare run semantics",
        words={"agrees": "reproduced", "differs": "no longer seen"},
    ),
    Sort.MUTANT: MUTANT,
    Sort.CHECK: replace(
        MUTANT,
        identifier="claim",
        place=("variant",),
        shown=_shown_as("variant", "title", "outcome", "detail", variant="mutant", title="equals"),
    ),
}


def outcomes(each: Identified, evidence: Evidence | None) -> str:
    """The place and its table; or why there is none."""
    if each.sort is Sort.VECTOR:
        return "Outcomes     none: compare vectors run holds a function of yours against it"
    if evidence is None:
        return f"Outcomes     {NONE_PUBLISHED}"
    source = SOURCES.get(each.sort)
    rows = _of_claim(each, evidence) if source is None else _of_source(each, source, evidence)
    lines = table(list(rows), "  ") if rows else [f"             no verdict on this {_missing(each, source, evidence)}"]
    return "\n".join([f"Outcomes     {place(evidence)}", *lines])


def _missing(each: Identified, source: Source | None, evidence: Evidence) -> str:
    if source is not None and evidence.frame(source.frame) is None:
        return f"ID: {source.made_by} measures it"
    return "claim" if source is None else "ID"


def _of_claim(each: Identified, evidence: Evidence) -> Rows:
    about: Frame = evidence.verdicts.of("claim", [each.id])
    return [] if about.empty else claim_rows(about, evidence)


def claim_rows(about: Frame, evidence: Evidence) -> Rows:
    """A head, then the outcomes of one claim's verdicts by implementation, device and dtype."""
    told = outcomes_told(set(about["outcome"]))
    rows = [("implementation", "versions", "device", "dtype", *map(str, told), "worst / tolerance")]
    for (name, device, dtype), verdicts in about.groupby(["implementation", "device", "dtype"], sort=True):
        counts = verdicts["outcome"].value_counts()
        numbers = [str(int(counts.get(str(outcome), 0))) for outcome in told]
        rows.append((str(name), versions(str(name), evidence), str(device), str(dtype), *numbers, _worst(verdicts)))
    return rows


def _of_source(each: Identified, source: Source, evidence: Evidence) -> Rows:
    frame = evidence.frame(source.frame)
    about: Frame = pd.DataFrame() if frame is None else frame[frame[source.identifier] == each.id]
    return [] if about.empty else source_rows(about, source)


def source_rows(about: Frame, source: Source) -> Rows:
    """A head, then one ID's rows of its sort's frame, those that differ first."""
    about = source.worded(about.loc[(about["outcome"] != "differs").sort_values(kind="stable").index])
    columns = [name for name in source.shown.values() if name in about]
    head = tuple(title for title, name in source.shown.items() if name in about)
    return [head, *(tuple(map(_shown, row)) for row in about[columns].itertuples(index=False))]


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.6g}"
    return "" if value is None else str(value)


def place(evidence: Evidence) -> str:
    """The folder with its profile, date, device and commit, as far as they are known."""
    known = [evidence.environment.get(item, "") for item in ("profile", "date", "device")]
    code = evidence.environment.get("commit", "none")
    facts = [each for each in (*known, "" if code == "none" else f"commit {code}") if each]
    return evidence.folder.name + (f": {', '.join(facts)}" if facts else "")


def versions(implementation: str, evidence: Evidence) -> str:
    """`pyro-ppl 1.9.2, torch 2.13.0`; a third party's distribution for its own implementation."""
    environment = evidence.environment
    packages = BY_NAME[implementation].distributions if implementation in BY_NAME else ()
    found = [f"{name} {environment.get(f'packages{SEPARATOR}{name}', '?')}" for name in packages]
    return ", ".join(found) or environment.get(f"implementations{SEPARATOR}{implementation}", "?")


def _worst(verdicts: Frame) -> str:
    share = (verdicts["difference"].abs() / verdicts["tolerance"]).dropna()
    if (share[verdicts["outcome"] == "agrees"] > 1).any():  # the claim wants things apart, or on one side
        return "no bound"
    return f"{share.max():.3g}" if len(share) else ""


def table(rows: list[tuple[str, ...]], indent: str) -> list[str]:
    """Lines of columns, each as wide as its longest entry; the first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        (indent + "  ".join(f"{entry:<{width}}" for entry, width in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]
