"""The README's answer: the sentence, numbers and three findings of a published report, between two markers.

`python -m elbo_compare.reports.readme` rewrites it from the newest published `standard` report; a test compares them.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from elbo_compare.reports.formats import count, number
from elbo_compare.reports.front import ALLOWED
from elbo_compare.reports.sections.summary import SAME_NOISE

PUBLISHED = Path(__file__).parent / "published"
README = Path(__file__).resolve().parents[1] / "README.md"
START, END = "<!-- answer:", "<!-- /answer -->"


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
        f"| {count(float(len(rows)))} |"
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
