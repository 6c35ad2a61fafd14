"""The whole bench: settings, draws and curves, one process at a time under the clock; frames on disk."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from math import inf, isfinite
from pathlib import Path

import pandas as pd

from elbo_compare.compare import environment, gpu
from elbo_compare.compare.bench import frames
from elbo_compare.compare.bench.alone import Alone, Measured
from elbo_compare.compare.bench.box import Box
from elbo_compare.compare.bench.clocks.curves import AXES
from elbo_compare.compare.bench.clocks.forms import case_of
from elbo_compare.compare.bench.kept import CUT, WHOLE, keep, opened, uninterrupted
from elbo_compare.compare.bench.records import Setting
from elbo_compare.compare.bench.steps import Bench
from elbo_compare.compare.bench.targets import of_steps, remarks, targets, undecided
from elbo_compare.compare.files import atomic_file, write_atomically
from elbo_compare.compare.launching.lifeline import temporary_folder
from elbo_compare.compare.planning.availability import of_all
from elbo_compare.suites.contract import Device, DType, Kind
from elbo_compare.suites.forms import FORMS, TrainingForm
from elbo_compare.suites.roster import BY_NAME, named

PARTS = ("ceilings", "steps", "account", "replicas", "draws", "curves")  # in order of worth, should a later one be cut
TABLES = ("steps", "rounds", "ceilings", "account", "draws", "replicas", "curves", "exponents", "targets")
HAND, LIBRARIES = named(Kind.HAND), tuple(filter(of_all, named(Kind.LIBRARY)))
DRAWN = tuple((name, *problem) for problem in (("vae", "trained"), ("gaussian-kl", "40-typical")) for name in LIBRARIES)
REPLICATED = tuple((name, problem) for name in HAND for problem in ("vae", "vae-small"))
CURVED = HAND + LIBRARIES
TAKEN_APART = (("torch-hand", "joined"), ("torch-hand", "compiled joined"), ("jax-hand", "joined scan"))
LARGE = {"hidden": 4096, "batch": 4096, "batches": 4}  # what a GPU is asked beside `vae`
Say = Callable[[str], None]
Measure = Callable[[Box], Measured]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured. `select`: forms by name; `settings_named`: settings by label; `only`: units by name (a unit:
    the ceilings, a setting, one implementation's replicas, draws or curve); `box_s`: seconds that a unit may take;
    `starters`: forms that start side by side; `resume`: whether units that are whole in `folder` stay."""

    folder: Path
    rounds: int
    device: Device
    parts: tuple[str, ...] = PARTS
    select: Callable[[str], bool] = field(default=lambda name: True)
    settings_named: Callable[[str], bool] = field(default=lambda label: True)
    only: Callable[[str], bool] = field(default=lambda unit: True)
    command: str = "compare bench"
    box_s: float = inf
    starters: int = 1
    resume: bool = False

    @property
    def settings(self) -> tuple[Setting, ...]:
        """`vae` at batch 100 and 1,000; on a GPU also hidden 4,096 at batch 4,096."""
        device = str(self.device)
        small = [
            Setting(problem="vae", weights="initial", batch=batch, batches=batches, device=device)
            for batch, batches in ((100, 40), (1000, 4))
        ]
        large = Setting(problem="vae", weights="initial", dtype=DType.FLOAT32, device=device, **LARGE)
        every = (*small, large) if self.device is Device.CUDA else tuple(small)
        return tuple(setting for setting in every if self.settings_named(setting.label))

    @property
    def forms(self) -> list[TrainingForm]:
        """The selected forms; the one that all are compared with in time is always there."""
        found = [form for form in FORMS if self.select(form.name) and of_all(form.implementation)]
        needed = {frames.BASELINE, *(form.plain for form in found)}
        return [form for form in FORMS if form in found or form.name in needed]


def run_bench(plan: Plan, say: Say) -> tuple[str, ...]:
    """Measure unit by unit, and write after each, so that an interrupted bench keeps what it has; the units that their
    box cut.

    Raises StoreError for a folder that holds something else, and KeyboardInterrupt through, after what the unit had
    measured is on disk.
    """
    short: list[str] = []
    tables, state = opened(plan.folder, TABLES, str(plan.device), resume=plan.resume)
    with temporary_folder("elbo-bench-") as scratch:
        for name, measure in units(plan, scratch, say):
            if not plan.only(name):
                continue
            if state.get(name) == WHOLE:
                say(f"{name}: there already")
                continue
            found, cut, interrupted = measure(Box(seconds=plan.box_s))
            with uninterrupted():
                if keep(tables, name, found, cut):
                    state[name] = CUT if cut else WHOLE
                _settle(plan, tables, state)
            if interrupted:
                raise KeyboardInterrupt
            if cut:
                say(f"{name}: {Box(seconds=plan.box_s).words}")
                short.append(name)
    return tuple(short)


def finished(plan: Plan, state: Mapping[str, str]) -> Iterator[str]:
    """The parts all of whose units are whole."""
    every = replace(plan, parts=PARTS, settings_named=lambda label: True)
    names = [name for name, _ in units(every, Path(), print)]
    for part in PARTS:
        mine = [name for name in names if name.startswith(part.rstrip("s"))]
        if mine and all(state.get(name) == WHOLE for name in mine):
            yield part


