"""How one verdict came about: both numbers, the scale, the tolerance and its reason, the interval, n, the seed."""

from collections.abc import Mapping
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from shlex import quote
from typing import Any

from elbo_compare.compare.citing.cite import paragraphs
from elbo_compare.compare.citing.evidence import Evidence, read
from elbo_compare.compare.citing.identifiers import Identified, Sort, find
from elbo_compare.compare.citing.outcomes import place, versions
from elbo_compare.compare.claims.pointwise import relative_size
from elbo_compare.compare.errors import UsageError
from elbo_compare.compare.records import Outcome, Quantity

Frame = Any  # pandas.DataFrame
Row = Any  # pandas.Series
SHOWN = 8  # cells that match, in one line
# What a row's scale is, where it is not the oracle's sum of absolute terms.
SCALES: Mapping[str, str] = {
    **dict.fromkeys(
        map(str, (Quantity.ELBO_MEAN, Quantity.KL_MEAN, Quantity.GRADIENT_PROJECTION)),
        "the standard deviation of one draw",
    ),
    **dict.fromkeys(
        map(str, (Quantity.PATH_ELBO, Quantity.PATH_DISTANCE)),
        "the oracle's divergence from itself when its weights move by one ulp",
    ),
    str(Quantity.TIE): "the mean size of a draw, or the absolute terms where they are more",
    str(Quantity.LOG_PX): "standard deviation of a weight over its mean",
    str(Quantity.LOG_PX_MEAN): "the Monte Carlo error of the mean",
}
SEVERITY = {
    str(each): rank
    for rank, each in enumerate((Outcome.DIFFERS, Outcome.INCONCLUSIVE, Outcome.REGISTERED, Outcome.AGREES))
}


def why(claim: str, cell: str, folder: Path) -> str:
    """The worst verdict of a claim on a cell in full, then a line for each further one (its parts, its partners).

    `cell`: a key, the beginning of one, a label, or a part of a label. Raises UsageError, in one line, for an unknown
    claim, for a claim of a suite, and where no cell or several cells match.
    """
    each = find(claim)
    if each.sort is not Sort.CLAIM:
        raise UsageError(f"{each.id} is not judged on cells: `compare cite {each.id}` shows its numbers.")
    evidence = read(folder)
    mine = _of_cell(each, cell, evidence)
    size = [relative_size(row.difference, row.tolerance) for row in mine.itertuples()]
    ranked = mine.assign(rank=[SEVERITY.get(outcome, 9) for outcome in mine["outcome"]], size=size)
    ranked = ranked.sort_values(["rank", "size"], ascending=[True, False], kind="stable")
    rows = [row for _, row in ranked.iterrows()]
    parts = [_in_full(each, rows[0], evidence)]
    if len(rows) > 1:
        parts.append("\n".join(["Further verdicts of this claim on this cell:", *map(_line, rows[1:])]))
    return "\n\n".join(parts)


def _of_cell(each: Identified, cell: str, evidence: Evidence) -> Frame:
    """The verdicts of a claim on the one cell that is meant."""
    about: Frame = evidence.verdicts.of("claim", [each.id])
    if about.empty:
        raise UsageError(
            f"{evidence.folder} holds no verdict on {each.id}. `compare cite {each.id}` says where it does."
        )
    wanted = cell.casefold()
    labels, keys = about["label"].str.casefold(), about["key"].astype(str)
    for found in (
        keys == wanted,
        labels == wanted,
        keys.str.startswith(wanted),
        labels.map(lambda each: wanted in each),
    ):
        if found.any():
            return _only(each, cell, about[found])
    near = get_close_matches(cell, sorted(set(about["label"])), n=2, cutoff=0.3)
    hint = (
        f"Did you mean {' or '.join(map(repr, near))}?" if near else f"{about['key'].nunique()} cells have other names."
    )
    raise UsageError(f"No cell {cell!r} among those that {each.id} is judged on in {evidence.folder}. {hint}")


