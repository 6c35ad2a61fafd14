"""Every ID that has a page in a report, by the registry of IDs: what it states, its outcomes in a folder, BibTeX."""

from collections.abc import Callable, Mapping
from typing import Any

from elbo_compare.compare.citing.cite import bibtex
from elbo_compare.compare.citing.evidence import Evidence
from elbo_compare.compare.citing.identifiers import Identified, Sort, written
from elbo_compare.compare.citing.outcomes import SOURCES, claim_rows, place, source_rows
from elbo_compare.compare.citing.why import SEVERITY, reproduces
from elbo_compare.compare.claims.pointwise import relative_size
from elbo_compare.reports.content import Entry

Frame = Any  # pandas.DataFrame
# The folder of each sort's pages; an address never changes. A test vector has no outcome of a run, and no page.
FOLDERS = {
    Sort.CLAIM: "claims",
    Sort.QUESTION: "questions",
    Sort.CASE: "semantics",
    Sort.SWEEP: "semantics",
    Sort.FINDING: "findings",
    Sort.MUTANT: "mutants",
}
# Outcomes on a page, those that differ first; the frames have all. A mutant meets every claim, and most pass.
ROWS, MUTANT_ROWS = 24, 5
# What a page shows of a verdict.
SHOWN = ["implementation", "device", "dtype", "outcome", "difference", "tolerance", "unit", "label", "other"]


def entries(evidence: Evidence, site: str = "") -> list[Entry]:
    """One for each ID with a page, in the registry's order. `site`: where the report will stand, for BibTeX."""
    parts = {sort: _of_sort(sort, evidence) for sort in FOLDERS}
    cases, programs = _by_id(Sort.CASE, evidence), _programs(evidence)
    return [
        _entry(each, parts[each.sort](each.id), evidence, site, cases, programs)
        for each in written().values()
        if each.sort in FOLDERS
    ]


def _of_sort(sort: Sort, evidence: Evidence) -> Callable[[str], Frame | None]:
    """ID -> its rows in the folder, or None. Of many verdicts only one claim's are in memory."""
    if sort in SOURCES:
        return _by_id(sort, evidence).get

    def on_claim(identifier: str) -> Frame | None:
        rows = evidence.verdicts.of("claim", [identifier], SHOWN)
        return None if rows.empty else rows

    return on_claim


def _by_id(sort: Sort, evidence: Evidence) -> Mapping[str, Frame]:
    """A suite's rows in the folder, ID by ID: its frame is read once."""
    source = SOURCES[sort]
    frame = evidence.frame(source.frame)
    if frame is None or frame.empty:
        return {}
    return {str(name): rows for name, rows in frame.groupby(source.identifier, sort=False)}


def _entry(
    each: Identified,
    rows: Frame | None,
    evidence: Evidence,
    site: str,
    cases: Mapping[str, Frame],
    programs: Mapping[str, str],
) -> Entry:
    lines: list[tuple[str, ...]] = []
    worst = command = ""
    if rows is not None:
        source = SOURCES.get(each.sort)
        lines = list(claim_rows(rows, evidence) if source is None else source_rows(rows, source))
        if source is None:
            worst, command = _worst(rows, evidence)
    if each.sort is Sort.FINDING:
        lines += _numbers(each, cases)
    shown = MUTANT_ROWS if each.sort is Sort.MUTANT else ROWS
    address = f"{site.rstrip('/')}/{FOLDERS[each.sort]}/{each.id}.html" if site else ""
    return Entry(
        id=each.id,
        sort=FOLDERS[each.sort],
        head=each.head,
        title=each.title,
        fields=each.fields + _reported(each),
        outcome=_told(each, rows),
        rows=tuple(lines[: shown + 1]),
        place=_place(evidence, shown, len(lines) - 1) if rows is not None else "",
        worst=worst,
        command=command,
        bibtex=bibtex(each, evidence, address),
        programs=_shown(each, programs),
        corrections=evidence.environment.get("corrections", ""),
    )


def _place(evidence: Evidence, shown: int, rows: int) -> str:
    cut = f"; {shown} of {rows:,} outcomes are shown" if rows > shown else ""
    return place(evidence) + cut


