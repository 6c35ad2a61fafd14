"""What a training step's time is made of."""

from elbo_compare.reports.content import Column, Frame, Kind, Section, Table, not_measured

TITLE = "What a step's time is made of"


CAPTION = (
    "Optimiser and element-wise passes count with what the step saves without them (what they would have given is "
    "there already), the products with the step from which everything else is left out, noise and data with their time "
    "alone. Element-wise passes: activations, the loss, their derivatives, biases and the sums over them. Dispatch: "
    "the same step on single numbers; every part counts with what it takes beyond the same on single numbers. Nothing "
    "makes these add up. Remainder: the whole step less all of them; above 0 where two run side by side, so that "
    "leaving out one saves little, below 0 where two disturb each other, so that leaving out either saves all of that. "
    "Accounted for: the whole less the remainder's size. Alone: the part by itself on "
    "arrays that are there; a part that costs more in the step than alone disturbs its neighbours. In every turn the "
    "shortest of several slices, one after another, in one process; share: of the whole step's time in the same turn."
)


def section(frame: Frame) -> Section:
    """Every part of the joined steps, what is left over and the whole."""
    if not len(frame):
        return not_measured("account", TITLE, "this run left it out.")
    if "alone" not in frame:
        return not_measured("account", TITLE, "this run is of an earlier version, whose parts did not add up.")
    shown = frame.assign(
        **{f"{name}_ms{end}": 1e3 * frame[name + end] for name in ("seconds", "alone") for end in ("", "_low", "_high")}
    )
    table = Table(
        name="bench-account",
        caption=CAPTION,
        frame=shown,
        columns=(
            Column(header="form", source="form"),
            Column(header="setting", source="setting"),
            Column(header="part", source="part"),
            _interval("ms per step", "seconds_ms"),
            _interval("share", "share"),
            _interval("alone, ms", "alone_ms"),
        ),
        limit=120,
    )
    return Section(anchor="account", title=TITLE, blocks=(table,))


def _interval(header: str, source: str) -> Column:
    return Column(header=header, source=source, low=f"{source}_low", high=f"{source}_high", kind=Kind.INTERVAL)
