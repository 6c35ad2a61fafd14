"""The README's answer: the first screen and the main table of a published report, between two markers.

`python -m elbo_compare.reports.readme` rewrites it from the newest published `standard` report; a test compares them.
"""

import csv
import json
import sys
from pathlib import Path
from typing import Any

from elbo_compare.reports.data import CORE
from elbo_compare.reports.formats import count, number

PUBLISHED = Path(__file__).parent / "published"
README = Path(__file__).resolve().parents[1] / "README.md"
START, END = "<!-- answer:", "<!-- /answer -->"


def block(folder: Path) -> str:
    """Markdown of a published report's answer, its four numbers and its matrix of worst differences.

    Raises FileNotFoundError where the folder holds no report.
    """
    answer = json.loads((folder / "answer.json").read_text("utf-8"))
    record = json.loads((folder / "run.json").read_text("utf-8"))
    counts = ", ".join(f"{count(float(n))} {outcome}" for outcome, n in answer["counts"].items())
    return "\n".join(
        [
            f"> **{answer['question']}**",
            ">",
            f"> {answer['sentence']}",
            ">",
            *(f"> - {reason}" for reason in answer["reasons"]),
            ">",
            f"> {answer['equation']}",
            "",
            "| | value | bound | n |",
            "|---|---|---|---|",
            *map(_row, answer["numbers"]),
            "",
            f"Verdicts: {counts}. Worst difference from the float64 oracle at the same noise, in roundings (unit "
            "roundoff × the sum of absolute terms; 16 are allowed), and in brackets in nats per datum (the other "
            "estimators and float32 are in the report):",
            "",
            *_matrix(folder / "report" / "tables" / "agreement-matrix.csv"),
            "",
            f"From the report in [`{folder.name}`](reports/published/{folder.name}/report/report.html) "
            f"({_versions(record)}). GPU: {_gpu(folder.parent)}.",
        ]
    )


def newest(published: Path = PUBLISHED, device: str = "cpu") -> Path:
    """The newest published `standard` report of a device, by the date that its name starts with."""
    found = sorted(path for path in published.glob(f"*-standard-{device}") if path.is_dir())
    if not found:
        where = f"under {published.name}/ (a checkout has them, an installed package does not)"
        raise FileNotFoundError(f"No published standard report for {device} {where}.")
    return found[-1]


def updated(readme: str, answer: str) -> str:
    """The README with the text between the markers replaced."""
    before, marker, rest = readme.partition(START)
    comment, _, after = rest.partition("\n")
    _, end, after = after.partition(END)
    if not (marker and end):
        raise ValueError(f"The README has no lines {START!r} and {END!r}.")
    return f"{before}{marker}{comment}\n\n{answer}\n\n{end}{after}"


def _row(item: dict[str, Any]) -> str:
    value = "not measured" if item["value"] is None else f"{number(float(item['value']))} {item['unit']}".strip()
    bound = ""
    if item.get("interval"):
        bound = "[{}, {}]".format(*(number(float(end)) for end in item["interval"]))
    if item.get("tolerance") is not None:
        bound += f"{'; ' if bound else ''}tolerance {float(item['tolerance']):.3g}"
    n = "" if item.get("n") is None else count(float(item["n"]))
    label = item["label"].replace("|", "\\|")
    return f"| {label} | {value} | {bound} | {n} |"


def _matrix(table: Path) -> list[str]:
    with table.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    estimator = header.index("estimator")
    shown = [row for row in rows if row[0].startswith("float64") and row[estimator] in CORE]
    return ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *shown)]


def _versions(record: dict[str, Any]) -> str:
    *_, environment = record["environments"].values()
    versions = environment["packages"]
    return ", ".join(f"{name} {versions[name]}" for name in ("torch", "pyro-ppl", "jax", "numpyro"))


def _gpu(published: Path) -> str:
    try:
        return f"`reports/published/{newest(published, 'cuda').name}`"
    except FileNotFoundError:
        return "not measured"


def main() -> int:
    """Rewrite the README's answer; 2, with one line, where there is no published report to take it from."""
    try:
        answer = block(newest())
    except FileNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    README.write_text(updated(README.read_text("utf-8"), answer), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
