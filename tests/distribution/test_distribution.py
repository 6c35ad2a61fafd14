"""sdist and wheel: real folders, the data and nothing more; installed beside namesakes they leave each other alone."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import built_wheel
import pytest
from built_wheel import NAMESAKES, ROOT, pip

PACKAGE = "elbo_compare"
FOLDERS = ("suites", "compare", "reports")
DATA = {
    ".py",
    ".typed",
    ".npz",
    ".json",
    ".toml",
    ".txt",
    ".hashes",
    ".css",
    ".csv",
    ".j2",
    ".js",
}  # what a package folder may hold
TABLES = {
    "compare": ("profiles/*.toml", "vectors/*.json"),
    "reports": ("templates/*",),
    "suites": (
        "weights/*.*",
        "questions/*.json",
        "semantics/measured/*.csv",
        "integrations/*.txt",
        "integrations/*.hashes",
    ),
}
PYTHON_LINES = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    return built_wheel.sdist(tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory) -> Path:
    return built_wheel.wheel(sdist, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> built_wheel.Installed:
    return built_wheel.installed(wheel, tmp_path_factory.mktemp("installed"))


def expected() -> set[str]:
    """Every file that the package consists of, by the checkout: programs, and the data beside them."""
    found = {f"{PACKAGE}/{path.name}" for path in (ROOT / PACKAGE).iterdir() if path.is_file()}
    for folder in FOLDERS:
        patterns = ("**/*.py", *TABLES[folder])
        paths = {path for pattern in patterns for path in (ROOT / folder).glob(pattern)}
        kept = (path.relative_to(ROOT) for path in paths if "published" not in path.parts)
        found |= {f"{PACKAGE}/{path.as_posix()}" for path in kept if "__pycache__" not in path.parts}
    return found


def in_sdist(sdist: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(sdist) as archive:
        return archive.getmembers()


def test_the_sdist_holds_the_package_as_real_folders(sdist):
    members = in_sdist(sdist)
    assert not [each.name for each in members if each.issym() or each.islnk()]
    names = {str(PurePosixPath(*PurePosixPath(each.name).parts[1:])) for each in members if each.isfile()}
    assert {name for name in names if name.startswith(f"{PACKAGE}/")} == expected()
    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO"} <= names


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == expected()
    assert {PurePosixPath(name).suffix for name in names} <= DATA


def test_no_published_report_and_no_test_is_installed(wheel, sdist):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist() + [each.name for each in in_sdist(sdist)]
    assert not [name for name in names if "/published/" in name or "/tests/" in name]


def test_twine_accepts_both(sdist, wheel):
    pytest.importorskip("twine", reason="twine is not installed: pip install 'elbo-compare[test]'")
    command = [sys.executable, "-m", "twine", "--no-color", "check", "--strict", str(sdist), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_our_only_top_level_name_is_elbo_compare(installed):
    code = (
        "from importlib.metadata import files; "
        "print(sorted({p.parts[0] for p in files('elbo-compare') if p.suffix == '.py'}))"
    )
    assert installed.run("-c", code).stdout.strip() == f"['{PACKAGE}']"


def test_the_namesakes_keep_their_files_and_we_keep_ours(installed):
    for name in NAMESAKES:
        told = installed.run("-P", "-c", f"import {name}; print({name}.WHOSE)")
        assert told.stdout.strip() == f"the distribution {name}", told.stderr
    pip(installed.python, "uninstall", "--yes", "--quiet", *NAMESAKES)
    done = installed.run("-P", "-c", "import elbo_compare.reports.page, elbo_compare.compare.cli, elbo_compare.suites")
    assert done.returncode == 0, done.stderr


def test_the_package_is_the_installed_one(installed):
    done = installed.run("-c", "import elbo_compare; print(elbo_compare.__file__)")
    assert Path(done.stdout.strip()).is_relative_to(installed.python.parents[1]), done.stdout + done.stderr


@pytest.mark.parametrize("script", ["compare", "elbo-compare", None])
def test_every_way_to_call_it(installed, script):
    arguments = ("list",) if script else ("-m", PACKAGE, "list")
    done = installed.run(*arguments, script=script)
    assert done.returncode == 0, done.stderr
    assert "KL-001" in done.stdout


@pytest.fixture(scope="module")
def results(installed):
    """`results/standard` in the working folder, as the README's lines read it: judged rows of the oracle."""
    small = ("--profile", "quick", "-k", "gaussian-kl and numpy-oracle", "-j", "1", "-o", "results/standard")
    done = installed.run("run", *small, script="compare")
    assert done.returncode == 0, done.stdout + done.stderr
    done = installed.run("judge", "results/standard", script="compare")
    assert (installed.work / "results" / "standard" / "verdicts.parquet").exists(), done.stdout + done.stderr


def test_the_report_and_the_vectors_find_their_data(installed, results):
    for arguments, left in (
        (("report", "results/standard"), "results/standard/report/report.html"),
        (("vectors", "write", "vectors"), "vectors/vectors.schema.json"),
    ):
        done = installed.run(*arguments, script="elbo-compare")
        assert done.returncode == 0, done.stdout + done.stderr
        assert (installed.work / left).stat().st_size > 1_000


def test_the_readmes_python_lines(installed, results):
    pytest.importorskip("torch", reason="torch is not installed")
    blocks = PYTHON_LINES.findall((ROOT / "README.md").read_text("utf-8"))
    assert len(blocks) == 2
    assert all(f"from {PACKAGE} import" in block for block in blocks)
    for block in blocks:
        calls = "\n".join(f"{name}()" for name in re.findall(r"^def (test_\w+)", block, re.MULTILINE))
        done = installed.run("-c", f"import compare\nassert compare.WHOSE == 'the user, compare'\n{block}\n{calls}")
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("identifier", ["KL-002", "NORM-001"])
def test_a_verb_that_looks_for_published_reports_says_that_there_are_none(installed, identifier):
    done = installed.run("cite", identifier, script="compare")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Outcomes")]
    assert "no published report comes with an installed package" in line
    assert "--results DIR" in line


def test_the_readme_module_says_that_there_are_none(installed):
    done = installed.run("-m", f"{PACKAGE}.reports.readme")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "no published standard report" in line.lower()
