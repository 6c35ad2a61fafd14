"""`compare diff` as text."""

from pathlib import Path

import pandas as pd

from elbo_compare.compare.citing.changes import Changes
from elbo_compare.compare.citing.diff import NOT_COMPARED, Diff, diff, to_json
from elbo_compare.compare.citing.outcomes import table
from elbo_compare.compare.terminal import say

SHOWN = 40  # rows of a table; --json has all


def diff_command(old: Path, new: Path, *, as_json: bool) -> int:
    """Print what changed from `old` to `new`; returns 1 where a verdict changed, else 0."""
    result = diff(old, new)
    say(to_json(result) if as_json else as_text(result))
    return result.exit_code


def as_text(result: Diff) -> str:
    """For a terminal: the environments, the verdicts, the numbers, the cells that are in one folder only."""
    sections = [
        _section("Environment", [("item", "old", "new"), *((k, *v) for k, v in result.environment.items())]),
        _section(
            f"Verdicts changed: {len(result.verdicts)} of {result.compared_verdicts}",
            _rows(result.verdicts, ("claim", "old", "new", "cell", "part", "difference_new", "tolerance_new")),
        ),
        _section(
            f"Numbers changed beyond their error: {len(result.numbers)} of {result.compared_numbers} "
            f"({result.described} more are {NOT_COMPARED})",
            _rows(
                result.numbers, ("quantity", "part", "value_old", "value_new", "difference", "allowed", "error", "cell")
            ),
        ),
        *(_suite(each) for each in result.suites),
        *(
            _section(f"Cells only in {name}: {len(labels)}", [("cell",), *((label,) for label in labels)])
            for name, labels in (("OLD", result.only_old), ("NEW", result.only_new))
        ),
    ]
    return "\n\n".join(sections)


def _suite(each: Changes) -> str:
    """A table of what changed, its reason behind it, and the IDs that one folder only has."""
    frame = each.changed
    why = next((name for name in ("reason_new", "detail_new") if name in frame), None)
    columns = (
        "id",
        "place",
        "old",
        "new",
        *((why,) if why else ()),
        *(("versions_new",) if "versions_new" in frame else ()),
    )
    title = f"{each.sort.capitalize()} changed: {len(frame)} of {each.compared}"
    lines = [_section(title, _rows(frame, columns))]
    lines += [
        f"  only in {name}: {', '.join(only)}"
        for name, only in (("OLD", each.only_old), ("NEW", each.only_new))
        if only
    ]
    return "\n".join(lines)


def _rows(frame: pd.DataFrame, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    rows = frame[list(columns)].itertuples(index=False)
    return [columns, *(tuple(f"{each:.6g}" if isinstance(each, float) else str(each) for each in row) for row in rows)]


def _section(title: str, rows: list[tuple[str, ...]]) -> str:
    if len(rows) == 1:
        return title if title[-1].isdigit() or title.endswith(")") else f"{title}: the same"
    more = [f"  and {len(rows) - 1 - SHOWN} more (--json has all)"] if len(rows) - 1 > SHOWN else []
    return "\n".join([title, *table(rows[: SHOWN + 1], "  "), *more])
