"""What a report consists of: sections of blocks. Plain records, known to every output format."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

# pandas types `frame[mask]` as DataFrame or Series or array, which no checker can narrow; these names say which it is.
Frame: TypeAlias = Any  # pandas.DataFrame
Values: TypeAlias = Any  # pandas.Series


class Kind(StrEnum):
    """How a table's column is written."""

    TEXT = "text"
    CODE = "code"
    NUMBER = "number"
    COUNT = "count"
    INTERVAL = "interval"
    OUTCOME = "outcome"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: `source` (and for INTERVAL `low`, `high`) name columns of the frame. `link`: it holds claim IDs."""

    header: str
    source: str
    kind: Kind = Kind.TEXT
    low: str = "low"
    high: str = "high"
    digits: int = 4
    link: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """A frame and how it is shown. The files hold the whole frame in full precision, the page `limit` rows.

    `beside`: the frame of a run's folder that has these rows (findings.parquet): where it is there they are in no file
    of their own. `whole`: the page's point, which is shown without a box to scroll, on a phone a card for each row."""

    name: str
    caption: str
    frame: Frame
    columns: tuple[Column, ...]
    limit: int = 60
    folded: bool = False
    beside: str = ""
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawing, as SVG or PNG. `alt` says in words what is drawn; `pixelated` marks an enlarged grid of pixels."""

    name: str
    caption: str
    alt: str
    png: bytes = b""
    svg: bytes = b""
    pixelated: bool = False


@dataclass(frozen=True, kw_only=True)
class Prose:
    """A paragraph of plain text; `lead`: the words in bold with which it begins."""

    text: str
    absent: bool = False
    lead: str = ""


@dataclass(frozen=True, kw_only=True)
class Code:
    """Text to copy; `folded`: behind its label."""

    text: str
    label: str
    folded: bool = False


@dataclass(frozen=True, kw_only=True)
class ClaimCard:
    """One claim with its outcomes; `fields` are (name, text) in reading order."""

    id: str
    statement: str
    strength: str
    outcome: str
    fields: tuple[tuple[str, str], ...]
    table: Table


Block = Table | Picture | Prose | Code | ClaimCard


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled part of the report with a permanent anchor."""

    anchor: str
    title: str
    blocks: tuple[Block, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Entry:
    """All that the page of one permanent ID shows. `sort`: its kind, which is its page's folder too.

    `fields`: (name, text) in reading order; `rows`: outcomes as text, the first is the head; `place`: where they were
    measured; `worst`: the worst case in words, `command` measures it again; `programs`: (label, text) to paste.
    """

    id: str
    sort: str
    head: str
    title: str
    fields: tuple[tuple[str, str], ...]
    outcome: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    place: str = ""
    worst: str = ""
    command: str = ""
    bibtex: str = ""
    programs: tuple[tuple[str, str], ...] = ()
    corrections: str = ""

    @property
    def address(self) -> str:
        """The page's path in a report's folder; it never changes."""
        return f"{self.sort}/{self.id}.html"


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One of the numbers behind the answer. `bounds`: interval, tolerance and n; `detail`: what exactly it is."""

    label: str
    value: str
    unit: str
    bounds: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class FirstScreen:
    """What a reader sees first. `outcomes` are (sign and word, count) under the name `tally`; `footer`: another one."""

    question: str
    sentence: str
    reasons: tuple[str, ...]
    equation: str
    numbers: tuple[Headline, ...]
    outcomes: tuple[tuple[str, str], ...]
    tally: str = "Verdicts"
    footer: str = ""


def not_measured(anchor: str, title: str, why: str) -> Section:
    """A section whose data are absent says so and why; it never vanishes."""
    return Section(anchor=anchor, title=title, blocks=(Prose(text=f"Not measured: {why}", absent=True),))
