"""Clocks that run by themselves, one worker at a time: draws, replicas, curves."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from elbo_compare.compare import environment
from elbo_compare.compare.bench import frames
from elbo_compare.compare.bench.box import Box
from elbo_compare.compare.bench.process import BenchWorker
from elbo_compare.compare.procedures.turns import interleave
from elbo_compare.suites.contract import Device, DType

Measured = tuple[dict[str, pd.DataFrame], bool, bool]  # tables, whether they were cut, whether by an interruption
CURVE = ["implementation", "axis", "size", "seconds", "seconds_low", "seconds_high"]


class Alone:
    """One worker by itself on a device, for some rounds or until its box is over."""

    def __init__(self, device: Device, rounds: int, say: Callable[[str], None]) -> None:
        self.device, self.rounds, self.say = device, rounds, say

    def draws(self, name: str, problem: str, weights: str, box: Box) -> Measured:
        """How far apart a library's same draws are, and the rates of both ways."""
        request = {"what": "draws", "implementation": name, "problem": problem, "weights": weights}
        start, replies, cut = self._measured(request, f"draws {name} {problem}", box)
        if not replies:
            return {}, *cut
        rates = {key: [each["rates"][key] for each in replies] for key in replies[0]["rates"]}
        return {"draws": frames.draws_frame([request | start | {"rates": rates}])}, *cut

    def replicas(self, name: str, problem: str, box: Box) -> Measured:
        """Many seeds in one program against single trainings; on `vae` a curve too."""
        request = {"what": "replicas", "implementation": name, "problem": problem}
        start, replies, cut = self._measured(request, f"replicas {name} {problem}", box)
        part = frames.replicas_frame(name, problem, start.get("steps", 0), replies)
        found = {"replicas": part}
        if len(part) and problem == "vae":
            found["curves"] = part.assign(axis="replicas", size=part["replicas"]).reindex(columns=CURVE)
        return found, *cut

    def curve(self, name: str, axis: str, box: Box) -> Measured:
        """Cost over size of one implementation and axis."""
        request = {"what": "curve", "implementation": name, "axis": axis}
        _, replies, cut = self._measured(request, f"curve {name} {axis}", box)
        return {"curves": frames.curves_frame(name, axis, [each["curve"] for each in replies])}, *cut

    def _measured(self, request: dict[str, Any], label: str, box: Box) -> tuple[dict, list[dict], tuple[bool, bool]]:
        """The worker's start, its turns (none where it failed), and whether it was cut, by an interruption."""
        where = {"device": str(self.device), "dtype": str(DType.FLOAT32)}
        surroundings = environment.worker_environment(**where, threads=environment.cores(), compile_cache=False)
        worker = BenchWorker(surroundings)
        start, replies, interrupted = {"failed": "it was interrupted"}, [], False
        try:
            start = worker.start(request | where, box)
            if "failed" not in start:
                interleave(
                    self.rounds,
                    living=lambda: [worker],
                    process_of=id,
                    turn=lambda each, _: replies.append(each.turn(box)),
                    goes_on=lambda _: box.left() > 0,
                )
        except KeyboardInterrupt:
            interrupted = True
        finally:
            worker.kill() if interrupted else worker.close()
        cut = interrupted or box.left() <= 0
        if cut and len(replies) > 1 and "failed" in replies[-1]:
            replies.pop()  # the turn that did not fit
        broken = [each["failed"] for each in (start, *replies) if "failed" in each]
        self.say(f"{label}: {'not measured: ' + broken[0] if broken else 'cut' if cut else 'measured'}")
        return start, [] if broken else replies, (cut, interrupted)