def _settle(plan: Plan, tables: dict[str, pd.DataFrame], state: Mapping[str, str]) -> None:
    """Derive what follows from the tables, and write them."""
    tables["exponents"] = frames.exponents_frame(tables["curves"])
    tables["targets"] = targets(tables)
    write(plan, tables, remarks(tables), state)


def units(plan: Plan, scratch: Path, say: Say) -> Iterator[tuple[str, Measure]]:
    """What is measured as one, by name, in order of worth."""
    clocks = Alone(plan.device, plan.rounds, say)
    if "ceilings" in plan.parts and plan.settings:
        yield f"ceilings, {plan.device}", lambda box: _ceilings(plan, scratch, say, box)
    for setting in plan.settings if "steps" in plan.parts else ():
        yield f"steps, {setting.label}", lambda box, setting=setting: _steps(plan, setting, scratch, say, box)
    taken_apart = "account" in plan.parts and "account" in parts_on(plan.device)
    for form, setting in product(TAKEN_APART, plan.settings) if taken_apart else ():
        name = f"account, {' '.join(form)}, {setting.label}"
        yield name, lambda box, of=form, setting=setting: _account(clocks, of, setting, box)
    for name, problem in REPLICATED if "replicas" in plan.parts else ():
        yield f"replicas, {name}, {problem}", lambda box, of=(name, problem): clocks.replicas(*of, box)
    for name, problem, weights in DRAWN if "draws" in plan.parts else ():
        yield f"draws, {name}, {problem}", lambda box, of=(name, problem, weights): clocks.draws(*of, box)
    for name in CURVED if "curves" in plan.parts else ():
        for axis in AXES:
            yield f"curve, {name}, {axis}", lambda box, of=(name, axis): clocks.curve(*of, box)


def _bench(
    plan: Plan, setting: Setting, scratch: Path, say: Say, box: Box, asks: Callable[[Bench], bool] = lambda bench: False
) -> Bench:
    return Bench(setting, scratch, say, box, plan.starters, asks)


def _ceilings(plan: Plan, scratch: Path, say: Say, box: Box) -> Measured:
    """What bounds the steps, alone: of the last setting, the largest."""
    setting = plan.settings[-1]
    bench = _bench(plan, setting, scratch, say, box)
    bench.run_ceilings(plan.forms, plan.rounds)
    found = frames.ceilings_frame(setting, bench.rates)
    return {"ceilings": found.assign(setting=f"alone; {setting.label}")}, bench.cut, bench.interrupted


def _steps(plan: Plan, setting: Setting, scratch: Path, say: Say, box: Box) -> Measured:
    bench = _bench(plan, setting, scratch, say, box, _of_steps)
    bench.run(plan.forms, plan.rounds)
    if not bench.outcomes:  # interrupted before anything was started: nothing is read for a table without rows
        return {}, bench.cut, bench.interrupted
    return _tables(bench), bench.cut, bench.interrupted


def _tables(bench: Bench) -> dict[str, pd.DataFrame]:
    return {
        "steps": frames.steps_frame(bench.setting, case_of(bench.setting).problem, bench.outcomes, bench.rates),
        "rounds": frames.rounds_frame(bench.setting, bench.outcomes),
        "ceilings": frames.ceilings_frame(bench.setting, bench.rates),
    }


def _of_steps(bench: Bench) -> bool:
    found = _tables(bench)
    return undecided(of_steps(found["steps"], found["rounds"]))


def parts_on(device: Device) -> tuple[str, ...]:
    """What a whole bench has on a device. On a GPU no step is taken apart: its parts overlap there by design, and alone
    they would say little."""
    return tuple(part for part in PARTS if part != "account" or device is Device.CPU)


def _account(clocks: Alone, form: tuple[str, str], setting: Setting, box: Box) -> Measured:
    implementation, name = form
    return clocks.account(BY_NAME[implementation].module("parts"), name, " ".join(form), setting, box)


def write(
    plan: Plan, tables: dict[str, pd.DataFrame], lines: Sequence[str], state: Mapping[str, str] | None = None
) -> None:
    """bench.json, which names the finished parts, and one Parquet file per table that is not empty."""
    threads = environment.cores()
    record = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": plan.command,
        "rounds": plan.rounds,
        "parts": list(PARTS if state is None else finished(plan, state)),
        "units": dict(state or {}),
        "box_s": plan.box_s if isfinite(plan.box_s) else None,
        "starters": plan.starters,
        "device": str(plan.device),
        "environment": environment.describe(device=str(plan.device), jobs=1, threads=threads)
        | {"settings": gpu.settings(), "tf32": "in the forms and ceilings that are named after it"},
        "remarks": list(lines),
        "pythae": environment.installed_version("pythae"),
    }
    for name in TABLES:
        if len(tables[name]):
            with atomic_file(plan.folder / f"{name}.parquet") as file:
                tables[name].to_parquet(file, index=False)
        else:
            (plan.folder / f"{name}.parquet").unlink(missing_ok=True)
    write_atomically(plan.folder / "bench.json", (json.dumps(record, indent=1) + "\n").encode())
