"""Drawings: readable by any viewer, deterministic, safe for hostile names."""

import re
import struct
import sys
import xml.etree.ElementTree as ElementTree
import zlib

import numpy as np
import pytest
import synthetic

from elbo_compare.reports import figures
from elbo_compare.reports.figures import COLOURS, KNOWN, LINES, MARKERS, Mark, Panel, Rule, Series, draw, ordered
from elbo_compare.reports.images import grey_png
from elbo_compare.reports.page import write_report
from elbo_compare.reports.svg import compact
from elbo_compare.suites.roster import BY_NAME


def picture(label="pyro", **panel):
    x = np.arange(1.0, 5.0)
    series = [
        Series(label=label, x=x, y=x, low=x - 0.1, high=x + 0.1, style=0),
        Series(label="steps", x=x, y=x, style=1, mark=Mark.STEP),
        Series(label="dots", x=x, y=x * 0, low=x / 2, high=x * 2, style=2, mark=Mark.DOT),
    ]
    rules = [Rule(label="exact", at=2.0)]
    return draw("example", [Panel(title=label, x_label=label, series=series, rules=rules, **panel)], caption="", alt="")


@pytest.mark.parametrize("label", ["pyro", "$\\frac{", "_hidden", "<script>", "a\x00b", "x" * 500, "日本"])
def test_a_label_of_any_kind_gives_well_formed_svg(label, recwarn):
    drawn = picture(label)
    assert ElementTree.fromstring(drawn.svg).tag.endswith("svg")


@pytest.mark.parametrize("panel", [{"log_x": True}, {"log_y": True}, {"near_zero": True}, {"rows": ["a", "b"]}])
def test_every_kind_of_axis_is_drawn(panel):
    assert b"<svg" in picture(**panel).svg


def test_the_same_data_give_the_same_bytes():
    assert picture() == picture()


def test_no_two_series_share_colour_or_marker():
    assert len(set(COLOURS)) == len(COLOURS) == len(MARKERS) == len(LINES) == len(set(MARKERS))


def test_the_roster_s_implementations_are_known_in_its_order():
    assert tuple(BY_NAME) == KNOWN


def test_svg_loads_nothing_from_elsewhere():
    root = ElementTree.fromstring(picture().svg)
    links = [value for node in root.iter() for name, value in node.attrib.items() if name.endswith("href")]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not [node for node in root.iter() if node.tag.endswith(("script", "image"))]


def test_implementations_stand_in_reading_order_with_third_parties_last():
    assert ordered(["zeta", "numpyro", "alpha", "torch-hand"]) == ["torch-hand", "numpyro", "alpha", "zeta"]


def decoded(png):
    width, height = struct.unpack(">II", png[16:24])
    start = png.index(b"IDAT")
    size = struct.unpack(">I", png[start - 4 : start])[0]
    raw = zlib.decompress(png[start + 4 : start + 4 + size])
    return np.frombuffer(raw, np.uint8).reshape(height, width + 1)[:, 1:]


def test_png_holds_the_grid_enlarged():
    grid = [[0, 128, 255], [1, 2, 3]]
    np.testing.assert_array_equal(decoded(grey_png(grid, enlarge=3))[::3, ::3], grid)


def test_png_is_read_by_an_independent_reader(tmp_path):
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "grid.png"
    path.write_bytes(grey_png([[0, 128], [255, 7]], enlarge=1))
    with image.open(path) as opened:
        np.testing.assert_array_equal(np.asarray(opened), [[0, 128], [255, 7]])


@pytest.mark.parametrize("rows", [[[1, 2], [3]], [], [[]]])
def test_what_is_no_rectangle_is_refused(rows):
    with pytest.raises(ValueError, match="rectangle"):
        grey_png(rows)


@pytest.mark.parametrize(("mark", "n", "marked"), [(Mark.DOT, 80, True), (Mark.LINE, 80, False), (Mark.LINE, 5, True)])
def test_points_are_marked_however_many_and_long_lines_are_not(mark, n, marked):
    """A mark is a shape that is used once for every point."""
    x = np.arange(float(n))
    series = Series(label="a", x=x, y=x, mark=mark)
    drawn = draw("example", [Panel(title="", x_label="", series=[series])], caption="", alt="").svg
    assert (drawn.count(b"<use ") - drawn.count(b"xtick") >= n) == marked


@pytest.mark.parametrize(("low", "high"), [(0.8, 1.3), (0.9, 4.0), (0.02, 3.0), (1e-3, 0.5), (1e-9, 1e3)])
def test_a_logarithmic_axis_has_more_than_one_readable_tick(low, high):
    x = np.array([low, high])
    series = [Series(label="a", x=x, y=np.zeros(2), mark=Mark.DOT)]
    drawn = draw("ticks", [Panel(title="", x_label="", rows=["r"], series=series, log_x=True)], caption="", alt="").svg
    words = [node.text or "" for node in ElementTree.fromstring(drawn).iter() if node.tag.endswith(("text", "tspan"))]
    assert sum(bool(re.match(r"[\d.−]", word)) for word in words) >= 2, words


def drawn_axes(panels, **kept):
    """The axes of a figure as they were drawn, and its legend's keys."""
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "_save", lambda figure: seen.append(figure) or b"<svg/>")
        draw("example", panels, caption="", alt="", **kept)
    (figure,) = seen
    keys = {
        text.get_text(): key
        for text, key in zip(figure.legends[0].texts, figure.legends[0].legend_handles, strict=True)
    }
    return figure.axes, keys


