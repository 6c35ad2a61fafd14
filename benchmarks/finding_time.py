"""How long a reader looks for an answer in a report, and what its first page weighs and takes to be drawn.

    python benchmarks/finding_time.py AFTER --before PAGE [--rounds 15] [--out reports/published/time-to-find]

AFTER is a report's folder of pages, PAGE the one page that a report was before (of an earlier commit: `git show
COMMIT:reports/published/NAME/report/report.html`). Chromium lays both out at 1280 x 800 and 390 x 844 pixels. A reader
begins at the top of the first page and goes down until what they want, or the link to it, is on the screen: what counts
is clicks (links followed, folds opened) and screens (those passed on every page of the way, the last one included). On
the pages a reader takes the first link that leads there, which is in the line at the top, as the contents were before.
First paint: each page in a browser context of its own, in interleaved rounds; a comparison of the two on one machine,
no time of any other.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from statistics import median

import pandas as pd
from headless import Browser, Page

SIZES = ((1280, 800), (390, 844))
# From the top of the page to the element, the folds on the way to it opened: {screen, clicks} or null. A selector, or
# `text=`: the smallest element that holds these words.
SEEK = """(wanted => {
  const holds = each => each.textContent.includes(wanted.slice(5));
  const found = wanted.startsWith("text=")
    ? [...document.querySelectorAll("p, li, td, th, h2, h3, figcaption, pre, dt, dd, summary")].find(holds)
    : document.querySelector(wanted);
  if (!found) return null;
  let folds = 0;
  for (let fold = found.closest("details"); fold; fold = fold.parentElement.closest("details")) {
    const its = fold.querySelector("summary");
    if (its === found || its.contains(found) || fold.open) continue;
    fold.open = true;
    folds += 1;
  }
  const top = found.getBoundingClientRect().top + scrollY;
  const section = found.closest("section[id]");
  const listed = section && document.querySelector(`a[href="#${section.id}"]`);
  const at = each => each ? each.getBoundingClientRect().top + scrollY : null;
  return {top, folds, section: at(section), listed: at(listed), href: found.getAttribute("href")};
})"""
LENGTH = "document.documentElement.scrollHeight / innerHeight"
LOADED = "[...document.querySelectorAll('link[rel=stylesheet], script, img')].map(each => each.href || each.src || '')"


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a reader looks for: the way after (page, element; the last one is the answer), the answer's words before."""

    reader: str
    wanted: str
    way: Sequence[tuple[str, str]]
    before: Sequence[str]
    lacking: str = ""


SEARCHES = (
    Search(
        reader="asker",
        wanted="which equation is it, and is it right",
        way=[("index.html", ".equation")],
        before=["text=eq. 6"],
    ),
    Search(
        reader="asker",
        wanted="why the constant cancels, step by step",
        way=[("index.html", 'nav a[href="why.html"]'), ("why.html", "text=Constant by constant")],
        before=["text=Constant by constant"],
    ),
    Search(
        reader="engineer",
        wanted="a finding with its program (FIND-PYRO-012)",
        way=[
            ("index.html", 'nav a[href="findings.html"]'),
            ("findings.html", 'a[href="findings/FIND-PYRO-012.html"]'),
            ("findings/FIND-PYRO-012.html", "text=A program that shows it"),
        ],
        before=["#FIND-PYRO-012", "text=FIND-PYRO-012"],
    ),
    Search(
        reader="engineer",
        wanted="is my own code right",
        way=[("index.html", 'nav a[href="check.html"]'), ("check.html", "pre")],
        before=["text=compare check"],
    ),
    Search(
        reader="citer",
        wanted="claim KL-002 and its BibTeX",
        way=[("index.html", '.three a[href="claims/KL-002.html"]'), ("claims/KL-002.html", "text=@software")],
        before=["#KL-002"],
        lacking="BibTeX of the whole only",
    ),
    Search(
        reader="practitioner",
        wanted="which estimator for a quiet gradient",
        way=[("index.html", 'nav a[href="choose.html"]'), ("choose.html", "text=a quiet gradient")],
        before=["text=a quiet gradient", "#variance"],
        lacking="variances, no advice",
    ),
)


