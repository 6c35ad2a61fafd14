"""What must end in one line: input that is too deep, too long, too large, or sealed well and nonsense."""

import gzip
import json
import os
import struct
from dataclasses import asdict

import numpy as np
import pytest

from elbo_compare.compare.commands.run import Request, planned
from elbo_compare.compare.errors import SpecError, StoreError, UsageError
from elbo_compare.compare.planning.select import selector
from elbo_compare.compare.planning.spec import LONGEST, parse_spec, read_spec, spec_from_dict
from elbo_compare.compare.running.codec import dumps, measurement_from_json
from elbo_compare.compare.running.store import Store, _digest
from elbo_compare.suites.datasets import formats
from elbo_compare.suites.datasets.formats import DataError, read_amat, read_idx, read_mat

BLOCK = '[[cells]]\nprocedure = "evaluate"\nproblems = ["gaussian-kl@*"]\nsize = 2\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a" + ".a" * 20_000 + " = 1\n" + BLOCK, "a line of 40,00"),
        ("x = " + "\n".join("[" * 20_000) + BLOCK, "nested too deeply"),
        ("seed = " + "9" * 1_900 + "\n" + BLOCK, "2\\^31"),
        (BLOCK.replace("size = 2", "size = 99999999999999999999"), "below 2\\^63"),
        (BLOCK + "seeds = 1000000\n", "at most 100,000"),
        ("cell_timeout_s = inf\n" + BLOCK, "cell_timeout_s"),
        ("alpha = 1" + "0" * 400 + "\n" + BLOCK, "must be a number"),
        ("cell_timeout_s = 1e300\n" + BLOCK, "cell_timeout_s"),
    ],
)
def test_a_profile_that_is_no_profile_is_one_line(text, said):
    with pytest.raises(SpecError, match=said) as caught:
        parse_spec(text, "mine")
    assert len(str(caught.value).splitlines()) == 1


def test_a_profile_is_a_regular_file_of_bounded_size(tmp_path):
    fifo, large = tmp_path / "fifo.toml", tmp_path / "large.toml"
    os.mkfifo(fifo)
    with pytest.raises(SpecError, match="no regular file"):
        read_spec(str(fifo))
    large.write_bytes(b"#" * (LONGEST + 1))
    with pytest.raises(SpecError, match="a page of TOML"):
        read_spec(str(large))
    with pytest.raises(SpecError, match="can't be read"):
        read_spec(str(tmp_path / "none.toml"))


def test_parentheses_without_end_are_an_expression_error_of_bounded_length():
    with pytest.raises(UsageError, match="parentheses are open") as caught:
        selector("(" * 3_000 + "vae" + ")" * 3_000)
    assert len(str(caught.value)) < 400
    assert selector("(" * 20 + "vae" + ")" * 20)("vae-small")


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 1e300, -1.0, 0.0])
def test_a_time_limit_is_a_number_that_ends(seconds):
    with pytest.raises(UsageError, match="--cell-timeout"):
        planned(Request(profile="quick", cell_timeout_s=seconds))


def written(folder, content):
    """A run record sealed as the store seals it, whatever it holds."""
    content = {"schema": 2} | content
    (folder / "run.json").write_text(json.dumps(content | {"sha256": _digest(dumps(content))}))


SOUND = {"spec": {}, "digest": "0", "planned": 1, "fingerprint": "f", "environments": {"f": {}}}
NONSENSE = [None, 5.5, [], "x", {"y": 1}, 10**400]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name in sorted(SOUND)
        for value in NONSENSE
        if not (name in ("digest", "planned") and type(value) is type(SOUND[name]))  # no nonsense to the store
    ],
    ids=lambda each: str(each)[:12],
)
def test_a_record_that_is_sealed_well_and_nonsense_is_refused_in_one_line(tmp_path, name, value):
    written(tmp_path, SOUND | {name: value})
    with pytest.raises((StoreError, SpecError)) as caught:
        spec_from_dict(Store(tmp_path).record()["spec"])
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"cells": 3},
        {"cells": [{"procedure": "nothing"}]},
        {"cells": [7]},
        {"alpha": "small"},
        {"name": 3},
        {"unknown": 1},
        {"seed": 0.5},
    ],
    ids=str,
)
def test_a_specification_of_another_make_is_refused(changed):
    sound = json.loads(json.dumps(asdict(parse_spec(BLOCK, "mine"))))
    assert spec_from_dict(sound).name == "mine"
    with pytest.raises(SpecError, match="specification"):
        spec_from_dict(sound | changed)


@pytest.mark.parametrize(
    "content",
    [
        {"quantity": "elbo", "value": 10**400},
        {"quantity": "elbo", "value": 1.0, "n": 2**80},
        {"quantity": "elbo", "value": 1.0, "note": 5},
    ],
    ids=lambda content: str(content)[:40],
)
def test_numbers_beyond_their_type_are_no_measurement(content):
    with pytest.raises((ValueError, OverflowError)):
        measurement_from_json(content)


def test_a_header_that_promises_more_than_there_is_is_told_in_numbers(tmp_path):
    path = tmp_path / "t10k-images-idx3-ubyte"
    path.write_bytes(bytes([0, 0, 8, 4]) + struct.pack(">4I", *[2**32 - 1] * 4) + b"abc")
    with pytest.raises(DataError, match=str(20 + (2**32 - 1) ** 4)):
        read_idx(path)


def test_a_file_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "LARGEST", 10_000)
    path = tmp_path / "binarized_mnist_train.amat"
    path.write_bytes(gzip.compress(b"0 " * 1_000_000))
    assert path.stat().st_size < 10_000
    with pytest.raises(DataError, match="unpacks to more than 10,000 bytes"):
        read_amat(path, columns=784)
    path.write_bytes(b"0 " * 10_000)
    with pytest.raises(DataError, match="at most 10,000 are read"):
        read_amat(path, columns=784)
    with pytest.raises(DataError, match="at most 10,000 are read"):
        read_mat(path, ("x",))


def test_a_fifo_among_the_data_is_no_data(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for reader in (read_idx, lambda path: read_amat(path, columns=2)):
        with pytest.raises(DataError, match="no regular file"):
            reader(tmp_path / "fifo")


def test_compressed_and_plain_files_read_alike(tmp_path):
    plain = bytes([0, 0, 8, 2]) + struct.pack(">2I", 2, 3) + bytes(range(6))
    for name, body in (("plain", plain), ("packed.gz", gzip.compress(plain))):
        (tmp_path / name).write_bytes(body)
        assert np.array_equal(read_idx(tmp_path / name), np.arange(6, dtype=np.uint8).reshape(2, 3))
