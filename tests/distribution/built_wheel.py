"""An sdist and a wheel of this checkout, and an environment that holds the wheel beside two namesakes."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("elbo_compare", "suites", "compare", "reports", "pyproject.toml", "README.md", "LICENSE")
NAMESAKES = ("compare", "reports")  # distributions on PyPI bear these names too
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A virtual environment with the wheel and the namesakes, and a working folder with files of the same names."""

    python: Path
    work: Path

    def run(self, *command: str, script: str | None = None, timeout_s: float = 300.0) -> subprocess.CompletedProcess:
        """A command of the environment's Python (or of one of its scripts) in the working folder."""
        program = [str(self.python)] if script is None else [str(self.python.with_name(script))]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        surroundings = kept | {"OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
        return subprocess.run(
            [*program, *command], cwd=self.work, env=surroundings, capture_output=True, text=True, timeout=timeout_s
        )


def built(hook: str, source: Path, folder: Path) -> Path:
    """The file that a PEP 517 hook of setuptools leaves in `folder`; nothing is fetched."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, hook, str(folder)], cwd=source, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / done.stdout.splitlines()[-1]


def sdist(folder: Path) -> Path:
    """The source distribution, built from a copy of the checkout: links as links, published reports included."""
    checkout = folder / "checkout"
    hidden = shutil.ignore_patterns("__pycache__", "*.png", "*.svg", "*.html")  # large; none of them is installed
    checkout.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, checkout / name, symlinks=True, ignore=hidden)
        else:
            shutil.copy(source, checkout / name)
    assert (checkout / "reports" / "published").is_dir()  # what must stay out is there to stay out
    return built("build_sdist", checkout, folder)


def wheel(source_distribution: Path, folder: Path) -> Path:
    """The wheel, built from the unpacked sdist, as pip and `build` do it."""
    shutil.unpack_archive(source_distribution, folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    return built("build_wheel", source, folder)


def namesake(name: str, folder: Path) -> Path:
    """A wheel of somebody else's distribution, which installs a top-level package `name`."""
    path = folder / f"{name}-9.9-py3-none-any.whl"
    record = f"{name}-9.9.dist-info"
    content = {
        f"{name}/__init__.py": f"WHOSE = 'the distribution {name}'\n",
        f"{record}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n",
        f"{record}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{place},sha256={_digest(text)},{len(text)}" for place, text in content.items()]
    content[f"{record}/RECORD"] = "\n".join([*lines, f"{record}/RECORD,,"]) + "\n"
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in content.items():
            archive.writestr(place, text)
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def pip(python: Path, *arguments: str) -> None:
    """pip of the test's own environment, at work on another one, without an index."""
    command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def _site_packages(environment: Path) -> Path:
    names = {"base": str(environment), "platbase": str(environment)}
    return Path(sysconfig.get_path("purelib", "venv", vars=names))


def installed(wheel_file: Path, folder: Path) -> Installed:
    """The wheel beside the namesakes: first them, then us, then them again. Dependencies come from this environment."""
    environment, python = folder / "environment", folder / "environment" / "bin" / "python"
    venv.create(environment, with_pip=False)
    others = [str(namesake(name, folder)) for name in NAMESAKES]
    offline = ("install", "--quiet", "--no-index", "--no-deps")
    pip(python, *offline, *others)
    pip(python, *offline, str(wheel_file))
    pip(python, *offline, "--force-reinstall", *others)
    # A path in a .pth file is searched, but its own .pth files are not read: our editable install stays invisible.
    lent = [path for path in sys.path if Path(path).name == "site-packages"]
    (_site_packages(environment) / "lent.pth").write_text("\n".join(lent) + "\n")
    return Installed(python=python, work=_working_folder(folder / "work"))


def _working_folder(folder: Path) -> Path:
    """A user's folder, where our old names and our import name stand for modules of theirs."""
    folder.mkdir()
    for name in ("compare", "claims", "records"):
        (folder / f"{name}.py").write_text(f"WHOSE = 'the user, {name}'\n")
    for name in ("suites", "reports"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"WHOSE = 'the user, {name}'\n")
    shutil.copy(ROOT / "examples" / "my_vae.py", folder / "my_vae.py")
    return folder
