"""The page: complete, offline, escaped, honest about what is missing."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import synthetic

from elbo_compare.reports import rendering
from elbo_compare.reports.building import DrawingProcesses
from elbo_compare.reports.data import CLAIMS, MEASUREMENTS, TIMINGS, VERDICTS, ReportData, complete
from elbo_compare.reports.order import SECTIONS
from elbo_compare.reports.page import write_report
from elbo_compare.reports.rendering import linked, prose
from elbo_compare.reports.sections.agreement import worst_differences

HOSTILE = synthetic.HOSTILE
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Tags must nest; collects ids, links, tags, text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.text, self.images = [], [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes[name] for name in ("href", "src") if name in attributes]
        self.images += [attributes] if tag == "img" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def full(tmp_path_factory, drawn_once):
    folder = tmp_path_factory.mktemp("full")
    return write_report(folder, single_file=True, **synthetic.everything())


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("empty"), single_file=True, **synthetic.nothing())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, drawn_once):
    frames = synthetic.everything(HOSTILE)
    frames["images"] = {name: [[0, 255], [255, 0]] for name in HOSTILE}
    frames["environment"] = {"profile": HOSTILE[0], "versions": {HOSTILE[1]: HOSTILE[2]}, "commit": HOSTILE[2]}
    frames["answer"] = {
        "question": HOSTILE[0],
        "sentence": HOSTILE[1],
        "equation": HOSTILE[2],
        "numbers": [{"label": HOSTILE[0], "value": HOSTILE[2], "unit": HOSTILE[1], "n": 1}],
        "counts": {HOSTILE[0]: 1},
    }
    frames["claims"].loc[0, ["id", "statement"]] = HOSTILE[0], HOSTILE[2]
    return write_report(tmp_path_factory.mktemp("hostile") / "report", single_file=True, **frames)


def test_html_nests_and_closes_every_element(full):
    page = Page(full.read_text("utf-8"))
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)


def test_page_needs_no_network_and_no_script(full):
    page = Page(full.read_text("utf-8"))
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert all(re.match(r"#|data:image/|tables/|https://arxiv.org/abs/", link) for link in page.links)
    assert "url(" not in full.read_text("utf-8")
    assert "@import" not in full.read_text("utf-8")


def test_every_link_leads_somewhere(full):
    page = Page(full.read_text("utf-8"))
    inside = {link[1:] for link in page.links if link.startswith("#")}
    files = {link for link in page.links if link.startswith("tables/")}
    assert inside <= set(page.ids)
    assert all((full.parent / file).is_file() for file in files)


def test_every_claim_has_its_anchor(full):
    page = Page(full.read_text("utf-8"))
    assert set(synthetic.claims()["id"]) <= set(page.ids)


def test_every_picture_has_an_alternative_text_and_a_file(full):
    page = Page(full.read_text("utf-8"))
    assert len(page.images) >= 8
    assert all(image["alt"] for image in page.images)
    assert len(list((full.parent / "figures").iterdir())) == len(page.images)


def squeezed(text):
    """Without white space and carets: a power is raised on the page."""
    return re.sub(r"[\s^]", "", text)


def test_first_screen_shows_question_answer_equation_and_numbers_before_anything_else(full):
    text = full.read_text("utf-8")
    opening = Page(text[: text.index("</header>")] + "</header></main></body></html>").text
    words = squeezed(" ".join(opening))
    answer = synthetic.answer()
    assert [squeezed(answer[name]) in words for name in ("question", "sentence", "equation")] == [True] * 3
    assert "[−0.0051,0.0119]" in words
    assert "n=45,000" in words
    assert "tolerance1.2e−13" in words


def test_absent_data_are_called_not_measured_in_their_own_section(empty):
    text = empty.read_text("utf-8")
    parts = dict(re.findall(r'<section id="([\w-]+)">(.*?)</section>', text, re.S))
    assert len(parts) == len(SECTIONS)
    measured = ("verdicts", "agreement", "distribution", "variance", "training", "runtime", "images", "ledger")
    for name in (*measured, "claims", "environment"):
        assert "Not measured" in parts[name], name
    assert "None so far." in parts["corrections"]


def test_same_sections_in_full_and_in_empty_reports(full, empty):
    found = [re.findall(r'<section id="([\w-]+)">', page.read_text("utf-8")) for page in (full, empty)]
    assert found[0] == found[1]


def test_hostile_names_are_shown_and_never_markup(hostile):
    text = hostile.read_text("utf-8")
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert HOSTILE[0] in "".join(page.text)
    assert all(re.match(r"#|data:image/|tables/|https://arxiv.org/abs/\d", link) for link in page.links)


def test_hostile_names_stay_in_the_folder(hostile):
    root = hostile.parent
    outside = [path for path in root.parent.iterdir() if path != root]
    assert outside == []
    assert all(re.fullmatch(r"[\w.-]+", path.name) for path in root.rglob("*"))


def test_hostile_names_are_text_in_markdown_and_latex(hostile):
    written = (hostile.parent / "report.md").read_text("utf-8")
    outside_code = re.sub(r"^    .*$", "", written, flags=re.M)
    assert "<" not in re.sub(r'<a id="[\w-]+"></a>', "", outside_code)
    for file in (hostile.parent / "tables").glob("*.tex"):
        assert r"\input" not in file.read_text("utf-8")


def test_differing_verdicts_are_listed_by_name(full):
    text = full.read_text("utf-8")
    part = text[text.index('id="verdicts"') : text.index('id="agreement"')]
    assert "✗\N{NO-BREAK SPACE}differs" in part
    assert "vae@trained/pyro/sampled-kl/evaluate/float64/cpu" in part


def test_not_run_cells_are_listed_with_their_reason(full):
    text = full.read_text("utf-8")
    part = text[text.index('<section id="incomplete"') : text.index('<section id="environment"')]
    assert "numpyro is not installed" in part
    assert "not-run" in part


def test_worst_difference_in_the_matrix_is_the_frames_own(full):
    rows = pd.read_parquet(full.parent / "tables" / "agreement-worst.parquet")
    mine = rows.query("implementation == 'pyro' and estimator == 'sampled-kl' and dtype == 'float64'")
    frame = synthetic.measurements().query(
        "implementation == 'pyro' and estimator == 'sampled-kl' and dtype == 'float64' and quantity == 'kl'"
    )
    ratio = ((frame["value"] - frame["reference"]).abs() / (2.0**-53 * frame["scale"])).max()
    np.testing.assert_allclose(mine.query("quantity == 'KL'")["relative"], ratio, rtol=1e-12)


def test_a_value_that_is_not_a_number_is_the_worst_difference():
    frame = synthetic.measurements().query("procedure == 'evaluate'")
    at = frame.index[(frame["implementation"] == "pyro") & (frame["quantity"] == "kl")][0]
    frame.loc[at, "value"] = np.nan
    worst = worst_differences(frame)
    assert np.isinf(worst.query("implementation == 'pyro' and quantity == 'kl'")["relative"]).sum() == 1


def data_of(frames, **changed):
    wanted = {"measurements": MEASUREMENTS, "verdicts": VERDICTS, "claims": CLAIMS, "timings": TIMINGS}
    return ReportData(**frames | {name: complete(frames[name], columns) for name, columns in wanted.items()} | changed)


@pytest.fixture(scope="module")
def whole():
    """With one claim: how many there are does not depend on what was measured."""
    return data_of(synthetic.everything() | {"claims": synthetic.claims(1), "verdicts": synthetic.verdicts(n_claims=1)})


@pytest.mark.parametrize("quantity", sorted(synthetic.measurements()["quantity"].dropna().unique()))
def test_a_run_that_measured_one_quantity_alone_is_drawn(quantity, whole, drawn_once):
    rows = whole.measurements.all()
    data = replace(whole, measurements=rows[rows["quantity"] == quantity])
    assert all(build(data).blocks for build in SECTIONS)


def test_a_crew_draws_what_this_process_draws_and_drawing_again_the_same(full, tmp_path):
    """And a section that cannot be built ends there with its own error as here; no process is left behind."""
    broken = data_of(synthetic.nothing(), measurements=None)
    with DrawingProcesses(2) as drawing:
        again = write_report(tmp_path, single_file=True, **synthetic.everything(), drawing=drawing)
        with pytest.raises(AttributeError, match="NoneType"):
            drawing.build([SECTIONS[1]], broken, tmp_path, meanwhile=lambda: None)
    assert all(process.returncode is not None for process in drawing.processes)
    assert again.read_bytes() == full.read_bytes()
    files = sorted(path.relative_to(full.parent) for path in full.parent.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    for file in files:
        assert (tmp_path / file).read_bytes() == (full.parent / file).read_bytes(), file


def test_the_templates_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rendering._templates.cache_clear()
    assert rendering.template("report.html.j2").filename


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("see `compare run`", "see <code>compare run</code>"),
        ("Kingma and Welling (arXiv 1312.6114), eq. 6", 'Kingma and Welling (<a href="https://arxiv.org/abs/1312.6114">'
         "arXiv 1312.6114</a>), eq. 6"),
        ("`<b>` & \"x\"", "<code>&lt;b&gt;</code> &amp; &#34;x&#34;"),
        ("one ` alone", "one ` alone"),
        ("off by -6.8e-07 at [-1, 3], x^2, L^A, e^(1/b)", "off by −6.8e−7 at [−1, 3], x<sup>2</sup>, L<sup>A</sup>, "
         "e<sup>(1/b)</sup>"),
        ("2026-11-29, KL-002, gaussian-kl@2-near, 1-2, -k x, ab1e05, `-1e-07 x^2`", "2026-11-29, KL-002, "
         "gaussian-kl@2-near, 1-2, -k x, ab1e05, <code>-1e-07 x^2</code>"),
        ("numpyro issue 1724", '<a href="https://github.com/pyro-ppl/numpyro/issues/1724">numpyro issue 1724</a>'),
        ('arXiv 1312.6114"on="x', '<a href="https://arxiv.org/abs/1312.6114">arXiv 1312.6114</a>&#34;on=&#34;x'),
    ],
)  # fmt: skip
def test_code_numbers_and_sources_are_marked_and_nothing_else_is(text, html):
    assert prose(text) == html


def test_an_id_is_a_link_where_it_has_a_page_and_not_in_code():
    told = linked("KL-002, KL-999 and `compare cite KL-002`", {"KL-002": "claims/KL-002.html"}, "../")
    assert told == '<a class="id" href="../claims/KL-002.html">KL-002</a>, KL-999 and <code>compare cite KL-002</code>'


def test_the_skip_link_leads_to_the_answer_in_a_full_and_in_an_empty_report(full, empty):
    for report in (full, empty):
        page = Page(report.read_text("utf-8"))
        assert page.links[0] == "#answer"
        assert "answer" in page.ids
