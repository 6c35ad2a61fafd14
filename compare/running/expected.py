"""How long a run still takes: what cells of a kind took in a recorded run, and how this machine compares so far.

JAX compiles a program for the first cell of a form and finds it again for the others, so that two scales are learned:
of what compiles, whose cache may be warm, and of what does not. Nothing here is recorded or judged.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite

from elbo_compare.compare.records import Cell, CellResult, Procedure, Status
from elbo_compare.suites.roster import JAX, ROSTER

# Mean seconds of a cell by (procedure, compiles, size of the problem, first of its form): the 1,696 cells of the
# published standard run of 2026-11-29 with an empty cache; two cores of an AMD EPYC, two cells side by side.
SECONDS: dict[tuple[Procedure, bool, str, bool], float] = {
    (Procedure.DRAW, False, "large", False): 3.31,
    (Procedure.DRAW, False, "small", False): 1.19,
    (Procedure.DRAW, False, "tiny", False): 0.15,
    (Procedure.DRAW, True, "large", False): 2.03,
    (Procedure.DRAW, True, "large", True): 3.90,
    (Procedure.DRAW, True, "small", False): 0.78,
    (Procedure.DRAW, True, "small", True): 3.31,
    (Procedure.DRAW, True, "tiny", False): 0.14,
    (Procedure.DRAW, True, "tiny", True): 1.81,
    (Procedure.EVALUATE, False, "large", False): 0.76,
    (Procedure.EVALUATE, False, "small", False): 0.05,
    (Procedure.EVALUATE, False, "tiny", False): 0.03,
    (Procedure.EVALUATE, True, "large", False): 0.58,
    (Procedure.EVALUATE, True, "large", True): 4.52,
    (Procedure.EVALUATE, True, "small", False): 0.65,
    (Procedure.EVALUATE, True, "small", True): 3.00,
    (Procedure.EVALUATE, True, "tiny", False): 0.04,
    (Procedure.EVALUATE, True, "tiny", True): 1.35,
    (Procedure.FIT, False, "large", False): 10.57,
    (Procedure.FIT, False, "small", False): 1.04,
    (Procedure.FIT, True, "large", False): 7.57,
    (Procedure.FIT, True, "large", True): 11.87,
    (Procedure.FIT, True, "small", False): 0.17,
    (Procedure.FIT, True, "small", True): 8.01,
    (Procedure.FIT_PAIRS, False, "small", False): 16.67,
    (Procedure.FIT_PATH, False, "large", False): 4.29,
    (Procedure.FIT_PATH, False, "small", False): 0.80,
    (Procedure.FIT_PATH, True, "large", True): 3.76,
    (Procedure.FIT_PATH, True, "small", True): 2.28,
    (Procedure.GRADIENT, False, "large", False): 0.42,
    (Procedure.GRADIENT, False, "small", False): 0.40,
    (Procedure.GRADIENT, False, "tiny", False): 0.11,
    (Procedure.GRADIENT, True, "large", False): 0.33,
    (Procedure.GRADIENT, True, "large", True): 2.38,
    (Procedure.GRADIENT, True, "small", False): 0.25,
    (Procedure.GRADIENT, True, "small", True): 3.72,
    (Procedure.GRADIENT, True, "tiny", False): 0.10,
    (Procedure.GRADIENT, True, "tiny", True): 1.26,
    (Procedure.LIKELIHOOD, False, "small", False): 0.41,
    (Procedure.LIKELIHOOD, False, "tiny", False): 0.27,
    (Procedure.LIKELIHOOD, True, "small", True): 2.61,
    (Procedure.LIKELIHOOD, True, "tiny", False): 1.86,
    (Procedure.LIKELIHOOD, True, "tiny", True): 1.94,
    (Procedure.SPREAD, False, "large", False): 2.66,
    (Procedure.SPREAD, False, "small", False): 0.88,
    (Procedure.SPREAD, True, "small", False): 1.01,
    (Procedure.SPREAD, True, "small", True): 2.05,
    (Procedure.TIME, False, "large", False): 3.22,
    (Procedure.TIME, False, "small", False): 2.94,
    (Procedure.TIME, True, "large", True): 5.66,
    (Procedure.TIME, True, "small", True): 5.70,
}
SUITES_S = 60.0  # semantics and questions there, two programs side by side
JUDGED_S = 0.0155  # judging and drawing there, for each cell
HARNESS = 1.08  # wall time of the slots there for each second within cells: starts of workers, imports, storing
# What the recorded run counts against this one, until cells of this one outweigh it: a share of the whole, and
# so many seconds where little is to be run.
PRIOR, LEAST_PRIOR_S = 0.035, 10.0
DRAWS, AT_LEAST = 48_000, 0.15  # of most cells that drew there; the share of their seconds that few draws cost too
TINY = ("gaussian-kl", "linear-gaussian")
COMPILING = frozenset(row.name for row in ROSTER if row.framework is JAX)


def size(cell: Cell) -> str:
    """`large` for images of 28 x 28, `tiny` where there is no network, `small` for the others."""
    if cell.dataset.startswith("mnist"):
        return "large"
    return "tiny" if cell.problem in TINY else "small"


def expected_seconds(cells: Iterable[Cell]) -> dict[str, float]:
    """Cell key -> seconds as in the recorded run, in the order in which workers are given the cells."""
    forms: set[tuple] = set()
    found: dict[str, float] = {}
    for cell in cells:
        compiles = cell.implementation in COMPILING
        latent = cell.weights.split("-")[0] if cell.problem == TINY[0] else ""
        form = (cell.implementation, cell.dtype, cell.problem, latent, cell.estimator, cell.procedure)
        first = compiles and form not in forms
        forms.add(form)
        found[cell.key] = _seconds(cell.procedure, compiles, size(cell), first) * _share(cell, first)
    return found


def _share(cell: Cell, first: bool) -> float:
    """Of the recorded seconds: draws cost as many as there are, beside what each cell costs that draws at all."""
    if cell.procedure not in (Procedure.DRAW, Procedure.GRADIENT) or first:
        return 1.0
    return AT_LEAST + (1 - AT_LEAST) * min(cell.size / DRAWS, 1.0)


def _seconds(procedure: Procedure, compiles: bool, size: str, first: bool) -> float:
    """Of this kind; where the recorded run had none, of the nearest: another start, another size, any at all."""
    kinds = [(procedure, compiles, size, first), (procedure, compiles, size, not first)]
    kinds += [(procedure, each, other, first and each) for each in (compiles, False) for other in ("small", "large")]
    return next((SECONDS[kind] for kind in kinds if kind in SECONDS), 1.0)


def _none() -> dict[bool, float]:
    return {False: 0.0, True: 0.0}


@dataclass
class TimeLeft:
    """Seconds left of a run of `cells`, of which `jobs` run side by side; `after_s`: what follows them there."""

    cells: Iterable[Cell]
    jobs: int = 1
    after_s: float = 0.0
    waiting: dict[bool, float] = field(default_factory=_none)  # seconds, of untimed cells, by whether they compile
    expected: dict[bool, float] = field(default_factory=_none)
    taken: dict[bool, float] = field(default_factory=_none)
    timed_s: float = 0.0
    untimed_until: float = 0.0  # seconds after the start when the last untimed cell ended

    def __post_init__(self) -> None:
        cells = list(self.cells)
        self.each = expected_seconds(cells)
        for cell in cells:
            if cell.procedure is Procedure.TIME:
                self.timed_s += self.each[cell.key]
            else:
                self.waiting[cell.implementation in COMPILING] += self.each[cell.key]
        self.prior_s = max(PRIOR * (sum(self.waiting.values()) + self.timed_s), LEAST_PRIOR_S)

    def done(self, result: CellResult, elapsed_s: float) -> None:
        """A cell has ended, so many seconds after the start."""
        cell = result.cell
        compiles, seconds = cell.implementation in COMPILING, self.each.pop(cell.key, 0.0)
        if cell.procedure is Procedure.TIME:
            self.timed_s -= seconds if result.status is Status.NOT_RUN else 0.0
            return
        self.waiting[compiles] -= seconds
        self.untimed_until = elapsed_s
        if result.status is Status.OK and isfinite(result.elapsed_s):
            self.expected[compiles] += seconds
            self.taken[compiles] += result.elapsed_s

    def seconds(self, elapsed_s: float) -> float:
        """Seconds left, so many after the start. Timed cells end together: their time passes while none has ended."""
        plain = self._scale(False, 1.0)
        compiling = self._scale(True, plain)
        untimed = max(self.waiting[False], 0.0) * plain + max(self.waiting[True], 0.0) * compiling
        timed = self.timed_s * plain
        if untimed < 1e-6:
            timed = max(timed - (elapsed_s - self.untimed_until), 0.0)
        return untimed * HARNESS / self.jobs + timed + self.after_s * plain

    def _scale(self, compiles: bool, otherwise: float) -> float:
        """How many times as long as in the recorded run."""
        taken, expected = self.taken[compiles], self.expected[compiles]
        return (taken + self.prior_s * otherwise) / (expected + self.prior_s)


def seconds_after(cells: int, suites: bool) -> float:
    """What follows the cells of `compare all`, as in the recorded run: judging and drawing, and the suites."""
    return JUDGED_S * cells + (SUITES_S if suites else 0.0)
