"""Numbers are read back to their precision; third-party text never becomes markup, a command or a path."""

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elbo_compare.reports.formats import clean, figure_text, file_name, interval, latex, markdown, number

HOSTILE = ("<script>alert(1)</script>", "a|b", r"\input{x}", "../../x", "$\\frac$", "_hidden", "a\x00b", "x\ny", "")


def as_float(text):
    return float(text.replace("−", "-").replace(",", ""))


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300), st.integers(2, 15))
def test_a_written_number_is_within_half_a_unit_of_its_last_significant_digit(value, digits):
    shown = as_float(number(value, digits))
    # Half a unit in the last of `digits` digits, and one roundoff of reading the decimal back.
    assert abs(shown - value) <= abs(value) * (0.5 * 10.0 ** (1 - digits) * (1 + 1e-9) + 2**-52)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (math.nan, "—"), (math.inf, "∞"), (-math.inf, "−∞"), (1234567.0, "1.235e6"), (-1.23e-7, "−1.23e−7")],
)
def test_special_numbers(value, text):
    assert number(value) == text


@given(
    st.floats(-1e12, 1e12),
    st.floats(1e-9, 1e6),
)
def test_an_interval_keeps_its_ends_to_a_twentieth_of_its_half_width(value, half):
    low, high = value - half, value + half
    if not low < value < high:
        return
    text = interval(value, low, high)
    shown = [as_float(each) for each in re.findall(r"−?\d[\d,]*\.?\d*(?:e−?\d+)?", text)]
    resolution = max(abs(value), half) * 1e-11  # at most twelve decimals are written
    assert len(shown) == 3
    for written, exact in zip(shown, (value, low, high), strict=True):
        assert abs(written - exact) <= 0.05 * half * (1 + 1e-6) + resolution


@given(st.text(st.characters(exclude_categories=())))
def test_a_file_name_stays_in_its_folder(text):
    name = file_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name)
    assert (Path("folder") / name).parent == Path("folder")


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_names_get_different_files(one, other):
    assert one == other or file_name(one) != file_name(other)


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_hostile_text_without_markup(text):
    shown = markdown(text)
    assert "<" not in shown
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)[|`*_\[\]$]", shown)


@given(st.text())
def test_latex_sets_every_special_character_as_text(text):
    shown = latex("\\" + text)
    # Symbols in place of letters that plain LaTeX lacks; none reads a file, defines or runs anything.
    symbols = r"cdot|times|pm|leq|geq|surd|infty|frac|epsilon|mu|pi|sigma|tau|Delta|Sigma|to"
    commands = set(re.findall(r"\\([A-Za-z]+)", shown))
    assert shown.startswith(r"\textbackslash{}")
    assert all(re.fullmatch(rf"text\w+|{symbols}", name) for name in commands)
    assert not re.search(r"(?<!\\)[&#%_]", shown)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_figure_label_has_no_mathematics_mode_and_is_not_hidden(text):
    shown = figure_text(text)
    assert not re.search(r"(?<!\\)\$", shown)
    assert not shown.startswith("_")
    assert "\x00" not in shown


@given(st.text(st.characters(exclude_categories=())))
def test_clean_text_can_be_encoded_and_holds_no_control_character(text):
    shown = clean(text)
    shown.encode("utf-8")
    assert all(character in "\t\n" or ord(character) >= 32 for character in shown)


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((-0.2, -14.0, 13.0), "0 [−14, 13]"),
        ((-1e-9, -0.04, 0.04), "0.000 [−0.040, 0.040]"),
        ((-3.0, -14.0, 13.0), "−3 [−14, 13]"),
        ((-29.18, -29.18, -29.18), "−29.18"),  # one seed, or no noise: no interval but itself
    ],
)
def test_a_rounded_zero_has_no_sign_and_what_has_no_width_no_interval(ends, text):
    assert interval(*ends) == text
