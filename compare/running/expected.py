"""How long a run still takes: what cells of a kind took in a recorded run, and how this machine compares so far.

JAX compiles a program for the first cell of a form and finds it again for the others. A warm cache makes both quicker
than the recorded run, the first far more, and says nothing of what torch or NumPy will take: so the pace is learned of
three sorts of cells apart, and from them one of each procedure. What the first workers take to import, and JAX's
cells, count a little for those of which none has ended. Nothing here is recorded or judged.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import isfinite
from typing import NamedTuple

from elbo_compare.compare.records import Cell, CellResult, Procedure, Status
from elbo_compare.compare.running.rounds import timing_group
from elbo_compare.suites.protocol import PROTOCOLS
from elbo_compare.suites.roster import JAX, ROSTER

# Mean seconds of a cell that compiles by (procedure, size of the problem, first of its form): the published run
# standard-2026-11-29 with an empty cache; two cores of an AMD EPYC, two cells side by side. Of what is compiled quickly
# since (`suites.bridge.jax_rarely`): by the CPU seconds of a run of quick, at the pace of that one; of sizes that quick
# has not, by the nearest that it has.
COMPILED: dict[tuple[Procedure, str, bool], float] = {
    (Procedure.DRAW, "large", False): 2.03,
    (Procedure.DRAW, "large", True): 3.00,
    (Procedure.DRAW, "small", False): 0.20,
    (Procedure.DRAW, "small", True): 1.00,
    (Procedure.DRAW, "tiny", False): 0.10,
    (Procedure.DRAW, "tiny", True): 0.50,
    (Procedure.EVALUATE, "large", False): 0.58,
    (Procedure.EVALUATE, "large", True): 1.50,
    (Procedure.EVALUATE, "small", False): 0.10,
    (Procedure.EVALUATE, "small", True): 1.50,
    (Procedure.EVALUATE, "tiny", False): 0.03,
    (Procedure.EVALUATE, "tiny", True): 0.64,
    (Procedure.FIT, "large", False): 7.57,
    (Procedure.FIT, "large", True): 11.87,
    (Procedure.FIT, "small", False): 0.17,
    (Procedure.FIT, "small", True): 8.01,
    (Procedure.FIT_PATH, "large", True): 2.50,
    (Procedure.FIT_PATH, "small", True): 1.30,
    (Procedure.GRADIENT, "large", False): 0.33,
    (Procedure.GRADIENT, "large", True): 1.20,
    (Procedure.GRADIENT, "small", False): 0.25,
    (Procedure.GRADIENT, "small", True): 1.20,
    (Procedure.GRADIENT, "tiny", False): 0.08,
    (Procedure.GRADIENT, "tiny", True): 0.62,
    (Procedure.LIKELIHOOD, "large", False): 2.30,  # as drawn there, where no likelihood of MNIST was asked for
    (Procedure.LIKELIHOOD, "small", True): 2.61,
    (Procedure.LIKELIHOOD, "tiny", False): 1.86,
    (Procedure.LIKELIHOOD, "tiny", True): 2.70,
    (Procedure.SPREAD, "small", False): 1.01,
    (Procedure.SPREAD, "small", True): 1.50,
    (Procedure.TIME, "large", True): 5.50,  # the clock's, here and below: of the published run of 2026-11-30 (night)
    (Procedure.TIME, "small", True): 3.90,
}
# The same of the others by (procedure, implementation, size), of a run of 2026-11-30.
PLAIN: dict[tuple[Procedure, str, str], float] = {
    (Procedure.DRAW, "numpy-oracle", "large"): 3.40,
    (Procedure.DRAW, "numpy-oracle", "small"): 1.24,
    (Procedure.DRAW, "numpy-oracle", "tiny"): 0.12,
    (Procedure.DRAW, "pyro", "large"): 5.11,
    (Procedure.DRAW, "pyro", "small"): 2.25,
    (Procedure.DRAW, "pyro", "tiny"): 0.55,
    (Procedure.DRAW, "torch-hand", "large"): 2.19,
    (Procedure.DRAW, "torch-hand", "small"): 0.48,
    (Procedure.DRAW, "torch-hand", "tiny"): 0.08,
    (Procedure.EVALUATE, "numpy-oracle", "large"): 0.52,
    (Procedure.EVALUATE, "numpy-oracle", "small"): 0.01,
    (Procedure.EVALUATE, "numpy-oracle", "tiny"): 0.01,
    (Procedure.EVALUATE, "pyro", "large"): 0.73,
    (Procedure.EVALUATE, "pyro", "small"): 0.05,
    (Procedure.EVALUATE, "pyro", "tiny"): 0.06,
    (Procedure.EVALUATE, "torch-hand", "large"): 1.11,
    (Procedure.EVALUATE, "torch-hand", "small"): 0.06,
    (Procedure.EVALUATE, "torch-hand", "tiny"): 0.02,
    (Procedure.FIT, "numpy-oracle", "small"): 0.74,
    (Procedure.FIT, "pyro", "large"): 12.04,
    (Procedure.FIT, "pyro", "small"): 3.31,
    (Procedure.FIT, "torch-hand", "large"): 10.61,
    (Procedure.FIT, "torch-hand", "small"): 0.62,
    (Procedure.FIT_PAIRS, "torch-hand", "large"): 480.0,  # not of that run: 80 trainings of MNIST at about 6 s each
    (Procedure.FIT_PAIRS, "torch-hand", "small"): 22.90,
    (Procedure.FIT_PATH, "numpy-oracle", "large"): 1.98,
    (Procedure.FIT_PATH, "numpy-oracle", "small"): 0.12,
    (Procedure.FIT_PATH, "pyro", "large"): 2.31,
    (Procedure.FIT_PATH, "pyro", "small"): 1.56,
    (Procedure.FIT_PATH, "torch-hand", "large"): 14.83,
    (Procedure.FIT_PATH, "torch-hand", "small"): 1.85,
    (Procedure.GRADIENT, "numpy-oracle", "large"): 2.63,
    (Procedure.GRADIENT, "numpy-oracle", "small"): 0.17,
    (Procedure.GRADIENT, "numpy-oracle", "tiny"): 0.10,
    (Procedure.GRADIENT, "pyro", "large"): 1.72,
    (Procedure.GRADIENT, "pyro", "small"): 1.73,
    (Procedure.GRADIENT, "pyro", "tiny"): 0.18,
    (Procedure.GRADIENT, "torch-hand", "large"): 1.90,
    (Procedure.GRADIENT, "torch-hand", "small"): 1.14,
    (Procedure.GRADIENT, "torch-hand", "tiny"): 0.15,
    (Procedure.LIKELIHOOD, "numpy-oracle", "large"): 3.40,  # as drawn there, as above
    (Procedure.LIKELIHOOD, "numpy-oracle", "small"): 0.23,
    (Procedure.LIKELIHOOD, "numpy-oracle", "tiny"): 0.09,
    (Procedure.LIKELIHOOD, "pyro", "large"): 5.11,
    (Procedure.LIKELIHOOD, "pyro", "small"): 0.67,
    (Procedure.LIKELIHOOD, "pyro", "tiny"): 0.45,
    (Procedure.LIKELIHOOD, "torch-hand", "large"): 2.19,
    (Procedure.LIKELIHOOD, "torch-hand", "small"): 0.17,
    (Procedure.LIKELIHOOD, "torch-hand", "tiny"): 0.11,
    (Procedure.SPREAD, "numpy-oracle", "small"): 0.86,
    (Procedure.SPREAD, "pyro", "small"): 1.78,
    (Procedure.SPREAD, "torch-hand", "large"): 3.22,
    (Procedure.SPREAD, "torch-hand", "small"): 0.66,
    (Procedure.TIME, "pyro", "large"): 4.60,
    (Procedure.TIME, "pyro", "small"): 2.70,
    (Procedure.TIME, "torch-hand", "large"): 3.80,
    (Procedure.TIME, "torch-hand", "small"): 1.75,
}
# Of a timed cell's seconds those of its turns, which last as long on any machine: it chooses how much they hold (12
# rounds of steps and draws, at most 0.08 s each).
TURNS_S = 1.7
CLOCK_PRIOR_S = 10.0  # what is expected of the clock counts against the groups that have been timed
SUITES_S = 60.0  # semantics and questions there, two programs side by side
PROGRAMS = {"questions": 4.0, "numpyro": 1.2, "pyro": 0.2}  # and of one of them by its group; 1 s of any other
JUDGED_S = 0.0155  # judging and drawing there, for each cell
HARNESS = 1.08  # wall time of the slots there for each second within cells: starts of workers, imports, storing
# What the recorded run counts against this one, until cells of this one outweigh it: a share of the whole, and
# so many seconds where little is to be run.
PRIOR, LEAST_PRIOR_S = 0.01, 4.0
KIND_PRIOR_S = 4.0  # and what all kinds together count against one kind
# What JAX's cells count for those of others at most, others' for JAX's, and the recorded run; how far what compiles is
# ahead of JAX's other cells where the cache is surely warm, and where it is surely not.
HEARSAY_S, PLAIN_S, GUESS_S = 8.0, 40.0, 2.0
WARM, COLD = 0.6, 0.9
OFF_BY = 3.0  # an import that is further off says something of disks and bytecode
IMPORTS = {"numpy-oracle": 0.5, "torch-hand": 1.5, "pyro": 3.0, "jax-hand": 1.5, "numpyro": 2.5}  # a worker's start
# What the recorded cells of a kind did: draws, steps, or those times the data; and the share of their seconds that
# cells which do next to nothing cost too.
WORK: dict[tuple[Procedure, str], float] = {
    (Procedure.DRAW, ""): 48_000,
    (Procedure.GRADIENT, ""): 48_000,
    (Procedure.FIT, ""): 300,
    (Procedure.FIT_PATH, ""): 50,
    (Procedure.FIT_PAIRS, "large"): 300 * 80,
    (Procedure.FIT_PAIRS, ""): 300 * 50,
    (Procedure.LIKELIHOOD, "tiny"): 250_000,
    (Procedure.LIKELIHOOD, ""): 50_000,
    (Procedure.SPREAD, "large"): 350 * 64,
    (Procedure.SPREAD, ""): 1_000 * 64,
}
BY_DATA = (Procedure.LIKELIHOOD, Procedure.SPREAD, Procedure.FIT_PAIRS)  # several data, or trainings, in one cell
FIXED = 0.15
TINY = ("gaussian-kl", "linear-gaussian")
COMPILING = frozenset(row.name for row in ROSTER if row.framework is JAX)


def size(cell: Cell) -> str:
    """`large` for images of 28 x 28, `tiny` where there is no network, `small` for the others."""
    if "mnist" in cell.dataset:
        return "large"
    return "tiny" if cell.problem in TINY else "small"


class Sort(StrEnum):
    """What decides a cell's pace beside the machine: whether JAX compiles for it, or has, or neither."""

    COMPILES = "compiles"
    COMPILED = "compiled"
    PLAIN = "plain"


