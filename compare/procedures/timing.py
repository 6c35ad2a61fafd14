"""TIME: the clock. One `Timed` per cell lives in its worker; the harness gives the turns, interleaved over workers."""

from elbo_compare.compare.procedures.meter import CALL, span
from elbo_compare.compare.procedures.peak_memory import peak_bytes
from elbo_compare.compare.procedures.task import Task
from elbo_compare.compare.procedures.turns import repeats, seconds
from elbo_compare.compare.records import Measurement, Quantity
from elbo_compare.suites.contract import Array, Device

# About as long as one turn of steps (and one of draws) should take: eight steps of the full-size VAE. Intervals are
# over rounds, whose spread is the machine's; `compare bench` takes longer turns.
TURN_S = 0.08
MOST_STEPS, MOST_BLOCKS = 200, 50
DRAWS_PER_BLOCK = 500


class Timed:
    """A stepper and a draw of one cell under the clock. Seconds of wall time; every timed call ends synchronised."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.x = task.rows(task.cell.datum, task.cell.size)
        self.datum: Array = self.x[:1]
        self.seed = task.cell.random_seed("time")
        self.rows: list[Measurement] = []
        self.steps, self.blocks, self.drawn = 1, 1, 0

    def start(self) -> None:
        """Compile, run the first step, warm up, choose how many steps and draws a turn holds; peak of the steps."""
        stepper = self.task.session.stepper(self.task.problem.params, self.x, self.seed)
        self.step = stepper.step
        if stepper.compile is not None:
            self._add(Quantity.COMPILE_S, self._clock(stepper.compile), 0)
        self._add(Quantity.FIRST_STEP_S, self._clock(lambda: self.step(1)), 0)
        once = min(self._clock(lambda: self.step(1)) for _ in range(3))
        self.steps = repeats(once, TURN_S, MOST_STEPS)
        with span(CALL):  # before the turns: a step that needs too much memory costs no finished ones
            peak = peak_bytes(lambda: self.step(self.steps), Device(self.task.cell.device))
        if peak is not None:
            self._add(Quantity.PEAK_BYTES, peak, 0, self.steps, unit="B")
        self._draw(1)
        self.blocks = repeats(self._clock(lambda: self._draw(1)), TURN_S, MOST_BLOCKS)

    def turn(self, index: int) -> None:
        """One discarded step and `steps` timed ones; then the same for draws of one datum."""
        self.step(1)
        self._add(Quantity.STEADY_STEP_S, self._clock(lambda: self.step(self.steps)) / self.steps, index, self.steps)
        elapsed = self._clock(lambda: self._draw(self.blocks))
        draws = self.blocks * DRAWS_PER_BLOCK
        self._add(Quantity.DRAWS_PER_SECOND, draws / elapsed, index, draws, unit="1/s")

    def _draw(self, blocks: int) -> None:
        self.drawn += 1  # a fresh seed each time, so that nothing can be remembered
        count = blocks * DRAWS_PER_BLOCK
        seed = (self.seed + self.drawn) % 2**31
        self.task.session.draw(self.task.problem.params, self.datum, count, seed, DRAWS_PER_BLOCK)

    def _clock(self, call) -> float:
        with span(CALL):
            return seconds(call)

    def _add(self, quantity: Quantity, value: float, index: int, n: int = 1, unit: str = "s") -> None:
        self.rows.append(Measurement(quantity=quantity, value=value, index=index, unit=unit, n=n))
