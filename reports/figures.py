"""Drawing with matplotlib's Agg and SVG canvases: line, step and dot panels. No pyplot, no global state.

The palette is Okabe and Ito's (2008), told apart with any colour vision; every series also has its own marker and
line style, so that nothing hangs on colour.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from elbo_compare.reports.content import Picture
from elbo_compare.reports.formats import figure_text
from elbo_compare.reports.svg import compact

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2)), "-", "--")
# The roster's order, which gives each implementation its colour whichever of them a folder holds. A frame has only the
# rows that were measured, and what is drawn knows no roster (it is another part): a test holds the two together.
KNOWN = ("numpy-oracle", "torch-hand", "jax-hand", "pyro", "numpyro", "tfp")
LEGEND_WIDTH = 150  # characters across a figure at the legend's size
MARKED = 30  # points of a line; more are drawn without marks
LARGEST = 1e100  # that an axis is drawn for: its ticks are products and differences of the numbers on it
PANELS = 8  # more would shrink each panel below legibility; the tables hold all

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.7,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",  # Verdana, and whatever stands in for it, has these metrics
    "svg.hashsalt": "elbo-compare",
    "lines.linewidth": 1.5,
    "lines.markersize": 5,
}


class Mark(StrEnum):
    """How a series is drawn."""

    LINE = "line"
    STEP = "step"
    DOT = "dot"


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points of one name.

    LINE, STEP: x, y, and low, high around y. DOT: y counts rows, low and high around x.
    """

    label: str
    x: NDArray
    y: NDArray
    low: NDArray | None = None
    high: NDArray | None = None
    style: int = 0
    mark: Mark = Mark.LINE
    thin: bool = False


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A straight line across a panel at `at`, vertical or horizontal."""

    label: str
    at: float
    vertical: bool = True


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One set of axes. `rows` names the y positions 0, 1, ... of a dot panel, drawn from the top.

    `near_zero`: x is linear up to 1 and logarithmic beyond, for ratios that may be 0.
    """

    title: str
    x_label: str
    y_label: str = ""
    series: Sequence[Series]
    rules: Sequence[Rule] = field(default=())
    rows: Sequence[str] = field(default=())
    log_x: bool = False
    log_y: bool = False
    near_zero: bool = False


def ordered(names: Iterable[object]) -> list[str]:
    """Implementations in reading order: the project's own first, the others by name."""
    unique = {str(name) for name in names}
    return [name for name in KNOWN if name in unique] + sorted(unique - set(KNOWN))


def draw(
    name: str, panels: Sequence[Panel], *, caption: str, alt: str, columns: int = 2, one_scale: bool = False
) -> Picture:
    """Panels side by side under one legend, as SVG. `one_scale`: the same x axis in all of them; what has the same
    label is on the same kind of axis anyway, linear or logarithmic."""
    shown = [_holdable(panel) for panel in list(panels)[:PANELS]] or [Panel(title="nothing", x_label="", series=())]
    return Picture(name=name, caption=caption, alt=alt, svg=_drawn(_alike(shown), columns, one_scale))


def _holdable(panel: Panel) -> Panel:
    """The panel without finite numbers beyond LARGEST: they stand in the tables."""

    def within(values: NDArray | None) -> NDArray | None:
        if values is None or not (beyond := np.isfinite(values) & (np.abs(values) > LARGEST)).any():
            return values
        return np.where(beyond, np.nan, values)

    series = [
        replace(each, x=within(each.x), y=within(each.y), low=within(each.low), high=within(each.high))
        for each in panel.series
    ]
    return replace(panel, series=series, rules=[rule for rule in panel.rules if abs(rule.at) <= LARGEST])


