"""A worker: one implementation at a time on one device in one dtype. Started by `executors.LocalWorker`.

Requests arrive on a socket whose file descriptor is the last argument; standard output and error stay free for
whatever a framework prints. Every request is answered with exactly one message.
"""

import os
import sys
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from elbo_compare.compare.errors import WorkerError
from elbo_compare.compare.launching.channel import Channel
from elbo_compare.compare.launching.connected import connected
from elbo_compare.compare.procedures import meter
from elbo_compare.compare.procedures.task import Task
from elbo_compare.compare.procedures.timing import Timed
from elbo_compare.compare.records import Cell, CellResult, Measurement, Procedure, Status
from elbo_compare.compare.running.codec import cell_from_json, result_to_json
from elbo_compare.suites import datasets, problems, registry
from elbo_compare.suites.contract import Device, DType, Fit, Implementation, Session
from elbo_compare.suites.datasets import MissingDataError
from elbo_compare.suites.estimators import ESTIMATORS

REASON_LENGTH = 400  # characters; a reason is one line


class NotSupportedError(Exception):
    """The implementation says that it can't do this cell; the message is its reason."""


@dataclass
class LoadedImplementation:
    """The loaded implementation with the sessions and clocks that it has prepared so far, and trainings of siblings."""

    implementation: Implementation
    device: Device
    dtype: DType
    sessions: dict[tuple, Session] = field(default_factory=dict)
    clocks: dict[str, Timed] = field(default_factory=dict)
    fits: dict[str, Fit] = field(default_factory=dict)

    def task(self, cell: Cell) -> Task:
        """The cell with its problem, data and (cached) session. Raises NotSupportedError with the reason."""
        if self.device not in self.implementation.devices or self.dtype not in self.implementation.dtypes:
            raise NotSupportedError(f"{cell.implementation} does not compute in {self.dtype} on {self.device}")
        problem, estimator = problems.load(cell.problem, cell.weights), ESTIMATORS[cell.estimator]
        reason = self.implementation.supports(problem, estimator)
        if reason is not None:
            raise NotSupportedError(reason)
        key = (problem.name, problem.latent, problem.observed, estimator.name)
        if key not in self.sessions:
            with meter.span(meter.CALL):
                session = self.implementation.prepare(problem, estimator, self.device, self.dtype)
            self.sessions[key] = meter.MeteredSession(session)  # type: ignore[assignment]
        dataset = datasets.load(cell.dataset)
        return Task(
            cell=cell,
            session=self.sessions[key],
            problem=problem,
            estimator=estimator,
            dataset=dataset,
            fits=self.fits,
        )

    def run(self, cell: Cell) -> tuple[list[Measurement], dict[str, list[list[int]]]]:
        """The cell's rows and images. TIME cells are not run here: they get turns."""
        task = self.task(cell)
        if cell.procedure is Procedure.FIT:
            from elbo_compare.compare.procedures.fit import fit

            return fit(task)
        return _procedure(cell.procedure)(task), {}


def _procedure(procedure: Procedure):
    from elbo_compare.compare.procedures import draw, evaluate, fit, fit_pairs, gradient, likelihood, spread

    return {
        Procedure.EVALUATE: evaluate.evaluate,
        Procedure.DRAW: draw.draw,
        Procedure.GRADIENT: gradient.gradient,
        Procedure.FIT_PATH: fit.fit_path,
        Procedure.LIKELIHOOD: likelihood.likelihood,
        Procedure.SPREAD: spread.spread,
        Procedure.FIT_PAIRS: fit_pairs.fit_pairs,
    }[procedure]


def answer(loaded: LoadedImplementation, request: dict[str, Any]) -> dict[str, Any]:
    """The result of one request as JSON: `run`, or `start`, `turn` and `finish` of a timed cell."""
    cell, verb = cell_from_json(request["cell"]), request["do"]
    start = monotonic()
    rows: list[Measurement] = []
    images: dict[str, list[list[int]]] = {}
    status, reason = Status.OK, ""
    try:
        if verb == "run":
            rows, images = loaded.run(cell)
        elif verb == "start":
            loaded.clocks[cell.key] = Timed(loaded.task(cell))
            loaded.clocks[cell.key].start()
        elif verb == "turn":
            loaded.clocks[cell.key].turn(int(request["round"]))
        else:
            rows = loaded.clocks.pop(cell.key).rows
    except (NotSupportedError, MissingDataError) as error:
        status, reason = Status.NOT_RUN, str(error)
    except Exception as error:
        status, reason = Status.FAILED, one_line(error)
    result = CellResult(
        cell=cell,
        status=status,
        reason=reason,
        measurements=tuple(rows),
        images=images,
        elapsed_s=monotonic() - start,
        fingerprint=request["fingerprint"],
    )
    return {"result": result_to_json(result), "spans": meter.take()}


def one_line(error: BaseException) -> str:
    """`ValueError: its message`, on one line of bounded length."""
    text = " ".join(str(error).split())
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= REASON_LENGTH else text[: REASON_LENGTH - 3] + "..."


def serve(channel: Channel, name: str, device: Device, dtype: DType) -> None:
    """Load the implementation, say so, and answer requests until the harness closes the connection.

    `load` is one of them: another implementation in the place of this one.
    """
    loaded = _load(channel, name, device, dtype)
    while loaded is not None:
        try:
            request = channel.receive()
        except WorkerError:
            return  # the harness has closed the connection: nothing is left to do
        if request["do"] == "load":
            loaded = _load(channel, request["implementation"], device, dtype)
        else:
            channel.send(answer(loaded, request))


def _load(channel: Channel, name: str, device: Device, dtype: DType) -> LoadedImplementation | None:
    """The implementation, once the harness knows that it is there; None, once it knows why not."""
    start = monotonic()
    try:
        implementation = registry.load(name)
    except BaseException as error:  # an import may raise anything, SystemExit included
        channel.send({"failed": f"could not be loaded: {one_line(error)}"})
        return None
    channel.send({"ready": name, "spans": [(meter.IMPORT, start, monotonic())]})
    return LoadedImplementation(implementation=implementation, device=device, dtype=dtype)


def main(arguments: list[str]) -> int:
    """NAME DEVICE DTYPE SOCKET, the last a file descriptor that the harness has handed over."""
    name, device, dtype, descriptor = arguments
    try:
        serve(connected(descriptor), name, Device(device), DType(dtype))
    except WorkerError:
        return 1
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # nothing is left to tidy up, and frameworks take their time at it
