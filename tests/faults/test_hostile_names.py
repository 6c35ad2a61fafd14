"""Names and messages of third parties are text everywhere: in HTML, Markdown, LaTeX, file names and the terminal."""

import os
import re
from html.parser import HTMLParser
from pathlib import PurePosixPath

import pytest
from real_runs import HERE, Bench, install

HOSTILE = {
    "markup": "<script>alert(1)</script>",
    "image": "<img src x onerror>",
    "latex": r"$\input{/etc/passwd}$ \write18{id} %",
    "markdown": "[click](javascript:alert(1)) |x| `y` # z",
    "path": "../../escaped/../evil",
    "template": "{{ 7*7 }} {% raw %}",
    "option": "--profile",
}
SOURCE = """
from trivial_implementation import Trivial

class Hostile(Trivial):
    name = "hostile"
    def prepare(self, problem, estimator, device, dtype):
        raise RuntimeError("\\x1b[31m<script>alert(2)</script>\\x07 | \\\\input{x} $\\nsecond line")
"""


class Tags(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.handlers, self.targets, self.sources, self.scripts = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append(dict(attrs).get("src", "inline"))
            attrs = []
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.targets += [value or "" for name, value in attrs if name in ("href", "action", "xlink:href")]
        self.sources += [value or "" for name, value in attrs if name in ("src", "srcset", "data", "poster")]


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A report of a run whose implementations have hostile names; half of them fail with a hostile message."""
    base = tmp_path_factory.mktemp("hostile")
    entries = dict.fromkeys(HOSTILE.values(), "trivial_implementation:Trivial")
    entries["fails <b>" + HOSTILE["latex"]] = "hostile_module:Hostile"
    folder = install(base, entries, HERE / "trivial_implementation.py")
    (folder / "hostile_module.py").write_text(SOURCE)
    names = ", ".join(f"'{name}'" for name in ("numpy-oracle", *entries))
    profile = folder / "hostile.toml"
    profile.write_text(
        f"[[cells]]\nprocedure = 'evaluate'\nproblems = ['gaussian-kl@2-*']\nimplementations = [{names}]\nsize = 5\n"
        f"[[cells]]\nprocedure = 'time'\nproblems = ['gaussian-kl@2-typical']\n"
        f"implementations = ['numpy-oracle', '{HOSTILE['latex']}']\nestimators = ['sampled-kl']\nsize = 5\n"
    )
    environment = dict(os.environ) | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    bench = Bench(profile=profile, environment=environment)
    out = base / "sub" / "out"
    code, said, err = bench.run(out)
    assert code == 3, err
    code, judged, _ = bench.finish("judge", out)
    assert code == 3
    code, drawn, drawing = bench.finish("report", out)
    assert code == 0, drawing
    return base, out, said + err + judged + drawn


def test_no_name_becomes_markup_a_script_or_a_target_in_the_page(reported):
    _, out, _ = reported
    shown = ""
    for page in (out / "report").rglob("*.html"):
        tags = Tags(page.read_text())
        assert {PurePosixPath(source).name for source in tags.scripts} <= {"filter.js"}  # ours, and none within a page
        assert all(set(PurePosixPath(source).parts[:-1]) <= {".."} for source in tags.scripts)
        assert "b" not in tags.tags
        assert tags.handlers == []
        assert not [target for target in tags.targets if target.lstrip().lower().startswith("javascript:")]
        for source in tags.sources:  # nothing is fetched from elsewhere when the page is opened
            assert source.startswith("data:") or (page.parent / source).resolve().is_relative_to(out.resolve()), source
        shown += page.read_text()
    assert "&lt;script&gt;alert(1)" in shown
    assert "{{ 7*7 }}" in shown  # the template engine has seen it as text


def test_no_name_becomes_markdown_or_a_latex_command(reported):
    _, out, _ = reported
    for page in (out / "report").rglob("*.md"):
        assert "<script" not in page.read_text()
        assert not re.search(r"(?<!\\)\]\(javascript", page.read_text())
    for table in (out / "report").rglob("*.tex"):
        assert not re.search(r"\\(input|write)\b", table.read_text())


def test_no_name_becomes_a_file_name_and_nothing_is_written_elsewhere(reported):
    base, out, _ = reported
    for path in base.rglob("*"):
        assert re.fullmatch(r"[\w.,+-]+", path.name), path
    assert {path.name for path in (base / "sub").iterdir()} == {"out"}
    assert not (base.parent / "escaped").exists()
    assert all(re.fullmatch(r"[0-9a-f]{16}\.json", path.name) for path in out.glob("cells/*/*"))


def test_no_message_steers_the_terminal(reported):
    _, _, said = reported
    assert r"\x1b[31m<script>alert(2)" in said
    assert not [char for char in said if not char.isprintable() and char != "\n"]
