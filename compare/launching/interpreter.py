"""Python environments of their own: what is installed there, and in which interpreter a child of ours runs.

An environment is a venv. Our own code is linked into it, never installed: it is the same code in all of them, and only
what a worker imports (NumPy and the library at hand) has to be there.
"""

import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distributions
from pathlib import Path

from elbo_compare.compare.errors import IncompleteError
from elbo_compare.compare.launching.child import Child

OFFLINE = ("NewConnectionError", "NameResolutionError", "ConnectTimeout", "ProxyError")  # pip's words while it retries
NONE_THERE = "(from versions: none)"  # what it says of an index that it does not retry
INSTALL_S = 1_800.0  # a framework over a slow line
PACKAGE = Path(sys.modules[__name__.partition(".")[0]].__path__[0])  # not imported: a circle of files
PYTHON = Path("Scripts" if os.name == "nt" else "bin") / "python"


class NotInstallableError(IncompleteError):
    """What could not be had: no such version, no network, a full disk. One line."""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """Which Python a child runs in, and the environment variables that it is given beyond ours."""

    python: str = sys.executable
    surroundings: Mapping[str, str] = field(default_factory=dict)


HERE = Interpreter()


def create(folder: Path, requirements: Sequence[str]) -> Interpreter:
    """A venv in `folder` (made anew) with these requirements: pip's words, such as `jax==0.4.25`, or `-r`, FILE.

    Raises NotInstallableError, in one line, where it can't be had.
    """
    try:
        venv.create(folder, clear=True, with_pip=False)
        (site_of(folder) / PACKAGE.name).symlink_to(PACKAGE, target_is_directory=True)
    except OSError as error:
        raise NotInstallableError(f"no environment can be made: {error.strerror or error}") from error
    python = str(folder / PYTHON)
    pip("--python", python, "install", "--quiet", "--no-compile", *requirements)
    return Interpreter(python=python)


def site_of(folder: Path) -> Path:
    """Where an environment's packages lie."""
    at = {"base": str(folder), "platbase": str(folder)}
    return Path(sysconfig.get_path("purelib", "venv", at))


def there(folder: Path) -> Iterator[Distribution]:
    """What is installed in an environment, or in a folder that was laid on the path."""
    yield from distributions(path=[str(packages(folder))])


def packages(folder: Path) -> Path:
    """Where the packages of an environment lie, or of a folder that was laid on the path."""
    site = site_of(folder)
    return site if site.is_dir() else folder


def available(distribution: str) -> list[str]:
    """The final versions that the package registry has, newest first. Raises NotInstallableError."""
    said = pip("index", "versions", distribution)
    (line, *_) = [*re.findall(r"^Available versions: (.*)$", said, re.MULTILINE), ""]
    return [version for version in line.split(", ") if re.fullmatch(r"\d+(\.\d+)*", version)]


def pip(*arguments: str) -> str:
    """What pip prints. Raises NotInstallableError with its last line of error."""
    command = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    child = Child(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with child:
        try:
            output, errors = child.communicate(timeout=INSTALL_S)
        except subprocess.TimeoutExpired as error:
            raise NotInstallableError(f"pip did not end within {INSTALL_S:.0f} s") from error
        finally:
            child.end()
    if child.returncode:
        raise NotInstallableError(_why(errors.decode("utf-8", "replace")))
    return output.decode("utf-8", "replace")


def _why(errors: str) -> str:
    """One line of what pip says; one that names what was looked for rather than how it was."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    if any(word in line for word in OFFLINE for line in lines):
        return "the package registry can't be reached: no network"
    told = [line for line in lines if line.startswith("ERROR")] or lines or ["pip said nothing"]
    nothing = " (no version at all: the package registry can't be reached, or has nothing of that name)"
    return told[-1].removeprefix("ERROR: ")[:300] + (nothing if NONE_THERE in "".join(lines) else "")
