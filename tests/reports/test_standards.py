"""Pages by others' rules: an HTML parser that forgives nothing, axe in a browser, and a policy that no payload passes.

The browser's tests need Chromium (and axe's package); elsewhere they say so. The policy and the rules that need no
browser are tested everywhere.
"""

import json
import re
from dataclasses import replace
from importlib import resources
from importlib.util import find_spec

import pytest
import synthetic
from browsing import BROWSER, dumped, visited
from test_site import ENTRY, _entries

from elbo_compare.reports.documents import documents
from elbo_compare.reports.joined import Joined, write_site
from elbo_compare.reports.page import write_report
from elbo_compare.reports.site import PAGES

PAYLOADS = (
    synthetic.HOSTILE[0],
    "<img src=x onerror=\"document.title='TAKEN'\">",
    '"><svg onload="document.title=\'TAKEN\'">',
    "</pre></title><iframe srcdoc=\"<script>top.document.title='TAKEN'</script>\">",
    "javascript:document.title='TAKEN'",
)
POLICY = "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'"
POLICY_OF_ONE = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
ONE = "one/report.html"
SORTS = ("claims", "findings", "questions", "semantics", "mutants")  # hundreds of pages each in a real report
# Each page takes this page's place, as it is without its script; what is found, and what is wider than the screen.
AXE = """
(async () => {
  const found = [];
  for (const [name, text] of Object.entries(texts)) {
    const page = new DOMParser().parseFromString(text, "text/html");
    document.title = page.title;
    document.querySelectorAll("head style").forEach(each => each.remove());
    page.querySelectorAll("head style").forEach(each => document.head.append(each));
    document.querySelector("link").disabled = name.startsWith("one/");
    document.body.replaceWith(page.body);
    document.querySelectorAll("details").forEach(each => each.open = true);
    document.querySelectorAll("img").forEach(each => each.removeAttribute("src"));
    if (document.documentElement.scrollWidth > innerWidth) found.push(name + " wider than the screen");
    for (const cell of document.querySelectorAll("td, th"))
      if (cell.clientWidth && cell.clientWidth < 60 && cell.textContent.trim().length > 60)
        found.push(name + " one-word-a-line " + cell.textContent.trim().slice(0, 40));
    for (const cell of document.querySelectorAll("td, th")) {
      const told = cell.textContent.trim();
      if (told.length > 40) {
        const lines = cell.clientHeight / (parseFloat(getComputedStyle(cell).lineHeight) || 18);
        const longest = [...cell.parentElement.cells].every(each => each.textContent.trim().length <= told.length);
        if (lines > 6 && told.length / lines < 11 && longest) found.push(name + " a-word-a-line " + told.slice(0, 40));
      } else if (told === "—" && innerWidth < 640 && cell.clientWidth && cell.closest(".cards"))
        found.push(name + " dash-on-a-card " + cell.dataset.label);
    }
    for (const table of innerWidth < 640 ? document.querySelectorAll("table:not(.cards)") : [])
      for (const head of table.tHead ? [...table.tHead.rows[0].cells].slice(1) : []) {
        const longest = Math.max(...[...table.rows].map(row => row.cells[head.cellIndex].textContent.length));
        const short = table.rows[1]?.cells[head.cellIndex].classList.contains("short");
        if (short && longest < 19 && head.clientWidth > 36 + 8 * longest)
          found.push(name + " wide-for-little " + head.textContent);
      }
    for (const each of document.querySelectorAll("td a, th a"))
      if (/^[A-Z]+(-[A-Z]+)*-[0-9]{3}$/.test(each.textContent) && each.getClientRects().length > 1)
        found.push(name + " broken-ID " + each.textContent);
    for (const each of (await axe.run(asked)).violations)
      found.push(name + " " + each.id + " " + each.nodes.length + " " + each.nodes[0].target);
  }
  document.title = "AXE " + [Object.keys(texts).length, ...found].join("\\n") + " END";
})();
"""
# Of axe's rules those that a page alone can be held to; "region" wants landmarks around a page's skip link.
NOT_ASKED = {"region"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, drawn_once):
    """A site as `compare site` leaves it: one report of pages, the site's own pages and the documents; and the same
    report as one document."""
    site = tmp_path_factory.mktemp("standards")
    place = site / "run" / "report"
    hostile = " ".join(PAYLOADS)
    planted = replace(ENTRY, id="FIND-PYRO-002", title=hostile, worst=hostile, programs=(("A program", hostile),))
    planted = replace(planted, fields=(("Happens", hostile),), rows=(("library",), (hostile,)), bibtex=hostile)
    entries = [*_entries(), planted]
    frames = synthetic.everything(synthetic.HOSTILE)  # a plug-in's name is everywhere
    frames["environment"] = {**frames["environment"], "command": hostile}
    addresses = {each.id: each.address for each in entries}
    write_report(place, addresses=addresses, entries=lambda: entries, **frames)
    one = write_report(site / "one", single_file=True, **frames)
    outcomes = {each.id: (f"run/report/{each.address}", each.outcome) for each in entries}
    run = Joined(name="run", date="2026-01-01", page="run/report/index.html", what=hostile, outcomes=outcomes)
    write_site(site, [run, Joined(name="one", page="one/report.html", note=hostile)], run)
    assert one.name == "report.html"
    return site