def _told(each: Identified, rows: Frame | None) -> str:
    """`agrees 12, differs 1`, in the words of the ID's sort; nothing where nothing was measured."""
    if rows is None:
        return ""
    source = SOURCES.get(each.sort)
    told: Frame = rows if source is None else source.worded(rows)
    counts = told[told["outcome"] != ""]["outcome"].value_counts()
    if each.sort is Sort.FINDING and len(counts) == 1:
        return str(counts.index[0])
    if each.sort is Sort.MUTANT:
        return _caught(rows)
    return ", ".join(f"{outcome} {count:,}" for outcome, count in counts.items())


def _caught(rows: Frame) -> str:
    """A mutant is caught where one claim turns on it, however many others pass; a legitimate variant is to pass all."""
    counts = rows["outcome"].value_counts()
    caught, passed = int(counts.get("differs", 0)), int(counts.get("agrees", 0))
    meant = caught + passed + int(counts.get("inconclusive", 0))
    if bool(rows["legitimate"].iloc[0]):
        return f"recognised: passes {passed} of {meant} claims meant for it" if not caught else f"failed by {caught}"
    return f"caught by {caught} of {meant} claims" if caught else f"not caught by {meant} claims"


def _worst(rows: Frame, evidence: Evidence) -> tuple[str, str]:
    """The verdict nearest to, or furthest past, its tolerance: in words, and the command that measures it again."""
    judged = rows[rows["outcome"].isin(SEVERITY)]
    if judged.empty:
        return "", ""
    sizes = [relative_size(row.difference, row.tolerance) for row in judged.itertuples()]
    ranked = judged.assign(rank=judged["outcome"].map(SEVERITY), size=sizes)
    row: Frame = ranked.sort_values(["rank", "size"], ascending=[True, False], kind="stable").iloc[0]
    against = f" against {row['other']}" if row["other"] else ""
    number = f"difference {row['difference']:.3g} {row['unit']}, tolerance {row['tolerance']:.3g}"
    if row["outcome"] == "agrees" and abs(row["difference"]) > row["tolerance"]:  # apart, or on one side, as stated
        number = f"difference {row['difference']:.3g} {row['unit']}: the claim is no bound on it"
    told = f"{row['label']}{against}: {row['outcome']}"
    return f"{told}, {number}" if row["difference"] == row["difference"] else told, reproduces(row, evidence)


def _numbers(each: Identified, cases: Mapping[str, Frame]) -> list[tuple[str, ...]]:
    """The measured numbers of a finding's cases, after its own row."""
    named = dict(each.fields).get("Cases", "").split(", ")
    source = SOURCES[Sort.CASE]
    lines: list[tuple[str, ...]] = []
    for case in named:
        if case in cases:
            head, *rest = source_rows(cases[case], source)
            lines += [(case, *row) for row in rest] if lines else [("case", *head), *((case, *row) for row in rest)]
    return lines


def _reported(each: Identified) -> tuple[tuple[str, str], ...]:
    """What a finding's page says beside its own words: its cases' mathematics, and how to report it."""
    if each.sort is not Sort.FINDING:
        return ()
    known, fields = written(), dict(each.fields)
    stated = [
        f"{case}: {dict(known[case].fields)['Statement']}" for case in fields["Cases"].split(", ") if case in known
    ]
    open_ = f"`compare findings {each.id} --issue` prints a report for the maintainers: program, numbers, versions"
    return (("Mathematics", "; ".join(stated)), ("To report it", open_))


def _programs(evidence: Evidence) -> Mapping[str, str]:
    frame = evidence.frame(SOURCES[Sort.FINDING].frame)
    return {} if frame is None or "program" not in frame else dict(zip(frame["id"], frame["program"], strict=True))


def _shown(each: Identified, programs: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    text = programs.get(each.id, "")
    return (("A program that shows it", text.rstrip()),) if text else ()


def addresses() -> dict[str, str]:
    """ID -> its page."""
    return {each.id: f"{FOLDERS[each.sort]}/{each.id}.html" for each in written().values() if each.sort in FOLDERS}
