"""`compare bench`: measure, write the frames, draw the report. The command line imports this: nothing heavy on top."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from elbo_compare.compare.errors import UsageError, printable, unknown

EVERY = ("steps", "draws", "replicas", "curves")


@dataclass(frozen=True, kw_only=True)
class BenchRequest:
    """What the user asked for; None where nothing was said."""

    rounds: int = 11
    device: str | None = None
    expression: str | None = None
    parts: Sequence[str] = ()
    output: Path | None = None
    draw: bool = False


def bench(
    rounds: Annotated[int, typer.Option(metavar="N", help="Interleaved rounds; intervals need six.")] = 11,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.  [default: auto]")] = None,
    expression: Annotated[str | None, typer.Option("-k", metavar="EXPR", help="Forms whose name matches.")] = None,
    part: Annotated[
        list[str] | None, typer.Option(metavar="PART", help="steps, draws, replicas or curves.  [default: all]")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", metavar="DIR", help="Results.  [default: results/bench]")] = None,
    draw: Annotated[bool, typer.Option("--draw", help="Only draw the report of DIR again.")] = False,
) -> None:
    """Time each way to write the training step, draws, many seeds and cost curves side by side; nothing is judged."""
    request = BenchRequest(
        rounds=rounds, device=device, expression=expression, parts=part or (), output=output, draw=draw
    )
    print(f"Report: {bench_command(request, lambda line: print(printable(line), file=sys.stderr))}")


def bench_command(request: BenchRequest, say: Callable[[str], None]) -> Path:
    """The page of the finished bench. Raises UsageError or StoreError in one line."""
    from elbo_compare.compare.bench.run import Plan, run_bench
    from elbo_compare.compare.planning.availability import placement
    from elbo_compare.compare.planning.select import selector

    folder = request.output or Path("results") / "bench"
    if request.draw:
        return draw_folder(folder)
    if request.rounds < 1:
        raise UsageError(f"--rounds must be at least 1, not {request.rounds}.")
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
        command=command_of(request),
    )
    run_bench(plan, say)
    return draw_folder(folder)


def command_of(request: BenchRequest) -> str:
    """The command that repeats the measurement, without this machine's paths."""
    parts = ["compare bench", f"--rounds {request.rounds}"]
    parts += [f"--device {request.device}"] if request.device else []
    parts += [f"-k '{request.expression}'"] if request.expression else []
    parts += [f"--part {part}" for part in request.parts]
    return " ".join(parts)


def draw_folder(folder: Path) -> Path:
    """Draw a measured bench again. Raises UsageError where there is none."""
    import pandas as pd

    from elbo_compare.reports.bench.page import write_bench

    try:
        record = json.loads((folder / "bench.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} holds no bench that can be read. Run `compare bench` first.") from error
    tables = {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
    return write_bench(folder / "report", record, tables)
