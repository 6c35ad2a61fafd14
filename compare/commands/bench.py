"""`compare bench`: measure, write the frames, draw the report. The command line imports this: nothing heavy on top."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from elbo_compare.compare.errors import UsageError, unknown
from elbo_compare.compare.launching import interruption
from elbo_compare.compare.terminal import note, say

INCOMPLETE = 3
EVERY = ("ceilings", "steps", "account", "replicas", "draws", "curves")


@dataclass(frozen=True, kw_only=True)
class BenchRequest:
    """What the user asked for; None where nothing was said."""

    rounds: int = 11
    device: str | None = None
    expression: str | None = None
    parts: Sequence[str] = ()
    settings: str | None = None
    only: str | None = None
    box_s: float | None = None
    starters: int = 1
    resume: bool = False
    output: Path | None = None
    draw: bool = False
    measure_only: bool = False


def bench(
    rounds: Annotated[int, typer.Option(metavar="N", help="Interleaved rounds; intervals need six.")] = 11,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.  [default: auto]")] = None,
    expression: Annotated[str | None, typer.Option("-k", metavar="EXPR", help="Forms whose name matches.")] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(metavar="PART", help="ceilings, steps, account, replicas, draws or curves.  [default: all]"),
    ] = None,
    setting: Annotated[
        str | None, typer.Option(metavar="EXPR", help="Settings whose label matches, as '1,000 or hidden'.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="EXPR", help="Units whose name matches, as 'replicas and vae-small'.")
    ] = None,
    box: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds for each setting, library or curve; then it is cut.")
    ] = None,
    starters: Annotated[
        int, typer.Option(metavar="N", help="Forms that start side by side; above 1 compile times are not alone.")
    ] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Measure only what is missing or was cut in DIR.")] = False,
    output: Annotated[Path | None, typer.Option("-o", metavar="DIR", help="Results.  [default: results/bench]")] = None,
    draw: Annotated[bool, typer.Option("--draw", help="Only draw the report of DIR again.")] = False,
    measure_only: Annotated[bool, typer.Option("--measure-only", help="Leave drawing to a later --draw.")] = False,
) -> None:
    """Time each way to write the training step, draws, many seeds and cost curves side by side; nothing is judged."""
    request = BenchRequest(
        rounds=rounds,
        device=device,
        expression=expression,
        parts=part or (),
        settings=setting,
        only=only,
        box_s=box,
        starters=starters,
        resume=resume,
        output=output,
        draw=draw,
        measure_only=measure_only,
    )
    done = bench_command(request, note)
    say(f"Report: {done.page}" if done.page else "Measured. Next: compare bench --draw -o DIR")
    if done.cut:
        note(f"Cut by the time box: {'; '.join(done.cut)}. Go on with --resume.")
        raise typer.Exit(INCOMPLETE)


@dataclass(frozen=True, kw_only=True)
class BenchDone:
    """The end of a bench: its page, where one was drawn, and the units that their box cut."""

    page: Path | None
    cut: tuple[str, ...] = ()


def bench_command(request: BenchRequest, say: Callable[[str], None]) -> BenchDone:
    """Measure and draw, as asked. Raises UsageError or StoreError in one line."""
    from elbo_compare.compare.bench.run import Plan, run_bench, units
    from elbo_compare.compare.planning.availability import placement
    from elbo_compare.compare.planning.select import selector

    folder = request.output or Path("results") / "bench"
    if request.draw:
        return BenchDone(page=draw_folder(folder))
    if request.rounds < 1:
        raise UsageError(f"--rounds must be at least 1, not {request.rounds}.")
    if request.box_s is not None and not 0 < request.box_s < inf:
        raise UsageError(f"--box must be a positive number of seconds, not {request.box_s:g}.")
    if request.starters < 1:
        raise UsageError(f"--starters must be at least 1, not {request.starters}.")
    for part in request.parts:
        if part not in EVERY:
            raise UsageError(unknown("part", part, EVERY))
    select = selector(request.expression) if request.expression else lambda name: True
    placed = placement(request.device or "auto")
    if placed.device == "cuda":
        say(f"Devices: {placed.in_words()}")
    plan = Plan(
        folder=folder,
        rounds=request.rounds,
        device=placed.device,
        parts=tuple(request.parts) or EVERY,
        select=select,
        settings_named=selector(request.settings) if request.settings else lambda label: True,
        only=selector(request.only) if request.only else lambda unit: True,
        command=command_of(request),
        box_s=request.box_s or inf,
        starters=request.starters,
        resume=request.resume,
    )
    if not plan.settings and set(plan.parts) & {"ceilings", "steps", "account"}:
        raise UsageError(f"--setting {request.settings!r} matches no setting on {plan.device}.")
    if not any(plan.only(name) for name, _ in units(plan, folder, say)):
        raise UsageError(f"--only {request.only!r} matches no unit of {', '.join(plan.parts)}.")
    interruption.advise(interruption.RESUME)
    cut = run_bench(plan, say)
    interruption.advise(f"What was measured is kept: compare bench --draw -o {folder} draws it.")
    return BenchDone(page=None if request.measure_only else draw_folder(folder), cut=cut)


def command_of(request: BenchRequest) -> str:
    """The command that repeats the measurement, without this machine's paths."""
    parts = ["compare bench", f"--rounds {request.rounds}"]
    parts += [f"--device {request.device}"] if request.device else []
    parts += [f"-k '{request.expression}'"] if request.expression else []
    parts += [f"--part {part}" for part in request.parts]
    parts += [f"--setting '{request.settings}'"] if request.settings else []
    parts += [f"--only '{request.only}'"] if request.only else []
    parts += [f"--box {request.box_s:g}"] if request.box_s else []
    parts += [f"--starters {request.starters}"] if request.starters > 1 else []
    return " ".join(parts)


def draw_folder(folder: Path) -> Path:
    """Draw a measured bench again. Raises UsageError where there is none."""
    import pandas as pd

    from elbo_compare.compare.files import read_json, replaced
    from elbo_compare.reports.bench.page import write_bench

    try:
        record = read_json(folder / "bench.json")
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} holds no bench that can be read. Run `compare bench` first.") from error
    if not isinstance(record, dict):
        raise UsageError(f"{folder}/bench.json is no record of a bench. Run `compare bench` first.")
    tables = {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
    with replaced(folder / "report") as building:
        page = write_bench(building, record, tables)
    return folder / "report" / page.name
