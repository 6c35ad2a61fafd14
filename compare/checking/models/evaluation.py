"""What `model.eval()` leaves: no dropout, and no datum's result that depends on the others in its batch."""

from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.models.data import Feed
from elbo_compare.compare.checking.models.probing import SIZES
from elbo_compare.suites.bridge.program import Program, Run, Setting
from elbo_compare.suites.bridge.tape import Drawn

ALONE = 1e-9  # relative: sums in another order, of float64
ALONE_SINGLE = 1e-4


def in_evaluation(program: Program, feed: Feed) -> tuple[Diagnosis | None, tuple[str, ...]]:
    """(what is wrong in evaluation, what to know about it)."""
    setting = Setting(x=feed.batch(SIZES[1], 77), seed=5, training=False)
    run = program.run(setting)
    if run.error:
        return None, (f"in evaluation it raises {run.error}",)
    if any(draw.kind is Drawn.DROPOUT for draw in run.drawn):
        text = "dropout is active in evaluation: after model.eval() it still draws a mask"
        advice = "write F.dropout(h, training=self.training), or nn.Dropout, which eval() switches off"
        return Diagnosis(form=DifferenceForm.TERMS, text=text, advice=advice), ()
    coupled = _coupled(program, setting, run)
    if coupled:
        text = (
            f"in evaluation one datum's {coupled} depends on the others in its batch: batch statistics are used after "
            "model.eval()"
        )
        advice = "use nn.BatchNorm with its running statistics; or F.batch_norm(..., training=self.training)"
        return Diagnosis(form=DifferenceForm.TERMS, text=text, advice=advice), ()
    return None, (() if run.sampled else ("in evaluation z is the mean",))


def _coupled(program: Program, setting: Setting, run: Run) -> str:
    """`result` where the rows of forward's outputs change when the rest of the batch goes."""
    quiet = replace(setting, filled=0.0)
    whole, half = program.run(quiet), program.run(replace(quiet, x=quiet.x[: SIZES[0]]))
    if whole.error or half.error:
        return ""
    limit = ALONE if program.roundoff < 1e-12 else ALONE_SINGLE
    for name, number in whole.outputs.items():
        other = half.outputs.get(name)
        if not name.startswith("out") or other is None or whole.weighs[number]:
            continue
        shape = program.shape(whole, number)
        if shape[:1] != SIZES[1:] or program.shape(half, other)[:1] != SIZES[:1]:
            continue
        one, rest = program.value(whole, number)[: SIZES[0]], program.value(half, other)
        if one.shape == rest.shape and np.abs(one - rest).max() > limit * (np.abs(one).max() + 1e-12):
            return "result"
    return ""
