"""A release laid over the installed packages: a folder of its own, first on the path of the child that runs it."""

import re
import subprocess
import sys
from pathlib import Path

from elbo_compare.compare.errors import IncompleteError
from elbo_compare.compare.history.releases import Patch, Release
from elbo_compare.compare.launching.child import Child

INSTALL_S = 600.0


class NotInstallableError(IncompleteError):
    """A release that could not be had: no such version, no network, a full disk. One line."""


def lay(release: Release, folder: Path) -> str:
    """Install a release alone into `folder`; what was patched, in words. Raises NotInstallableError."""
    # Alone: its frameworks are those that are installed, so that a release is the only thing that changes.
    _pip("install", "--quiet", "--no-deps", "--no-compile", "--target", str(folder), release.requirement)
    return "; ".join(filter(None, (_patched(folder, patch) for patch in release.patches)))


def available(distribution: str) -> list[str]:
    """The final versions that the package registry has, newest first. Raises NotInstallableError."""
    said = _pip("index", "versions", distribution)
    (line, *_) = [*re.findall(r"^Available versions: (.*)$", said, re.MULTILINE), ""]
    return [version for version in line.split(", ") if re.fullmatch(r"\d+(\.\d+)*", version)]


def _patched(folder: Path, patch: Patch) -> str:
    path = folder / patch.file
    if not path.exists():
        return ""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    changed = [patch.becomes if line.startswith(patch.begins) else line for line in lines]
    path.write_text("".join(changed), "utf-8")
    return patch.words if changed != lines else ""


def _pip(*arguments: str) -> str:
    """What pip prints. Raises NotInstallableError with its last line of error."""
    command = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    child = Child(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with child:
        try:
            output, errors = child.communicate(timeout=INSTALL_S)
        except subprocess.TimeoutExpired as error:
            raise NotInstallableError(f"pip {arguments[0]} did not end within {INSTALL_S:.0f} s") from error
        finally:
            child.end()
    if child.returncode:
        lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
        told = [line for line in lines if line.startswith("ERROR")] or lines or ["pip said nothing"]
        raise NotInstallableError(told[-1].removeprefix("ERROR: ")[:300])
    return output.decode("utf-8", "replace")
