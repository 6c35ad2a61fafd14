"""Draws of ELBO and KL: vectorised blocks against the loop that a user writes."""

from elbo_compare.reports.content import Column, Frame, Kind, Section, Table, not_measured

TITLE = "Draws"


def section(frame: Frame) -> Section:
    """Rates, their ratio, and that both ways have the same values."""
    if not len(frame):
        return not_measured("draws", TITLE, "this run left them out.")
    table = Table(
        name="bench-draws",
        caption=(
            "A draw is a pair, ELBO and KL at one datum, both from the library's ELBO object. Blocks: as the "
            "comparison draws, so many in memory at once; loop: one call after another over SVI.evaluate_loss (Pyro) "
            "or SVI.evaluate (NumPyro), plain and under jax.jit. Apart: the largest difference between a block's first "
            "50 draws and single calls of the same ELBO class at the same random numbers, in unit roundoffs of the "
            "largest value (in float32 one is 6e-8 of it); some tens are another order of summation."
        ),
        frame=frame,
        columns=(
            Column(header="library", source="implementation"),
            Column(header="problem", source="problem"),
            Column(header="loop", source="loop"),
            Column(
                header="blocks, 1/s",
                source="block_rate",
                low="block_rate_low",
                high="block_rate_high",
                kind=Kind.INTERVAL,
            ),
            Column(
                header="loop, 1/s", source="loop_rate", low="loop_rate_low", high="loop_rate_high", kind=Kind.INTERVAL
            ),
            Column(header="ratio", source="speed_up", low="speed_up_low", high="speed_up_high", kind=Kind.INTERVAL),
            Column(header="block", source="chunk", kind=Kind.COUNT),
            Column(header="ELBO, apart", source="elbo_distance", kind=Kind.NUMBER, digits=3),
            Column(header="KL, apart", source="kl_distance", kind=Kind.NUMBER, digits=3),
        ),
    )
    return Section(anchor="draws", title=TITLE, blocks=(table,))
