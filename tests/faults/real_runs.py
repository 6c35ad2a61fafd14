"""Real runs in real processes for the fault suite: a planted third party's package, a profile, and what they leave."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import elbo_compare

HERE = Path(__file__).parent
GENEROUS_S = 900.0  # for what takes a few seconds: no machine is so loaded that it needs more
PROFILE = """
[[cells]]
procedure = "evaluate"
problems = ["gaussian-kl@2-*"]
implementations = ["numpy-oracle", "trivial"]
size = 5
[[cells]]
procedure = "draw"
problems = ["gaussian-kl@2-typical"]
implementations = ["trivial"]
size = 2000
chunk = 500
"""


def install(folder: Path, entries: dict[str, str], *sources: Path) -> Path:
    """Make an installed distribution in `folder` that registers implementations: entry name -> module:class."""
    for source in sources:
        shutil.copy(source, folder / source.name)
    record = folder / "planted-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    lines = [f"{name} = {place}" for name, place in entries.items()]
    (record / "entry_points.txt").write_text("[elbo_compare.implementations]\n" + "\n".join(lines) + "\n")
    return folder


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A profile and the environment in which `compare` finds the planted package."""

    profile: Path
    environment: dict[str, str]

    def start(
        self,
        verb: str,
        *arguments: object,
        wait_s: float = 0.0,
        command: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ):
        """`compare VERB ARGUMENTS` in a process of its own, with more in its environment."""
        words = [*command, sys.executable, "-m", "elbo_compare", verb, *map(str, arguments)]
        return subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment | {"TRIVIAL_WAIT_S": str(wait_s)} | (environment or {}),
        )

    def finish(self, verb: str, *arguments: object, **more) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of `start`."""
        process = self.start(verb, *arguments, **more)
        out, err = process.communicate(timeout=GENEROUS_S)
        assert "Traceback" not in err, err
        return process.returncode, out, err

    def run(self, folder: Path, *more: object, **options) -> tuple[int, str, str]:
        """`compare run` of the profile into a folder, two cells side by side."""
        return self.finish("run", "--profile", self.profile, "-j", 2, "-o", folder, *more, **options)

    def frames(self, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Measurements and verdicts after judging, the time that each cell took aside."""
        from elbo_compare.compare.commands.judge import judge_folder  # here: it imports for a second

        assert judge_folder(folder).exit_code in (0, 3)  # 3: a claim is inconclusive, as it is without the fault
        results = elbo_compare.load(folder)
        return results.measurements.drop(columns="elapsed_s"), results.verdicts


def wait_for(condition, run: subprocess.Popen | None = None, deadline_s=GENEROUS_S):
    """Wait until `condition()`; an assertion error past the deadline, or where the run has ended without it."""
    end = time.monotonic() + deadline_s
    while not condition():
        if run is not None and run.poll() is not None and not condition():
            raise AssertionError(f"the run has ended with {run.returncode}: {run.communicate()[1]}")
        assert time.monotonic() < end, "what the test waits for did not happen in time"
        time.sleep(0.01)


def cell_files(folder: Path) -> list[Path]:
    """The files of the cells that are stored."""
    return sorted(folder.glob("cells/??/*.json"))


def make_bench(folder: Path, *, exist_ok: bool = False) -> Bench:
    """The trivial package, installed in `folder` unless it is there and may be, with the profile."""
    profile = folder / "faults.toml"
    if not (exist_ok and profile.exists()):
        sources = (HERE / "trivial_implementation.py", HERE / "planted" / "sitecustomize.py")
        install(folder, {"trivial": "trivial_implementation:Trivial"}, *sources)
        profile.write_text(PROFILE)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return Bench(profile=profile, environment=dict(os.environ) | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"})
