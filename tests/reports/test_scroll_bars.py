"""Scroll bars, in a real browser: a box that scrolls sideways where it must has none that moves it by a pixel."""

import pytest
import synthetic
from browsing import BROWSER, dumped

from elbo_compare.reports.page import write_report

# Every box of the page that scrolls only sideways: whether it could be scrolled down, and whether a bar stands there.
LOOK = """
(async () => {
  const frame = document.createElement("iframe");
  frame.style = "width: 100%; height: 2000px";
  await new Promise(loaded => { frame.onload = loaded; frame.src = "index.html"; document.body.append(frame); });
  const page = frame.contentDocument, boxes = [...page.querySelectorAll(".display, pre, .scroll:not(.tall)")];
  const barred = boxes.filter(each => {
    const down = frame.contentWindow.getComputedStyle(each).overflowY;
    return (down === "auto" || down === "scroll") && each.scrollHeight > each.clientHeight;
  });
  const cut = [...page.querySelectorAll(".display")].filter(each => each.scrollHeight > each.clientHeight + 4);
  const displays = page.querySelectorAll(".display").length;
  document.title = "LOOKED " + [displays, barred.length, cut.length].join(" ") + " END";
})();
"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_equation_has_no_bar_beside_it_and_nothing_of_it_is_cut_off(tmp_path, drawn_once, width):
    folder = tmp_path / "report"
    write_report(folder, **synthetic.everything())
    start = folder / "look.html"
    start.write_text(
        f'<!DOCTYPE html><html lang="en"><title>.</title><body></body><script>{LOOK}</script></html>', "utf-8"
    )
    page = dumped(start, "--allow-file-access-from-files", f"--window-size={width},900")
    told = page.partition("<title>LOOKED ")[2].partition(" END</title>")[0]
    if not told:
        pytest.skip("the browser did not get through the page in its time")
    displays, barred, cut = map(int, told.split())
    assert displays == 1
    assert (barred, cut) == (0, 0)
