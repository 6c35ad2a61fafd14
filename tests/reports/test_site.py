"""A report as a folder of pages: every link leads somewhere, every ID has its page, nothing needs a network."""

import posixpath
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import PurePosixPath

import pytest
import synthetic

from elbo_compare.reports import entries
from elbo_compare.reports.content import Entry
from elbo_compare.reports.page import write_report
from elbo_compare.reports.site import DOORS, GLOSSARY, PAGES, words_on

VOID = {"meta", "img", "br", "link", "input", "hr"}
ENTRY = Entry(
    id="FIND-PYRO-001",
    sort="findings",
    head="pyro, open",
    title="<b>lost</b> term",
    fields=(("Happens", "see KL-001 & KL-999"), ("Empty", "")),
    outcome="reproduced",
    rows=(
        *(("library", "outcome", "why", "of"), ("pyro", "reproduced", "", "pyro-ppl")),
        *(("case", "quantity", "measured"), ("KL-001", "loss", "2")),
    ),
    place="results: standard",
    worst="vae/pyro: agrees",
    command="compare run -k 'a < b' -o DIR",
    bibtex="@software{x}",
    programs=(("A program", "print('<script>')"),),
)


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.external, self.images = [], [], [], [], []
        self.controls, self.headings = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes[name] for name in ("href", "src") if name in attributes]
        self.images += [attributes] if tag == "img" else []
        self.headings += [tag] if re.fullmatch("h[1-6]", tag) else []
        self.controls += [attributes] if attributes.get("tabindex") == "0" and attributes.get("role") else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module", params=["full", "empty"])
def site(request, tmp_path_factory, drawn_once):
    frames = synthetic.everything() if request.param == "full" else synthetic.nothing()
    folder = tmp_path_factory.mktemp(request.param)
    addresses = {entry.id: entry.address for entry in _entries()}
    index = write_report(folder, addresses=addresses, entries=_entries, **frames)
    assert index == folder / "index.html"
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*.html")} | {
        "": folder
    }


def _entries():
    claims = [
        replace(ENTRY, id=f"KL-{i:03d}", sort="claims", title=f"claim {i}", programs=(), outcome="agrees 3")
        for i in range(1, 13)
    ]
    return [*claims, ENTRY]


def pages(site):
    return {name: Page(text) for name, text in site.items() if name}


def test_every_link_of_every_page_leads_somewhere_on_the_disk(site):
    found = pages(site)
    for name, page in found.items():
        assert len(set(page.ids)) == len(page.ids), name
        for link in page.links:
            if link.startswith("https://arxiv.org/abs/"):
                continue
            path, _, place = link.partition("#")
            target = posixpath.normpath(f"{PurePosixPath(name).parent}/{path}") if path else name
            assert (site[""] / target).is_file(), (name, link)
            assert not place or place in found[target].ids, (name, link)


def test_every_page_can_be_read_without_seeing_it(site):
    """A language, no level of headings left out, alternative texts, named regions, a skip link that works."""
    for name, page in pages(site).items():
        text = site[name]
        assert '<html lang="en">' in text
        assert re.search(r"<title>[^<]+</title>", text), name
        levels = [int(tag[1]) for tag in page.headings]
        assert not any(two > one + 1 for one, two in pairwise(levels)), name
        assert levels.count(1) == 1, name
        assert all(image.get("alt") for image in page.images), name
        assert all(control.get("aria-label") for control in page.controls), name
        assert 'href="#content"' in text
        assert "content" in page.ids


def test_nothing_is_fetched_and_the_one_script_is_ours(site):
    folder = site[""]
    assert sorted(path.name for path in folder.glob("*.js")) == ["filter.js"]
    for name, text in site.items():
        if name:
            assert re.findall(r"<script[^>]*>", text) == [f'<script src="{"../" * name.count("/")}filter.js" defer>']
            assert "@import" not in text
    assert "url(" not in (folder / "style.css").read_text("utf-8")


def test_the_index_has_equation_three_lines_figure_strip_and_four_doors(site):
    text = site["index.html"]
    assert text.count('class="cancel"') == 2
    assert text.count("<li>") >= 3
    assert all(f'href="{file}"' in text for _, file, _ in DOORS)
    assert all((site[""] / file).is_file() for _, file in PAGES)
    assert len(text.encode()) < 400_000


def test_the_index_of_a_run_about_something_else_leads_with_that(tmp_path, drawn_once):
    frames = synthetic.everything()
    told = {"about": "choosing", "question": "Which?", "sentence": "It depends.", "equation": "No theorem."}
    frames["answer"] = told | {"lines": [["A quiet gradient: the analytic KL.", ["KL-001"]]], "reasons": []}
    write_report(tmp_path, addresses={"KL-001": "claims/KL-001.html"}, entries=_entries, **frames)
    text = (tmp_path / "index.html").read_text("utf-8")
    assert text.index("Which?") < text.index("It depends.") < text.index("A quiet gradient") < text.index("KL-001")
    assert "TraceMeanField_ELBO has" not in text
    assert "Not confirmed by this run" not in text
    assert 'class="cancel"' not in text


