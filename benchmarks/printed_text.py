"""A page's tables as text, and whether a printed text shows a number to the digits that it has."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from math import isclose, isinf, isnan

Found = Sequence[Sequence[float]]  # what a cell may print: the numbers of each row of a frame that it may stand for
NUMBER = re.compile(r"(?<![\w.])([−-]?[\d,]*\.?\d+)(?:e([−-]?\d+))?(?![\w.])")


class Tables(HTMLParser):
    """The tables of a page: heads, then rows of text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[list[list[str]]] = []
        self._cell: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "table":
            self.found.append([])
        elif tag == "tr":
            self.found[-1].append([])
        elif tag in ("td", "th"):
            self._cell = []
        elif tag == "sup" and self._cell is not None:
            self._cell.append("^")  # as the frames write a power

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            self.found[-1][-1].append("".join(self._cell))
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)


def printed(text: str) -> list[tuple[float, float]]:
    """Each number of a text with the worth of half its last digit."""
    found = []
    for body, power in NUMBER.findall(text.replace("\N{NO-BREAK SPACE}", " ")):
        plain = body.replace("−", "-").replace(",", "")
        scale = 10.0 ** int(power.replace("−", "-") or 0)
        digits = len(plain.partition(".")[2])
        found.append((float(plain) * scale, 0.5 * 10.0**-digits * scale))
    return found


def shows(text: str, rows: Found) -> bool:
    """Whether the text prints the numbers of one of the rows, each to its digits; an interval that is not there is not
    printed."""
    told = printed(text)
    for row in rows:
        wanted = [each for each in row if not isnan(each) and not isinf(each)]
        wanted = wanted[:1] if len(wanted) == 3 and len(set(wanted)) == 1 else wanted  # an interval of no width
        if len(told) == len(wanted) and all(
            abs(shown - value) <= half * (1 + 1e-9) or isclose(shown, value, rel_tol=1e-12)
            for (shown, half), value in zip(told, wanted, strict=True)
        ):
            return True
    return False
