"""Runtime: described, never judged."""

from elbo_compare.reports.content import Block, Column, Frame, Kind, Picture, Prose, Section, Table, not_measured
from elbo_compare.reports.data import ReportData, by_implementation, estimators_in_order
from elbo_compare.reports.figures import Mark, Panel, Rule, Series, draw, ordered

TITLE = "Runtime"
ABOUT = (
    "A training step of each implementation on this run's machine, described and never judged. All forms of a step, "
    "the tutorials' loops and the machine's own ceilings are timed by `compare bench`, which has a report of its own."
)
WIDE = 4  # past this a linear axis would press the fast ones together
CASE = ["problem", "dtype", "device", "size"]


def build(data: ReportData) -> Section:
    """Ratio of the steady step to torch-hand with intervals, and the table of all times."""
    if data.timings.empty:
        return not_measured("runtime", TITLE, "no cell was timed; the profiles standard and full have timed cells.")
    timings = by_implementation(data.timings).sort_values(CASE, kind="stable")
    blocks: list[Block] = [Prose(text=ABOUT)]
    if timings["ratio"].notna().any():
        blocks.append(_picture(timings[timings["ratio"].notna()]))
    return Section(anchor="runtime", title=TITLE, blocks=(*blocks, _table(timings)))


def _picture(timings: Frame) -> Picture:
    panels = []
    estimators = estimators_in_order(timings["estimator"])
    for key, rows in timings.groupby(CASE, sort=False):
        names = ordered(rows["implementation"])
        here = [name for name in estimators if name in set(rows["estimator"])]
        parts = [(estimators.index(name), name, rows[rows["estimator"] == name]) for name in here]
        places = {name: 0.8 * ((place + 0.5) / len(here) - 0.5) for place, name in enumerate(here)}
        panels.append(
            Panel(
                title="{}, {}, {}, batch {:.0f}".format(*key),
                x_label="time per training step / torch-hand's, same rounds",
                rows=names,
                series=[_dots(part, name, style, names, places[name]) for style, name, part in parts],
                rules=[Rule(label="torch-hand", at=1)],
                log_x=rows["ratio"].max() > WIDE * rows["ratio"].min() > 0,
            )
        )
    return draw(
        "runtime",
        panels,
        caption=(
            "Median ratio of the steady training step to torch-hand's in the same interleaved rounds, with its "
            "interval. Left of the dashed line is faster. Timed cells ran alone."
        ),
        alt=f"Dots with whiskers: time per step over torch-hand's, {', '.join(ordered(timings['implementation']))}.",
        one_scale=True,
    )


def _dots(part: Frame, name: str, style: int, names: list[str], offset: float) -> Series:
    place = part["implementation"].map(names.index).to_numpy(float) + offset
    x, low, high = (part[column].to_numpy(float) for column in ("ratio", "ratio_low", "ratio_high"))
    return Series(label=name, x=x, y=place, low=low, high=high, style=style, mark=Mark.DOT)


def _table(timings: Frame) -> Table:
    shown = timings.assign(milliseconds=timings["steady_step_s"] * 1e3)
    shown["where"] = shown["dtype"] + ", " + shown["device"]
    shown = shown.assign(ms_low=timings["steady_low"] * 1e3, ms_high=timings["steady_high"] * 1e3)
    shown["peak_mib"] = timings["peak_bytes"] / 2**20
    itself = shown["implementation"] == "torch-hand"  # over its own time: 1, and no interval of anything
    shown = shown.assign(**{end: shown[end].mask(itself) for end in ("ratio_low", "ratio_high")})
    return Table(
        name="runtime",
        beside="timings",
        caption=(
            "Compile, first step and steady step are separate numbers; steady step: median over rounds with the "
            "order-statistics interval; ratio: to torch-hand in the same rounds. Peak: the worker's resident "
            "high-water mark, reset before some steps; on a GPU, what torch's allocator had in use. Frameworks, and "
            "what cells timed in the same process hold, are in it. A dash: not measured."
        ),
        frame=shown,
        columns=(
            Column(header="implementation", source="implementation"),
            Column(header="estimator", source="estimator"),
            Column(header="problem", source="problem"),
            Column(header="dtype, device", source="where"),
            Column(header="batch", source="size", kind=Kind.COUNT),
            Column(header="steady step, ms", source="milliseconds", low="ms_low", high="ms_high", kind=Kind.INTERVAL),
            Column(header="ratio", source="ratio", low="ratio_low", high="ratio_high", kind=Kind.INTERVAL),
            Column(
                header="draws per second",
                source="draws_per_second",
                low="draws_per_second_low",
                high="draws_per_second_high",
                kind=Kind.INTERVAL,
            ),
            Column(header="compile,\N{NO-BREAK SPACE}s", source="compile_s", kind=Kind.NUMBER, digits=3),
            Column(header="first step,\N{NO-BREAK SPACE}s", source="first_step_s", kind=Kind.NUMBER, digits=3),
            Column(header="n rounds", source="rounds", kind=Kind.COUNT),
            Column(header="peak,\N{NO-BREAK SPACE}MiB", source="peak_mib", kind=Kind.COUNT),
        ),
    )
