"""`compare history` against a package index of this test's: what is new is installed, run and told; what is not there,
and an index that can't be reached, is a row with its reason."""

import csv
import zipfile

import pytest

from elbo_compare.compare.launching import interpreter
from elbo_compare.compare.launching.interpreter import NotInstallableError

STUB = "__version__ = '1.10.0'\n"
CASE = "SEM-SCALE-001"


def wheel(folder, version):
    """A distribution pyro-ppl that holds next to nothing."""
    name = f"pyro_ppl-{version}"
    files = {
        "pyro/__init__.py": STUB,
        f"{name}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: pyro-ppl\nVersion: {version}\n",
        f"{name}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{name}.dist-info/RECORD": "",
    }
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """pip asks this index alone: it has 1.10.0, a candidate for 1.11.0, and 1.9.2."""
    shelf = tmp_path / "simple" / "pyro-ppl"
    for version in ("1.9.2", "1.10.0", "1.11.0rc1"):
        wheel(shelf, version)
    links = "".join(f'<a href="{each.name}">{each.name}</a>' for each in sorted(shelf.iterdir()))
    (shelf / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())


def test_new_runs_what_the_index_has_and_the_folder_lacks(index, command, tmp_path):
    pytest.importorskip("torch")
    out = tmp_path / "history"
    (out / "pyro" / "1.9.2").mkdir(parents=True)
    code, said, _ = command("history", "--library", "pyro", "--new", "--case", CASE, "-o", out)
    assert code == 0 and "pyro 1.10.0: 1 raises" in said and "1.11" not in said
    with (out / "history-pyro.csv").open() as file:
        (row,) = list(csv.DictReader(file))
    assert (row["case"], row["version"], row["standing"]) == (CASE, "1.10.0", "raises")
    assert "pyro" in row["reason"]  # the stub has no inference: the exception is its own
    code, _, told = command("history", "--library", "pyro", "--new", "--case", CASE, "-o", out)
    assert code == 0 and "1.10.0" not in told  # nothing is new any more


def test_a_version_that_does_not_exist_is_a_row(index, command, tmp_path):
    out = tmp_path / "history"
    code, said, _ = command("history", "--version", "9.9.9", "--case", CASE, "-o", out)
    assert code == 3 and "9.9.9: not installable" in said and "pyro-ppl==9.9.9" in said


def test_an_index_that_can_t_be_reached_is_a_line(index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(NotInstallableError, match=r"No matching distribution.*registry can't be reached"):
        interpreter.pip("install", "--no-deps", "--dry-run", "pyro-ppl==1.10.0")
