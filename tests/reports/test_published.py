"""The published reports: small, each frame and picture once, their pages whole, read by every verb as before."""

import html
import posixpath
import random
import re
from pathlib import Path, PurePosixPath

import pandas as pd
import pytest

from elbo_compare import load
from elbo_compare.compare.citing.cite import cite
from elbo_compare.compare.citing.evidence import read
from elbo_compare.reports.readme import PUBLISHED, newest

LARGEST = 5_000_000  # bytes of a folder
REPORTS = sorted(path.parent for path in PUBLISHED.glob("*/report"))
JUDGED = [folder for folder in REPORTS if (folder / "run.json").exists()]


def named(folder):
    return folder.name


@pytest.mark.parametrize("folder", REPORTS, ids=named)
def test_a_published_report_is_small_and_holds_nothing_twice(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST
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


@pytest.mark.parametrize("folder", JUDGED, ids=named)
def test_its_frames_say_what_its_answer_counts_and_its_report_reads_them(folder):
    results = load(folder)
    counts = pd.read_json(folder / "answer.json", typ="series")["counts"]
    found = results.verdicts["outcome"].value_counts().to_dict()
    assert {outcome: number for outcome, number in counts.items() if number} == found
    by_report = read(folder / "report")
    assert len(by_report.verdicts) == len(results.verdicts)
    assert by_report.environment == read(folder).environment


def test_an_id_is_cited_from_the_newest_as_its_page_says():
    told = cite("KL-002", newest())
    page = (newest() / "report" / "claims" / "KL-002.html").read_text("utf-8")
    (row,) = re.findall(r"^ +numpyro +numpyro [\d.]+, jax [\d.]+ +cpu +float64 +(\d+)", told, re.MULTILINE)
    assert f'float64</td><td class="short">{row}</td>' in page


def test_a_published_folder_needs_no_path_of_the_machine_it_was_made_on():
    for page in (Path(newest()) / "report").glob("*.html"):
        assert not re.search(r"file://|/(?:home|root|tmp|work|opt)/", page.read_text("utf-8")), page.name


def test_the_published_reports_are_one_site_with_a_latest():
    """Drawn by `compare site reports/published`; GitHub shows its Markdown form."""
    text = (PUBLISHED / "index.html").read_text("utf-8")
    for folder in REPORTS:
        assert f">{folder.name}</a>" in text, f"{folder.name}: run compare site reports/published --no-draw"
    assert f"../{newest().name}/report/index.html" in (PUBLISHED / "latest" / "index.html").read_text("utf-8")
    documents = [path.relative_to(PUBLISHED).as_posix() for path in (PUBLISHED / "docs").glob("*.html")]
    assert {"docs/index.html", "docs/tutorial.html"} <= set(documents)
    for name in ("index.html", "ids.html", "latest/index.html", *documents):
        page = PUBLISHED / name
        for link in set(re.findall(r'(?:href|src)="([^"#]+)', page.read_text("utf-8"))):
            assert (page.parent / link).is_file(), (name, link)
    for link in re.findall(r"\]\(([^)]+)\)", (PUBLISHED / "index.md").read_text("utf-8")):
        assert (PUBLISHED / link).is_file(), link


def test_thirty_random_rows_of_its_pages_are_what_its_frames_say():
    """Counts of outcomes and the worst share of the tolerance, from the verdicts by other code than the pages."""
    verdicts = pd.read_parquet(newest() / "verdicts.parquet")
    groups = verdicts.groupby(["claim", "implementation", "device", "dtype"], sort=True)
    for key in random.Random(19).sample(sorted(groups.groups), 30):
        claim, implementation, device, dtype = key
        page = (newest() / "report" / "claims" / f"{claim}.html").read_text("utf-8")
        rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", page)]
        (row,) = [row for row in rows if row and (row[0], row[2], row[3]) == (implementation, device, dtype)]
        mine = groups.get_group(key)
        counts = [int((mine["outcome"] == word).sum()) for word in ("agrees", "differs", "inconclusive", "not run")]
        assert [int(text) for text in row[4:8]] == counts, key
        share = (mine["difference"].abs() / mine["tolerance"]).max()
        if row[8] not in ("no bound", ""):
            assert float(row[8]) == pytest.approx(share, rel=6e-3), key  # three digits are printed


def rows_of(page, first):
    """The rows of the page's table whose first head is `first`, as header -> text."""
    plain = re.sub(r"<(?!/?(?:tr|th|td|table))[^>]*>", "", (newest() / "report" / page).read_text("utf-8"))
    for table in re.findall(r"<table.*?</table>", plain, re.DOTALL):
        head, *rows = [
            [html.unescape(text) for text in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
            for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        ]
        if head[0] == first:
            return [dict(zip(head, row, strict=True)) for row in rows]
    raise AssertionError(f"{page} has no table that begins with {first}")


def numbers(text):
    return [float(each) for each in re.findall(r"-?[\d.]+(?:e-?\d+)?", text.replace("−", "-").replace(",", ""))]


def test_thirty_random_cells_of_its_evidence_and_times_are_what_its_frames_say():
    """Fifteen of the matrix of verdicts, fifteen of the times, by seed, recomputed by other code than the pages'."""
    draws, verdicts = random.Random(1312), pd.read_parquet(newest() / "verdicts.parquet")
    names = sorted(verdicts["implementation"].unique())
    shown = [
        (row["claim"], name, row[name]) for row in rows_of("evidence.html", "claim") for name in names if name in row
    ]
    for claim, name, told in draws.sample([each for each in shown if each[2] != "—"], 15):
        mine = verdicts[(verdicts["claim"] == claim) & (verdicts["implementation"] == name)]["outcome"]
        counts = {
            word: int(many) for word, many in re.findall(r"(agrees|differs|inconclusive|not run)\s([\d,]+)", told)
        }
        assert counts == mine.value_counts().to_dict(), (claim, name)
    timings = pd.read_parquet(newest() / "timings.parquet")
    for row in draws.sample(rows_of("bench.html", "implementation"), 15):
        dtype, device = row["dtype, device"].split(", ")
        key = {"implementation": row["implementation"], "estimator": row["estimator"], "problem": row["problem"]}
        key |= {"dtype": dtype, "device": device}
        (mine,) = timings[(timings[list(key)] == pd.Series(key)).all(axis=1)].to_dict("records")
        wanted = [1e3 * mine[name] for name in ("steady_step_s", "steady_low", "steady_high")]
        assert numbers(row["steady step, ms"]) == pytest.approx(wanted, rel=2e-2), key  # two digits of the half-width
        assert numbers(row["ratio"])[0] == pytest.approx(mine["ratio"], rel=2e-2), key
        wanted = [mine[name] for name in ("draws_per_second", "draws_per_second_low", "draws_per_second_high")]
        assert numbers(row["draws per second"]) == pytest.approx(wanted, abs=0.5), key  # whole numbers are printed
