"""A release made ready: laid over the installed packages, or in an environment of its own with the JAX of its time."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from elbo_compare.compare.history.releases import Patch, Release
from elbo_compare.compare.launching.interpreter import Interpreter, create, packages, pip, there


@dataclass(frozen=True, kw_only=True)
class Laid:
    """Where a release runs, what was patched or is not of its time, in words, and what was installed with it."""

    where: Interpreter
    remark: str = ""
    versions: Mapping[str, str]


def lay(release: Release, folder: Path) -> Laid:
    """Install a release into `folder`. Raises NotInstallableError."""
    if release.is_apart:
        where = create(folder, [*release.requirements])
    else:  # alone: its frameworks are those that are installed, so that a release is the only thing that changes
        pip("install", "--quiet", "--no-deps", "--no-compile", "--target", str(folder), release.requirement)
        where = Interpreter(surroundings={"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"})
    patched = [_patched(packages(folder), patch) for patch in release.patches]
    versions = {each.name.lower().replace("_", "-"): each.version for each in there(folder)}
    return Laid(where=where, remark="; ".join(filter(None, (release.remark, *patched))), versions=versions)


def _patched(folder: Path, patch: Patch) -> str:
    path = folder / patch.file
    if not path.exists():
        return ""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    changed = [patch.becomes if line.startswith(patch.begins) else line for line in lines]
    path.write_text("".join(changed), "utf-8")
    return patch.words if changed != lines else ""
