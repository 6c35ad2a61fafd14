"""What the bench asks of a worker and gets from it: plain records that travel as JSON."""

from dataclasses import dataclass

from elbo_compare.suites.contract import Device, DType

WHOLE, WITHOUT, ALONE = "whole", "without", "alone"  # a step, the step less one part, and one part by itself
SIZED, EMPTY = "sized", "empty"  # a case itself, and the same step on single numbers: what dispatching it costs


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One case of the bench. `hidden`: None for the problem's own width, else networks of that width."""

    problem: str
    weights: str
    batch: int
    batches: int
    hidden: int | None = None
    dtype: str = DType.FLOAT32
    device: str = Device.CPU
    seed: int = 1

    @property
    def label(self) -> str:
        """`vae, batch 100, float32, cpu`."""
        width = f", hidden {self.hidden:,}" if self.hidden else ""
        return f"{self.problem}{width}, batch {self.batch:,}, {self.dtype}, {self.device}"


@dataclass(frozen=True, kw_only=True)
class FormTiming:
    """One form in one setting: either its numbers or the reason why there are none. Seconds, bytes; nan: not measured.

    `distance`: the largest over the tensors of |w - w_plain| / allowed; the form is timed where it is at most 1.
    """

    form: str
    status: str  # ok, refused, not measured
    reason: str = ""
    distance: float = float("nan")
    loss: float = float("nan")
    import_s: float = float("nan")
    compile_s: float = float("nan")
    first_step_s: float = float("nan")
    peak_bytes: float = float("nan")
    growth_bytes: float = float("nan")
    operations: float = float("nan")
    launches: float = float("nan")
    bytes: float = float("nan")
    steps_per_turn: int = 0
    seconds: tuple[float, ...] = ()  # per step, one number per round
