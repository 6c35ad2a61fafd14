"""A section in every output format: HTML, Markdown, and files of its tables and pictures."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from elbo_compare.reports.content import Block, FirstScreen, Picture, Section, Table
from elbo_compare.reports.formats import anchor, file_name
from elbo_compare.reports.markdown import section_to_markdown
from elbo_compare.reports.tables import cells, forms, shown_columns, worst_outcome, write_table

FOLDED_ROWS = 30
_CODE = re.compile(r"`([^`\n]+)`")
_ARXIV = re.compile(r"(\barXiv[: ])(\d{4}\.\d{4,5})\b")


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A section as the page takes it."""

    anchor: str
    title: str
    html: str
    markdown: str


def rendered(section: Section, addresses: Mapping[str, str] | None = None, once: bool = False) -> Rendered:
    """The section as HTML and Markdown. `addresses`: the pages of IDs, where the section is one of several pages:
    then IDs are linked there, and pictures are files."""
    if once:  # the rows are in the frames: a folded table is for a look
        section = replace(section, blocks=tuple(map(_shortened, section.blocks)))
    html = template("section.html.j2").render(section=section, addresses=addresses, once=once)
    return Rendered(anchor=section.anchor, title=section.title, html=html, markdown=section_to_markdown(section, once))


def _shortened(block: Block) -> Block:
    if isinstance(block, Table) and block.folded:
        return replace(block, limit=min(block.limit, FOLDED_ROWS))
    return block


def written(section: Section, folder: Path, addresses: Mapping[str, str] | None = None, once: bool = False) -> Rendered:
    """The same, with every table and picture of the section as files in tables/ and figures/ of `folder`."""
    tables, figures = folder / "tables", folder / "figures"
    for each in (tables, figures):
        each.mkdir(parents=True, exist_ok=True)
    for block in section.blocks:
        _write_block(tables, figures, block, once)
    return rendered(section, addresses, once)


def to_html(first: FirstScreen, sections: Sequence[Rendered]) -> str:
    """The page as one self-contained document: inline style, pictures as data URIs, no script, no network."""
    return template("report.html.j2").render(first=first, sections=sections)


def template(name: str) -> jinja2.Template:
    """One of the package's templates, with the filters of a report."""
    return _templates().get_template(name)


@lru_cache
def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("elbo_compare.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        kind=lambda block: type(block).__name__,
        cells=cells,
        columns=shown_columns,
        source=_data_uri,
        anchor=anchor,
        prose=prose,
        picture_file=picture_file,
        forms=forms,
        file_name=file_name,
        worst=lambda text: worst_outcome(text).replace(" ", "-"),
    )
    return templates


def prose(text: object) -> Markup:
    """Text as HTML: `code` in backticks as code, an arXiv number as a link to its page; nothing in it is markup."""
    marked = _CODE.sub(r"<code>\1</code>", str(escape(text)))
    return Markup(_ARXIV.sub(r'<a href="https://arxiv.org/abs/\2">\1\2</a>', marked))


def picture_file(picture: Picture) -> str:
    """The name of its file in figures/: a picture is there once, a drawing as SVG."""
    return f"{file_name(picture.name)}.{'svg' if picture.svg else 'png'}"


def _data_uri(picture: Picture) -> str:
    form, content = ("svg+xml", picture.svg) if picture.svg else ("png", picture.png)
    return f"data:image/{form};base64,{base64.b64encode(content).decode()}"


def _write_block(tables: Path, figures: Path, block: Block, once: bool) -> None:
    if isinstance(block, Table):
        write_table(tables, block, once)
    elif isinstance(block, Picture):
        (figures / picture_file(block)).write_bytes(block.svg or block.png)
