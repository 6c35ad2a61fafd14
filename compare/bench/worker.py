"""A bench worker: one form (or one framework's ceiling, or one library's draws) in a fresh process.

Started by `process.BenchWorker`; requests arrive on a socket, each is answered with one message.
"""

import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from math import isfinite
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from compare.bench import resident
from compare.bench.records import Setting
from compare.errors import WorkerError
from compare.running.channel import Channel
from suites import datasets, problems
from suites.contract import Device, DType
from suites.estimators import SAMPLED_KL
from suites.forms import FORMS, Case, Check, Trainer, TrainingForm, moved_by_one_ulp, prepare
from suites.sized import binary_rows, sized_vae

CHECK_STEPS = 3
TURN_S = 0.25  # about as long as one turn should take
MOST_STEPS = 200
CEILING_SIDE = {Device.CPU: 2048, Device.CUDA: 8192}


def case_of(setting: Setting) -> Case:
    """The case that a setting names: the problem at its weights, its data in batches, the sampled KL."""
    if setting.hidden is None:
        problem = problems.load(setting.problem, setting.weights)
        rows = datasets.load(problems.DATASET[setting.problem]).train
    else:
        problem = sized_vae(hidden=setting.hidden)
        rows = binary_rows(setting.batch * setting.batches, problem.observed)
    count = min(setting.batches, len(rows) // setting.batch)
    shape = (count, setting.batch, problem.observed)
    return Case(
        problem=problem,
        estimator=SAMPLED_KL,
        batches=rows[: count * setting.batch].reshape(shape),
        seed=setting.seed,
        device=Device(setting.device),
        dtype=DType(setting.dtype),
    )


class FormClock:
    """A form under the clock."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.form: TrainingForm = next(form for form in FORMS if form.name == request["form"])
        start = perf_counter()
        import_module(self.form.module)
        self.import_s = perf_counter() - start
        self.case = case_of(Setting(**request["setting"]))
        self.baseline = resident.read("VmRSS")
        self.folder = request["folder"]

    def start(self) -> dict[str, Any]:
        """Check, then compile, take the first step, and choose how many steps a turn holds."""
        loss, weights = self._check()
        self.trainer = prepare(self.form, self.case)
        compile_s = None if self.trainer.compile is None else seconds(self.trainer.compile)
        first_s = seconds(lambda: self.trainer.step(self.trainer.quantum)) / self.trainer.quantum
        once = min(seconds(lambda: self.trainer.step(self.trainer.quantum)) for _ in range(2))
        turns = max(1, min(MOST_STEPS // self.trainer.quantum, round(TURN_S / once)))
        self.steps = turns * self.trainer.quantum
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
        arrays = dict(found) if self.form.check is Check.WEIGHTS else {}
        if self.form.is_plain and arrays:
            moved = replace(case.problem, params=moved_by_one_ulp(case.problem.params, case.dtype))
            arrays |= {f"moved:{name}": w for name, w in self._path(replace(case, problem=moved), steps)[1].items()}
        path = str(Path(self.folder) / f"{self.form.name.replace(' ', '-')}.npz")
        np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
        return loss, path

    def _path(self, case: Case, steps: int) -> tuple[float | None, Mapping[str, Any]]:
        trainer: Trainer = prepare(self.form, case)
        if trainer.quantum == 1:
            loss = trainer.step(1)
            for _ in range(steps - 1):
                trainer.step(1)
            return loss, trainer.weights()
        last = trainer.step(steps)
        return (last if steps == 1 else None), trainer.weights()

    def turn(self) -> dict[str, Any]:
        """One discarded call and a timed turn: seconds per step."""
        self.trainer.step(self.trainer.quantum)
        return {"seconds": seconds(lambda: self.trainer.step(self.steps)) / self.steps}

    def finish(self) -> dict[str, Any]:
        """Peak memory of a turn, and what is counted."""
        peak = None
        if self.case.device is Device.CUDA:
            peak = device_peak(lambda: self.trainer.step(self.steps))
            growth = peak
        else:
            if resident.reset_peak():
                self.trainer.step(self.steps)
                peak = resident.read("VmHWM")
            growth = None if peak is None or self.baseline is None else peak - self.baseline
        return {"peak_bytes": peak, "growth_bytes": growth} | dict(self.trainer.count())


def device_peak(run: Callable[[], Any]) -> float | None:
    """Bytes that torch's own allocator had in use at most while it ran; None for another framework."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    torch.cuda.reset_peak_memory_stats()
    run()
    return float(torch.cuda.max_memory_allocated())


class CeilingClock:
    """One framework's matrix products: a large square one, and those of the model's own step."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        start = perf_counter()
        module: Any = import_module(request["module"])
        device, dtype = Device(request["device"]), DType(request["dtype"])
        self.import_s = perf_counter() - start
        side = CEILING_SIDE[device]
        self.calls = {
            "square": module.products([(side, side, side)], device, dtype),
            "model": module.products([tuple(shape) for shape in request["shapes"]], device, dtype),
        }
        self.flops = {"square": 2.0 * side**3, "model": sum(2.0 * m * k * n for m, k, n in request["shapes"])}

    def start(self) -> dict[str, Any]:
        """Compile and warm up."""
        for call in self.calls.values():
            call()
            call()
        return {"import_s": self.import_s}

    def turn(self) -> dict[str, Any]:
        """Operations per second of each."""
        rates = {}
        for name, call in self.calls.items():
            call()
            repeats = max(1, round(TURN_S / 2 / seconds(call)))
            rates[name] = repeats * self.flops[name] / seconds(lambda call=call, n=repeats: [call() for _ in range(n)])
        return {"rates": rates}

    def finish(self) -> dict[str, Any]:
        """Nothing is left to report."""
        return {}


def seconds(call: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = perf_counter()
    call()
    return perf_counter() - start


def clock_of(request: Mapping[str, Any]) -> Any:
    """What the first request asks for."""
    if request["what"] == "form":
        return FormClock(request)
    if request["what"] == "ceiling":
        return CeilingClock(request)
    from compare.bench import library_clocks

    return library_clocks.clock_of(request)


def answer(state: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """The reply to one request; an error becomes its reason."""
    try:
        if request["do"] == "start":
            state["clock"] = clock_of(request)
        reply = getattr(state["clock"], request["do"])()
    except Exception as error:  # whatever a form raises becomes a reason in the report
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return {"failed": text[:300]}
    return {name: value if not isinstance(value, float) or isfinite(value) else None for name, value in reply.items()}


def main(connection: int) -> None:
    """Answer until the harness closes the connection."""
    channel, state = Channel(socket.socket(fileno=connection)), {}
    while True:
        try:
            request = channel.receive()
        except WorkerError:
            return
        channel.send(answer(state, request))


if __name__ == "__main__":
    main(int(sys.argv[1]))
    os._exit(0)  # nothing is left to tidy up, and frameworks take their time at it