def test_every_page_explains_its_words(site):
    """The few pages all of them, the hundreds those that stand on them: by name, or by what stands for them."""
    for name, text in site.items():
        if "/" in name:
            assert '<a href="../index.html#words">' in text, name
            assert "<dt>claim</dt>" in text or not name.startswith("claims/"), name  # "claim 1" is its title
        elif name:
            assert all(f"<dt>{word}</dt>" in text for word, _ in GLOSSARY), name
    assert "<dt>stl</dt>" not in site["findings/FIND-PYRO-001.html"]
    assert re.findall("<dt>(.*?)</dt>", words_on("at vae@trained/pyro/iwae-5 the stl heads")) == [
        *("problem", "cell", "estimator", "stl", "head")
    ]
    assert words_on('<a href="claims.html">none</a>') == ""


def test_a_page_of_an_id_is_whole_and_third_party_text_is_no_markup(site):
    text = site["findings/FIND-PYRO-001.html"]
    assert "&lt;b&gt;lost&lt;/b&gt;" in text
    assert "print(&#x27;&lt;script&gt;&#x27;)" in text
    assert '<a class="id" href="../claims/KL-001.html">KL-001</a> &amp; KL-999' in text
    assert "<dt>Empty</dt>" not in text
    assert text.count('<table class="ids">') == 2  # the finding's row, and its cases' numbers, under heads of their own
    assert '<th scope="col">outcome</th><th scope="col">of</th>' in text  # a column without a word is left out
    assert "compare run -k &#x27;a &lt; b&#x27; -o DIR" in text


def test_a_known_id_is_found_above_the_list_and_its_program_above_what_is_said_of_it(site):
    """What an engineer looks for stands on the first screen of both pages; a browser counts them below."""
    above, listed = site["claims.html"].split("<table", 1)
    assert re.findall(r'aria-label="(KL-\d+)">(\d+)</a>', above) == [(f"KL-{i:03d}", f"{i:03d}") for i in range(1, 13)]
    assert above.count("<strong>KL</strong>") == 1
    assert listed.count("claims/KL-001.html") == 1
    text = site["findings/FIND-PYRO-001.html"]
    program, said, cited, outcomes = map(text.index, ("A program", "<dt>Happens", "How to cite", ">Outcomes<"))
    assert program < said < cited < outcomes


def test_every_id_has_its_address_and_the_old_page_leads_there(site):
    for entry in _entries():
        assert entry.address in site
        assert f'<li id="{entry.id}"><a href="{entry.address}">' in site["report.html"]


def test_a_finding_that_is_still_there_is_not_green():
    listed = entries.index("findings", [ENTRY])
    assert 'class="outcome agrees"' not in listed
    assert "reproduced" in listed


def test_the_stylesheet_has_a_dark_form_and_no_colour_past_its_variables(site):
    style = (site[""] / "style.css").read_text("utf-8")
    assert "prefers-color-scheme: dark" in style
    rules = style[style.index("* {") :].replace("background: #fff; max-width: 100%", "")  # drawings stay on white
    assert not re.findall(r"#[0-9a-fA-F]{3,6}\b", rules)


def test_nothing_reads_as_a_slip_of_the_pen(site):
    """No literal backtick, no arXiv number without its link, no zero with a sign, no hyphen for a minus."""
    for name, text in site.items():
        if not name:
            continue
        told = re.sub(r"<(pre|code|style|script)\b.*?</\1>", "", text, flags=re.DOTALL)
        told = re.sub(r'<(td|th)[^>]*class="code[^>]*>.*?</\1>', "", told, flags=re.DOTALL)
        plain = re.sub(r"<[^>]+>", "", told)
        assert "`" not in plain, name
        assert len(re.findall(r"\barXiv[: ]\d{4}\.\d{4,5}", plain)) == told.count('<a href="https://arxiv.org/abs/'), (
            name
        )
        assert not re.search(r"(?<![\w.])[-−]0(?:\.0*)?(?![\w.])", plain), name
        assert not re.search(r"(?<=[\s(\[])-\d", plain), name


def test_on_a_phone_lists_are_cards_and_what_is_cut_off_has_a_cue(site):
    style = (site[""] / "style.css").read_text("utf-8")
    assert '<table class="filtered cards">' in site["claims.html"]
    assert '<table class="cards">' in site["choose.html"]
    phone = style[style.index("@media (max-width") :]
    assert ".cards td { display: block; }" in phone
    assert ".cards tr[hidden] { display: none; }" in phone  # the filter still hides rows
    assert re.search(r"^\.scroll, \.display, pre \{[^}]*(?:var\(--shade\)[^}]*){2}\}", style, re.MULTILINE)
    assert ".drawing + figcaption::before" in phone