class Expected(NamedTuple):
    """Of one cell: seconds as in the recorded run, and its sort."""

    seconds: float
    sort: Sort


def expected_seconds(cells: Iterable[Cell]) -> dict[str, float]:
    """Cell key -> seconds as in the recorded run, in the order in which workers are given the cells."""
    return {key: each.seconds for key, each in expectations(cells).items()}


def expectations(cells: Iterable[Cell]) -> dict[str, Expected]:
    """The same, each with its sort."""
    forms: set[tuple] = set()
    found: dict[str, Expected] = {}
    for cell in cells:
        latent = cell.weights.split("-")[0] if cell.problem == TINY[0] else ""
        form = (cell.implementation, cell.dtype, cell.problem, latent, cell.estimator, cell.procedure)
        first = cell.implementation in COMPILING and form not in forms
        forms.add(form)
        other = Sort.COMPILED if cell.implementation in COMPILING else Sort.PLAIN
        seconds = _of(cell, first) + (_weighing(cell) if cell.protocol else 0.0)
        found[cell.key] = Expected(seconds, Sort.COMPILES if first else other)
    return found


def _of(cell: Cell, first: bool) -> float:
    """The seconds of this kind at this cell's size: what it does grows with the size, compilation does not."""
    seconds = _seconds(cell, first)
    again = min(_seconds(cell, False), seconds) if first else seconds
    return seconds - again + again * (FIXED + (1.0 - FIXED) * _work(cell))