def pages(folder):
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.html")}
    assert {"index.html", "ids.html", "latest/index.html", "docs/index.html", ONE} < set(found)
    return found


def test_every_page_has_the_policy_before_anything_that_loads(folder):
    for name, path in pages(folder).items():
        text = path.read_text("utf-8")
        (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', text)
        assert policy == (POLICY if name != ONE else POLICY_OF_ONE), name
        loads = [text.index(each) for each in ("<link", "<script", "<style", "<img") if each in text]
        assert text.index("Content-Security-Policy") < min(loads), name
        assert not re.search(r"<[^>]*\s(?:on\w+|style)=", text), f"{name}: the policy would stop it"


def test_every_page_is_html_to_a_strict_parser(folder):
    parser = pytest.importorskip("html5lib", reason="html5lib of the extra [test] is not installed")
    for name, path in pages(folder).items():
        reader = parser.HTMLParser(strict=False)
        reader.parse(path.read_text("utf-8"))
        assert [error[1] for error in reader.errors] == [], name


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_no_payload_of_a_third_party_runs_on_any_kind_of_page(folder):
    """Payloads stand in titles, programs, fields, rows, BibTeX, the environment, the site's notes and in the name of an
    implementation; the pages that hold none are opened too."""
    kinds = [name for name, path in pages(folder).items() if path.parent.name not in SORTS or "00" in path.name]
    planted = [name for name in kinds if "TAKEN" in (folder / name).read_text("utf-8")]
    assert {"index.html", "run/report/findings/FIND-PYRO-002.html"} <= set(planted)
    assert len(planted) >= 8
    assert visited(folder, sorted(kinds)) == []


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_payload_that_is_no_text_would_be_seen(folder, tmp_path):
    """The visit itself can fail: the same page with a payload as markup, and one without the policy."""
    page = (folder / "run" / "report" / "findings" / "FIND-PYRO-002.html").read_text("utf-8")
    bare = page[: page.index("<meta http-equiv")] + page[page.index(">", page.index("<meta http-equiv")) + 1 :]
    for name, text in (("with", page), ("without", bare)):
        (tmp_path / f"{name}.html").write_text(text.replace("</h1>", f"</h1>{PAYLOADS[1]}"), "utf-8")
    found = visited(tmp_path, ["with.html", "without.html"])
    # It stands on both, and the policy stops it on one of them.
    assert [each.split()[1] for each in found if each.startswith("with.html")] == ["has"]
    assert "without.html ran a payload" in found


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.skipif(find_spec("axe_core_python") is None, reason="no axe here")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 500)])
def test_axe_finds_nothing_to_mend_on_any_kind_of_page(folder, scheme, width):
    """One browser holds one page of each kind after the other, every fold open; nothing is wider than the screen."""
    axe = (resources.files("axe_core_python") / "axe.min.js").read_text("utf-8")
    kinds = {name: path for name, path in pages(folder).items() if path.parent.name not in SORTS or "001" in path.name}
    texts = {name: path.read_text("utf-8") for name, path in kinds.items()}
    asked = folder / f"axe-{scheme}.html"
    held = json.dumps(texts).replace("<", "\\u003c")
    style = '<link rel="stylesheet" href="style.css">'
    asked_of = {"light": "{}", "dark": '{runOnly: ["color-contrast"]}'}  # the rest does not depend on colours
    asked.write_text(
        f'<!DOCTYPE html><html lang="en"><head><title>.</title>{style}</head><body></body><script>{axe}</script>'
        f"<script>const asked = {asked_of[scheme]}, texts = {held};{AXE}</script></html>",
        "utf-8",
    )
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    try:
        page = dumped(asked, *dark, f"--window-size={width},900")
    finally:
        asked.unlink()
    told = re.search(r"<title>AXE (.*?) END", page, re.DOTALL)
    if told is None:
        pytest.skip("axe came to no end in the browser's time")
    seen, *found = told.group(1).split("\n")
    assert int(seen) == len(kinds) > 25
    assert [each for each in found if each.split()[1] not in NOT_ASKED] == []


def test_the_browser_s_pages_are_of_every_kind_that_a_site_has(folder):
    names = set(pages(folder))
    assert {f"run/report/{file}" for _, file in PAGES} <= names
    assert {f"docs/{path.stem}.html" for path in documents()} <= names
    assert {"run/report/claims/KL-001.html", "run/report/findings/FIND-PYRO-001.html"} <= names
