"""Cost as work grows: curves over draws, batch, latent, hidden size, particles and replicas, with the exponent."""

from elbo_compare.reports.content import Column, Frame, Kind, Picture, Section, Table, not_measured
from elbo_compare.reports.figures import Panel, Series, draw, ordered

TITLE = "Cost as work grows"


def section(curves: Frame, exponents: Frame) -> Section:
    """One panel per axis, and the exponents."""
    if not len(curves):
        return not_measured("costs", TITLE, "this run left them out.")
    table = Table(
        name="bench-exponents",
        caption="b of seconds = a size^b: least squares of log seconds on log size, with the 95% interval of Student's "
        "t. The curve bends where a fixed cost ends, so b below 1 says that the small sizes are dominated by it.",
        frame=exponents,
        columns=(
            Column(header="implementation", source="implementation"),
            Column(header="over", source="axis"),
            Column(header="exponent", source="exponent", low="exponent_low", high="exponent_high", kind=Kind.INTERVAL),
            Column(header="sizes", source="sizes", kind=Kind.COUNT),
        ),
    )
    return Section(anchor="costs", title=TITLE, blocks=(picture(curves), table))


def picture(curves: Frame) -> Picture:
    """Seconds over size, both logarithmic."""
    names = ordered(curves["implementation"])
    panels = [
        Panel(
            title=f"over {axis}",
            x_label=str(axis),
            y_label="seconds per call" if axis == "draws" else "seconds per step",
            series=[line(part, name, style) for style, name in enumerate(names)],
            log_x=True,
            log_y=True,
        )
        for axis, part in curves.groupby("axis", sort=False)
    ]
    return draw(
        "bench-costs",
        panels,
        caption="Everything else as in `vae` at batch 100: latent 40, hidden 300, one particle, float32.",
        alt="Lines: seconds per training step, or per call that draws, over the size, one line per implementation.",
    )


def line(frame: Frame, name: str, style: int) -> Series:
    """One implementation's curve."""
    part = frame[frame["implementation"] == name].sort_values("size")
    columns = ("size", "seconds", "seconds_low", "seconds_high")
    x, y, low, high = (part[column].to_numpy(float) for column in columns)
    return Series(label=name, x=x, y=y, low=low, high=high, style=style)
