"""A model none of whose networks reads noise: an autoencoder, or a VAE whose z is its mean. Its loss says which."""

from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.fitting import EXACT, Columns
from elbo_compare.compare.checking.identify import candidate_readings, identify
from elbo_compare.compare.checking.models.objective import WANTED, signature_of
from elbo_compare.compare.checking.models.opening import Opened
from elbo_compare.compare.checking.models.probing import MOVED, SIZES
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.readings import Quantity
from elbo_compare.suites.bridge.program import Run, Setting, as_rows
from elbo_compare.suites.bridge.user_arrays import Term
from elbo_compare.suites.contract import DType

MOST = 8  # arrays that may be a mean or a spread


def never_sampled(opened: Opened) -> Diagnosis | None:
    """A KL of a q that is never sampled, where the loss equals one; None where it does not."""
    program = opened.program
    numbers = range(1, 5)
    runs = [
        (setting, program.run(setting))
        for size in SIZES
        for moved in MOVED
        for number in numbers
        for setting in [Setting(x=opened.feed.batch(size, number), masks=number, moved=moved)]
    ]
    if any(run.error or run.loss is None for _, run in runs):
        return None
    setting, first = runs[0]
    returned = [n for name, n in first.outputs.items() if name != "loss" and first.of_x[n]]
    outputs = [n for n in returned if np.prod(program.shape(first, n)) == setting.x.size and n != 0]
    heads = [n for n in dict.fromkeys(returned) if len(program.shape(first, n)) == 2 and n not in outputs][:MOST]
    signature = replace(signature_of("loss", positive=opened.way.positive))
    readings = [r for r in candidate_readings(signature, [Quantity.NEGATIVE_ELBO]) if not r.sampled]
    for output in outputs[:3]:
        for mean in heads:
            for spread in heads:
                if mean == spread or program.shape(first, mean) != program.shape(first, spread):
                    continue
                observations = [_seen(opened, each, run, output, mean, spread) for each, run in runs]
                with np.errstate(all="ignore"):
                    found = identify(Columns(observations), 0, signature, readings, (EXACT,))
                if found is not None and found.standing in WANTED:
                    drawn = "noise is drawn that no network reads" if first.sampled else "no noise is drawn"
                    text = f"the loss has a KL, and in training mode {drawn}: z is the mean, never a sample"
                    advice = "sample z = mean + sigma e in training mode"
                    return Diagnosis(form=DifferenceForm.EXPECTATION, text=text, advice=advice)
    return None


def _seen(opened: Opened, setting: Setting, run: Run, output: int, mean: int, spread: int) -> Observation:
    rows = len(setting.x)
    roles = {Role.OUTPUT: output, Role.MEAN: mean, Role.SPREAD: spread, Role.Z: mean}
    inputs = {role: as_rows(opened.program.value(run, number), rows) for role, number in roles.items()}
    assert run.loss is not None
    term = Term(name="loss", value=opened.program.value(run, run.loss), dtype="float64")
    inputs[Role.X] = as_rows(setting.x, rows)
    return Observation(label="its own networks'", inputs=inputs, terms=(term,), dtype=DType.FLOAT64)
