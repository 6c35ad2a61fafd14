"""`compare data`, and cells whose data come from files: downloads, hashes, and NOT_RUN where files are missing."""

import functools
import hashlib
import os
import threading
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from scipy.io import savemat

from elbo_compare.compare.commands.fetching import FetchError, catalogue, chosen_folder, fetch
from elbo_compare.compare.errors import SpecError, UsageError
from elbo_compare.compare.planning.availability import reason_not_to_run
from elbo_compare.compare.planning.plan import plan, preflight
from elbo_compare.compare.planning.spec import parse_spec
from elbo_compare.compare.records import FROM_FILES, Cell, Procedure
from elbo_compare.compare.running.codec import cell_from_json, cell_to_json
from elbo_compare.suites import datasets
from elbo_compare.suites.contract import Device
from elbo_compare.suites.datasets import RECIPES
from elbo_compare.suites.datasets.catalogue import DataFile

CONTENT = b"one line of data\n" * 100


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """A local HTTP server that serves `served/`; gives (folder, address)."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "chardata.mat").write_bytes(CONTENT)
    http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()
    thread.join()


def served(monkeypatch, address, **fields):
    file = DataFile(**({"name": "chardata.mat", "url": f"{address}/chardata.mat"} | fields))
    monkeypatch.setitem(RECIPES, "omniglot", replace(RECIPES["omniglot"], files=(file,)))
    return file


def test_a_download_with_a_cited_hash_is_kept_and_cited(server, monkeypatch, tmp_path):
    digest = "md5:" + hashlib.md5(CONTENT).hexdigest()
    served(monkeypatch, server[1], digest=digest, digest_source="a list of hashes")
    lines = list(fetch("omniglot", tmp_path / "data"))
    assert (tmp_path / "data" / "chardata.mat").read_bytes() == CONTENT
    assert lines == [f"chardata.mat: {digest} (a list of hashes)"]


def test_a_download_with_another_hash_is_refused_in_one_line_and_not_kept(server, monkeypatch, tmp_path):
    served(monkeypatch, server[1], digest="sha256:" + "0" * 64, digest_source="a list of hashes")
    with pytest.raises(FetchError, match=r"another hash than sha256:0000.*a list of hashes") as error:
        list(fetch("omniglot", tmp_path / "data"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "data" / "chardata.mat").exists()


def test_without_a_known_hash_the_first_download_is_recorded_and_later_ones_are_held_against_it(
    server, monkeypatch, tmp_path
):
    folder, address = server
    served(monkeypatch, address)
    data, digest = tmp_path / "data", hashlib.sha256(CONTENT).hexdigest()
    (line,) = fetch("omniglot", data)
    assert f"sha256:{digest}" in line and "No source gives a hash" in line
    assert (data / "chardata.mat.sha256").read_text() == f"{digest}  chardata.mat\n"
    assert any(f"sha256:{digest} (recorded" in line for line in catalogue(data))
    (data / "chardata.mat").unlink()
    (folder / "chardata.mat").write_bytes(CONTENT + b"changed")
    with pytest.raises(FetchError, match="recorded at the first download"):
        list(fetch("omniglot", data))
    (folder / "chardata.mat").write_bytes(CONTENT)
    (line,) = fetch("omniglot", data)
    assert line == f"chardata.mat: sha256:{digest} (recorded at the first download, chardata.mat.sha256)"


def test_no_network_is_one_line(monkeypatch, tmp_path):
    served(monkeypatch, "http://127.0.0.1:9")  # the discard port: nothing listens there
    with pytest.raises(FetchError, match=r"could not be downloaded.*Is there a network") as error:
        list(fetch("omniglot", tmp_path))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_on_the_server_is_one_line(server, monkeypatch, tmp_path):
    served(monkeypatch, server[1], url=f"{server[1]}/other.mat")
    with pytest.raises(FetchError, match="404"):
        list(fetch("omniglot", tmp_path / "data"))


@pytest.mark.parametrize(
    ("name", "folder", "message"),
    [
        ("omniglott", True, "No data set of files 'omniglott'. Did you mean 'omniglot'"),
        ("mnist", False, "--data-dir DIR"),
    ],
)
def test_bad_requests_are_refused(name, folder, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        list(fetch(name, tmp_path if folder else None))


def test_every_hash_has_a_source_and_none_is_made_up_for_files_without_one():
    files = [file for recipe in RECIPES.values() for file in recipe.files]
    assert all(bool(file.digest) is bool(file.digest_source) for file in files)
    lengths = {"md5": 32, "sha256": 64}
    for file in files:
        if file.digest:
            algorithm, digits = file.digest.split(":")
            assert len(digits) == lengths[algorithm]
    assert {file.name for file in files if not file.digest} == {"chardata.mat", "caltech101_silhouettes_28_split1.mat"}


def test_the_list_says_what_is_present(tmp_path):
    (tmp_path / "chardata.mat").write_bytes(CONTENT)
    lines = "\n".join(catalogue(tmp_path))
    assert "chardata.mat  present" in lines and "binarized_mnist_test.amat  not there" in lines
    assert all(file.url in lines for recipe in RECIPES.values() for file in recipe.files)


def test_the_folder_is_the_one_given_else_the_environment_s(monkeypatch, tmp_path):
    monkeypatch.setenv(datasets.FOLDER, "/elsewhere")
    assert str(chosen_folder(None)) == "/elsewhere"
    assert chosen_folder(tmp_path) == tmp_path


def test_labels_know_the_data_sets_of_files():
    assert set(FROM_FILES) == set(RECIPES)


# --- cells


BLOCK = (
    '[[cells]]\nprocedure = "fit"\nproblems = ["{problem}@initial"]\nimplementations = ["numpy-oracle"]\nsize = 10\n'
)


def cells(text, problem="vae"):
    return list(plan(parse_spec(BLOCK.format(problem=problem) + text, "test"), Device.CPU))


def test_a_block_names_a_data_set_and_its_label_says_so():
    cell = cells('dataset = "static-mnist"')[0]
    assert cell.dataset == "static-mnist"
    assert cell.label == "vae@initial/numpy-oracle/sampled-kl/fit/float64/cpu/static-mnist"


def test_a_data_set_of_other_pixels_is_refused():
    with pytest.raises(SpecError, match="'static-mnist' has 784 values a row; vae-small is for 64"):
        cells('dataset = "static-mnist"', problem="vae-small")


def test_a_dynamic_protocol_needs_data_that_were_grey():
    with pytest.raises(SpecError, match="'static-mnist' never was grey: protocol 'dynamic'"):
        cells('dataset = "static-mnist"\nprotocol = "dynamic"')
    assert cells('protocol = "dynamic"')[0].label.endswith("/dynamic")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('dataset = "mnist-6k"', "No data set 'mnist-6k'"),
        ('protocol = "fast"', "No protocol 'fast'"),
        ("dataset = 5", "'dataset' in cells.* must be a string"),
    ],
)
def test_unknown_names_are_refused(text, message):
    with pytest.raises(SpecError, match=message):
        cells(text)


def test_a_protocol_is_for_training_and_log_weights_are_for_likelihood():
    text = '[[cells]]\nprocedure = "{}"\nproblems = ["vae@trained"]\nsize = 10\n'
    with pytest.raises(SpecError, match="a 'protocol' is for the procedure 'fit'"):
        parse_spec(text.format("evaluate") + 'protocol = "short"', "test")
    with pytest.raises(SpecError, match="'likelihood' needs log weights"):
        parse_spec(text.format("likelihood") + 'estimators = ["analytic-kl"]', "test")
    assert parse_spec(text.format("likelihood"), "test").cells[0].estimators == ("sampled-kl",)


def test_keys_of_older_cells_and_digests_of_older_profiles_stay():
    """The key is the hash of the fields that cells had before `data` and `protocol`; both change it where given."""
    plain = Cell(
        problem="vae",
        weights="trained",
        dataset="mnist-5k",
        implementation="pyro",
        estimator="sampled-kl",
        procedure=Procedure.FIT,
        dtype="float64",
        device="cpu",
        seed=0,
        size=10,
    )
    text = (
        '{"chunk":0,"dataset":"mnist-5k","datum":0,"device":"cpu","dtype":"float64","estimator":"sampled-kl",'
        '"implementation":"pyro","problem":"vae","procedure":"fit","seed":0,"size":10,"weights":"trained"}'
    )
    assert plain.key == hashlib.sha256(text.encode()).hexdigest()[:16]
    others = (replace(plain, protocol="short"), replace(plain, data=3))
    assert len({plain.key, *(each.key for each in others)}) == 3
    for each in (plain, *others):
        assert cell_from_json(cell_to_json(each)) == each


def test_missing_files_are_a_reason_and_no_crash(monkeypatch, tmp_path):
    monkeypatch.delenv(datasets.FOLDER, raising=False)
    planned = cells('dataset = "caltech101-silhouettes"')
    preflight(planned)
    assert "give --data-dir DIR" in str(reason_not_to_run(planned[0]))
    monkeypatch.setenv(datasets.FOLDER, str(tmp_path))
    assert str(reason_not_to_run(planned[0])).startswith("caltech101_silhouettes_28_split1.mat not found")


@pytest.fixture
def silhouettes(tmp_path):
    """A file of the published sizes, with random bits: 6.8 MB."""
    rng, folder = np.random.default_rng(101), tmp_path / "files"
    folder.mkdir()
    rows = RECIPES["caltech101-silhouettes"].rows
    names = ("train_data", "val_data", "test_data")
    parts = {name: rng.integers(0, 2, (n, 784), dtype=np.uint8) for name, n in zip(names, rows, strict=True)}
    savemat(folder / "caltech101_silhouettes_28_split1.mat", parts)
    return folder


def test_a_damaged_file_stops_the_run_before_it_starts(monkeypatch, silhouettes):
    path = silhouettes / "caltech101_silhouettes_28_split1.mat"
    path.write_bytes(path.read_bytes()[:100_000])
    monkeypatch.setenv(datasets.FOLDER, str(silhouettes))
    with pytest.raises(ValueError, match=r"can't be read as a MATLAB file .*: truncated or damaged"):
        preflight(cells('dataset = "caltech101-silhouettes"'))


def test_data_dir_reaches_the_workers(monkeypatch, silhouettes, tmp_path):
    """Through the command's own request, in a worker process: the cell runs with the files, and is not run without."""
    from elbo_compare.compare.commands.run import Request, execute, planned

    monkeypatch.setenv(datasets.FOLDER, "")  # put back afterwards
    profile = tmp_path / "profile.toml"
    profile.write_text(
        '[[cells]]\nprocedure = "evaluate"\nproblems = ["vae@initial"]\nimplementations = ["numpy-oracle"]\n'
        'estimators = ["sampled-kl"]\ndataset = "caltech101-silhouettes"\nsize = 2\n'
    )
    without = Request(profile=str(profile), output=tmp_path / "without", device="cpu", jobs=1)
    done = execute(planned(without), lambda _: None)
    (result,) = done.store.results()
    assert (str(result.status), result.reason[:50]) == ("not-run", "the data set caltech101-silhouettes is read from f")
    done = execute(planned(replace(without, output=tmp_path / "with", data_dir=silhouettes)), lambda _: None)
    (result,) = done.store.results()
    assert (str(result.status), result.reason) == ("ok", "")
    assert done.store.record()["data"] == {"caltech101-silhouettes": datasets.load("caltech101-silhouettes").sha256}


def test_a_data_dir_that_is_no_folder_is_refused(tmp_path):
    from elbo_compare.compare.commands.run import Request, planned

    with pytest.raises(UsageError, match="is no folder"):
        planned(Request(profile="quick", data_dir=tmp_path / "nowhere"))


@pytest.mark.parametrize(("own", "expected"), [(None, "/of/the/client"), ("/of/this/machine", "/of/this/machine")])
def test_the_folder_travels_to_another_machine_unless_that_has_its_own(monkeypatch, own, expected):
    """What a Dask worker is sent, without cells: its worker processes inherit the environment."""
    from elbo_compare.compare.running.remote import run_batch

    monkeypatch.setenv(datasets.FOLDER, own or "")
    if own is None:
        monkeypatch.delenv(datasets.FOLDER)
    run_batch([], {"cell_timeout_s": 1.0, "cell_memory": 2**30, "data_folder": "/of/the/client"}, "cpu", 1)
    assert os.environ[datasets.FOLDER] == expected
