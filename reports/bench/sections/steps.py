"""Training steps: pictures of ratios and of shares of the ceiling, every number, the targets."""

from collections.abc import Mapping

import pandas as pd

from elbo_compare.reports.content import Block, Column, Frame, Kind, Picture, Prose, Section, Table, not_measured
from elbo_compare.reports.figures import Mark, Panel, Rule, Series, draw

TABLES = ("steps", "rounds", "ceilings", "account", "draws", "replicas", "curves", "exponents", "targets")
BY_ROUND = ("common", "products_share")  # shares that a run of an earlier version has not
WIDE = 4  # past this a linear axis would press the fast ones together
MIB = 2**20
KINDS = ("by hand", "library", "peer")


def sections(found: Mapping[str, Frame]) -> list[Section]:
    """Targets, and the steps themselves."""
    goals = targets(found["targets"])
    if not len(found["steps"]):
        return [goals, not_measured("steps", "Training steps", "this run left them out.")]
    timed = in_common(found["steps"], found["ceilings"])
    return [goals, steps(timed), forms(timed), ceilings(found["ceilings"])]


def in_common(frame: Frame, rates: Frame) -> Frame:
    """The steps with `common`: operations over the time of the step, as a share of the highest rate that any framework
    reaches with a large product in that setting and full precision, so that shares of two frameworks can be compared.

    A run of an earlier version has none by round: there a ratio of two medians, without an interval.
    """
    if "common" in frame:
        return frame
    frame = frame.assign(**{f"{name}{end}": float("nan") for name in BY_ROUND for end in ("", "_low", "_high")})
    if not len(rates):
        return frame.assign(common=float("nan"))
    square = rates[(rates["products"] == "square") & (rates["precision"] == "full")]
    return frame.assign(
        common=frame["flops"] / frame["step_s"] / frame["setting"].map(square.groupby("setting")["rate"].max())
    )


def targets(frame: Frame) -> Section:
    """What was to be reached; a run of an earlier version has no intervals."""
    frame = frame.reindex(columns=[*frame.columns, *({"low", "high"} - {*frame.columns})])
    table = Table(
        name="targets",
        caption="Reached or missed: the whole interval of the median over rounds lies on one side of the mark; not "
        "decided: it holds the mark, after three times as many rounds as were asked for, which are measured where it "
        "held it before (intervals are looked at twice at most, and none is widened for that). Where no interval was "
        "recorded (an earlier version) the median alone was held "
        "against it. Time ratios are of the same round. By: the fastest form of each side.",
        frame=frame,
        columns=(
            Column(header="target", source="target"),
            Column(header="wanted", source="wanted"),
            Column(header="measured [interval]", source="value", kind=Kind.INTERVAL),
            Column(header="outcome", source="outcome"),
            Column(header="by", source="by"),
        ),
    )
    return Section(anchor="targets", title="Targets", blocks=(table,))


def steps(frame: Frame) -> Section:
    """Ratios and shares by setting, then every form's numbers."""
    timed = frame[(frame["status"] == "ok") & frame["step_s"].notna()]
    blocks: list[Block] = []
    if len(timed):
        blocks += [ratios(timed), shares(timed)]
        blocks += above_one(timed)
    blocks.append(numbers(frame))
    return Section(anchor="steps", title="Training steps", blocks=tuple(blocks))


def ratios(frame: Frame) -> Picture:
    """Time per step over torch-hand eager's."""
    return draw(
        "bench-ratio",
        [
            panel(str(name), part, "ratio", "time per step / torch-hand eager's", "torch-hand eager")
            for name, part in by(frame)
        ],
        caption="Median over rounds of the ratio to torch-hand eager in the same round, with its interval. Left of the "
        "dashed line is faster.",
        alt="Dots with whiskers: time per training step over that of torch-hand eager, one row per form.",
        one_scale=True,
    )


def shares(frame: Frame) -> Picture:
    """Share of the ceiling."""
    return draw(
        "bench-share",
        [panel(str(name), part, "share", "share of the matrix-product ceiling", "ceiling") for name, part in by(frame)],
        caption="Operations of the step's matrix products, counted from shapes, over the time of the whole step, as a "
        "share of what one large matrix product reaches in the same framework, dtype, threads and round. The ceilings "
        "of the frameworks differ: the table has the share of the common, highest one beside it.",
        alt="Dots with whiskers: share of the matrix-product ceiling, one row per form.",
        one_scale=True,
    )


def above_one(frame: Frame) -> list[Block]:
    """A sentence for every share that no reader expects: more than the whole of a ceiling."""
    told = {
        "share": "of the large product: what one product reaches was timed in turns of its own, and its interval is in "
        "the table; the step is no faster than the machine",
        "common": "of the fastest framework's large product, likewise",
        "model_share": "of the step's own products run alone in the same framework: timed in turns of their own, by "
        "earlier versions in one way only, each layer for itself, where a step that stacks layers has faster products",
        "products_share": "of the step's own products run alone in the framework that is fastest at them, likewise",
    }
    rows = {name: frame[frame[name] > 1] for name in told if name in frame}
    return [
        Prose(
            lead="A share above 1.",
            text="; ".join(f"{row[name]:.3g} ({row['form']}, {row['setting']})" for row in some.to_dict("records"))
            + f" {told[name]}.",
        )
        for name, some in rows.items()
        if len(some)
    ]


def by(frame: Frame) -> list[tuple[object, Frame]]:
    """The settings in their order."""
    return list(frame.groupby("setting", sort=False))


