"""Clocks that run by themselves, one worker at a time: draws, replicas, curves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import pandas as pd

from elbo_compare.compare import environment
from elbo_compare.compare.bench import frames
from elbo_compare.compare.bench.box import FURTHER, Box
from elbo_compare.compare.bench.process import BenchWorker
from elbo_compare.compare.bench.records import Setting
from elbo_compare.compare.bench.targets import of_account, of_draws, of_replicas, undecided
from elbo_compare.compare.procedures.turns import interleave
from elbo_compare.suites.contract import Device, DType

Start: TypeAlias = Mapping[str, Any]
Replies: TypeAlias = Sequence[Mapping[str, Any]]
Measured = tuple[dict[str, pd.DataFrame], bool, bool]  # tables, whether they were cut, whether by an interruption
CURVE = ["implementation", "axis", "size", "seconds", "seconds_low", "seconds_high"]


class Alone:
    """One worker by itself on a device, for some rounds or until its box is over."""

    def __init__(self, device: Device, rounds: int, say: Callable[[str], None]) -> None:
        self.device, self.rounds, self.say = device, rounds, say

    def draws(self, name: str, problem: str, weights: str, box: Box) -> Measured:
        """How far apart a library's same draws are, and the rates of both ways."""
        request = {"what": "draws", "implementation": name, "problem": problem, "weights": weights}

        def measured(start: Start, replies: Replies) -> pd.DataFrame:
            rates = {key: [each["rates"][key] for each in replies] for key in replies[0]["rates"]}
            return frames.draws_frame([{**request, **start, "rates": rates}])

        def asks(start: Start, replies: Replies) -> bool:
            return undecided(of_draws(measured(start, replies)))

        start, replies, cut = self._measured(request, f"draws {name} {problem}", box, asks)
        return {"draws": measured(start, replies)} if replies else {}, *cut

    def replicas(self, name: str, problem: str, box: Box) -> Measured:
        """Many seeds in one program against single trainings; on `vae` a curve too."""
        request = {"what": "replicas", "implementation": name, "problem": problem}

        def measured(start: Start, replies: Replies) -> pd.DataFrame:
            return frames.replicas_frame(name, problem, start.get("steps", 0), replies)

        def asks(start: Start, replies: Replies) -> bool:
            return undecided([of_replicas(measured(start, replies), name, self.device is Device.CUDA)])

        start, replies, cut = self._measured(request, f"replicas {name} {problem}", box, asks)
        part = measured(start, replies)
        found = {"replicas": part}
        if len(part) and problem == "vae":
            found["curves"] = part.assign(axis="replicas", size=part["replicas"]).reindex(columns=CURVE)
        return found, *cut

    def account(self, module: str, name: str, form: str, setting: Setting, box: Box) -> Measured:
        """What a joined form's step is made of: `name` within `module`, `form` in the tables."""
        request = {"what": "account", "module": module, "form": name, "setting": asdict(setting)}

        def measured(replies: Replies) -> pd.DataFrame:
            return frames.account_frame(setting, form, replies)

        def asks(start: Start, replies: Replies) -> bool:
            return undecided(of_account(measured(replies)))

        _, replies, cut = self._measured(request, f"account {form}, {setting.label}", box, asks)
        return {"account": measured(replies)}, *cut

    def curve(self, name: str, axis: str, box: Box) -> Measured:
        """Cost over size of one implementation and axis."""
        request = {"what": "curve", "implementation": name, "axis": axis}
        _, replies, cut = self._measured(request, f"curve {name} {axis}", box)
        return {"curves": frames.curves_frame(name, axis, [each["curve"] for each in replies])}, *cut

    def _measured(
        self,
        request: dict[str, Any],
        label: str,
        box: Box,
        asks: Callable[[Start, Replies], bool] = lambda start, replies: False,
    ) -> tuple[dict, list[dict], tuple[bool, bool]]:
        """The worker's start, its turns (none where it failed), and whether it was cut, by an interruption.

        `asks`: whether these turns ask for more of them than were planned.
        """

        def goes_on(index: int) -> bool:
            whole = not any("failed" in each for each in replies)
            return box.left() > 0 and (index != self.rounds or (whole and asks(start, replies)))

        where = {"device": str(self.device), "dtype": str(DType.FLOAT32)}
        surroundings = environment.worker_environment(**where, threads=environment.cores(), compile_cache=False)
        worker = BenchWorker(surroundings)
        start, replies, interrupted = {"failed": "it was interrupted"}, [], False
        try:
            start = worker.start(request | where, box)
            if "failed" not in start:
                interleave(
                    FURTHER * self.rounds,
                    living=lambda: [worker],
                    process_of=id,
                    turn=lambda each, _: replies.append(each.turn(box)),
                    goes_on=goes_on,
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
