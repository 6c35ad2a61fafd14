"""The README's answer (sentence, numbers, three findings of a published report) and the numbers of the verdict that
docs/architecture.md follows, each between two markers.

`python -m elbo_compare.reports.readme` rewrites both from the newest published `standard` report; tests compare them.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from elbo_compare.reports.formats import count, number
from elbo_compare.reports.front import ALLOWED
from elbo_compare.reports.sections.summary import SAME_NOISE, counted

PUBLISHED = Path(__file__).parent / "published"
README = Path(__file__).resolve().parents[1] / "README.md"
ARCHITECTURE = README.parent / "docs" / "architecture.md"
START, END = "<!-- answer:", "<!-- /answer -->"
CLAIM, CELL = "KL-002", "vae@initial/pyro/sampled-kl/evaluate/float64/cpu"  # the verdict that is followed


def block(folder: Path) -> str:
    """Markdown of a published report's answer, its four numbers and three findings.

    Raises FileNotFoundError where the folder holds no report.
    """
    answer = json.loads((folder / "answer.json").read_text("utf-8"))
    record = json.loads((folder / "run.json").read_text("utf-8"))
    counts = ", ".join(f"{count(float(n))} {outcome}" for outcome, n in answer["counts"].items())
    here = f"reports/published/{folder.name}/report"
    return "\n".join(
        [
            f"> {answer['sentence']}",
            ">",
            *(f"> - {reason}" for reason in answer["reasons"]),
            ">",
            f"> {answer['equation']}",
            "",
            "| | value | bound | n |",
            "|---|---|---|---|",
            _roundings(folder),
            *map(_row, answer["numbers"][1:]),
            "",
            counted(pd.read_parquet(folder / "verdicts.parquet")),
            "",
            f"Verdicts: {counts}; findings reproduced: {_findings(folder)}. Three of those that are open:",
            "",
            *_three(folder),
            "",
            f"From [`{folder.name}`]({here}/report.md) (pages: `{here}/index.html` of a checkout); "
            f"{_versions(record)}. GPU: {_gpu(folder.parent)}.",
        ]
    )


def _roundings(folder: Path) -> str:
    """The hand-written line against the libraries' term at the same noise, in float64: the verdict nearest to its
    tolerance, in roundings, and the largest difference in nats."""
    rows = pd.read_parquet(folder / "verdicts.parquet")
    rows = rows[rows["claim"].isin(SAME_NOISE) & (rows["dtype"] == "float64") & (rows["tolerance"] > 0)]
    rows = rows[~rows["problem"].str.startswith("laplace")]  # there nobody drops the constant: not the questioned line
    difference = rows["difference"].abs()
    worst, largest = float((difference / rows["tolerance"]).max()) * ALLOWED, float(difference.max())
    label = "hand-written sampled KL − Trace_ELBO's KL at the same noise, worst in float64"
    return (
        f"| {label} | {number(worst, 2)} roundings | of {ALLOWED} allowed; at most {number(largest, 2)} nats "
        f"| {count(float(len(rows)))} comparisons, both libraries |"
    )


def _findings(folder: Path) -> str:
    rows = pd.read_parquet(folder / "findings.parquet")
    return f"{(rows['outcome'] == 'agrees').sum()} of {len(rows)}"


def _three(folder: Path) -> list[str]:
    """The three most harmful findings that are open and reproduced."""
    rows = pd.read_parquet(folder / "findings.parquet")
    rows = rows[(rows["status"] == "open") & (rows["outcome"] == "agrees")].head(3)
    return [
        f"- `{row['id']}`: {row['title']}. {row['harm'][0].upper()}{row['harm'][1:]}."
        for row in rows.to_dict("records")
    ]


def newest(published: Path = PUBLISHED, device: str = "cpu") -> Path:
    """The newest published `standard` report of a device, by the date of its run: two of one day differ by the hour."""
    found = sorted(published.glob(f"*-standard-{device}/run.json"), key=_date)
    if not found:
        where = f"under {published.name}/ (a checkout has them, an installed package does not)"
        raise FileNotFoundError(f"No published standard report for {device} {where}.")
    return found[-1].parent


def _date(record: Path) -> str:
    return json.loads(record.read_text("utf-8"))["date"]


def walk(folder: Path) -> str:
    """Markdown of one verdict's numbers: what was measured, what the oracle has, how far apart, what is allowed."""
    rows = pd.read_parquet(folder / "verdicts.parquet")
    row = rows[(rows["claim"] == CLAIM) & (rows["label"] == CELL)].iloc[0]
    name = folder.name
    return "\n".join(
        [
            f"In [`{name}`](../reports/published/{name}/report/report.md), nats per datum:",
            "",
            "| value | the oracle's | \\|difference\\| | allowed, 16 u S | outcome |",
            "|---|---|---|---|---|",
            f"| {float(row['value'])!r} | {float(row['reference'])!r} | {number(abs(row['difference']), 2)} "
            f"| {number(row['tolerance'], 2)} | {row['outcome']} |",
        ]
    )


def updated(text: str, answer: str, start: str = START, end: str = END) -> str:
    """A document with the text between the markers replaced."""
    before, marker, rest = text.partition(start)
    comment, _, after = rest.partition("\n")
    _, closed, after = after.partition(end)
    if not (marker and closed):
        raise ValueError(f"The document has no lines {start!r} and {end!r}.")
    return f"{before}{marker}{comment}\n\n{answer}\n\n{closed}{after}"


def architecture(text: str, folder: Path) -> str:
    """docs/architecture.md with the numbers of that folder's verdict."""
    return updated(text, walk(folder), "<!-- walk:", "<!-- /walk -->")


def _row(item: dict[str, Any]) -> str:
    value = "not measured" if item["value"] is None else f"{number(float(item['value']))} {item['unit']}".strip()
    bound = ""
    if item.get("interval"):
        bound = "[{}, {}]".format(*(number(float(end)) for end in item["interval"]))
    if item.get("tolerance") is not None:
        bound += f"{'; ' if bound else ''}tolerance {_limit(float(item['tolerance']))}"
    n = "" if item.get("n") is None else f"{count(float(item['n']))} {item.get('counted') or ''}".rstrip()
    label = item["label"].replace("|", "\\|")
    return f"| {label} | {value} | {bound} | {n} |"


def _limit(value: float) -> str:
    """A chosen limit is exact: 0.05, not 0.0500."""
    return number(value, 3).rstrip("0").rstrip(".") if 1e-3 <= value < 1 else number(value, 3)


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
    """Rewrite both; 2, with one line, where there is no published report to take them from."""
    try:
        folder = newest()
        answer = block(folder)
    except FileNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    README.write_text(updated(README.read_text("utf-8"), answer), encoding="utf-8")
    ARCHITECTURE.write_text(architecture(ARCHITECTURE.read_text("utf-8"), folder), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
