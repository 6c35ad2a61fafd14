"""CPU and GPU side by side: verdicts by device, and how far each device is from the oracle and from the other."""

import numpy as np

from elbo_compare.reports.content import Block, Column, Frame, Kind, Picture, Prose, Section, Table, not_measured
from elbo_compare.reports.data import UNIT_ROUNDOFF, ReportData, by_implementation, estimators_in_order, model
from elbo_compare.reports.figures import Mark, Panel, Series, draw, ordered
from elbo_compare.reports.sections.agreement import QUANTITIES, WIDE, worst_differences
from elbo_compare.reports.sections.summary import outcome_text

TITLE = "CPU and GPU side by side"
CLAIM = "DEV-001"  # the same implementation on both devices, at the same noise
CPU, GPU = "cpu", "cuda"
AT = ["implementation", "estimator", "dtype", "quantity"]
OWN = {"elbo_mean": "E[ELBO]", "kl_mean": "E[KL]"}


def build(data: ReportData) -> Section:
    """Outcomes by claim x device; worst distances from the oracle on each; own draws and times where both have them."""
    if GPU not in set(data.measurements.columns("device")["device"]):
        return not_measured("devices", TITLE, "no cell of this run was on a CUDA device (GPU: not measured).")
    blocks: list[Block] = [Prose(text=_sentence(data))]
    if not data.verdicts.empty:
        blocks.append(_outcomes(data))
    rows = data.quantity(*QUANTITIES)
    rows = rows[(rows["procedure"] == "evaluate") & rows["reference"].notna() & (rows["status"] == "ok")]
    if len(rows):
        apart = distances(rows)
        blocks += [_picture(apart), _agreement(apart)]
    blocks += [table for table in (_own(data), _times(data)) if table is not None]
    return Section(anchor="devices", title=TITLE, blocks=tuple(blocks))


def _sentence(data: ReportData) -> str:
    """What ran where: an implementation whose framework sees no GPU stayed on the CPU."""
    ok = data.measurements.of("status", ["ok"], ["implementation", "device"])
    names = {device: ordered(ok[ok["device"] == device]["implementation"].unique()) for device in (CPU, GPU)}
    only = [name for name in names[CPU] if name not in names[GPU]]
    text = f"On the GPU: {', '.join(names[GPU]) or 'none'}."
    return f"{text} On the CPU only: {', '.join(only)}." if only else text


def _outcomes(data: ReportData) -> Table:
    counted = data.verdicts.columns("claim", "device", "outcome").groupby(["claim", "device"], sort=False)
    text = counted["outcome"].agg(outcome_text).unstack(fill_value="")
    frame = text.reindex(columns=[CPU, GPU], fill_value="").add_prefix("on ").reset_index()
    order = {claim: place for place, claim in enumerate(data.claims["id"])}
    frame = frame.iloc[np.argsort([order.get(claim, len(order)) for claim in frame["claim"]], kind="stable")]
    statements = data.claims.drop_duplicates("id").set_index("id")["statement"]
    frame["statement"] = frame["claim"].map(statements).fillna("")
    return Table(
        name="device-verdicts",
        caption=f"Number of verdicts by outcome on each device. {CLAIM} compares the two and counts on the GPU only. "
        "At the same noise every cell of the GPU is measured on the CPU too; draws and training on one device.",
        frame=frame,
        columns=(
            Column(header="claim", source="claim", link=True),
            Column(header="CPU", source=f"on {CPU}", kind=Kind.OUTCOME),
            Column(header="GPU", source=f"on {GPU}", kind=Kind.OUTCOME),
            Column(header="statement", source="statement"),
        ),
        limit=400,
    )


def distances(rows: Frame) -> Frame:
    """Per implementation, estimator, dtype and quantity: worst |difference| / (u x scale) from the oracle on the CPU
    and on the GPU, and between the two at the same noise (gradients: only from the oracle)."""
    worst = worst_differences(rows).set_index([*AT, "device"])["relative"].unstack("device")
    frame = worst.reindex(columns=[CPU, GPU]).join(_between(rows))
    frame = by_implementation(frame[frame[GPU].notna()].reset_index())
    place = {name: rank for rank, name in enumerate(estimators_in_order(frame["estimator"]))}
    frame = frame.iloc[np.argsort(frame["estimator"].map(place), kind="stable")]
    return frame.sort_values("dtype", ascending=False, kind="stable").reset_index(drop=True)


def _between(rows: Frame) -> Frame:
    """`between`: worst |GPU - CPU| / (u (S_gpu + S_cpu)), and the number `pairs` of values compared."""
    same = ["problem", "weights", "dataset", *AT, "seed", "size", "datum", "part"]
    values = rows[rows["quantity"] != "gradient_distance"]
    sides = [values[values["device"] == device][[*same, "value", "scale"]] for device in (GPU, CPU)]
    both = sides[0].merge(sides[1], on=same, suffixes=("_gpu", "_cpu"))
    unit = both["dtype"].map(UNIT_ROUNDOFF) * (both["scale_gpu"] + both["scale_cpu"])
    difference = (both["value_gpu"] - both["value_cpu"]).abs()
    both["between"] = (difference / unit).where(difference > 0, 0.0).mask(difference.isna(), np.inf)
    groups = both.groupby(AT, sort=False)["between"]
    return groups.max().to_frame().assign(pairs=groups.size())


