"""Several reports as one site: every link leads somewhere, the latest is named, the Markdown form has the same rows."""

import re

import pytest

from elbo_compare.reports.joined import Joined, write_site

OLD = Joined(
    name="a-standard",
    date="2026-01-01",
    what="standard",
    verdicts="3 agrees",
    sentence="Yes.",
    page="a-standard/report/index.html",
    text="a-standard/report/report.md",
    outcomes={"KL-001": ("a-standard/report/claims/KL-001.html", "agrees 3")},
)
NEW = Joined(
    name="b-standard",
    date="2026-02-01",
    what="<script>alert(1)</script>",
    device="cuda",
    versions="torch 2",
    sentence="No | <b>",
    page="b-standard/report/index.html",
    note="as it was drawn: <img src=x>",
    outcomes={"KL-001": ("b-standard/report/claims/KL-001.html", "differs 1"), "KL-002": ("b-standard/x.html", "")},
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    for each in (OLD, NEW):
        for address in (each.page, each.text, *(place for place, _ in each.outcomes.values())):
            if address:
                (folder / address).parent.mkdir(parents=True, exist_ok=True)
                (folder / address).write_text("there")
    assert write_site(folder, [NEW, OLD], NEW) == folder / "index.html"
    return folder


def test_every_link_of_the_site_leads_somewhere(site):
    for page in (site / "index.html", site / "ids.html", site / "latest" / "index.html"):
        for link in re.findall(r'(?:href|src)="([^"#]+)|url=([^"]+)"', page.read_text("utf-8")):
            assert (page.parent / (link[0] or link[1])).is_file(), (page.name, link)
    for link in re.findall(r"\]\(([^)]+)\)", (site / "index.md").read_text("utf-8")):
        assert (site / link).is_file(), link


def test_the_latest_is_named_and_a_browser_goes_on_to_it(site):
    assert 'content="0; url=../b-standard/report/index.html"' in (site / "latest" / "index.html").read_text("utf-8")
    assert 'That is the latest: <a href="b-standard/report/index.html">' in (site / "index.html").read_text("utf-8")


def test_an_id_shows_what_it_came_to_in_each_report(site):
    text = (site / "ids.html").read_text("utf-8")
    row = text[text.index('<tr id="KL-001">') : text.index('<tr id="KL-002">')]
    assert re.findall(r'class="outcome ([\w-]+)"><a href="([^"]+)">([^<]+)', row) == [
        ("differs", "b-standard/report/claims/KL-001.html", "differs 1"),
        ("agrees", "a-standard/report/claims/KL-001.html", "agrees 3"),
    ]
    assert "<td>—</td>" in text[text.index('<tr id="KL-002">') :]


def test_what_a_folder_says_of_itself_is_no_markup(site):
    for name in ("index.html", "index.md"):
        text = (site / name).read_text("utf-8")
        assert "<script>alert" not in text
        assert "<img src=x>" not in text
    assert len([line for line in (site / "index.md").read_text("utf-8").splitlines() if "-standard]" in line]) == 3


def test_a_site_without_a_judged_report_says_so(tmp_path):
    reports = [Joined(name="notes", page="notes/README.md"), Joined(name="broken", note="no run.json")]
    text = write_site(tmp_path, reports, None).read_text("utf-8")
    assert "No judged report is here yet." in text
    assert '<th scope="row">broken<br><small>no run.json' in text  # a folder without a page keeps its name


def test_what_is_markdown_alone_is_a_page_of_the_site(tmp_path):
    """A browser shows Markdown as its source. Links lead to what lies beside it, as a page where there is one."""
    folder = tmp_path / "soak"
    folder.mkdir()
    for name in ("faults.csv", "more.md", "more.html", "curve.svg"):
        (folder / name).write_text("there")
    told = (
        "# Faults of `run` <b>\n\n[rows](faults.csv), [more](more.md#all), [gone](gone.csv) <script>alert(1)</script>\n"
    )
    told += "![a curve](curve.svg) ![gone](gone.svg)\n"
    (folder / "README.md").write_text(told)
    index = write_site(tmp_path, [Joined(name="soak", page="soak/README.md", text="soak/README.md")], None)
    assert 'href="notes/soak.html"' in index.read_text("utf-8")
    assert "[soak](soak/README.md)" in (tmp_path / "index.md").read_text("utf-8")
    page = (tmp_path / "notes" / "soak.html").read_text("utf-8")
    assert '<a href="../soak/faults.csv">rows</a>, <a href="../soak/more.html#all">more</a>, gone' in page
    assert '<img src="../soak/curve.svg" alt="a curve">' in page.replace(" />", ">")
    assert "gone.svg" not in page
    assert "<title>Faults of run &lt;b&gt;</title>" in page
    assert "<script>alert" not in page
