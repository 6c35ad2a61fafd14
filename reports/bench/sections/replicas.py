"""Many seeds in one program against one training after another."""

from elbo_compare.reports.content import Column, Frame, Kind, Section, Table, not_measured

TITLE = "Many seeds at once"


def section(frame: Frame) -> Section:
    """Seconds per step of all seeds together, over as many single trainings and over one."""
    if not len(frame):
        return not_measured("replicas", TITLE, "this run left them out.")
    shown = frame.assign(**{f"ms{end}": 1e3 * frame[f"seconds{end}"] for end in ("", "_low", "_high")})
    table = Table(
        name="bench-replicas",
        caption="S seeds trained by one call of `fit_replicas` (jax.vmap in groups that fit into the caches; "
        "torch.func over stacked weights), each equal to its own `fit`. Step: of all S together. Over S single: one "
        "means no gain over S trainings one after another; ratios are of the same round.",
        frame=shown,
        columns=(
            Column(header="implementation", source="implementation"),
            Column(header="problem", source="problem"),
            Column(header="S", source="replicas", kind=Kind.COUNT),
            Column(header="step, ms", source="ms", low="ms_low", high="ms_high", kind=Kind.INTERVAL),
            Column(
                header="over S single",
                source="over_singles",
                low="over_singles_low",
                high="over_singles_high",
                kind=Kind.INTERVAL,
            ),
            Column(header="over one", source="over_one", low="over_one_low", high="over_one_high", kind=Kind.INTERVAL),
        ),
    )
    return Section(anchor="replicas", title=TITLE, blocks=(table,))
