"""Constants ledger, environment, commands, citation, corrections."""

import shlex
from collections.abc import Iterator
from typing import Any

import pandas as pd

from elbo_compare.reports.content import Block, Code, Column, Kind, Prose, Section, Table, not_measured
from elbo_compare.reports.data import LABELLED, ReportData, by_implementation, labels
from elbo_compare.reports.formats import clean, file_name, latex
from elbo_compare.reports.tables import plain_columns

FIRST = 100  # commands in a report whose folder has the cells themselves
LEDGER = {
    "offset_nats": "offset, nats",
    "offset_constants": "offset / (latent · ½ log 2π)",
    "deviation_nats": "worst deviation from that, nats",
    "tolerance_nats": "rounding allows, nats",
    "cells": "n cells",
}


def ledger(data: ReportData) -> Section:
    """Which normalising constants each implementation keeps or drops, measured."""
    title = "Constants ledger"
    if data.ledger.empty:
        return not_measured("ledger", title, "no cell recorded log q(z|x) and log p(z) at shared noise.")
    table = Table(
        name="ledger",
        beside="ledger",
        caption=(
            "Measured offset of each term from its fully normalised value. The ½ log 2π per latent dimension that "
            "hand-written code drops from both densities cancels in the KL and the ELBO, and does not in log q or "
            "log p(z) alone. KL and ELBO of Pyro and NumPyro come from their ELBO objects, log p(x|z) is derived from "
            "the two; log q and log p(z) come from the libraries' own traces, which no ELBO object takes part in."
        ),
        frame=by_implementation(data.ledger) if "implementation" in data.ledger else data.ledger,
        columns=plain_columns(data.ledger, LEDGER),
        limit=60 if data.once else 200,  # the others are in the frame beside it
    )
    return Section(anchor="ledger", title=title, blocks=(table,))


def environment(data: ReportData) -> Section:
    """Versions, device, threads, commit: what the numbers depend on."""
    pairs = list(_flat(data.environment))
    if not pairs:
        return not_measured("environment", "Environment", "the run recorded none.")
    table = Table(
        name="environment",
        caption="Where and with what this was measured.",
        frame=pd.DataFrame(pairs, columns=["item", "value"]),
        columns=(Column(header="item", source="item"), Column(header="value", source="value", kind=Kind.CODE)),
        limit=200,
    )
    return Section(anchor="environment", title="Environment", blocks=(table,))


def _flat(item: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(item, dict):
        for name, value in item.items():
            yield from _flat(value, f"{prefix} · {clean(name)}" if prefix else clean(name))
    elif isinstance(item, list | tuple):
        yield prefix, ", ".join(clean(value) for value in item)
    else:
        yield prefix, "none" if item is None or item == "" else clean(item)


def reproduce(data: ReportData) -> Section:
    """The whole run's command, and one command per cell."""
    title = "How to reproduce each row"
    cells = by_implementation(data.measurements.firsts("key", LABELLED))
    base = clean(data.environment.get("command") or "compare all")
    blocks: list[Block] = [
        Prose(
            text=(
                "The first command repeats the whole run. Every row of every table belongs to a cell; `-k` with the "
                "cell's label repeats that cell (and the cells whose labels begin with it: other seeds), from the same "
                "seeds. Random numbers come from the cell's "
                "key, so the same versions on the same device give the same numbers (timings aside)."
            )
        ),
        Code(text=base, label="The whole run"),
    ]
    if len(cells):
        text = labels(cells)
        frame = pd.DataFrame(
            {
                "cell": text,
                "key": cells["key"],
                "command": [_command(base, *each) for each in zip(text, cells["key"], strict=True)],
            }
        )
        first = f"; the first {FIRST} are here, `compare why` prints the others'" if data.once else ""
        blocks.append(
            Table(
                name="reproduce",
                caption=f"One command for each of the {len(frame):,} planned cells{first}.",
                frame=frame.drop_duplicates("cell").head(FIRST if data.once else None),
                columns=(
                    Column(header="cell's key", source="key", kind=Kind.CODE),
                    Column(header="command", source="command", kind=Kind.CODE),
                ),
                limit=40,
                folded=True,
            )
        )
    return Section(anchor="reproduce", title=title, blocks=tuple(blocks))


def _command(base: str, label: str, key: str) -> str:
    """A folder of its own for each: a result folder belongs to one specification."""
    return f"{base} -k {shlex.quote(clean(label))} -o results/{file_name(key)}"


def cite(data: ReportData) -> Section:
    """BibTeX for this report and for one claim of it."""
    version, year, commit = (find(data.environment, name) for name in ("elbo-compare", "date", "commit"))
    lines = [
        "@software{elbo_compare,",
        "  author  = {{The elbo-compare developers}},",
        "  title   = {elbo-compare: reference tests of the {ELBO} and the {KL} term "
        "in hand-written code, {Pyro} and {NumPyro}},",
        f"  version = {{{latex(version)}}}," if version else "",
        f"  year    = {{{latex(year[:4])}}}," if year[:4].isdigit() else "",
        f"  note    = {{Code at commit {latex(commit)}}}," if commit else "",
        "}",
    ]
    text = (
        "Cite one claim by its permanent ID and the version, for instance 'elbo-compare, claim "
        f"{_example(data)}': an ID's address in a report never changes."
    )
    code = Code(text="\n".join(line for line in lines if line), label="BibTeX")
    return Section(anchor="cite", title="How to cite", blocks=(code, Prose(text=text)))


def _example(data: ReportData) -> str:
    return clean(data.claims["id"].iloc[0]) if len(data.claims) else "KL-001"


def find(item: Any, name: str) -> str:
    """The first value under a key that is, or ends in, `name`, at any depth; empty if there is none."""
    if not isinstance(item, dict):
        return ""
    direct = next((value for key, value in item.items() if str(key) == name and not isinstance(value, dict)), None)
    if direct is not None:
        return clean(direct)
    return next((found for found in (find(value, name) for value in item.values()) if found), "")


def corrections(data: ReportData) -> Section:
    """What was wrong in this report and the release that mended it."""
    stated = data.environment.get("corrections") or "None so far."
    return Section(anchor="corrections", title="Corrections", blocks=(Prose(text=clean(stated)),))
