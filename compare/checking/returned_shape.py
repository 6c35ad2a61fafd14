"""A result whose shape is no loss: broadcast to (batch, batch), which is a mistake, or another, which is not judged."""

from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.experiment import Experiment, Observation
from elbo_compare.compare.checking.inputs import ORDINARY
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.readings import Reduction, reductions
from elbo_compare.compare.checking.signature import FunctionKind
from elbo_compare.compare.checking.terms import Layout
from elbo_compare.suites.contract import Array


def no_loss(experiment: Experiment, position: int, layout: Layout) -> Diagnosis | str | None:
    """A result whose shape is no loss: broadcast to (batch, batch) is WRONG, any other can't be judged."""
    for sizes in ORDINARY[:2]:
        one = experiment.observe(experiment.ordinary(sizes), differentiate=False)
        value, rows = one.terms[position].value, one.batch
        allowed = reductions(value, one)
        total = experiment.signature.kind in (FunctionKind.NEGATIVE_ELBO, FunctionKind.LOG_WEIGHT)
        if value.shape == (rows, rows) and rows > 1 and Reduction.ELEMENTS not in allowed:
            text = (
                f"has shape (batch, batch) = {value.shape}: (batch,) and (batch, 1) were broadcast against each other"
            )
            advice = "drop keepdim (or squeeze), so that both terms have shape (batch,)"
            return Diagnosis(form=DifferenceForm.SHAPE, text=f"the {_called(layout, position)} {text}", advice=advice)
        if not allowed or (total and Reduction.ELEMENTS in allowed):
            return (
                f"{experiment.signature.name} returned shape {value.shape} for a batch of {rows}; a scalar, one value "
                f"per datum ({rows},){'' if total else ' or one per datum and dimension'} is wanted. "
                f"{_axis_of(one, value)}"
            )
    return None


def _axis_of(one: Observation, value: Array) -> str:
    """What such a shape is, where an argument says so."""
    widths = {array.shape[1]: role for role, array in one.inputs.items() if array.ndim}
    if value.ndim == 1 and value.size in widths:
        axis = "observed dimension" if widths[value.size] in (Role.X, Role.OUTPUT, Role.OUTPUT_SPREAD) else "latent"
        return f"It is one value per {axis}, summed or averaged over the batch: no loss of a datum, and not judged."
    return "It is no loss: not judged."


def _called(layout: Layout, position: int) -> str:
    name = layout.names[position] if position < len(layout.names) else "sum of the parts"
    return f"term {name!r}" if name else "result"
