"""Several reports as one site: an index with the latest, a page of every ID over all of them, the index as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from importlib.resources import files
from pathlib import Path

from elbo_compare.reports.documents import FOLDER, SOURCES, documents, write_documents, write_notes
from elbo_compare.reports.entries import TITLES, css_of
from elbo_compare.reports.formats import clean, markdown
from elbo_compare.reports.rendering import prose, template
from elbo_compare.reports.site import FOOTER, GLOSSARY, words_on

PAGES = (("latest", "latest/index.html"), ("every ID", "ids.html"))
DOCUMENTATION = ("documentation", f"{FOLDER}/index.html")
HEAD = ("report", "date", "what", "verdicts", "findings", "device", "versions", "Markdown")
TITLE = "elbo-compare: all reports"


@dataclass(frozen=True, kw_only=True)
class Joined:
    """One folder of the site. `page`, `text`: its first page and its Markdown form, by address from the site's folder,
    "" where there is none; `note`: why it was not drawn again; `outcomes`: ID -> (address of its page, outcome)."""

    name: str
    date: str = ""
    what: str = ""
    device: str = ""
    versions: str = ""
    verdicts: str = ""
    findings: str = ""
    sentence: str = ""
    page: str = ""
    text: str = ""
    note: str = ""
    outcomes: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def write_site(
    folder: Path,
    reports: Sequence[Joined],
    latest: Joined | None,
    sources: Path = SOURCES,
    there: Path | None = None,
) -> Path:
    """index.html, index.md, ids.html and latest/index.html over the reports, newest first, docs/ of the documents in
    `sources`, and notes/ of reports whose first page is Markdown; the path of the first. `there`: where the reports
    lie, if the site is drafted elsewhere."""
    for file, name in (("report.css", "style.css"), ("filter.js", "filter.js")):
        text = (files("elbo_compare.reports") / "templates" / file).read_text("utf-8")
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "latest").mkdir(exist_ok=True)
    pages = (*PAGES, DOCUMENTATION) if documents(sources) else PAGES

    def write(file: str, title: str, content: str, onwards: Joined | None = None) -> Path:
        return _write(folder / file, title, content, "../" if "/" in file else "", pages, onwards)

    notes = {each.name: each.text for each in reports if each.page == each.text != ""}
    pages_of = write_notes(folder, write, notes, there or folder)
    reports = [replace(each, page=pages_of.get(each.name, each.page)) for each in reports]
    write("latest/index.html", "The latest report", _forward(latest), latest)
    write("ids.html", "Every ID in every report", _ids(reports))
    write_documents(folder, write, sources, there or folder)
    (folder / "index.md").write_text(_markdown(reports, latest), encoding="utf-8")
    return write("index.html", TITLE, _index(reports, latest))


def _write(
    path: Path, title: str, content: str, root: str, pages: Sequence[tuple[str, str]], onwards: Joined | None = None
) -> Path:
    """One page; `onwards`: the report that a browser goes on to at once."""
    every = [name for name, _ in pages]
    frame = template("page.html.j2").render(
        root=root, pages=pages, glossary=GLOSSARY, footer=FOOTER, above="", short=every
    )
    if onwards is not None:
        refresh = f'<meta http-equiv="refresh" content="0; url={escape(f"../{onwards.page}")}">'
        frame = frame.replace("<title>", f"{refresh}\n<title>", 1)
    frame = frame.replace("@@TITLE@@", escape(title)).replace("@@WORDS@@", words_on(content))
    path.write_text(frame.replace("@@MAIN@@", content), encoding="utf-8")
    return path


def _forward(latest: Joined | None) -> str:
    if latest is None:
        return "<h1>The latest report</h1>\n<p>No judged report is here yet.</p>"
    address = escape(f"../{latest.page}")
    return (
        f"<h1>The latest report</h1>\n"
        f'<p><a href="{address}">{escape(latest.name)}</a>: {escape(latest.what)}, {escape(latest.date)}.</p>'
    )


def _index(reports: Sequence[Joined], latest: Joined | None) -> str:
    head = "".join(f'<th scope="col">{each}</th>' for each in HEAD)
    rows = "\n".join(
        f'<tr><th scope="row">{_link(each.page, each.name) or escape(each.name)}{_small(each.note)}</th>'
        + "".join(_fact(name, part) for name, part in zip(HEAD[1:], _facts(each), strict=False))
        + f'<td class="text short{"" if each.text else " none"}">{_link(each.text, "Markdown") or "—"}</td></tr>'
        for each in reports
    )
    return (
        f"<h1>All reports</h1>\n{_lead(latest)}\n"
        '<p><a href="ids.html">Every ID in every report</a>: what a claim, case, finding or mutant came to.</p>'
        '\n<div class="scroll" role="region" tabindex="0" aria-label="The reports, newest first">'
        f'<table class="filtered cards"><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
    )


def _fact(name: str, told: str) -> str:
    shown = prose(clean(told)) or "—"
    kind = "text" if name in ("what", "versions") else "text short"
    return f'<td class="{kind}{"" if told else " none"}" data-label="{name}">{shown}</td>'


def _facts(report: Joined) -> tuple[str, ...]:
    return (report.date, report.what, report.verdicts, report.findings, report.device, report.versions)


def _lead(latest: Joined | None) -> str:
    if latest is None:
        return "<p>No judged report is here yet.</p>"
    return (
        f'<p class="sentence">{escape(clean(latest.sentence))}</p>\n<p>That is the latest: '
        f'<a href="{escape(latest.page)}">{escape(latest.name)}</a> ({escape(latest.what)}, {escape(latest.device)}, '
        f"{escape(latest.versions)}; {escape(latest.verdicts)}).</p>"
    )


def _link(address: str, words: str) -> str:
    return f'<a href="{escape(address)}">{escape(words)}</a>' if address else ""


def _small(note: str) -> str:
    return f"<br><small>{escape(clean(note))}</small>" if note else ""


def _ids(reports: Sequence[Joined]) -> str:
    """A row for each ID, a column for each report that has pages of them."""
    having = [each for each in reports if each.outcomes]
    names = list(dict.fromkeys(name for each in having for name in each.outcomes))
    head = "".join(f'<th scope="col">{escape(each.name)}</th>' for each in having)
    rows = "\n".join(
        f'<tr id="{escape(name)}"><th scope="row" class="code id">{escape(name)}</th>'
        + "".join(_outcome(each, name) for each in having)
        + "</tr>"
        for name in names
    )
    sorts = ", ".join(TITLES[each].partition(":")[0].lower() for each in TITLES)
    return (
        f"<h1>Every ID in every report</h1>\n<p>{sorts[0].upper()}{sorts[1:]}; each outcome leads to the ID's page in "
        'that report.</p>\n<div class="scroll" role="region" tabindex="0" aria-label="IDs by report">'
        f'<table class="filtered every"><thead><tr><th scope="col">ID</th>{head}</tr></thead>'
        f"\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def _outcome(report: Joined, name: str) -> str:
    if name not in report.outcomes:
        return "<td>—</td>"
    address, told = report.outcomes[name]
    told = told or "not measured"
    return f'<td class="outcome {css_of(told)}"><a href="{escape(address)}">{escape(told)}</a></td>'


def _markdown(reports: Sequence[Joined], latest: Joined | None) -> str:
    """The index for where HTML is shown as source: links lead to the Markdown forms."""
    lines = ["# All reports", ""]
    if latest is not None:
        lines += [f"{markdown(latest.sentence)}", "", f"The latest: [{latest.name}]({latest.text or latest.page}).", ""]
    lines += [
        "Pages work from a checkout's disk: open `index.html` beside this file. The links lead to Markdown forms.",
        "",
        "| " + " | ".join(HEAD[:-1]) + " |",
        "|" + "---|" * 7,
    ]
    for each in reports:
        place = each.text or each.page
        told = [markdown(part) or "—" for part in _facts(each)]
        lines.append("| " + " | ".join([f"[{each.name}]({place})" if place else each.name, *told]) + " |")
    return "\n".join(lines) + "\n"