def ratios(*values, log=False, label="time over torch-hand's"):
    x = np.array(values)
    series = Series(label="a", x=x, y=np.zeros(len(x)), low=x * 0.9, high=x * 1.1, mark=Mark.DOT)
    return Panel(title="", x_label=label, rows=["r"], series=[series], log_x=log)


def test_panels_of_one_quantity_never_mix_scales():
    """A logarithmic panel beside a linear one of the same label makes equal distances mean two things."""
    axes, _ = drawn_axes([ratios(0.2, 40.0, log=True), ratios(0.6, 1.6), ratios(-1.0, 3.0, label="nats")])
    assert [each.get_xscale() for each in axes] == ["log", "log", "linear"]
    axes, _ = drawn_axes([ratios(0.2, 40.0, log=True), ratios(0.0, 1.6)])
    assert [each.get_xscale() for each in axes] == ["linear", "linear"]


def test_figures_of_ratios_are_on_one_axis_with_ticks_for_all_of_it():
    axes, _ = drawn_axes([ratios(0.02, 0.9, log=True), ratios(0.8, 1.2)], one_scale=True)
    assert len({each.get_xlim() for each in axes}) == 1
    assert len({tuple(each.get_xticks()) for each in axes}) == 1


def test_a_name_that_is_a_line_here_and_a_mark_there_has_both_in_its_key():
    x = np.arange(3.0)
    step, dot = (Series(label="pyro", x=x, y=x, style=1, mark=mark) for mark in (Mark.STEP, Mark.DOT))
    _, keys = drawn_axes([Panel(title="", x_label=name, series=[each]) for name, each in (("a", step), ("b", dot))])
    assert keys["pyro"].get_marker() == MARKERS[1]
    assert keys["pyro"].get_linestyle() != "None"


def test_a_drawing_is_said_shortly_and_stays_the_same_tree():
    """No group without an attribute, no name of a digest; every reference leads to what is there."""
    root = ElementTree.fromstring(picture().svg)
    assert all(node.attrib for node in root.iter() if node.tag.endswith("}g"))
    names = {node.get("id") for node in root.iter()} - {None}
    told = re.findall(rb"#(i\d+)", picture().svg)
    assert told
    assert {each.decode() for each in told} == names
    nested = '<g id="a"><g><path style="x" d="M 0 0"/></g><g clip-path="url(#b)"><g/><use/></g></g><i id="b"/>'
    assert compact(nested) == '<path style="x" d="M 0 0"/><g clip-path="url(#i0)"><use/></g><i id="i0"/>'


def test_no_figure_of_a_report_has_an_empty_row_or_two_scales(monkeypatch, tmp_path, drawn_once):
    """Every panel that the sections hand over has a mark beside each of its names; ratios share an axis."""
    seen, apart = [], []

    def checked(name, panels, **kept):
        for panel in panels:
            places = [series.y[np.isfinite(series.x)] for series in panel.series]
            marked = set(np.round(np.concatenate(places)).astype(int)) if panel.rows and places else set()
            seen.append((name, panel.title, [row for at, row in enumerate(panel.rows) if at not in marked]))
        at_one = [panel for panel in panels if any(rule.at == 1 and rule.vertical for rule in panel.rules)]
        apart.extend([name] if len(at_one) > 1 and not kept.get("one_scale") else [])
        return draw(name, panels, **kept)

    for module in [module for name, module in sys.modules.items() if name.startswith("elbo_compare.reports.sections.")]:
        if hasattr(module, "draw"):
            monkeypatch.setattr(module, "draw", checked)
    write_report(tmp_path, **synthetic.everything())
    assert len(seen) > 10
    assert [each for each in seen if each[2]] == []
    assert apart == []


BEYOND = np.array([1.0, 1e308, -1e308, np.inf])


@pytest.mark.parametrize(
    "panels",
    [
        [],
        [
            Panel(
                title="dots",
                x_label="x",
                rows=("a", "b", "c", "d"),
                series=[Series(label="s", x=each, y=np.arange(4.0), low=each, high=each, mark=Mark.DOT)],
            )
            for each in (BEYOND,)
        ],
        [
            Panel(
                title="line",
                x_label="x",
                series=[Series(label="s", x=BEYOND, y=BEYOND)],
                rules=[Rule(label="r", at=1e308)],
            )
        ],
        [
            Panel(
                title="log",
                x_label="x",
                series=[Series(label="s", x=np.abs(BEYOND), y=np.abs(BEYOND))],
                log_x=True,
                log_y=True,
            )
        ],
    ],
)
def test_numbers_that_no_axis_holds_are_left_out_of_the_drawing(panels):
    svg = draw("figure", panels, caption="c", alt="a").svg
    assert ElementTree.fromstring(svg).tag.endswith("svg")


def test_draws_whose_count_is_no_count_have_no_negative_share(monkeypatch):
    from types import SimpleNamespace

    import pandas as pd

    from elbo_compare.reports.sections import opening

    rows = pd.DataFrame({"largest": [-1.0, 1.0], "value": [1e308, 1e308], "case": ["one", "one"]})
    monkeypatch.setattr(opening, "chosen_draws", lambda data: rows)
    assert opening.negative(SimpleNamespace()) is None  # type: ignore[arg-type]
    monkeypatch.setattr(opening, "chosen_draws", lambda data: rows.assign(value=[1.0, 3.0]))
    assert opening.negative(SimpleNamespace()) == (0.25, 4, "one")  # type: ignore[arg-type]