def sought(page: Page, wanted: str) -> dict | None:
    """Where the element is, its folds opened; None where the page has none."""
    return page.evaluate(f"{SEEK}({wanted!r})")


def walked(page: Page, folder: Path, way: Sequence[tuple[str, str]], height: int) -> tuple[int, int]:
    """Clicks and screens of a way. Raises ValueError where a page on it does not lead to the next."""
    clicks = screens = 0
    for step, (file, wanted) in enumerate(way):
        page.goto(folder / file)
        found = sought(page, wanted)
        onwards = way[step + 1][0] if step + 1 < len(way) else None
        if found is None or (onwards is not None and found["href"] != onwards):
            raise ValueError(f"{file} has no {wanted} that leads to {onwards or 'the answer'}.")
        clicks += found["folds"] + (onwards is not None)
        screens += int(found["top"] // height) + 1
    return clicks, screens


def scrolled(page: Page, path: Path, words: Sequence[str], height: int) -> tuple[int, int] | None:
    """Clicks and screens on the one page, by scrolling or through its contents, whichever passes fewer screens."""
    for wanted in words:
        page.goto(path)
        if found := sought(page, wanted):
            ways = [(found["folds"], int(found["top"] // height) + 1)]
            if found["listed"] is not None and found["listed"] < found["top"]:
                passed = int(found["listed"] // height) + int((found["top"] - found["section"]) // height) + 2
                ways.append((found["folds"] + 1, passed))
            return min(ways, key=lambda each: (each[1], each[0]))
    return None


def searches(browser: Browser, after: Path, before: Path) -> Iterator[dict]:
    """A row for each search and width."""
    for width, height in SIZES:
        page = browser.page(width, height)
        for each in SEARCHES:
            clicks, screens = walked(page, after, each.way, height)
            old = scrolled(page, before, each.before, height)
            was = {"clicks_before": old[0], "screens_before": old[1]} if old else {}
            row = {"reader": each.reader, "wanted": each.wanted, "width": width} | was
            yield row | {"clicks": clicks, "screens": screens, "lacking_before": each.lacking if old else "not there"}
        page.close()


def weights(browser: Browser, first: Path) -> dict[str, float]:
    """Bytes of a first page with what it loads, and its length in screens at both widths."""
    told: dict[str, float] = {}
    for width, height in SIZES:
        page = browser.page(width, height)
        page.goto(first)
        told[f"screens_{width}"] = round(float(page.evaluate(LENGTH)), 1)
        loaded = {Path(name.removeprefix("file://")) for name in page.evaluate(LOADED) if name.startswith("file://")}
        told["kB"] = sum(path.stat().st_size for path in {first.resolve(), *loaded}) / 1e3
        page.close()
    return told


def painted(browser: Browser, pages: dict[str, Path], rounds: int) -> Iterator[dict]:
    """First paint of each page at each width, in interleaved rounds."""
    for turn in range(rounds):
        for width, height in SIZES:
            for name, path in pages.items():
                page = browser.page(width, height)
                page.goto(path)
                yield {"round": turn, "page": name, "width": width, "first_paint_ms": page.first_paint_ms()}
                page.close()


def around(values: Sequence[float]) -> tuple[float, float, float]:
    """The median and the narrowest pair of order statistics that holds it with at least 95% (David and Nagaraja 2003,
    section 7.1); the whole range where there are too few."""
    held, n = sorted(values), len(values)
    for at in range((n - 1) // 2, 0, -1):
        if sum(comb(n, k) for k in range(at, n - at + 1)) / 2**n >= 0.95:  # P(at-th <= median <= (n - at + 1)-th)
            return median(held), held[at - 1], held[n - at]
    return median(held), held[0], held[-1]


def told(clicks: float, screens: float, lacking: str) -> str:
    """`1 click, 3 screens`; what was not to be found there."""
    if pd.isna(screens):
        return lacking
    words = [f"{int(many)} {word}{'' if many == 1 else 's'}" for many, word in ((clicks, "click"), (screens, "screen"))]
    return ", ".join(words) + (f"; {lacking}" if lacking else "")


def text(found: pd.DataFrame, paint: pd.DataFrame, sizes: dict[str, dict[str, float]], where: Sequence[str]) -> str:
    """The page."""
    lines = ["# How long a reader looks for an answer", "", *where, ""]
    heads = [f"{when}, {width}" for width, _ in SIZES for when in ("before", "after")]
    lines += ["| reader, and what is looked for | " + " | ".join(heads) + " |", "|---" * 5 + "|"]
    for (reader, wanted), rows in found.groupby(["reader", "wanted"], sort=False):
        cells = []
        for width, _ in SIZES:
            row = rows[rows["width"] == width].iloc[0]
            cells.append(told(row["clicks_before"], row["screens_before"], row["lacking_before"]))
            cells.append(told(row["clicks"], row["screens"], ""))
        lines.append(f"| {reader}: {wanted} | " + " | ".join(cells) + " |")
    lines += ["", "| first page | before | after | asked |", "|---|---|---|---|"]
    named = (("screens_1280", "screens at 1280", "under 5"), ("screens_390", "screens at 390", "under 12"))
    for key, name, asked in (*named, ("kB", "weight with all it loads, kB", "under 400")):
        lines.append(f"| {name} | {sizes['before'][key]:,.4g} | {sizes['after'][key]:,.4g} | {asked} |")
    lines.append(f"| the whole folder, kB | | {sizes['after']['folder_kB']:,.0f} | with its frames under 5,000 |")
    for width, _ in SIZES:
        cells = []
        for name in ("before", "after"):
            values = paint[(paint["page"] == name) & (paint["width"] == width)]["first_paint_ms"].tolist()
            cells.append("{:,.0f} [{:,.0f}, {:,.0f}]".format(*around(values)) + f", n = {len(values)}")
        lines.append(f"| first paint at {width}, ms: median and its interval of at least 95% | {' | '.join(cells)} | |")
    lines += ["", compared(paint)]
    return "\n".join([*lines, ""])


def compared(paint: pd.DataFrame) -> str:
    """Whether the two pages' first paints are apart beyond their intervals, in words."""
    shown = []
    for width, _ in SIZES:
        ends = {
            name: around(rows["first_paint_ms"].tolist())
            for name, rows in paint[paint["width"] == width].groupby("page")
        }
        apart = ends["after"][2] < ends["before"][1]
        shown.append(
            f"at {width} " + ("sooner than before, beyond both intervals" if apart else "no difference is shown")
        )
    return f"First paint: {'; '.join(shown)}."


def main() -> None:
    """Measure; write README.md, finding.csv and first-paint.csv."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("after", type=Path)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--told", default="", help="what the two are, in words")
    parser.add_argument("--out", type=Path, default=Path("reports/published/time-to-find"))
    asked = parser.parse_args()
    firsts = {"before": asked.before, "after": asked.after / "index.html"}
    loads = [os.getloadavg()[0]]
    with Browser() as browser:
        paint = pd.DataFrame(painted(browser, firsts, asked.rounds))
        loads.append(os.getloadavg()[0])
        found = pd.DataFrame(searches(browser, asked.after, asked.before))
        sizes = {name: weights(browser, path) for name, path in firsts.items()}
        version = browser.ask("Browser.getVersion")["product"]
    sizes["after"]["folder_kB"] = sum(path.stat().st_size for path in asked.after.rglob("*") if path.is_file()) / 1e3
    where = [
        f"`python benchmarks/finding_time.py`, {version}, {os.cpu_count()} cores. {asked.told}".rstrip(),
        "Clicks: links followed and folds opened; screens: those passed on every page of the way, the last included;",
        "before, by scrolling or through the contents, whichever passes fewer. One layout each: no interval.",
        f"First paint: interleaved rounds on one machine, its load {loads[0]:.1f} before and {loads[1]:.1f} after them",
        "(the browser's own included): a comparison of the two pages, no time of another machine.",
    ]
    asked.out.mkdir(parents=True, exist_ok=True)
    found.to_csv(asked.out / "finding.csv", index=False)
    paint.round(1).to_csv(asked.out / "first-paint.csv", index=False)
    (asked.out / "README.md").write_text(text(found, paint, sizes, where), "utf-8")
    print(asked.out / "README.md")


if __name__ == "__main__":
    main()
