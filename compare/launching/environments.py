"""Named environments: made by `compare env create`, found again by whoever starts a process in one.

A library that needs one says so in its row of the roster. An environment is there once its record is: what an install
that broke half-way left behind is none, and is made anew.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from elbo_compare.compare.errors import UsageError, unknown
from elbo_compare.compare.launching.interpreter import HERE, PYTHON, Interpreter, create, there

FOLDER = "ELBO_COMPARE_ENVIRONMENTS"
RECORD = "elbo-compare.json"
PINS = "elbo_compare.suites.integrations"


@dataclass(frozen=True, kw_only=True)
class Named:
    """One environment that this package knows how to make. `pins`: exact versions, as pip reads them; `hashes`: a file
    with the same ones and the sha256 of everything that may be downloaded for them, None where there is none."""

    name: str
    pins: tuple[str, ...]
    hashes: Path | None = None

    @property
    def folder(self) -> Path:
        """Where it lies, or would."""
        return home() / self.name

    @property
    def command(self) -> str:
        """What makes it."""
        return f"compare env create {self.name}"

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip is asked for; where there are hashes it refuses a file that has none of them."""
        return ("--require-hashes", "-r", str(self.hashes)) if self.hashes else self.pins

    def lacking(self) -> str:
        """Why nothing can run in it, with the command; empty where it is there as it should be."""
        try:
            record = json.loads((self.folder / RECORD).read_text("utf-8"))
        except (OSError, ValueError):
            return f"needs the environment {self.name}: {self.command}"
        if not os.access(self.folder / PYTHON, os.X_OK):
            return f"the environment {self.name} is broken, it has no Python any more: {self.command}"
        if record != {"pins": list(self.pins)}:
            return f"the environment {self.name} holds other versions: {self.command}"
        return ""

    def create(self) -> None:
        """Make it, in the place of one that is there. Raises NotInstallableError, and leaves nothing then."""
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            create(self.folder, self.requirements)
            (self.folder / RECORD).write_text(json.dumps({"pins": list(self.pins)}), "utf-8")
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def versions(self) -> Mapping[str, str]:
        """What is installed there, by distribution."""
        return {each.name.lower().replace("_", "-"): each.version for each in there(self.folder)}


def home() -> Path:
    """$ELBO_COMPARE_ENVIRONMENTS, else where this user's data lie."""
    chosen = os.environ.get(FOLDER)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(chosen) if chosen else Path(data) / "elbo-compare" / "environments"


@cache
def known() -> Mapping[str, Named]:
    """Every environment that can be made, by name."""
    lists = sorted((each for each in files(PINS).iterdir() if each.name.endswith(".txt")), key=lambda each: each.name)
    texts = {each.name.removesuffix(".txt"): each.read_text("utf-8") for each in lists}
    return {name: Named(name=name, pins=_pins(text), hashes=_hashes(name)) for name, text in texts.items()}


def _hashes(name: str) -> Path | None:
    """Torch brings other libraries on each platform, which no list of exact versions holds: without hashes there."""
    path = Path(str(files(PINS).joinpath(f"{name}.hashes")))
    return path if path.is_file() else None


def _pins(text: str) -> tuple[str, ...]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)


def of(name: str) -> Named:
    """One by name. Raises UsageError for a name that is none."""
    if name not in known():
        raise UsageError(unknown("environment", name, known()))
    return known()[name]


def interpreter(name: str) -> Interpreter:
    """Where what needs this environment runs; "" is the one that this process runs in."""
    return Interpreter(python=str(of(name).folder / PYTHON)) if name else HERE
