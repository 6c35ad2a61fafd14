"""Pages by others' rules: an HTML parser that forgives nothing, axe in a browser, and a policy that no payload passes.

The browser's tests need Chromium (and axe's package); elsewhere they say so. The policy and the rules that need no
browser are tested everywhere.
"""

import re
import shutil
import subprocess
from dataclasses import replace
from importlib import resources
from importlib.util import find_spec

import pytest
import synthetic
from test_site import ENTRY, _entries

from elbo_compare.reports.page import write_report

PAYLOADS = (
    "<script>document.title='TAKEN'</script>",
    "<img src=x onerror=\"document.title='TAKEN'\">",
    '"><svg onload="document.title=\'TAKEN\'">',
    "</pre></title><iframe srcdoc=\"<script>top.document.title='TAKEN'</script>\">",
    "javascript:document.title='TAKEN'",
)
POLICY = "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Of axe's rules those that a page alone can be held to; "region" wants landmarks around a page's skip link.
NOT_ASKED = {"region"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("standards")
    hostile = " ".join(PAYLOADS)
    planted = replace(ENTRY, id="FIND-PYRO-002", title=hostile, worst=hostile, programs=(("A program", hostile),))
    planted = replace(planted, fields=(("Happens", hostile),), rows=(("library",), (hostile,)), bibtex=hostile)
    entries = [*_entries(), planted]
    frames = synthetic.everything()
    frames["environment"] = {**frames["environment"], "command": hostile}
    write_report(place, addresses={each.id: each.address for each in entries}, entries=lambda: entries, **frames)
    return place


def test_every_page_has_the_policy_before_anything_that_loads(folder):
    for path in folder.rglob("*.html"):
        text = path.read_text("utf-8")
        (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', text)
        assert policy == POLICY, path.name
        assert text.index("Content-Security-Policy") < min(text.index("<link"), text.index("<script")), path.name
        assert not re.search(r"<[^>]*\s(?:on\w+|style)=", text), f"{path.name}: the policy would stop it"


def test_every_page_is_html_to_a_strict_parser(folder):
    parser = pytest.importorskip("html5lib", reason="html5lib of the extra [test] is not installed")
    for path in folder.rglob("*.html"):
        reader = parser.HTMLParser(strict=False)
        reader.parse(path.read_text("utf-8"))
        assert [error[1] for error in reader.errors] == [], path.name


def dumped(path, seconds=180):
    """The page after its scripts, as Chromium has it; skips where the browser does not run here."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={path.parent / 'profile'}"]
    try:
        done = subprocess.run(
            [*command, "--virtual-time-budget=20000", "--dump-dom", path.as_uri()],
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("Chromium gave no page in time")
    if "</html>" not in done.stdout:
        pytest.skip(f"Chromium does not run here: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_no_payload_of_a_third_party_runs_in_a_browser(folder):
    page = dumped(folder / "findings" / "FIND-PYRO-002.html")
    assert "<title>TAKEN<" not in page
    assert "<title>FIND-PYRO-002: &lt;script&gt;" in page
    assert page.count("<script") == 1
    assert "<iframe" not in page
    assert "<svg" not in page


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.skipif(find_spec("axe_core_python") is None, reason="no axe here")
@pytest.mark.parametrize("name", ["index.html", "claims.html", "findings/FIND-PYRO-001.html"])
def test_axe_finds_nothing_to_mend(folder, name):
    axe = (resources.files("axe_core_python") / "axe.min.js").read_text("utf-8")
    run = (
        "axe.run().then(found => { document.title = 'AXE ' + found.violations.map(each => each.id + ': ' + "
        "each.nodes.length + ' ' + each.nodes[0].target).join('; ') + ' END' })"
    )
    text = (folder / name).read_text("utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)  # else axe itself would not run
    asked = folder / name.replace(".html", "-axe.html")
    asked.write_text(text.replace("</body>", f"<script>{axe}</script><script>{run}</script></body>"), "utf-8")
    try:
        page = dumped(asked)
    finally:
        asked.unlink()
    told = re.search(r"AXE (.*?) END", page)
    if told is None:
        pytest.skip("axe came to no end in the browser's time")
    found = [each for each in told.group(1).split("; ") if each and each.partition(":")[0] not in NOT_ASKED]
    assert found == []