def _work(cell: Cell) -> float:
    """How many times as much as the recorded cells of this kind did: draws, steps, or those of several data."""
    recorded = WORK.get((cell.procedure, size(cell))) or WORK.get((cell.procedure, ""))
    if recorded is None:
        return 1.0
    return cell.size * (cell.data if cell.procedure in BY_DATA else 1) / recorded


def _weighing(cell: Cell) -> float:
    """log p(x) of test rows, with which a training under a protocol ends."""
    protocol = PROTOCOLS[cell.protocol]
    rows, draws = protocol.likelihood_data, protocol.likelihood_draws
    weighed = replace(cell, procedure=Procedure.LIKELIHOOD, data=rows, size=draws, protocol="", replicas=0)
    return _of(weighed, first=False)


def _seconds(cell: Cell, first: bool) -> float:
    """Of this kind; where the recorded runs had none, of the nearest: another start, size, implementation; or any."""
    procedure, here = cell.procedure, size(cell)
    sizes = (here, *(each for each in ("small", "large", "tiny") if each != here))
    if cell.implementation in COMPILING:
        found = (COMPILED.get((procedure, each, start)) for each in sizes for start in (first, not first))
    else:
        names = (cell.implementation, "torch-hand", "numpy-oracle")
        found = (PLAIN.get((procedure, name, each)) for name in names for each in sizes)
    return next((seconds for seconds in found if seconds is not None), 1.0)


