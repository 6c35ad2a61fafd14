"""How numbers and third-party text are written: significant digits, intervals, escapes. No statistics."""

import hashlib
import math
import re

MISSING = "—"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_MARKDOWN = re.compile(r"([\\`*_\[\]|#~$])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "−": r"$-$",
    "—": "---",
    "–": "--",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "√": r"$\surd$",
    "∞": r"$\infty$",
    "²": r"\textsuperscript{2}",
    "½": r"$\frac12$",
    "ε": r"$\epsilon$",
    "μ": r"$\mu$",
    "π": r"$\pi$",
    "σ": r"$\sigma$",
    "τ": r"$\tau$",
    "Δ": r"$\Delta$",
    "Σ": r"$\Sigma$",
    "→": r"$\to$",
}


def number(value: float, digits: int = 4) -> str:
    """`digits` significant digits; powers of ten outside 1e-3 .. 1e6; a dash for nan. `0.0123`, `1.23e-7`, `1,234`."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    if not 1e-3 <= abs(rounded) < 1e6:
        return _scientific(value, digits - 1)
    if rounded == int(rounded) and value == int(value):
        return f"{int(value):,}".replace("-", "−")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{value:,.{decimals}f}".replace("-", "−")


def _scientific(value: float, decimals: int) -> str:
    mantissa, exponent = f"{value:.{decimals}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def count(value: float) -> str:
    """A whole number with thousands separated; a dash for nan."""
    return MISSING if math.isnan(value) else f"{round(value):,}"


def interval(value: float, low: float, high: float) -> str:
    """`value [low, high]` with two significant digits of the half-width; the value alone where there is no interval, or
    none but itself."""
    if math.isnan(low) or math.isnan(high) or math.isinf(low) or math.isinf(high) or math.isnan(value):
        return number(value)
    if low == value == high:
        return number(value)
    half = max(high - value, value - low)
    largest = max(abs(value), abs(low), abs(high))
    if half <= 0 or largest == 0:
        return f"{number(value)} [{number(low)}, {number(high)}]"
    place = math.floor(math.log10(half)) - 1
    if not 1e-3 <= largest < 1e6:
        exponent = math.floor(math.log10(largest))
        decimals = max(0, min(15, exponent - place))
        return "{} [{}, {}]".format(*(_shared(x, exponent, decimals) for x in (value, low, high)))
    decimals = max(0, min(12, -place))
    return "{} [{}, {}]".format(*(_signed(f"{x:,.{decimals}f}") for x in (value, low, high)))


def _shared(value: float, exponent: int, decimals: int) -> str:
    """A number with a given exponent, so that an interval's three numbers are read at one glance."""
    return _signed(f"{value / 10.0**exponent:.{decimals}f}") + f"e{exponent}".replace("-", "−")


def _signed(text: str) -> str:
    """A written number with a minus sign, but for a zero, which has none however it came about by rounding."""
    return (text.removeprefix("-") if not text.strip("-0.,") else text).replace("-", "−")


def clean(text: object) -> str:
    """Text without control characters or lone surrogates, which neither HTML, XML nor UTF-8 can hold."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(text))


def markdown(text: object) -> str:
    """Text that Markdown shows as it stands, inside a table cell too."""
    flat = " ".join(clean(text).split())
    escaped = _MARKDOWN.sub(r"\\\1", flat.replace("&", "&amp;"))
    return escaped.replace("<", "&lt;").replace(">", "&gt;")


def latex(text: object) -> str:
    """Text that LaTeX sets as it stands; no command in it survives."""
    return "".join(_LATEX.get(character, character) for character in " ".join(clean(text).split()))


def figure_text(text: object, width: int = 44) -> str:
    """Text for a figure: no mathematics mode, no hidden legend entry, at most `width` characters."""
    flat = " ".join(clean(text).split())
    short = flat if len(flat) <= width else f"{flat[: width - 1]}…"
    visible = f" {short}" if short.startswith("_") else short
    return visible.replace("$", r"\$")


def file_name(text: object) -> str:
    """A file name that stays in its folder: ASCII letters, digits, dash, underscore; a digest where text was lost."""
    name = str(text)
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60]
    if safe and safe == name:
        return safe
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe}-{digest}" if safe else digest


def anchor(text: object) -> str:
    """An HTML id: a claim's own ID where it is a plain one."""
    return file_name(text)