def _only(each: Identified, cell: str, found: Frame) -> Frame:
    cells = found.drop_duplicates("key")
    if len(cells) == 1:
        return found
    named = [f"{row.key} ({row.label}, {row.outcome})" for row in cells.itertuples()]
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    raise UsageError(f"{len(named)} cells of {each.id} match {cell!r}: {', '.join(named[:SHOWN])}{more}. Give a key.")


def _in_full(each: Identified, row: Row, evidence: Evidence) -> str:
    head = f"{each.id} {row['outcome']} on {row['label']} (key {row['key']})"
    said = dict(each.fields)
    fields = [
        ("States", said["Formula"]),
        ("Part", row["part"]),
        ("Against", row["other"]),
        ("Value", _number(row["value"], row["unit"])),
        ("Reference", _number(row["reference"], row["unit"])),
        ("Difference", _difference(row)),
        ("Tolerance", f"{_number(row['tolerance'], row['unit'])} = {said['Tolerance']}"),
        ("Why that", said["Why"]),
        ("Scale", _scale(row, evidence)),
        ("Interval", _interval(row, evidence)),
        ("n", f"{int(row['n']):,}"),
        ("Seed", _seed(row, evidence)),
        ("Reason", row["reason"]),
        ("Measured", f"{place(evidence)}; {versions(row['implementation'], evidence)}"),
        ("Source", said["Source"]),
    ]
    shown = paragraphs((name, str(text)) for name, text in fields if text)
    return "\n".join([head, *shown, f"{'Again':<12}{reproduces(row, evidence)}"])  # to be pasted: not wrapped


def _line(row: Row) -> str:
    named = ", ".join(part for part in (row["part"], f"against {row['other']}" if row["other"] else "") if part)
    return f"  {row['outcome']}  {named or row['label']}: {_difference(row) or row['reason']}"


def _number(value: float, unit: str) -> str:
    return f"{value!r} {unit}" if value == value else ""  # in full: it is to be held against another one


def _difference(row: Row) -> str:
    if row["difference"] != row["difference"]:
        return ""
    size = relative_size(row["difference"], row["tolerance"])
    share = f", {size:.3g} times what is allowed" if isfinite(size) else ""
    return f"{row['difference']:.6g} {row['unit']}{share}"


def _scale(row: Row, evidence: Evidence) -> str:
    """The scale of the measured row that holds the verdict's value; nothing where the value is put together."""
    measured: Frame = evidence.measurements
    mine = measured[(measured["key"] == row["key"]) & (measured["value"] == row["value"])]
    named = mine[mine["part"] == row["part"]] if row["part"] else mine
    known = (named if len(named) else mine).dropna(subset=["scale"])
    if known.empty:
        return ""
    first = known.iloc[0]
    words = SCALES.get(str(first["quantity"]), "the sum of absolute terms, cancellation included")
    return f"{float(first['scale'])!r}: {words} (row {first['quantity']})"


def _interval(row: Row, evidence: Evidence) -> str:
    if row["low"] != row["low"]:
        return ""
    budget = evidence.budget
    level = f", level 1 - {budget.alpha:g} / {budget.tests:,}" if budget else ""
    return f"[{row['low']:.6g}, {row['high']:.6g}] {row['unit']}, of the difference{level}"


def _seed(row: Row, evidence: Evidence) -> str:
    measured: Frame = evidence.measurements
    cell = measured[measured["key"] == row["key"]]
    facts = [f"{name} {int(cell.iloc[0][name])}" for name in ("size", "datum", "chunk") if len(cell) and name in cell]
    return f"{int(row['seed'])}; random numbers follow from the key alone" + (f"; {', '.join(facts)}" if facts else "")


def reproduces(row: Row, evidence: Evidence) -> str:
    """The command that measures this cell, and the one that it is compared with, again."""
    command = evidence.environment.get("command", "") or "compare all"
    without = command.partition(" -k ")[0]
    cells = [row["label"], *([row["other"]] if row["other"] else [])]
    return f"{without.replace('compare all', 'compare run')} -k {quote(' or '.join(cells))} -o DIR; compare judge DIR"