def panel(title: str, frame: Frame, column: str, label: str, at_one: str) -> Panel:
    """One setting, one row per form, one style per kind."""
    frame = frame[frame[column].notna()]
    rows = frame["form"].tolist()
    series = [dots(frame[frame["kind"] == kind], column, kind, style, rows) for style, kind in enumerate(KINDS)]
    return Panel(
        title=title,
        x_label=label,
        rows=rows,
        series=[each for each in series if len(each.x)],
        rules=[Rule(label=at_one, at=1.0)],
        log_x=frame[column].max() > WIDE * frame[column].min() > 0,
    )


def dots(frame: Frame, column: str, label: str, style: int, rows: list[str]) -> Series:
    """One kind's points."""
    x, low, high = (frame[name].to_numpy(float) for name in (column, f"{column}_low", f"{column}_high"))
    place = frame["form"].map(rows.index).to_numpy(float)
    return Series(label=label, x=x, y=place, low=low, high=high, style=style, mark=Mark.DOT)


def numbers(frame: Frame) -> Table:
    """Every number of every form."""
    shown = frame.assign(
        ms=frame["step_s"] * 1e3,
        ms_low=frame["step_s_low"] * 1e3,
        ms_high=frame["step_s_high"] * 1e3,
        peak_mib=frame["peak_bytes"] / MIB,
        growth_mib=frame["growth_bytes"] / MIB,
        mib=frame["bytes"] / MIB,
        outcome=frame["status"] + frame["reason"].map(lambda reason: f": {reason}" if reason else ""),
    )
    return Table(
        name="bench-steps",
        caption="Medians over rounds with order-statistics intervals (95%; none below six rounds). Share: of the large "
        "product in the same framework, whose own ceiling it is; common share: of the fastest framework's large "
        "product, the one to compare frameworks by. Model share: of the step's own products run alone in the same "
        "framework, in the fastest of three ways: as they come, or in the layouts of the step, each layer for itself "
        "or layers of one input stacked (in JAX under one scan); best model share: in the framework that is fastest "
        "at them. Operator calls: torch's leaf operators in one step, compiled kernels not among them. Launches: "
        "instructions of the XLA program (a loop's body once), "
        "kernels and copies on a GPU; over the floor: the step's time over that of as many kernels that do nothing. "
        "Peak: the process's resident high-water mark over one turn, frameworks included; growth: beyond what was "
        "resident before the form was made. A dash: not measured.",
        frame=shown,
        columns=(
            Column(header="form", source="form"),
            Column(header="setting", source="setting"),
            Column(header="step, ms", source="ms", low="ms_low", high="ms_high", kind=Kind.INTERVAL),
            Column(header="ratio", source="ratio", low="ratio_low", high="ratio_high", kind=Kind.INTERVAL),
            Column(header="share", source="share", low="share_low", high="share_high", kind=Kind.INTERVAL),
            Column(header="common share", source="common", low="common_low", high="common_high", kind=Kind.INTERVAL),
            Column(header="model share", source="model_share", kind=Kind.NUMBER, digits=3),
            Column(
                header="best model share",
                source="products_share",
                low="products_share_low",
                high="products_share_high",
                kind=Kind.INTERVAL,
            ),
            Column(header="compile, s", source="compile_s", kind=Kind.NUMBER, digits=3),
            Column(header="first step, s", source="first_step_s", kind=Kind.NUMBER, digits=3),
            Column(header="operator calls", source="operations", kind=Kind.COUNT),
            Column(header="launches", source="launches", kind=Kind.COUNT),
            Column(header="over the floor", source="floor_ratio", kind=Kind.NUMBER, digits=3),
            Column(header="weights, gradients, MiB", source="mib", kind=Kind.NUMBER, digits=3),
            Column(header="peak, MiB", source="peak_mib", kind=Kind.COUNT),
            Column(header="growth, MiB", source="growth_mib", kind=Kind.COUNT),
            Column(header="outcome", source="outcome"),
        ),
        limit=120,
    )


def forms(frame: Frame) -> Section:
    """What each form is, and how far from its plain form it was."""
    shown = frame.drop_duplicates("form")
    worst = frame.groupby("form")["distance"].max()
    shown = shown.assign(distance=shown["form"].map(worst))
    table = Table(
        name="bench-forms",
        caption="Before a form is timed, its weights after three steps from the same weights, batches and seed are "
        "compared with its plain form's. Distance: |w − w*| of the worst tensor over what is allowed, 100 times the "
        "plain form's distance from itself when its weights start one ulp off; for forms with another reduction or "
        "precision the first loss. Above 1 a form is refused.",
        frame=shown,
        columns=(
            Column(header="form", source="form"),
            Column(header="kind", source="kind"),
            Column(header="what it is", source="words"),
            Column(header="distance", source="distance", kind=Kind.NUMBER, digits=3),
        ),
    )
    return Section(anchor="forms", title="The forms, and that they are one step", blocks=(table,))


def ceilings(frame: Frame) -> Section:
    """What matrix products reach."""
    if not len(frame):
        return not_measured("ceilings", "Ceilings", "no matrix product was timed.")
    giga = {name: frame[name] / 1e9 for name in ("rate", "rate_low", "rate_high")}
    shown: Frame = pd.DataFrame(frame).assign(**giga)
    table = Table(
        name="bench-ceilings",
        caption="Billions per second: operations of one large square product, of the products of the model's own step "
        "one after another, and on a GPU kernels in a replayed graph.",
        frame=shown,
        columns=(
            Column(header="framework", source="framework"),
            Column(header="setting", source="setting"),
            Column(header="precision", source="precision"),
            Column(header="what", source="products"),
            Column(header="10⁹/s", source="rate", low="rate_low", high="rate_high", kind=Kind.INTERVAL),
        ),
    )
    text = (
        "An affine layer is one product forward and two backward, one where its input is data: 2 m k n operations each."
    )
    return Section(anchor="ceilings", title="Ceilings", blocks=(Prose(text=text), table))
