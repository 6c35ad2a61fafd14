"""The whole bench: settings, draws and curves, one process at a time under the clock; frames on disk."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from elbo_compare.compare import environment, gpu
from elbo_compare.compare.bench import frames
from elbo_compare.compare.bench.clocks.curves import AXES
from elbo_compare.compare.bench.clocks.forms import case_of
from elbo_compare.compare.bench.process import BenchWorker
from elbo_compare.compare.bench.records import Setting
from elbo_compare.compare.bench.steps import Bench
from elbo_compare.compare.bench.targets import remarks, targets
from elbo_compare.compare.errors import StoreError
from elbo_compare.compare.running.store import write_atomically
from elbo_compare.suites.contract import Device, DType, Kind
from elbo_compare.suites.forms import FORMS, TrainingForm
from elbo_compare.suites.roster import named

PARTS = ("steps", "draws", "replicas", "curves")
TABLES = ("steps", "rounds", "ceilings", "draws", "replicas", "curves", "exponents", "targets")
HAND, LIBRARIES = named(Kind.HAND), named(Kind.LIBRARY)
DRAWN = tuple((name, *problem) for problem in (("vae", "trained"), ("gaussian-kl", "40-typical")) for name in LIBRARIES)
REPLICATED = tuple((name, problem) for name in HAND for problem in ("vae", "vae-small"))
CURVED = HAND + LIBRARIES
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured. `forms`: those whose name `select` likes."""

    folder: Path
    rounds: int
    device: Device
    parts: tuple[str, ...] = PARTS
    select: Callable[[str], bool] = field(default=lambda name: True)
    command: str = "compare bench"

    @property
    def settings(self) -> tuple[Setting, ...]:
        """`vae` at batch 100 and 1,000; on a GPU also hidden 4,096 at batch 4,096."""
        device = str(self.device)
        small = [
            Setting(problem="vae", weights="initial", batch=batch, batches=batches, device=device)
            for batch, batches in ((100, 40), (1000, 4))
        ]
        if self.device is not Device.CUDA:
            return tuple(small)
        large = Setting(problem="vae", weights="initial", batch=4096, batches=4, hidden=4096, device=device)
        return (*small, large)

    @property
    def forms(self) -> list[TrainingForm]:
        """The selected forms; the one that all are compared with in time is always there."""
        found = [form for form in FORMS if self.select(form.name)]
        needed = {frames.BASELINE, *(form.plain for form in found)}
        return [form for form in FORMS if form in found or form.name in needed]


def run_bench(plan: Plan, say: Say) -> dict[str, pd.DataFrame]:
    """Measure, and write after every setting and part, so that an interrupted bench keeps what it has.

    Raises StoreError for a folder that holds something else.
    """
    _claim(plan.folder)
    tables: dict[str, pd.DataFrame] = {name: pd.DataFrame() for name in TABLES}
    finished: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        for part in (part for part in PARTS if part in plan.parts):
            if part == "steps":
                for setting in plan.settings:
                    _add(tables, _steps(plan, setting, Path(scratch), say))
                    _settle(plan, tables, finished)
            elif part == "draws":
                tables["draws"] = frames.draws_frame(_draws(plan, Path(scratch), say))
            elif part == "replicas":
                _add(tables, _replicas(plan, Path(scratch), say))
            else:
                _add(tables, {"curves": _curves(plan, Path(scratch), say)})
            finished.append(part)
            _settle(plan, tables, finished)
    return tables


def _settle(plan: Plan, tables: dict[str, pd.DataFrame], finished: Sequence[str]) -> None:
    """Derive what follows from the tables, and write them."""
    tables["exponents"] = frames.exponents_frame(tables["curves"])
    tables["targets"] = targets(tables)
    write(plan, tables, remarks(tables), finished)


def _claim(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / "bench.json").exists():
        raise StoreError(f"{folder} is not empty and holds no bench of ours. Choose -o DIR.")
    folder.mkdir(parents=True, exist_ok=True)


def _add(tables: dict[str, pd.DataFrame], more: dict[str, pd.DataFrame]) -> None:
    for name, frame in more.items():
        tables[name] = pd.concat([tables[name], frame], ignore_index=True) if len(tables[name]) else frame


