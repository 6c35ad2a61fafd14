"""The doors of a result folder: a run record and cells, each with a digest of its own, and the frames judging wrote."""

import contextlib
import io
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from claim_rows import cell, drawn, evaluated
from doors import NUMBERS, PROFILE, Door, renamed, truly

from elbo_compare.compare.commands.diff import diff_command
from elbo_compare.compare.commands.judge import judge_folder
from elbo_compare.compare.commands.why import why_command
from elbo_compare.compare.judging.frames import write_frame
from elbo_compare.compare.planning.spec import parse_spec
from elbo_compare.compare.running.codec import dumps
from elbo_compare.compare.running.store import Store, _digest, sealed, unsealed


def write_results(folder: Path) -> Path:
    """A small run as `compare run` stores one."""
    store = Store(folder)
    folder.mkdir(parents=True, exist_ok=True)
    results = [evaluated(cell()), evaluated(cell(implementation="pyro")), drawn(cell(procedure="draw", size=0))]
    spec = json.loads(json.dumps(asdict(parse_spec(PROFILE, "small"))))
    store.write_record(
        {
            "profile": "small",
            "spec": spec,
            "digest": "d",
            "command": "compare run --profile small.toml",
            "planned": len(results),
            "date": "2026-01-02 03:04 UTC",
            "fingerprint": "f",
            "environments": {"f": {"python": "3.11.9", "packages": {"torch": "2.13.0"}, "device": "cpu"}},
        }
    )
    for each in results:
        store.write(each)
    return folder


class Sample:
    """A judged folder, made once, that every try gets a copy of."""

    def __init__(self, place: Path) -> None:
        self.folder = write_results(place / "run")
        with contextlib.redirect_stdout(io.StringIO()):
            judge_folder(self.folder)
        self.cell = next(self.folder.glob("cells/*/*.json")).relative_to(self.folder)

    def with_file(self, folder: Path, name: str | Path, body: bytes) -> Path:
        """A copy with one file replaced."""
        copy = folder / "run"
        shutil.copytree(self.folder, copy)
        (copy / name).write_bytes(body)
        return copy

    def doors(self) -> tuple[Door, ...]:
        """Of everything in the folder that a verb reads."""
        record = (self.folder / "run.json").read_bytes()
        measured, verdicts = ((self.folder / f"{name}.parquet").read_bytes() for name in ("measurements", "verdicts"))
        one = (self.folder / self.cell).read_bytes()
        same = self.folder

        def judged(name: str | Path) -> Callable[[bytes, Path], Any]:
            return lambda body, folder: judge_folder(self.with_file(folder, name, body)).exit_code

        def told(name: str) -> Callable[[bytes, Path], Any]:
            return lambda body, folder: why_command("MATCH-001", "pyro", self.with_file(folder, name, body))

        def compared(name: str) -> Callable[[bytes, Path], Any]:
            return lambda body, folder: diff_command(same, self.with_file(folder, name, body), as_json=False)

        def drawn_frame(body: bytes, folder: Path) -> Any:
            """A frame of other content under a seal that fits: what `diff` and `why` make of it."""
            rng, copy = random.Random(body), folder / "run"
            shutil.copytree(self.folder, copy)
            name = rng.choice(("measurements", "verdicts"))
            write_frame(copy, name, odd_frame(pd.read_parquet(self.folder / f"{name}.parquet"), rng))
            code = diff_command(same, copy, as_json=rng.random() < 0.5)
            why_command("MATCH-001", "pyro", copy)
            return code

        def same_json(sample: bytes) -> Callable[[bytes, Any], bool]:
            return lambda body, _code: json.loads(body) == json.loads(sample)

        def exactly(sample: bytes) -> Callable[[bytes, Any], bool]:
            return lambda body, code: body == sample or code == 3

        return (
            Door("run record", lambda: [record], judged("run.json"), same_json(record), cost=60, coded=True),
            Door(
                "run record, sealed", lambda: [record], judged("run.json"), truly, resealed_record, cost=60, coded=True
            ),
            Door("cell", lambda: [one], judged(self.cell), exactly(one), cost=60, coded=True),
            Door("cell, sealed", lambda: [one], judged(self.cell), truly, resealed_cell, cost=60, coded=True),
            Door("verdicts", lambda: [verdicts], told("verdicts.parquet"), exactly(verdicts), cost=20),
            Door(
                "measurements",
                lambda: [measured],
                compared("measurements.parquet"),
                exactly(measured),
                cost=30,
                coded=True,
            ),
            Door(
                "frame, sealed", lambda: [b"seed"], drawn_frame, truly, lambda _, r: r.randbytes(8), cost=60, coded=True
            ),
        )


def resealed_record(body: bytes, rng: random.Random) -> bytes:
    """A run record of other content whose digest fits."""
    content = json.loads(body)
    content.pop("sha256")
    content = renamed(content, rng)
    with contextlib.suppress(ValueError, TypeError):
        content = content | {"sha256": _digest(dumps(content))}
    return json.dumps(content).encode()


def resealed_cell(body: bytes, rng: random.Random) -> bytes:
    """A cell's result of other content whose digest fits."""
    return sealed(json.dumps(renamed(json.loads(unsealed(body)), rng)).encode())


def odd_frame(frame: pd.DataFrame, rng: random.Random) -> pd.DataFrame:
    """A frame with a column gone, of another type, or with numbers and text that no run writes; or without rows."""
    column = rng.choice(list(frame.columns))
    change = rng.randrange(5)
    if change == 0:
        return frame.drop(columns=column)
    if change == 1:
        return frame.iloc[: rng.randrange(2)]
    if change == 2:
        return frame.assign(**{column: rng.choice((*NUMBERS, "x", "=1+1", "\x1b[31m", "a\nb", None))})
    if change == 3:
        return pd.concat([frame, frame.sample(n=5, replace=True, random_state=rng.randrange(2**31))])
    numbers = frame.select_dtypes("number").columns
    return frame.assign(**{name: rng.choice(NUMBERS) for name in numbers})
