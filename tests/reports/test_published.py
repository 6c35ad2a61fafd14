"""The published reports: small, each frame and picture once, their pages whole, read by every verb as before."""

import json
import posixpath
import re
import sys
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pandas as pd
import pytest

from elbo_compare import load
from elbo_compare.compare.citing.cite import cite
from elbo_compare.compare.citing.evidence import read
from elbo_compare.reports.readme import PUBLISHED, newest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import finding_time
import printed_cells
import printed_text

LARGEST = 5_000_000  # bytes of a folder
LARGEST_FULL = 10_000_000  # of the profile full, which has 4.5 times the cells of standard: its frames alone are 4.7 MB
REPORTS = sorted(path.parent for path in PUBLISHED.glob("*/report"))
JUDGED = [folder for folder in REPORTS if (folder / "run.json").exists()]


def named(folder):
    return folder.name


@pytest.mark.parametrize("folder", REPORTS, ids=named)
def test_a_published_report_is_small_and_holds_nothing_twice(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < (LARGEST_FULL if "-full-" in folder.name else LARGEST)
    assert not [path for path in files if path.suffix == ".png" and path.with_suffix(".svg").exists()]
    assert not [
        path for path in files if path.suffix == ".csv" and len(pd.read_csv(path)) >= 1_000
    ]  # programs have lines
    assert not {path.name for path in (folder / "report" / "tables").glob("*.parquet")} & {
        "measurements.parquet",
        "verdicts.parquet",
    }


@pytest.mark.parametrize("folder", REPORTS, ids=named)
def test_every_link_of_a_published_report_leads_somewhere(folder):
    """By name alone: which places a page has is tested where it is drawn."""
    for page in (folder / "report").rglob("*.html"):
        for link in set(re.findall(r'(?:href|src)="([^"#]+)', page.read_text("utf-8"))):
            if not link.startswith(("https://", "data:")):
                assert (page.parent / link).is_file(), (page.name, link)
    text = (folder / "report" / "report.md").read_text("utf-8")
    for link in set(re.findall(r"\]\(([^)#]+)\)", text)):
        if not link.startswith("https://"):
            assert (folder / "report" / posixpath.normpath(PurePosixPath(link))).is_file(), link


def test_every_link_of_what_else_is_published_leads_somewhere():
    """Pages of suites, releases and benchmarks, and every folder's Markdown."""
    pages = [path for path in PUBLISHED.glob("*/*.html") if path.parent.name not in ("docs", "latest", "notes")]
    for page in pages:
        for link in set(re.findall(r'(?:href|src)="([^"#]+)', page.read_text("utf-8"))):
            assert link.startswith(("https://", "data:")) or (page.parent / link).is_file(), (page, link)
    for page in [*PUBLISHED.glob("*/*.md"), *PUBLISHED.glob("*.md")]:
        for link in set(re.findall(r"\]\(([^)#\s]+)\)", page.read_text("utf-8"))):
            assert link.startswith("https://") or (page.parent / link).exists(), (page, link)


@pytest.mark.parametrize("folder", JUDGED, ids=named)
def test_its_frames_say_what_its_answer_counts_and_its_report_reads_them(folder):
    results = load(folder)
    counts = pd.read_json(folder / "answer.json", typ="series")["counts"]
    found = results.verdicts["outcome"].value_counts().to_dict()
    assert {outcome: number for outcome, number in counts.items() if number} == found
    by_report = read(folder / "report")
    assert len(by_report.verdicts.all()) == len(results.verdicts)
    assert by_report.environment == read(folder).environment


def test_an_id_is_cited_from_the_newest_as_its_page_says():
    told = cite("KL-002", newest())
    page = (newest() / "report" / "claims" / "KL-002.html").read_text("utf-8")
    (row,) = re.findall(r"^ +numpyro +numpyro [\d.]+, jax [\d.]+ +cpu +float64 +(\d+)", told, re.MULTILINE)
    assert re.search(rf'float64</td><td(?: class="short")?>{row}</td>', page)


def test_a_published_folder_needs_no_path_of_the_machine_it_was_made_on():
    for page in (Path(newest()) / "report").glob("*.html"):
        assert not re.search(r"file://|/(?:home|root|tmp|work|opt)/", page.read_text("utf-8")), page.name


def test_the_published_reports_are_one_site_with_a_latest():
    """Drawn by `compare site reports/published`; GitHub shows its Markdown form."""
    text = (PUBLISHED / "index.html").read_text("utf-8")
    for folder in REPORTS:
        assert f">{folder.name}</a>" in text, f"{folder.name}: run compare site reports/published --no-draw"
    latest = max((json.loads((folder / "run.json").read_text("utf-8"))["date"], folder.name) for folder in JUDGED)[1]
    assert f"../{latest}/report/index.html" in (PUBLISHED / "latest" / "index.html").read_text("utf-8")
    written = [*(PUBLISHED / "docs").glob("*.html"), *(PUBLISHED / "notes").glob("*.html")]
    documents = [path.relative_to(PUBLISHED).as_posix() for path in written]
    assert {"docs/index.html", "docs/tutorial.html", "notes/soak.html"} <= set(documents)
    for name in ("index.html", "ids.html", "latest/index.html", *documents):
        page = PUBLISHED / name
        for link in set(re.findall(r'(?:href|src)="([^"#]+)', page.read_text("utf-8"))):
            assert (page.parent / link).is_file(), (name, link)
    for link in re.findall(r"\]\(([^)]+)\)", (PUBLISHED / "index.md").read_text("utf-8")):
        assert (PUBLISHED / link).is_file(), link


def test_thirty_random_cells_of_its_pages_are_what_its_frames_say():
    """Of all that benchmarks/printed_cells.py covers, by seed; computed again by no code of the pages'."""
    found, every = printed_cells.checked(newest(), 30, 1312, pages=12)
    assert found[~found["same"]].to_dict("records") == []
    assert (len(found), every > 1_000) == (30, True)


@pytest.mark.parametrize(
    ("text", "row", "same"),
    [
        ("0.0171 [0.0117, 0.0229] times", [0.01714, 0.011653, 0.02294], True),
        ("0.0171 [0.0117, 0.0229] times", [0.01718, 0.011653, 0.02294], False),  # it would be 0.0172
        ("−4.54e−5", [-4.5417e-5], True),
        ("−4.54e−5", [4.5417e-5], False),
        ("47,919", [47_919.0], True),
        ("47,919", [47_918.0], False),
        ("1 [0.5, 2]", [1.0], False),
        ("−29.18", [-29.1812, float("nan"), float("nan")], True),  # no interval, none printed
        ("1.707e−27", [1.7071e-27] * 3, True),  # one of no width
    ],
)
def test_a_printed_number_is_its_frame_s_to_the_digits_printed_and_to_no_fewer(text, row, same):
    assert printed_text.shows(text, [row]) is same


def test_every_way_of_a_reader_is_made_of_links_that_are_there():
    report = newest() / "report"
    for search in finding_time.SEARCHES:
        assert search.way[0][0] == "index.html"
        for (page, _), (onwards, _) in pairwise(search.way):
            assert f'href="{onwards}"' in (report / page).read_text("utf-8"), (search.wanted, page)


def test_the_median_s_interval_is_one_of_order_statistics():
    """Ranks 4 and 12 of 15: P = 0.965; the whole range of five: 0.94 is all there is."""
    assert finding_time.around([float(each) for each in range(1, 16)]) == (8.0, 4.0, 12.0)
    assert finding_time.around([3.0, 1.0, 2.0, 5.0, 4.0]) == (3.0, 1.0, 5.0)
