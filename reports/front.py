"""What the index says beside the sentence: three lines with their claims, and a strip of counts and facts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elbo_compare.reports.data import ReportData
from elbo_compare.reports.formats import MISSING, clean, count, number
from elbo_compare.reports.sections.closing import find
from elbo_compare.reports.sections.opening import negative
from elbo_compare.reports.sections.summary import COMPARED, SAME_NOISE, outcome_text, share

ALLOWED = 16  # roundings
VERSIONS = ("torch", "pyro-ppl", "jax", "numpyro")
LIBRARIES = {"pyro": "Pyro", "numpyro": "NumPyro"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the answer and the claims that it rests on, each with its outcomes in this run."""

    text: str
    claims: tuple[tuple[str, str], ...]


def lines(data: ReportData) -> list[Line]:
    """Right on average; when dropping is harmless; what TraceMeanField_ELBO does instead. A line whose claims do not
    all agree says so first. An answer about something else brings lines of its own."""
    if about_something_else(data):
        return [Line(text=clean(text), claims=_told(data, claims)) for text, claims in data.answer.get("lines") or ()]
    found = negative(data)
    below = f" (at least {100 * found[0]:.3g}% of {found[1]:,} draws at {found[2]} are)" if found else ""
    offset = next((each for each in data.answer.get("numbers") or () if "log q" in str(each.get("label"))), {})
    value = offset.get("value")
    off = f", which it leaves {number(float(value))} nats off" if isinstance(value, int | float) else ""
    return [
        _line(data, f"Right on average over its own draws, and one draw may be negative{below}.", "KL-002", "KL-004"),
        _line(
            data,
            f"Dropping ½ log 2π is harmless in the KL, where it cancels, and not in log q alone{off}.",
            "CONST-002",
            "CONST-001",
        ),
        _line(
            data,
            "TraceMeanField_ELBO has the analytic KL instead: another value at the same noise, the same mean.",
            "MATCH-004",
            "MATCH-007",
        ),
    ]


def about_something_else(data: ReportData) -> bool:
    """Whether the run measured nothing of the questioned line, and its answer is about what it did measure."""
    return bool(data.answer.get("about"))


def _told(data: ReportData, claims: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((claim, outcome_text(data.judged(claim, columns=["outcome"])["outcome"])) for claim in claims)


def _line(data: ReportData, text: str, *claims: str) -> Line:
    outcomes = [data.judged(claim, columns=["outcome"])["outcome"] for claim in claims]
    whole = all((each == "agrees").any() and not each.isin(("differs", "inconclusive")).any() for each in outcomes)
    return Line(
        text=text if whole else f"Not confirmed by this run: {text[0].lower()}{text[1:]}", claims=_told(data, claims)
    )


def strip(data: ReportData) -> list[tuple[str, str, str]]:
    """Counts, each with what it counts, where nothing was measured, that; and the page that has more of it."""
    verdicts, here = "evidence.html#verdicts", "environment.html"
    return [
        *((f"verdicts on {word}", _agreeing(data, name), verdicts) for name, word in LIBRARIES.items()),
        (f"worst in float64, in roundings of {ALLOWED} allowed", _worst(data), "evidence.html#agreement"),
        ("mutants caught", _mutants(data), "mutants.html"),
        ("findings reproduced", _findings(data), "findings.html"),
        ("versions", ", ".join(f"{name} {find(data.environment, name) or MISSING}" for name in VERSIONS), here),
        ("device and date", ", ".join(each for each in (_device(data), find(data.environment, "date")) if each), here),
        ("to cite", "BibTeX, for the whole and on each claim's page", f"{here}#cite"),
    ]


def facts(data: ReportData) -> str:
    """Profile, date, device and versions in one line, as far as they are known."""
    known = [find(data.environment, name) for name in ("profile", "date", "device")]
    known += [f"{name} {version}" for name in VERSIONS if (version := find(data.environment, name))]
    return clean(" · ".join(each for each in known if each))


def _device(data: ReportData) -> str:
    return find(data.environment, "device") or find(data.environment, "cpu") or MISSING


def _agreeing(data: ReportData, implementation: str) -> str:
    outcomes = data.verdicts.of("implementation", [implementation], ["outcome"])["outcome"]
    judged = outcomes[outcomes != "not run"]
    return f"{count(float((judged == 'agrees').sum()))} of {count(float(len(judged)))} agree" if len(judged) else "none"


def _worst(data: ReportData) -> str:
    rows = data.judged(*SAME_NOISE, columns=["claim", "dtype", *COMPARED])
    rows = rows[rows["dtype"] == "float64"]
    worst = float(share(rows).max()) if len(rows) else np.nan
    return "not measured" if np.isnan(worst) else f"{number(worst * ALLOWED, 2)} ({', '.join(SAME_NOISE)})"


def _mutants(data: ReportData) -> str:
    rows = data.further.get("sensitivity")
    if rows is None or rows.empty:
        return "not in this folder: compare mutants -o DIR"
    planted = rows[~rows["legitimate"].astype(bool)]
    caught = planted[planted["outcome"] == "differs"]["variant"].nunique()
    return f"{caught} of {planted['variant'].nunique()}"


def _findings(data: ReportData) -> str:
    rows = data.further.get("findings")
    if rows is None or rows.empty:
        return "not in this folder: compare run semantics -o DIR"
    return f"{(rows['outcome'] == 'agrees').sum()} of {len(rows)}"
