"""`compare site`: several reports in one folder, joined into one site with the latest; judged ones are drawn again."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elbo_compare.compare.citing.entries import entries
from elbo_compare.compare.citing.evidence import Evidence, read
from elbo_compare.compare.commands.report import ALWAYS, report_folder
from elbo_compare.compare.errors import StoreError, UsageError
from elbo_compare.compare.files import read_json, read_text, take_over
from elbo_compare.compare.judging.frames import read_json as read_judged
from elbo_compare.compare.launching.lifeline import temporary_folder
from elbo_compare.compare.running.store import Store

if TYPE_CHECKING:
    from elbo_compare.reports.building import DrawingProcesses
    from elbo_compare.reports.joined import Joined

PACKAGES = ("torch", "pyro-ppl", "jax", "numpyro")
WHOLE = ("standard", "full")  # profiles of which one is the latest, where there is one
WRITTEN = ("latest", "docs", "notes")  # folders of the site's own
ABOVE = "../../index.html"  # from a report's first page to the site's


def site_folder(
    folder: Path, drawing: "DrawingProcesses | None", note: Callable[[str], None], *, site: str = "", draw: bool = True
) -> Path:
    """Join the reports in the folders of DIR; returns the path of the site's first page.

    Judged folders are drawn again (with `draw`); what can't be is linked as it is, with the reason. `site`: where the
    site will stand. Raises UsageError where DIR holds no report.
    """
    from elbo_compare.reports.joined import write_site

    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder. Name one that holds reports, such as reports/published.")
    found = []
    for each in sorted(path for path in folder.iterdir() if path.is_dir() and path.name not in WRITTEN):
        joined = _joined(each, drawing, note, f"{site.rstrip('/')}/{each.name}/report" if site else "", draw)
        found += [] if joined is None else [joined]
    if not found:
        raise UsageError(f"No folder in {folder} holds a report: `compare all -o {folder}/NAME` makes one.")
    newest = sorted(found, key=lambda each: (each.date, each.name), reverse=True)
    judged = [each for each in newest if each.outcomes]
    latest = next((each for each in judged if each.what in WHOLE), judged[0] if judged else None)
    with temporary_folder("elbo-site-") as draft:
        write_site(draft, newest, latest, there=folder)
        take_over(draft, folder)
    return folder / "index.html"


def _joined(
    folder: Path, drawing: "DrawingProcesses | None", note: Callable[[str], None], site: str, draw: bool
) -> "Joined | None":
    """One folder as the site has it, drawn again where that can be; None where there is nothing to be read in it."""
    from elbo_compare.reports.joined import Joined

    reason = ""
    if Store(folder).exists():
        if draw:
            try:
                note(f"Drawing {folder.name}")
                report_folder(folder, drawing, site=site, above=ABOVE)
            except (StoreError, OSError) as error:
                reason = f"as it was drawn: {' '.join(str(error).split())}"
                note(f"{folder.name}: {reason}")
        try:
            return _judged(folder, reason)
        except (StoreError, OSError) as error:
            reason = f"can't be read: {' '.join(str(error).split())}"
    record = _record(folder)
    page, text = _places(folder)
    if not (page or text or record):
        return None
    environment = _table(record.get("environment", record))
    return Joined(
        name=folder.name,
        date=str(record.get("date", "")),
        what=str(record.get("command", "")).removeprefix("compare ") or _title(folder),
        device=_device(environment),
        versions=_versions(environment),
        page=page or text,
        text=text,
        note=reason,
    )


def _judged(folder: Path, reason: str) -> "Joined":
    from elbo_compare.reports.joined import Joined

    record, answer = Store(folder).record(), _table(read_judged(folder, "answer"))
    environment = record["environments"][record["fingerprint"]]
    page, text = _places(folder)
    counted = _table(answer.get("counts"))
    counts = ", ".join(f"{many:,} {word}" for word, many in counted.items() if many and isinstance(many, int))
    missing = [name for name in ALWAYS if not (folder / f"{name}.parquet").exists()]
    evidence = None if missing else read(folder)
    return Joined(
        name=folder.name,
        date=str(record.get("date", "")),
        what=str(record.get("profile", "")),
        device=_device(environment),
        versions=_versions(environment),
        verdicts=counts,
        findings=_findings(evidence),
        sentence=str(answer.get("sentence", "")),
        page=page,
        text=text,
        note=reason,
        outcomes=_outcomes(folder, evidence),
    )


def _outcomes(folder: Path, evidence: Evidence | None) -> dict[str, tuple[str, str]]:
    """Each ID with its page in the folder's report, as far as it is there, and what it came to."""
    found = {} if evidence is None else {each.id: (each.address, each.outcome) for each in entries(evidence)}
    return {
        name: (f"{folder.name}/report/{address}", told)
        for name, (address, told) in found.items()
        if (folder / "report" / address).exists()
    }


def _findings(evidence: Evidence | None) -> str:
    rows = None if evidence is None else evidence.frame("findings")
    if rows is None or rows.empty:
        return ""
    return f"{(rows['outcome'] == 'agrees').sum()} of {len(rows)} reproduced"


def _record(folder: Path) -> dict[str, Any]:
    """What a folder that is no run says of itself: a bench or a suite's own."""
    for name in ("bench.json", "environment.json"):
        try:
            found = read_json(folder / name)
        except (OSError, ValueError):
            continue
        if found := _table(found):
            return found
    return {}


def _table(content: Any) -> dict[str, Any]:
    """JSON of somebody else where an object is expected; empty where it is something else."""
    return content if isinstance(content, dict) else {}


def _places(folder: Path) -> tuple[str, str]:
    """(first page, Markdown form) by address from the site's folder, "" where there is none."""
    pages = ("report/index.html", "report/report.html", "index.html")
    texts = ("report/report.md", "README.md")
    page, text = (next((each for each in names if (folder / each).is_file()), "") for names in (pages, texts))
    return (f"{folder.name}/{page}" if page else "", f"{folder.name}/{text}" if text else "")


def _title(folder: Path) -> str:
    """The first heading of a folder's README."""
    try:
        first = read_text(folder / "README.md").partition("\n")[0]
    except (OSError, ValueError):
        return ""
    return first.removeprefix("#").strip()


def _device(environment: dict[str, Any]) -> str:
    known = (environment.get("device"), environment.get("gpu") or environment.get("cpu"))
    return ", ".join(str(each) for each in known if each)


def _versions(environment: dict[str, Any]) -> str:
    packages = _table(environment.get("packages"))
    return ", ".join(f"{name} {packages[name]}" for name in PACKAGES if name in packages)
