"""Distributions in a folder that pip can install without a network. They start something long: in their making, when a
program imports them, or when a worker of the matching claims does."""

import io
import tarfile
import zipfile
from pathlib import Path

VERSION = "9.9.9"
SLEEP = "import os, subprocess\nsubprocess.run(['sleep', os.environ['LAUNCHED_SLEEPS']])\n"
RAISE = "raise ImportError('planted')\n"
BACKEND = "[build-system]\nrequires = []\nbuild-backend = 'slow'\nbackend-path = ['.']\n"


def lay_out(folder: Path) -> None:
    """folder/{installing,programs,claims}: what pip finds for `history --library numpyro` under each."""
    for stage in ("installing", "programs", "claims"):
        (folder / stage).mkdir(parents=True)
    _source(folder / "installing")
    for stage, jax, numpy in (("programs", SLEEP, ""), ("claims", RAISE, SLEEP)):
        for name, text in {"numpyro": "", "funsor": "", "jax": jax, "numpy": numpy}.items():
            wheel(folder / stage, name, text, "numpy" if name == "numpyro" else "")


def wheel(folder: Path, name: str, text: str, needs: str = "") -> Path:
    """A wheel of one module, in `folder`."""
    record = f"{name}-{VERSION}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {VERSION}\n" + (
        f"Requires-Dist: {needs}\n" if needs else ""
    )
    wheel = "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {f"{name}/__init__.py": text, f"{record}/METADATA": metadata, f"{record}/WHEEL": wheel}
    made = folder / f"{name}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        archive.writestr(f"{record}/RECORD", "".join(f"{path},,\n" for path in (*files, f"{record}/RECORD")))
    return made


def _source(folder: Path) -> None:
    with tarfile.open(folder / f"numpyro-{VERSION}.tar.gz", "w:gz") as archive:
        for path, content in {"pyproject.toml": BACKEND, "slow.py": SLEEP}.items():
            entry = tarfile.TarInfo(f"numpyro-{VERSION}/{path}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
