"""`compare site`: folders of several kinds become one site; what can't be drawn or read is linked, with the reason."""

import json
import shutil

import pytest

from elbo_compare.compare.commands import site as command
from elbo_compare.compare.errors import StoreError, UsageError
from elbo_compare.reports.readme import PUBLISHED

JUDGED = "2026-11-23-standard-cpu"
SMALL = ("2026-11-23-semantics", "soak", "2026-11-24-bench-cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("published")
    for name in (JUDGED, *SMALL):
        shutil.copytree(PUBLISHED / name, root / name)
    (root / "nothing").mkdir()
    (root / "broken").mkdir()
    (root / "broken" / "run.json").write_text("{")
    (root / "broken" / "README.md").write_text("# A run that was lost\n")
    return root


def test_every_kind_of_folder_is_joined_and_the_judged_one_is_the_latest(folder):
    page = command.site_folder(folder, None, print, draw=False)
    text = page.read_text("utf-8")
    for name in (JUDGED, *SMALL, "broken"):
        assert f">{name}<" in text, name
    assert ">nothing<" not in text
    assert "can&#x27;t be read" in text
    assert f"../{JUDGED}/report/index.html" in (folder / "latest" / "index.html").read_text("utf-8")
    answer = json.loads((folder / JUDGED / "answer.json").read_text("utf-8"))
    assert f"{answer['counts']['agrees']:,} agrees" in text
    assert f"{JUDGED}/report/claims/KL-002.html" in (folder / "ids.html").read_text("utf-8")


def test_judged_folders_are_drawn_again_and_one_that_cant_be_is_linked_with_the_reason(folder, monkeypatch):
    asked = []

    def drawn(path, drawing, *, site, above):
        asked.append((path.name, site, above))
        raise StoreError("its frames are older\nthan this")

    monkeypatch.setattr(command, "report_folder", drawn)
    notes = []
    text = command.site_folder(folder, None, notes.append, site="https://example.org/r/").read_text("utf-8")
    assert (JUDGED, f"https://example.org/r/{JUDGED}/report", command.ABOVE) in asked
    assert "as it was drawn: its frames are older than this" in text
    assert any(JUDGED in note for note in notes)


@pytest.mark.parametrize("name", ["absent", "nothing"])
def test_a_folder_without_reports_is_told_in_one_line(folder, name):
    with pytest.raises(UsageError, match=r"^[^\n]*report[^\n]*$"):
        command.site_folder(folder / name, None, print, draw=False)


def test_what_is_written_takes_its_place_and_follows_no_link(folder, tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    shutil.copytree(folder / "soak", site / "soak")
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    (site / "index.html").symlink_to(elsewhere / "kept")
    command.site_folder(site, None, print, draw=False)
    assert (elsewhere / "kept").read_text() == "kept"
    assert not (site / "index.html").is_symlink()
    shutil.rmtree(site / "latest")
    (site / "latest").symlink_to(elsewhere)
    with pytest.raises(OSError, match="It is a link"):
        command.site_folder(site, None, print, draw=False)
    assert [path.name for path in elsewhere.iterdir()] == ["kept"]
