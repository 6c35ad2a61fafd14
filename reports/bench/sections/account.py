"""What a training step's time is made of."""

from elbo_compare.reports.content import Column, Frame, Kind, Section, Table, not_measured

TITLE = "What a step's time is made of"


def section(frame: Frame) -> Section:
    """Every part of the joined steps by itself, their sum and the whole."""
    if not len(frame):
        return not_measured("account", TITLE, "this run left it out.")
    shown = frame.assign(**{f"ms{end}": 1e3 * frame[f"seconds{end}"] for end in ("", "_low", "_high")})
    table = Table(
        name="bench-account",
        caption="Each part of the step done by itself, on arrays of the step's shapes, in the same process and turn as "
        "the whole step; share: of the whole step's time. Element-wise passes: activations, the loss, their "
        "derivatives, biases and the sums over them. Dispatch: the same step on single numbers; every other part "
        "counts with what it takes beyond the same part on single numbers. Accounted for: the sum; below 1 something "
        "is not explained (caches that the parts do not share), above 1 the step overlaps what is apart here.",
        frame=shown,
        columns=(
            Column(header="form", source="form"),
            Column(header="setting", source="setting"),
            Column(header="part", source="part"),
            Column(header="ms per step", source="ms", low="ms_low", high="ms_high", kind=Kind.INTERVAL),
            Column(header="share", source="share", low="share_low", high="share_high", kind=Kind.INTERVAL),
        ),
        limit=120,
    )
    return Section(anchor="account", title=TITLE, blocks=(table,))
