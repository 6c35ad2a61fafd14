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
_ID = re.compile(r"\b[A-Z]+(?:-[A-Z]+)*-\d{3}[a-z]?\b")
# How people write a number without a typesetter: 1.2e-07, a sign that is no hyphen (of a flag, a range or a name), a
# power behind a caret.
_TEN = re.compile(r"(?<!\w)(\d[\d.]*)e([+-]?)0*(\d+)\b")
_SIGN = re.compile(r"(?<![\w.,;:@/%-])-(?=\.?\d)")
_POWER = re.compile(r"(?<=[\w)|\]′])\^(\([^()\s]{1,12}\)|[-−]?\w{1,4}\b)")
TRACKERS = {"pyro": "pyro-ppl/pyro", "numpyro": "pyro-ppl/numpyro", "pytorch": "pytorch/pytorch", "jax": "jax-ml/jax"}
_TRACKED = re.compile(rf"\b({'|'.join(TRACKERS)}) (issue|pull request) (\d+)\b")


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
        linked=linked,
        picture_file=picture_file,
        forms=forms,
        file_name=file_name,
        worst=lambda text: worst_outcome(text).replace(" ", "-"),
    )
    return templates


def prose(text: object) -> Markup:
    """Text as HTML: `code` in backticks as code and as it stands; elsewhere minus signs, powers (`x^2`) and powers of
    ten as they are set, an arXiv number and a library's issue as links to their pages. Nothing in it is markup."""
    return linked(text, {})


def linked(text: object, addresses: Mapping[str, str] | None, root: str = "") -> Markup:
    """`prose` in which an ID that has a page is a link to it. `root`: from this page to the report's first."""

    def link(found: re.Match[str]) -> str:
        name = found.group()
        return f'<a class="id" href="{root}{addresses[name]}">{name}</a>' if addresses and name in addresses else name

    parts = _CODE.split(str(escape(text)))
    parts[::2] = [_ID.sub(link, _set(part)) for part in parts[::2]]
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
    return Markup("".join(parts))


def _set(part: str) -> str:
    part = _TEN.sub(lambda found: f"{found[1]}e{'−' if found[2] == '-' else ''}{found[3]}", part)
    part = _POWER.sub(r"<sup>\1</sup>", _SIGN.sub("−", part))
    part = _ARXIV.sub(r'<a href="https://arxiv.org/abs/\2">\1\2</a>', part)
    return _TRACKED.sub(_tracked, part)


def _tracked(found: re.Match[str]) -> str:
    kind = "issues" if found[2] == "issue" else "pull"
    return f'<a href="https://github.com/{TRACKERS[found[1]]}/{kind}/{found[3]}">{found[0]}</a>'


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
