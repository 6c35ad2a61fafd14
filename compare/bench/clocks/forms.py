"""A training form under the clock: compiled, checked against its plain form, timed, counted."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from math import ceil, gcd
from pathlib import Path
from typing import Any

import numpy as np

from elbo_compare.compare.bench.clocks.turns import TURN_S, WARM_SHARE
from elbo_compare.compare.bench.records import Setting
from elbo_compare.compare.procedures.peak_memory import peak_bytes, resident
from elbo_compare.compare.procedures.turns import repeats, seconds
from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType
from elbo_compare.suites.estimators import SAMPLED_KL
from elbo_compare.suites.forms import (
    FORMS,
    Check,
    SeededWeights,
    Trainer,
    TrainingForm,
    Workload,
    moved_by_one_ulp,
    prepare,
)
from elbo_compare.suites.sized import binary_rows, outlined_vae

CHECK_STEPS = 3
MOST_STEPS = 200
MOST_NUMBERS = 2**18  # of one tensor in the file that is compared


def case_of(setting: Setting) -> Workload:
    """The case that a setting names: the problem at its weights, its data in batches, the sampled KL.

    Weights of another width are made by each form on its device: at 4,096 they are 77 million numbers.
    """
    if setting.hidden is None:
        problem = problems.load(setting.problem, setting.weights)
        rows = datasets.load(problems.DATASET[setting.problem]).train
    else:
        problem = outlined_vae(hidden=setting.hidden)
        rows = binary_rows(setting.batch * setting.batches, problem.observed)
    count = min(setting.batches, len(rows) // setting.batch)
    shape = (count, setting.batch, problem.observed)
    return Workload(
        problem=problem,
        estimator=SAMPLED_KL,
        batches=rows[: count * setting.batch].reshape(shape),
        seed=setting.seed,
        device=Device(setting.device),
        dtype=DType(setting.dtype),
        seeded=None if setting.hidden is None else SeededWeights(seed=setting.seed),
    )


def sampled(array: np.ndarray) -> np.ndarray:
    """All numbers, or of very many every k-th, k without a factor in common with the row, so that no column is spared.

    A distance between two paths is compared with one on the same numbers.
    """
    k = ceil(array.size / MOST_NUMBERS)
    while k > 1 and gcd(k, array.shape[-1]) > 1:
        k += 1
    return array.ravel()[::k]


class FormClock:
    """A form under the clock."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.form: TrainingForm = next(form for form in FORMS if form.name == request["form"])
        self.import_s = seconds(lambda: import_module(self.form.module))
        self.case = case_of(Setting(**request["setting"]))
        self.baseline = resident("VmRSS")
        self.folder = request["folder"]

    def start(self) -> dict[str, Any]:
        """Compile, check, take the first step, and choose how many steps a turn holds.

        Compiled first: the check would leave a compiled program behind, and there would be nothing to time.
        """
        self.trainer = prepare(self.form, self.case)
        compile_s = None if self.trainer.compile is None else seconds(self.trainer.compile)
        loss, weights = self._check()
        quantum = self.trainer.quantum
        first_s = seconds(lambda: self.trainer.step(quantum)) / quantum
        once = min(seconds(lambda: self.trainer.step(quantum)) for _ in range(2))
        turns = repeats(once, TURN_S, MOST_STEPS // quantum)
        self.steps = turns * quantum
        self.warm_steps = max(1, round(WARM_SHARE * turns)) * quantum
        return {
            "import_s": self.import_s,
            "compile_s": compile_s,
            "first_step_s": first_s,
            "loss": loss,
            "weights": weights,
            "steps_per_turn": self.steps,
        }

    def _check(self) -> tuple[float | None, str]:
        """The first step's loss, and the file with the weights after some steps; a plain form's also for weights that
        were moved by one ulp at the start."""
        steps = CHECK_STEPS if self.form.check is Check.WEIGHTS else 1
        if self.form.check is Check.NONE:
            return None, ""
        case = replace(self.case, batches=self.case.batches[:steps])
        loss, found = self._path(case, steps)
        arrays = {name: sampled(array) for name, array in found.items()} if self.form.check is Check.WEIGHTS else {}
        if self.form.is_plain and arrays:
            moved = self._path(moved_by_one_ulp(case), steps)[1]
            arrays |= {f"moved:{name}": sampled(array) for name, array in moved.items()}
        path = str(Path(self.folder) / f"{self.form.name.replace(' ', '-')}.npz")
        np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
        return loss, path

    def _path(self, case: Workload, steps: int) -> tuple[float | None, Mapping[str, Any]]:
        trainer: Trainer = prepare(self.form, case)
        if trainer.quantum == 1:
            loss = trainer.step(1)
            for _ in range(steps - 1):
                trainer.step(1)
            return loss, trainer.weights()
        last = trainer.step(steps)
        return (last if steps == 1 else None), trainer.weights()

    def turn(self) -> dict[str, Any]:
        """Some discarded steps and a timed turn: seconds per step."""
        self.trainer.step(self.warm_steps)
        return {"seconds": seconds(lambda: self.trainer.step(self.steps)) / self.steps}

    def finish(self) -> dict[str, Any]:
        """Peak memory of a turn, and what is counted."""
        peak = peak_bytes(lambda: self.trainer.step(self.steps), self.case.device)
        before = 0.0 if self.case.device is Device.CUDA else self.baseline
        growth = None if peak is None or before is None else peak - before
        return {"peak_bytes": peak, "growth_bytes": growth} | dict(self.trainer.count())
