"""The documentation as pages of a site: docs/*.md, readable as they are, in the frame of the other pages."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

SOURCES = Path(__file__).resolve().parents[1] / "docs"  # beside a checkout's package; an installed one has none
FOLDER = "docs"
NOTES = "notes"  # the pages of folders that have words and tables as Markdown alone
# In reading order, each with what a reader comes for; a page that is not named here comes last.
ABOUT = {
    "tutorial": "begin here: from your own VAE to a citation",
    "how-to": "choose, cite, mail, join, compare, report",
    "check": "your own loss, model or class, judged as it stands",
    "pytest": "the same in a test of your own",
    "gpu": "the day on which there is one",
    "reference": "commands, flags, exit codes",
    "verdicts": "how to read agrees, differs, inconclusive",
    "architecture": "the design, and the walk of one verdict",
    "layout": "where things are in the tree",
}
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)  # markers of what is generated
_BOX = re.compile(r"(\w+)(?:\[\(|\(\[|\[)(.*?)(?:\)\]|\]\)|\])")
_ARROW = re.compile(r"^\s*(\w+)\S*?(?:[\[(].*?[\])]+)? (?:-->|-\.->) (.+)$")
Write = Callable[[str, str, str], object]


def documents(sources: Path = SOURCES) -> list[Path]:
    """The Markdown files in reading order; none where there is no such folder."""
    place = {name: at for at, name in enumerate(ABOUT)}
    return sorted(sources.glob("*.md"), key=lambda path: (place.get(path.stem, len(place)), path.stem))


def write_documents(site: Path, write: Write, sources: Path, there: Path) -> Path | None:
    """docs/NAME.html for each, and docs/index.html, whose path this is; None where there is nothing to write.

    `write(file, title, content)` puts one page into its frame. A link to another document leads to its page, one into
    the site to what is `there` (a report's pages for its Markdown form); what lies elsewhere in a checkout is named
    only.
    """
    found = documents(sources)
    if not found:
        return None
    (site / FOLDER).mkdir(exist_ok=True)
    titles = {}
    for path in found:
        text = path.read_text("utf-8")
        titles[path.stem] = _heading(text)
        write(f"{FOLDER}/{path.stem}.html", titles[path.stem], html(text, lambda link: address(link, there, sources)))
    items = "\n".join(
        f'<li><a href="{escape(name)}.html">{escape(title)}</a>{_about(name)}</li>' for name, title in titles.items()
    )
    write(f"{FOLDER}/index.html", "Documentation", f"<h1>Documentation</h1>\n<ul>\n{items}\n</ul>")
    return site / FOLDER / "index.html"


def write_notes(site: Path, write: Write, texts: Mapping[str, str], there: Path) -> dict[str, str]:
    """notes/NAME.html for each NAME -> its Markdown form, by address from `there`; the pages' addresses. A browser
    shows Markdown as its source; links lead to what lies beside it."""
    if texts:
        (site / NOTES).mkdir(exist_ok=True)
    for name, text in texts.items():
        source = there / text
        told = source.read_text("utf-8")
        write(
            f"{NOTES}/{name}.html",
            _heading(told) or name,
            html(told, lambda link, at=source.parent: beside(link, there, at)),
        )
    return {name: f"{NOTES}/{name}.html" for name in texts}


def _heading(text: str) -> str:
    """The first line without its marks, as a title has it."""
    return text.partition("\n")[0].removeprefix("#").replace("`", "").strip()


def beside(link: str, site: Path, folder: Path) -> str:
    """Where a link of a folder's Markdown leads from its page in notes/: to the same as a page, where there is one."""
    if re.match(r"https?://|#", link):
        return link
    path, mark, place = link.partition("#")
    target = (folder / path).resolve()
    page = target.with_suffix(".html")
    target = page if target.suffix == ".md" and page.exists() else target
    if not target.is_relative_to(site.resolve()) or not target.exists():
        return ""
    return Path(os.path.relpath(target, site.resolve() / NOTES)).as_posix() + mark + place


def _about(name: str) -> str:
    return f": {escape(ABOUT[name])}" if name in ABOUT else ""


def address(link: str, site: Path, sources: Path) -> str:
    """Where a document's link leads from its page; "" where the site has nothing there."""
    if re.match(r"https?://|#", link):
        return link
    path, mark, place = link.partition("#")
    target = (sources / path).resolve()
    if target.parent == sources.resolve() and target.suffix == ".md":
        return f"{target.stem}.html{mark}{place}"
    if not target.is_relative_to(site.resolve()) or not target.exists():
        return ""
    page = target.parent / "index.html"
    target = page if target.name in ("report.md", "index.md") and page.exists() else target
    return Path(os.path.relpath(target, site.resolve() / FOLDER)).as_posix() + mark + place


def html(text: str, lead: Callable[[str], str] = lambda link: link) -> str:
    """Markdown as HTML of a page: no markup of its own passes. `lead`: a link's address, "" for none."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    _rules(reader)
    tokens = reader.parse(_COMMENT.sub("", text))
    _label(tokens)
    for token in tokens:
        if token.children:
            token.children = list(_led(token.children, lead))
    return str(reader.renderer.render(tokens, reader.options, {}))


def _label(tokens: Sequence["Token"]) -> None:
    """Every cell of a table with its head, which a phone shows beside it: a row is a card there."""
    heads: list[str] = []
    at = 0
    for place, token in enumerate(tokens):
        if token.type == "thead_open":
            heads = []
        elif token.type == "th_open":
            heads.append(re.sub(r"[`*]", "", tokens[place + 1].content))
        elif token.type == "tr_open":
            at = 0
        elif token.type == "td_open":
            if heads[at]:
                token.attrSet("data-label", heads[at])
            at += 1


def _led(children: Sequence["Token"], lead: Callable[[str], str]) -> Iterator["Token"]:
    """Inline tokens with their links led elsewhere; a link to nothing is its words alone, such a picture left out."""
    kept: list[bool] = []
    for token in children:
        if token.type == "link_open":
            found = lead(str(token.attrGet("href") or ""))
            kept.append(bool(found))
            token.attrSet("href", found)
        elif token.type == "link_close" and not kept.pop():
            continue
        elif token.type == "image":
            source = lead(str(token.attrGet("src") or ""))
            if not source:
                continue
            token.attrSet("src", source)
        if token.type != "link_open" or kept[-1]:
            yield token


def _rules(reader: "MarkdownIt") -> None:
    def fence(_: Any, tokens: Sequence["Token"], index: int, *rest: Any) -> str:
        token = tokens[index]
        return picture(token.content) if token.info.strip() == "mermaid" else _code(token.content)

    def code(_: Any, tokens: Sequence["Token"], index: int, *rest: Any) -> str:
        return _code(tokens[index].content)

    def table_open(_: Any, tokens: Sequence["Token"], index: int, *rest: Any) -> str:
        number = sum(token.type == "table_open" for token in tokens[: index + 1])
        region = f'<div class="scroll" role="region" tabindex="0" aria-label="Table {number}">'
        return f'{region}\n<table class="plain cards">\n'

    def table_close(*_: Any) -> str:
        return "</table>\n</div>\n"

    for name, rule in {
        "fence": fence,
        "code_block": code,
        "table_open": table_open,
        "table_close": table_close,
    }.items():
        reader.add_render_rule(name, rule)


def _code(text: str) -> str:
    return f'<pre tabindex="0">{escape(text.rstrip())}</pre>\n'


def picture(mermaid: str) -> str:
    """A flow chart in words, since nothing is drawn without a script: each group's boxes, and where each one leads."""
    leads: dict[str, list[str]] = {}
    for line in mermaid.splitlines():
        if arrow := _ARROW.match(line):
            leads.setdefault(arrow[1], []).extend(re.findall(r"\w+", re.sub(r"[\[(].*", "", arrow[2])))
    groups: list[tuple[str, list[str]]] = [("", [])]
    seen: set[str] = set()
    for line in mermaid.splitlines():
        if head := re.match(r"\s*subgraph \w+ \[(.*)\]", line):
            groups.append((head[1], []))
        elif line.strip() == "end":
            groups.append(("", []))
        else:
            for name, words in _BOX.findall(line):
                if name not in seen:
                    seen.add(name)
                    called, mark, rest = words.partition(":")
                    onwards = f" → {', '.join(leads[name])}" if name in leads else ""
                    groups[-1][1].append(
                        f"<li><strong>{escape(called)}</strong>{mark}{escape(rest)}{escape(onwards)}</li>"
                    )
    parts = (
        f"<div>{f'<p><strong>{escape(title)}</strong></p>' if title else ''}<ul>{''.join(items)}</ul></div>"
        for title, items in groups
        if items
    )
    return f'<div class="flow">{"".join(parts)}</div>\n'