@dataclass
class Clock:
    """A timing group that has not ended: its cells, their seconds beside their turns, and the workers' imports."""

    cells: int = 0
    beside_s: float = 0.0
    names: set[str] = field(default_factory=set)

    def seconds(self, pace: float) -> float:
        """Of the whole group on this machine; its workers import side by side."""
        imports = sum(IMPORTS.get(name, 1.0) for name in self.names) / min(max(len(self.names), 1), 2)
        return self.cells * TURNS_S + (self.beside_s + imports) * pace


Kind = tuple[Procedure, Sort]  # of cells that this machine's pace is learned for


def _nothing() -> dict[Kind, float]:
    return defaultdict(float)


@dataclass
class TimeLeft:
    """Seconds left of a run of `cells`, of which `jobs` run side by side; `after_s`: what follows them there."""

    cells: Iterable[Cell]
    jobs: int = 1
    after_s: float = 0.0
    waiting: dict[Kind, float] = field(default_factory=_nothing)  # seconds, of untimed cells
    expected: dict[Kind, float] = field(default_factory=_nothing)
    taken: dict[Kind, float] = field(default_factory=_nothing)
    unseen: set[str] = field(default_factory=set)  # implementations of which no cell has ended: they are to be imported
    imported: tuple[float, float] = (0.0, 0.0)  # seconds that the first workers took to import, and those expected
    clocks: dict[Hashable, Clock] = field(default_factory=dict)  # timing groups that have not ended, in their order
    timed: list[tuple[Clock, float]] = field(default_factory=list)  # those that have, and the seconds that each took
    since: float = 0.0  # seconds after the start when the last untimed cell ended, or the last timing group

    def __post_init__(self) -> None:
        cells = list(self.cells)
        self.each = expectations(cells)
        for cell in cells:
            seconds, sort = self.each[cell.key]
            if cell.procedure is Procedure.TIME:
                clock = self.clocks.setdefault(timing_group(cell), Clock())
                clock.cells, clock.beside_s = clock.cells + 1, clock.beside_s + max(seconds - TURNS_S, 0.0)
                clock.names.add(cell.implementation)
            else:
                self.waiting[cell.procedure, sort] += seconds
                self.unseen.add(cell.implementation)
        self.all = len(self.unseen)
        timed_s = sum(clock.seconds(1.0) for clock in self.clocks.values())
        self.prior_s = max(PRIOR * (sum(self.waiting.values()) + timed_s), LEAST_PRIOR_S)

    def done(self, result: CellResult, elapsed_s: float) -> None:
        """A cell has ended, so many seconds after the start."""
        cell = result.cell
        seconds, sort = self.each.pop(cell.key, Expected(0.0, Sort.PLAIN))
        kind = cell.procedure, sort
        if cell.procedure is Procedure.TIME:
            self._timed(result, max(seconds - TURNS_S, 0.0), elapsed_s)
            return
        self.waiting[kind] -= seconds
        self.since = elapsed_s
        measured = result.status is Status.OK and isfinite(result.elapsed_s)
        if cell.implementation in self.unseen:
            if measured and self.all - len(self.unseen) < self.jobs:  # of the slots' first ones: it began at 0
                taken, known = self.imported
                usual = IMPORTS.get(cell.implementation, 1.0)
                own = min(max(elapsed_s - result.elapsed_s, usual / OFF_BY), usual * OFF_BY)
                self.imported = taken + own, known + usual
            self.unseen.discard(cell.implementation)
        if measured:
            self.expected[kind] += seconds
            self.taken[kind] += result.elapsed_s

    def _timed(self, result: CellResult, beside_s: float, elapsed_s: float) -> None:
        """A timed cell has ended: with its group, or before it where it is not run at all."""
        group = timing_group(result.cell)
        clock = self.clocks.get(group)
        if clock is None:
            return
        if result.status is Status.NOT_RUN:
            clock.cells, clock.beside_s = clock.cells - 1, clock.beside_s - beside_s
            if not clock.cells:
                del self.clocks[group]
            return
        self.timed.append((self.clocks.pop(group), elapsed_s - self.since))
        self.since = elapsed_s

    def seconds(self, elapsed_s: float) -> float:
        """Seconds left, so many after the start. A timing group's cells end together: meanwhile its time passes."""
        machine = self._machine()
        pace = {sort: self._pace(sort, machine) for sort in Sort}
        cells = sum(max(seconds, 0.0) * self._pace_of(kind, pace[kind[1]]) for kind, seconds in self.waiting.items())
        plain = pace[Sort.PLAIN]
        untimed = cells + plain * sum(IMPORTS.get(name, 1.0) for name in self.unseen)
        return untimed * HARNESS / self.jobs + self._clock(plain, untimed, elapsed_s) + self.after_s * plain

    def _clock(self, plain: float, untimed: float, elapsed_s: float) -> float:
        """Seconds of the timing groups that have not ended, by what those that have took."""
        taken = sum(seconds for _, seconds in self.timed) + CLOCK_PRIOR_S
        pace = taken / (sum(clock.seconds(plain) for clock, _ in self.timed) + CLOCK_PRIOR_S)
        groups = [pace * clock.seconds(plain) for clock in self.clocks.values()]
        passed = min(elapsed_s - self.since, groups[0]) if groups and untimed < 1e-6 else 0.0
        return sum(groups) - passed

    def _machine(self) -> float:
        """How many times as long as in the recorded run, for a sort of which no cell has ended.

        Imports tell, what torch and NumPy take, and what JAX takes unless its cache is warm: what compiles is then
        ahead of what needs not.
        """
        first, again = self._of_sort(Sort.COMPILES), self._of_sort(Sort.COMPILED)
        ahead = (first[0] + 1.0) / (first[1] + 1.0) * (again[1] + 1.0) / (again[0] + 1.0)
        taken, expected = first[0] + again[0], first[1] + again[1]
        weight = min(max((ahead - WARM) / (COLD - WARM), 0.0), 1.0) * min(expected, HEARSAY_S)
        pace = taken / expected if expected else 1.0
        plain, usual = self._of_sort(Sort.PLAIN)
        others = min(PLAIN_S / usual, 1.0) if usual else 0.0  # of them that counts
        imports, known = self.imported
        told, against = imports + weight * pace + others * plain, known + weight + others * usual
        return (told + GUESS_S) / (against + GUESS_S)

    def _of_sort(self, sort: Sort) -> tuple[float, float]:
        """Seconds taken and expected of the cells of a sort that have ended."""
        taken, expected = (
            sum(seconds for kind, seconds in total.items() if kind[1] is sort) for total in (self.taken, self.expected)
        )
        return taken, expected

    def _pace(self, sort: Sort, otherwise: float) -> float:
        """The same of one sort."""
        taken, expected = self._of_sort(sort)
        return (taken + self.prior_s * otherwise) / (expected + self.prior_s)

    def _pace_of(self, kind: Kind, otherwise: float) -> float:
        """The same of one kind, which counts as soon as a few seconds of it are over."""
        return (self.taken[kind] + KIND_PRIOR_S * otherwise) / (self.expected[kind] + KIND_PRIOR_S)


def seconds_after(cells: int, suites: bool) -> float:
    """What follows the cells of `compare all`, as in the recorded run: judging and drawing, and the suites."""
    return JUDGED_S * cells + (SUITES_S if suites else 0.0)