def _steps(plan: Plan, setting: Setting, scratch: Path, say: Say) -> dict[str, pd.DataFrame]:
    bench = Bench(setting, scratch, say)
    bench.run(plan.forms, plan.rounds)
    problem = case_of(setting).problem
    return {
        "steps": frames.steps_frame(setting, problem, bench.outcomes, bench.rates),
        "rounds": frames.rounds_frame(setting, bench.outcomes),
        "ceilings": frames.ceilings_frame(setting, bench.rates),
    }


def _draws(plan: Plan, scratch: Path, say: Say) -> list[dict[str, Any]]:
    """For each library and problem how far apart the same draws are, and the rates of both ways, one per round."""
    found = []
    for name, problem, weights in DRAWN:
        request = {"what": "draws", "implementation": name, "problem": problem, "weights": weights}
        start, replies = _alone(plan, request, scratch, f"draws {name} {problem}", say)
        if replies:
            rates = {key: [each["rates"][key] for each in replies] for key in replies[0]["rates"]}
            found.append(request | start | {"rates": rates})
    return found


def _replicas(plan: Plan, scratch: Path, say: Say) -> dict[str, pd.DataFrame]:
    """Many seeds in one program against single trainings; on `vae` a curve too."""
    parts, curves = [pd.DataFrame()], [pd.DataFrame()]
    for name, problem in REPLICATED:
        request = {"what": "replicas", "implementation": name, "problem": problem}
        start, replies = _alone(plan, request, scratch, f"replicas {name} {problem}", say)
        part = frames.replicas_frame(name, problem, start.get("steps", 0), replies)
        parts.append(part)
        if len(part) and problem == "vae":
            columns = ["implementation", "axis", "size", "seconds", "seconds_low", "seconds_high"]
            curve = part.assign(axis="replicas", size=part["replicas"]).reindex(columns=columns)
            curves.append(curve)
    return {"replicas": pd.concat(parts, ignore_index=True), "curves": pd.concat(curves, ignore_index=True)}


def _curves(plan: Plan, scratch: Path, say: Say) -> pd.DataFrame:
    """Cost over size for every implementation and axis."""
    parts = []
    for name in CURVED:
        for axis in AXES:
            request = {"what": "curve", "implementation": name, "axis": axis}
            _, replies = _alone(plan, request, scratch, f"curve {name} {axis}", say)
            parts.append(frames.curves_frame(name, axis, [each["curve"] for each in replies]))
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _alone(plan: Plan, request: dict[str, Any], scratch: Path, label: str, say: Say) -> tuple[dict, list[dict]]:
    """One worker by itself: its start and its turns, none where it failed."""
    where = {"device": str(plan.device), "dtype": str(DType.FLOAT32)}
    surroundings = environment.worker_environment(**where, threads=environment.cores(), compile_cache=False)
    worker = BenchWorker(surroundings, scratch / f"{label.replace(' ', '-')}.log")
    try:
        start = worker.start(request | where)
        replies = [] if "failed" in start else [worker.turn() for _ in range(plan.rounds)]
    finally:
        worker.close()
    broken = [each["failed"] for each in (start, *replies) if "failed" in each]
    say(f"{label}: {'not measured: ' + broken[0] if broken else 'measured'}")
    return start, [] if broken else replies


def write(plan: Plan, tables: dict[str, pd.DataFrame], lines: Sequence[str], finished: Sequence[str] = PARTS) -> None:
    """bench.json, which names the finished parts, and one Parquet file per table that is not empty."""
    threads = environment.cores()
    record = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": plan.command,
        "rounds": plan.rounds,
        "parts": list(finished),
        "device": str(plan.device),
        "environment": environment.describe(device=str(plan.device), jobs=1, threads=threads)
        | {"settings": gpu.settings(), "tf32": "in the forms and ceilings that are named after it"},
        "remarks": list(lines),
        "pythae": environment.installed_version("pythae"),
    }
    for name in TABLES:
        (plan.folder / f"{name}.parquet").unlink(missing_ok=True)
        if len(tables[name]):
            tables[name].to_parquet(plan.folder / f"{name}.parquet", index=False)
    write_atomically(plan.folder / "bench.json", (json.dumps(record, indent=1) + "\n").encode())