def _drawn(shown: list[Panel], columns: int, one_scale: bool) -> bytes:
    """The SVG of the panels; a pure function of them."""
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    heights = [max(_height(panel) for panel in shown[row * columns : (row + 1) * columns]) for row in range(rows)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, sum(heights) + 0.45))
        grid = figure.add_gridspec(rows, columns, height_ratios=heights)
        for position, panel in enumerate(shown):
            _draw_panel(figure.add_subplot(grid[position // columns, position % columns]), panel)
        if one_scale:
            ends = [axes.get_xlim() for axes in figure.axes]
            for axes in figure.axes:
                axes.set_xlim(min(low for low, _ in ends), max(high for _, high in ends))
        for axes, panel in zip(figure.axes, shown, strict=True):
            _ticks_of(axes, panel)
        _legend(figure)
        ConstrainedLayoutEngine().execute(figure)
        return _save(figure)


def _height(panel: Panel) -> float:
    return max(1.5, 0.75 + 0.27 * len(panel.rows)) if panel.rows else 2.7


def _draw_panel(axes: Axes, panel: Panel) -> None:
    for series in panel.series:
        _draw_series(axes, series)
    for rule in panel.rules:
        line = axes.axvline if rule.vertical else axes.axhline
        line(rule.at, color="#444444", linewidth=1, linestyle=(0, (2, 2)), label=figure_text(rule.label))
    axes.set_title(figure_text(panel.title, 70))
    axes.set_xlabel(figure_text(panel.x_label, 80))
    axes.set_ylabel(figure_text(panel.y_label, 60))
    if panel.log_x:
        axes.set_xscale("log")
    elif panel.near_zero:
        axes.set_xscale("symlog", linthresh=1)
    if panel.log_y:
        axes.set_yscale("log")
    if panel.rows:
        axes.set_yticks(range(len(panel.rows)), [figure_text(row) for row in panel.rows])
        axes.set_ylim(len(panel.rows) - 0.5, -0.5)


def _alike(panels: list[Panel]) -> list[Panel]:
    """The panels with one kind of scale under one label: logarithmic where one of them is and nothing stands at 0."""
    for flag, label, ends in (
        ("log_x", "x_label", lambda of: (of.x, *((of.low, of.high) if of.mark is Mark.DOT else ()))),
        ("log_y", "y_label", lambda of: (of.y, *((of.low, of.high) if of.mark is not Mark.DOT else ()))),
    ):
        for name in {getattr(panel, label) for panel in panels}:
            mine = [panel for panel in panels if getattr(panel, label) == name]
            if len({getattr(panel, flag) for panel in mine}) == 1:
                continue
            values = [each for panel in mine for series in panel.series for each in ends(series) if each is not None]
            above = all(np.nanmin(each, initial=np.inf) > 0 for each in values)
            panels = [replace(panel, **{flag: above}) if getattr(panel, label) == name else panel for panel in panels]
    return panels


def _ticks_of(axes: Axes, panel: Panel) -> None:
    if panel.log_x:
        _ticks(axes.xaxis, *axes.get_xlim())
    if panel.log_y:
        _ticks(axes.yaxis, *axes.get_ylim())


def _ticks(axis: Axis, low: float, high: float) -> None:
    """Readable ticks on a logarithmic axis: a few round numbers on a very short one, plain 1, 2, 5, 10 on a short one,
    powers of ten on a long one; never a single tick."""
    if high < 6 * low:
        axis.set_major_locator(MaxNLocator(5, steps=(1, 2, 5, 10)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    elif high < 200 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _draw_series(axes: Axes, series: Series) -> None:
    index = series.style % len(COLOURS)
    label, colour = figure_text(series.label), COLOURS[index]
    if series.mark is Mark.STEP:
        axes.step(series.x, series.y, where="mid", color=colour, linestyle=LINES[index], label=label, linewidth=1.3)
        return
    errors = None
    centre = series.x if series.mark is Mark.DOT else series.y
    if series.low is not None and series.high is not None:
        with np.errstate(invalid="ignore"):  # what is infinite is no place on an axis
            errors = np.nan_to_num(np.vstack([centre - series.low, series.high - centre]).clip(min=0))
    axes.errorbar(
        series.x,
        series.y,
        xerr=errors if series.mark is Mark.DOT else None,
        yerr=errors if series.mark is not Mark.DOT else None,
        color=colour,
        marker=_marker(series, index),
        markersize=3 if series.thin else 5,
        linestyle=LINES[index] if series.mark is Mark.LINE else "none",
        linewidth=0.9 if series.thin else 1.4,
        elinewidth=1,
        capsize=2,
        alpha=0.75 if series.thin else 1,
        markerfacecolor="white" if index % 2 else colour,
        label=label,
    )


def _marker(series: Series, index: int) -> str:
    """None on a line of many points; a point on a thin one."""
    if series.mark is Mark.LINE and len(series.x) > MARKED:
        return ""
    return "." if series.thin else MARKERS[index]


def _legend(figure: Figure) -> None:
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries[label] = _both(entries[label], handle) if label in entries else handle
    if entries:
        widest = max(map(len, entries))
        columns = min(7, len(entries), max(1, LEGEND_WIDTH // (widest + 6)))  # 6: the handle and the gap beside it
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=columns)


def _both(known: Any, further: Any) -> Any:
    """One key for a series that is a line in one panel and marks in another: the line with the mark."""
    marks = further[0] if isinstance(further, ErrorbarContainer) else None
    if not isinstance(known, Line2D) or marks is None or known.get_marker() not in ("", "None"):
        return known
    style: dict[str, Any] = {
        "color": known.get_color(),
        "linestyle": LINES[COLOURS.index(known.get_color())] if known.get_color() in COLOURS else "-",
        "linewidth": known.get_linewidth(),
        "marker": marks.get_marker(),
        "markersize": marks.get_markersize(),
        "markerfacecolor": marks.get_markerfacecolor(),
    }
    return Line2D([], [], **style)


def _save(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return compact(buffer.getvalue().decode()).encode()
