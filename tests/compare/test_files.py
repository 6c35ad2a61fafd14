"""Files and folders are whole at any moment, nothing is written through a link, only regular files are opened."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import wait_until

from elbo_compare.compare.errors import StoreError
from elbo_compare.compare.files import atomic_file, read_bytes, refuse_links, replaced, write_atomically
from elbo_compare.compare.judging.frames import read_frame, read_json
from elbo_compare.compare.running.locking import held
from elbo_compare.compare.running.store import Store


@pytest.fixture
def precious(tmp_path):
    """A file outside the result folder that links point at."""
    path = tmp_path / "precious"
    path.write_text("kept")
    return path


@pytest.mark.parametrize("link", [os.symlink, os.link, lambda _, lock: lock.mkdir(), lambda _, lock: os.mkfifo(lock)])
def test_a_link_named_lock_is_not_written_through(tmp_path, precious, link):
    folder = tmp_path / "results"
    folder.mkdir()
    link(precious, folder / "lock")
    with pytest.raises(StoreError, match=r"lock is a link or no regular file: remove it"), held(folder):
        pass
    assert precious.read_text() == "kept"


def test_a_link_in_the_place_of_a_temporary_file_is_not_written_through(tmp_path, precious):
    path = tmp_path / "frame.csv"
    path.with_name(f".frame.csv.{os.getpid()}.tmp").symlink_to(precious)
    write_atomically(path, b"new")
    assert (path.read_bytes(), precious.read_text()) == (b"new", "kept")


def test_a_link_in_the_place_of_a_file_is_replaced(tmp_path, precious):
    (tmp_path / "frame.csv").symlink_to(precious)
    write_atomically(tmp_path / "frame.csv", b"new")
    assert not (tmp_path / "frame.csv").is_symlink()
    assert precious.read_text() == "kept"


def test_what_lies_behind_a_link_is_neither_set_aside_nor_swept(tmp_path, make_cell):
    from elbo_compare.compare.running.suites import SuiteStore

    elsewhere, folder, one = tmp_path / "elsewhere", tmp_path / "results", make_cell()
    elsewhere.mkdir()
    (folder / "cells").mkdir(parents=True)
    store = Store(folder)
    store.path(one).parent.symlink_to(elsewhere, target_is_directory=True)
    (folder / "questions").symlink_to(elsewhere, target_is_directory=True)
    there = [elsewhere / store.path(one).name, elsewhere / f".{one.key}.json.1.tmp", elsewhere / "UNI.json"]
    for path in there:
        path.write_text("another's")
    assert store.read(one) is None
    assert [line.split(":")[0] for line in store.damaged] == [
        f"cells/{one.key[:2]}/{one.key}.json is damaged, and left where it is"
    ]
    store.sweep()
    assert not list(SuiteStore(folder, "questions").results())
    assert sorted(elsewhere.iterdir()) == sorted(there)


def test_a_folder_of_results_that_is_a_link_is_refused(tmp_path, make_cell):
    from elbo_compare.compare.records import CellResult, Status

    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "results"
    elsewhere.mkdir()
    folder.mkdir()
    (folder / "cells").symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(OSError, match="It is a link"):
        Store(folder).write(CellResult(cell=make_cell(), status=Status.OK))
    assert not list(elsewhere.iterdir())
    refuse_links(elsewhere, elsewhere)


def test_a_block_that_raises_leaves_the_folder_as_it_was(tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "page").write_text("old")
    with pytest.raises(RuntimeError), replaced(tmp_path / "report") as building:
        (building / "page").write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert (tmp_path / "report" / "page").read_text() == "old"


def test_a_folder_is_replaced_as_a_whole_and_a_link_in_its_place_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "page").write_text("kept")
    (tmp_path / "report").symlink_to(elsewhere, target_is_directory=True)
    for text in ("first", "second"):
        with replaced(tmp_path / "report") as building:
            (building / "page").write_text(text)
        assert (tmp_path / "report" / "page").read_text() == text
    assert (elsewhere / "page").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "report"]
    plain = tmp_path / "plain"
    plain.mkdir()
    assert (tmp_path / "report").stat().st_mode == plain.stat().st_mode


KILLED = """
import os, signal, sys
from pathlib import Path
from elbo_compare.compare.files import replaced
with replaced(Path(sys.argv[1])) as building:
    (building / "page").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_leaves_the_old_folder_and_nothing_else(tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "page").write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "report")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert wait_until(lambda: [path.name for path in tmp_path.iterdir()] == ["report"])
    assert (tmp_path / "report" / "page").read_text() == "old"


@pytest.mark.parametrize("kind", ["a FIFO", "a device", "a folder"])
def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path, kind):
    path = tmp_path / "answer.json"
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(OSError, match=r"regular|directory"):
        read_bytes(path)
    with pytest.raises(StoreError):
        read_json(tmp_path, "answer")


def test_fifos_among_the_files_of_a_folder_are_refused(tmp_path):
    os.mkfifo(tmp_path / "verdicts.parquet")
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(StoreError, match="regular"):
        read_frame(tmp_path, "verdicts")
    with pytest.raises(StoreError, match="regular"):
        Store(tmp_path).record()


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match="more than"):
        read_bytes(tmp_path / "large")


def test_a_file_in_parts_is_absent_until_its_block_has_ended(tmp_path: Path):
    with atomic_file(tmp_path / "parts") as file:
        file.write(b"one")
        assert not (tmp_path / "parts").exists()
    assert (tmp_path / "parts").read_bytes() == b"one"


def test_a_file_is_written_again_where_its_folder_vanishes_meanwhile(tmp_path, monkeypatch):
    path, opened = tmp_path / "cells" / "ab" / "result.json", os.open

    def vanishing(name, *args, **kwargs):
        if str(name).endswith(".tmp") and tmp_path.exists():
            monkeypatch.setattr(os, "open", opened)
            shutil.rmtree(tmp_path / "cells")
        return opened(name, *args, **kwargs)

    monkeypatch.setattr(os, "open", vanishing)
    write_atomically(path, b"measured")
    assert path.read_bytes() == b"measured"