def _agreement(apart: Frame) -> Table:
    return Table(
        name="device-agreement",
        caption="Worst |difference| in units of u·scale, at the same noise: from the float64 oracle on the CPU and "
        "on the GPU, and between the two devices (there the scale is the sum of both, and 16 are allowed). n: values "
        "compared between the devices. Gradients are compared with the oracle only.",
        frame=apart.assign(quantity=apart["quantity"].map(QUANTITIES)),
        columns=(
            Column(header="implementation", source="implementation"),
            Column(header="estimator", source="estimator"),
            Column(header="dtype", source="dtype"),
            Column(header="quantity", source="quantity"),
            Column(header="CPU", source=CPU, kind=Kind.NUMBER, digits=3),
            Column(header="GPU", source=GPU, kind=Kind.NUMBER, digits=3),
            Column(header="GPU − CPU", source="between", kind=Kind.NUMBER, digits=3),
            Column(header="n", source="pairs", kind=Kind.COUNT),
        ),
        limit=160,
    )


def _picture(apart: Frame) -> Picture:
    panels = []
    for dtype in sorted(set(apart["dtype"]), reverse=True):  # float64 first
        rows = apart[(apart["dtype"] == dtype) & (apart["quantity"] == "elbo")]
        names = ordered(rows["implementation"].unique())
        series = [_dots(rows, device, label, style, names) for style, (device, label) in enumerate(SHOWN)]
        finite = rows[[CPU, GPU]].replace(np.inf, np.nan).max().max()
        panels.append(
            Panel(
                title=f"ELBO, {dtype}",
                x_label="worst |difference| from the oracle / (u·scale)",
                rows=names,
                near_zero=finite > WIDE,
                series=series,
            )
        )
    return draw(
        "devices",
        panels,
        caption="Each mark is the worst of all cells of one estimator, at the same noise on both devices. A reduced "
        "precision of products (TF32) in float32 would stand three powers of ten to the right on the GPU alone.",
        alt="Dots: worst relative difference from the oracle on the CPU and on the GPU, by implementation.",
    )


SHOWN = ((CPU, "CPU"), (GPU, "GPU"))


def _dots(rows: Frame, device: str, label: str, style: int, names: list[str]) -> Series:
    finite = rows[np.isfinite(rows[device])]
    place = finite["implementation"].map(names.index).to_numpy(float) + 0.16 * (2 * style - 1)
    return Series(label=label, x=finite[device].to_numpy(float), y=place, style=style, mark=Mark.DOT)


def _own(data: ReportData) -> Table | None:
    """Means of own draws, where both devices made some: each with its interval; two seeds' numbers, never equal."""
    rows = data.quantity(*OWN)
    keys = ["implementation", "case", "estimator", "dtype", "quantity"]
    rows = rows.assign(case=model(rows) + ", datum " + rows["datum"].fillna(0).astype(int).astype(str))
    sides = [rows[rows["device"] == device][[*keys, "value", "low", "high", "n"]] for device in (CPU, GPU)]
    both = sides[0].merge(sides[1], on=keys, suffixes=(f"_{CPU}", f"_{GPU}"))
    if both.empty:
        return None
    return Table(
        name="device-draws",
        caption="Means of own draws on both devices: other random numbers, so only the distributions are the same. "
        "Each device's draws are judged against the exact mean by the claims.",
        frame=both.assign(quantity=both["quantity"].map(OWN)),
        columns=(
            *(
                Column(header=name, source=name)
                for name in ("implementation", "case", "estimator", "dtype", "quantity")
            ),
            *(
                Column(header=label, source=f"value_{at}", low=f"low_{at}", high=f"high_{at}", kind=Kind.INTERVAL)
                for at, label in SHOWN
            ),
        ),
        limit=100,
    )


def _times(data: ReportData) -> Table | None:
    """Steady steps on both devices, where both were timed."""
    keys = ["implementation", "problem", "estimator", "dtype", "size"]
    columns = [*keys, "steady_step_s", "steady_low", "steady_high"]
    sides = [data.timings[data.timings["device"] == device][columns] for device in (CPU, GPU)]
    both = sides[0].merge(sides[1], on=keys, suffixes=(f"_{CPU}", f"_{GPU}"))
    if both.empty:
        return None
    milliseconds = {name: 1e3 * both[name] for name in both if name.startswith("steady_")}
    shown = by_implementation(both.assign(**milliseconds))
    return Table(
        name="device-times",
        caption="Median training step in ms with its interval on each device; described, never judged.",
        frame=shown,
        columns=(
            *(Column(header="batch" if name == "size" else name, source=name) for name in keys),
            *(
                Column(
                    header=f"{label}, ms",
                    source=f"steady_step_s_{at}",
                    low=f"steady_low_{at}",
                    high=f"steady_high_{at}",
                    kind=Kind.INTERVAL,
                )
                for at, label in SHOWN
            ),
        ),
    )
