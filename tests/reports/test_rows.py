"""Rows in a file: what is read of a long one is what a whole frame gives, and a report of it is the same bytes."""

import pandas as pd
import pytest
import synthetic

from elbo_compare.reports import rows
from elbo_compare.reports.data import LABELLED, by_implementation, judged, measured
from elbo_compare.reports.page import write_report
from elbo_compare.reports.rows import Held, Kept


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """The two long frames as files, of several row groups, and with texts that are not there."""
    folder = tmp_path_factory.mktemp("frames")
    given = {name: synthetic.everything()[name] for name in ("measurements", "verdicts")}
    for name, frame in given.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False, row_group_size=97)
    return {name: (frame, folder / f"{name}.parquet") for name, frame in given.items()}


@pytest.fixture(params=["read at once", "read a part at a time"])
def reading(request, monkeypatch):
    if request.param == "read a part at a time":
        monkeypatch.setattr(rows, "AT_ONCE", 0)
    rows._read_once.cache_clear()


def same(one, other):
    pd.testing.assert_frame_equal(one.reset_index(drop=True), other.reset_index(drop=True))
    assert len(one)


@pytest.mark.parametrize("name, complete", [("measurements", measured), ("verdicts", judged)])
def test_every_question_has_the_same_answer_as_in_memory(name, complete, frames, reading):
    frame, path = frames[name]
    held, kept = Held(complete(frame, None)), Kept(path, complete)
    column, values = ("quantity", ["elbo", "kl"]) if name == "measurements" else ("claim", list(frame["claim"])[:2])
    same(kept.of(column, values), held.of(column, values))
    columns = ["implementation", "value", "unit"]
    same(kept.of(column, values, columns)[columns], held.of(column, values, columns))
    assert kept.of(column, []).empty and held.of(column, []).empty
    same(pd.concat(kept.parts(column, values, columns))[columns], held.of(column, values, columns))
    same(kept.columns(*columns)[columns], held.columns(*columns))
    same(kept.firsts("key", ["key", "label"])[["key"]], held.firsts("key", ["key"]))
    same(kept.all(), held.all())
    assert not kept.empty


def test_a_file_without_a_row_has_every_column(tmp_path, frames, reading):
    frames["verdicts"][0].iloc[:0].to_parquet(tmp_path / "none.parquet", index=False)
    kept = Kept(tmp_path / "none.parquet", judged)
    assert kept.empty
    assert list(kept.of("claim", ["KL-002"]).columns) == list(judged(frames["verdicts"][0], None).columns)


def test_a_report_of_files_is_the_report_of_frames(tmp_path, frames, reading):
    given = synthetic.everything()
    paths = {name: path for name, (_, path) in frames.items()}
    of_files = write_report(tmp_path / "files", single_file=True, **given | paths)
    assert of_files.read_bytes() == write_report(tmp_path / "frames", single_file=True, **given).read_bytes()


def test_a_file_that_was_written_again_is_read_again(tmp_path, frames):
    frame = frames["verdicts"][0]
    path = tmp_path / "verdicts.parquet"
    frame.to_parquet(path, index=False)
    before = len(Kept(path, judged).all())
    frame.head(3).to_parquet(path, index=False)
    assert (before, len(Kept(path, judged).all())) == (len(frame), 3)


def test_labels_need_no_other_columns(frames):
    from elbo_compare.reports.data import labels

    whole = by_implementation(measured(frames["measurements"][0], None))
    assert list(labels(whole)) == list(labels(whole.reindex(columns=LABELLED)))


@pytest.mark.parametrize("name, complete", [("measurements", measured), ("verdicts", judged)])
def test_a_long_file_is_held_as_a_few_words_and_not_as_a_text_for_every_row(name, complete, frames, tmp_path, reading):
    frame = pd.concat([frames[name][0]] * 5, ignore_index=True)
    frame.to_parquet(tmp_path / "long.parquet", index=False)  # one row group, so one list of words for each column
    held = Kept(tmp_path / "long.parquet", complete).all()
    texts = [column for column in held.columns if isinstance(held[column].iloc[0], str)]
    objects = {column: len(set(map(id, held[column].array))) for column in texts}
    assert objects == {column: held[column].nunique() for column in texts}
    assert "reason" in texts if name == "verdicts" else "note" in texts  # of which some are not there
