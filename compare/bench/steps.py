"""Training forms in one setting: started one after another, checked, then timed in interleaved rounds A B C A B C."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from math import nan
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from elbo_compare.compare import environment
from elbo_compare.compare.bench.box import FURTHER, ROUNDS, STARTS, Box
from elbo_compare.compare.bench.clocks.forms import case_of
from elbo_compare.compare.bench.operations import layers_of, step_products
from elbo_compare.compare.bench.process import BenchWorker
from elbo_compare.compare.bench.records import FormTiming, Setting
from elbo_compare.compare.planning.availability import sees_cuda, without_cuda
from elbo_compare.compare.procedures.turns import interleave
from elbo_compare.suites.contract import Device, Kind
from elbo_compare.suites.forms import Check, Need, Precision, TrainingForm, reference_of
from elbo_compare.suites.roster import ROSTER

ULPS_ALLOWED = 100.0  # as the claims about training paths allow; see compare/claims/training.py
LOSS_ALLOWED = 16.0  # unit roundoffs of the loss, as the pointwise claims allow, times LOSS_GROWTH
LOSS_GROWTH = 64.0  # probabilities clamped and inverted, sums over 784 pixels in another order: some bits, not digits
LOSS_REDUCED = 0.02  # relative: a bfloat16 product keeps 8 bits, and the loss is a mean over many of them
CEILINGS = {row.framework.module: row.module("ceiling") for row in ROSTER if row.kind is Kind.HAND}
Say = Callable[[str], None]
Item = TypeVar("Item")
Reply = TypeVar("Reply")


class Bench:
    """One setting's living workers and what they have said so far. `starters`: forms that start side by side;
    `undecided`: whether what has been measured asks for more rounds than were planned."""

    def __init__(
        self,
        setting: Setting,
        folder: Path,
        say: Say,
        box: Box | None = None,
        starters: int = 1,
        undecided: Callable[["Bench"], bool] = lambda bench: False,
    ) -> None:
        self.setting, self.folder, self.say, self.undecided = setting, folder, say, undecided
        self.box, self.starters = box or Box(), starters
        self.workers: dict[str, BenchWorker] = {}
        self.outcomes: dict[str, FormTiming] = {}
        self.weights: dict[str, str] = {}
        self.rates: list[dict[str, Any]] = []
        self.rounds = 0
        self.interrupted = False
        self.ceiling_cut = False  # whether one did not start in time

    def run(self, forms: Sequence[TrainingForm], rounds: int) -> None:
        """Start, check, time and close; every form ends with an outcome. Ends early, and keeps what there is, when the
        box is over or the process is interrupted (`interrupted`)."""
        self._kept(lambda: (self._start_ceilings(forms), self._start_forms(forms), self._turns(rounds)))

    def run_ceilings(self, forms: Sequence[TrainingForm], rounds: int) -> None:
        """Only what bounds these forms."""
        self._kept(lambda: (self._start_ceilings(forms), self._turns(rounds)))

    def _kept(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            for worker in list(self.workers.values()):
                worker.kill() if self.interrupted else worker.close()

    @property
    def cut(self) -> bool:
        """Whether anything is missing that a longer box would have measured."""
        short = any(self.box.words in each.reason for each in self.outcomes.values())
        return self.interrupted or short or self.ceiling_cut or self.box.left(ROUNDS) <= 0

    def _turns(self, rounds: int) -> None:
        """Rounds as long as they fit, then what each form reports once."""
        most, fits = FURTHER * rounds, partial(self._fits, rounds)
        self.rounds = interleave(most, lambda: list(self.workers), str, self._turn, fits)
        for name in [name for name in self.outcomes if name in self.workers]:
            self._finish(name)

    def _fits(self, rounds: int, index: int) -> bool:
        """Whether another round fits; `index` rounds are over."""
        self.rounds = index
        if self.box.left(ROUNDS) <= 0 or (index == rounds and not self.undecided(self)):
            return False
        self.say(f"{self.setting.label}: round {index + 1} of {rounds if index < rounds else FURTHER * rounds}")
        return True

    def _start_ceilings(self, forms: Sequence[TrainingForm]) -> None:
        able = [form for form in forms if not missing(form, self.setting)]
        self._side_by_side(self._start_ceiling, sorted({(form.framework, form.precision) for form in able}))

    def _side_by_side(self, start: Callable[[Item], Reply], items: Sequence[Item]) -> list[Reply]:
        """What each start returns, `starters` of them at once."""
        pool = ThreadPoolExecutor(self.starters)
        try:
            return list(pool.map(start, items))
        except KeyboardInterrupt:
            self.interrupted = True  # seen by the pool, so that nothing more is started
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _worker(self) -> BenchWorker:
        surroundings = environment.worker_environment(
            device=self.setting.device,
            dtype=self.setting.dtype,
            threads=environment.cores(),
            compile_cache=False,
        )
        surroundings.pop("NVIDIA_TF32_OVERRIDE", None)  # it would switch TF32 off in the form that is named after it
        # As JAX's, torch's cache of compiled programs: in a folder of this run only, or compiling would look free.
        surroundings["TORCHINDUCTOR_CACHE_DIR"] = str(self.folder / "inductor")
        surroundings["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
        return BenchWorker(surroundings)

    def _start_ceiling(self, of: tuple[str, Precision]) -> None:
        framework, precision = of
        name = f"ceiling {framework} {precision}"
        worker, case = self._worker(), case_of(self.setting)
        self.workers[name] = worker
        request = {
            "what": "ceiling",
            "module": CEILINGS[framework],
            "device": self.setting.device,
            "dtype": self.setting.dtype,
            "precision": precision,
            "shapes": step_products(case.problem, self.setting.batch),
            "layers": [layers_of(case.problem, joined=joined) for joined in (False, True)],
            "batch": self.setting.batch,
        }
        reply = worker.start(request, self.box, STARTS)
        if "failed" in reply:
            self.say(f"{name}: {reply['failed']}")
            self.ceiling_cut = self.ceiling_cut or self.box.words in reply["failed"]
            self.workers.pop(name).close()

    def _start_forms(self, forms: Sequence[TrainingForm]) -> None:
        """Those that others are compared with first, those that compile for long last; then every form's check."""
        order = sorted(forms, key=lambda form: (not form.is_plain, form.need is Need.COMPILER))
        replies = dict(zip((form.name for form in order), self._side_by_side(self._start, order), strict=True))
        self.weights = {name: reply.pop("weights") for name, reply in replies.items() if "weights" in reply}
        losses = {name: reply.get("loss") or nan for name, reply in replies.items()}
        for form in forms:
            self._check(form, replies[form.name], losses)
        self.workers |= {form.name: self.workers.pop(form.name) for form in forms if form.name in self.workers}

    def _start(self, form: TrainingForm) -> dict[str, Any]:
        """The reply of a form's new worker; `failed` where there is no clock."""
        if reason := missing(form, self.setting):
            return {"failed": reason}
        if self.interrupted or self.box.left(STARTS) <= 0:
            return {"failed": f"{self.box.words} before it was started"}
        worker = self.workers[form.name] = self._worker()
        request = {"what": "form", "form": form.name, "setting": asdict(self.setting), "folder": str(self.folder)}
        return worker.start(request, self.box, STARTS)

    def _check(self, form: TrainingForm, reply: dict[str, Any], losses: Mapping[str, float]) -> None:
        """The form's outcome before the clock: not measured, refused or ready."""
        if "failed" in reply:
            if form.name in self.workers:
                self.workers.pop(form.name).close()
            self.outcomes[form.name] = FormTiming(form=form.name, status="not measured", reason=reply["failed"])
            return
        known = {name: value for name, value in reply.items() if value is not None}
        distance, reason = self._distance(form, losses)
        refused = not distance <= 1.0 and form.check is not Check.NONE
        self.outcomes[form.name] = FormTiming(
            form=form.name, status="refused" if refused else "ok", reason=reason, distance=distance, **known
        )
        self.say(f"{self.setting.label}: {form.name} {'refused: ' + reason if refused else 'ready'}")
        if refused:
            self.workers.pop(form.name).close()

    def _distance(self, form: TrainingForm, losses: Mapping[str, float]) -> tuple[float, str]:
        """How far the form is from the one that it must agree with, in units of what is allowed, and the reason."""
        reference = reference_of(form)
        if form.check is Check.NONE:
            return nan, "another estimator and its own shuffling: not the same step"
        if reference == form.name:
            return 0.0, ""
        if reference not in self.weights:
            return nan, f"{reference}, with which it must agree, was not started"
        if form.check is Check.LOSS:
            loss, wanted = losses[form.name], losses[reference]
            distance = loss_distance(loss, wanted, form, self.setting)
            return distance, "" if distance <= 1 else f"its first loss is {loss:.6g}, not {wanted:.6g}"
        distance, tensor = path_distance(self.weights[form.name], self.weights[reference], self.setting.dtype)
        return distance, "" if distance <= 1 else f"{tensor} is {distance:.3g} times further off than rounding explains"

    def _turn(self, name: str, index: int) -> None:
        """One worker's turn of a round: seconds of a form, rates of a ceiling. One that fails has no more turns."""
        reply = self.workers[name].turn(self.box)
        if "failed" in reply:
            self.workers.pop(name).close()
            if name in self.outcomes and not (self.outcomes[name].seconds and reply["failed"] == self.box.words):
                self.outcomes[name] = replace(self.outcomes[name], status="not measured", reason=reply["failed"])
        elif "rates" in reply:
            _, framework, precision = name.split()
            self.rates += [
                {"framework": framework, "precision": precision, "products": kind, "round": index, "rate": rate}
                for kind, rate in reply["rates"].items()
            ]
        else:
            outcome = self.outcomes[name]
            self.outcomes[name] = replace(outcome, seconds=(*outcome.seconds, reply["seconds"]))

    def _finish(self, name: str) -> None:
        reply = self.workers[name].finish(self.box)
        if "failed" in reply:
            self.say(f"{name}: counts not measured: {reply['failed']}")
            return
        fields = ("peak_bytes", "growth_bytes", "operations", "launches", "bytes")
        found = {field: reply[field] for field in fields if reply.get(field) is not None}
        self.outcomes[name] = replace(self.outcomes[name], **found)


def missing(form: TrainingForm, setting: Setting) -> str:
    """Why a form is not even started here; empty where it may be."""
    if form.need is Need.CUDA and setting.device != "cuda":
        return "needs a CUDA device; there is none in this setting"
    if setting.device == Device.CUDA and not sees_cuda(form.framework):
        return without_cuda(form.framework)
    if form.need is Need.COMPILER and not any(map(shutil.which, ("g++", "c++", "clang++", "gcc"))):
        return "torch.compile needs a C++ compiler; none was found"
    return ""


def path_distance(found: str, reference: str, dtype: str) -> tuple[float, str]:
    """The largest over the tensors of |w - w*|_2 / allowed, and that tensor's name.

    allowed = 100 |w' - w*|_2, w' the reference's own weights where its path started one ulp off, and at least 100 unit
    roundoffs of |w*|_2: what the claims about training paths allow.
    """
    with np.load(found) as theirs, np.load(reference) as plain:
        names = [name for name in plain.files if not name.startswith("moved:")]
        worst, where = 0.0, ""
        for name in names:
            exact = plain[name]
            rounding = max(norm(plain[f"moved:{name}"] - exact), float(np.finfo(dtype).eps) / 2 * norm(exact))
            distance = norm(theirs[name] - exact) / (ULPS_ALLOWED * rounding) if rounding else nan
            if not distance <= worst:
                worst, where = distance, name
    return worst, where


def norm(array: np.ndarray) -> float:
    """The Euclidean norm of all entries."""
    return float(np.linalg.norm(array))


def loss_distance(loss: float, reference: float, form: TrainingForm, setting: Setting) -> float:
    """|loss - loss*| over what is allowed, for a form whose reduction or precision differs by design."""
    relative = LOSS_ALLOWED * LOSS_GROWTH * float(np.finfo(setting.dtype).eps) / 2
    allowed = relative if form.precision is Precision.FULL else LOSS_REDUCED
    return abs(loss - reference) / (allowed * abs(reference))
