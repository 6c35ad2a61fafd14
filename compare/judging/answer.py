"""The question's answer, made from verdicts: what the report's first screen and the README show.

Every clause is chosen by the outcomes of the claims that it rests on, so the sentence never says more than they do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from elbo_compare.compare.claims import cells
from elbo_compare.compare.claims.constants import HALF_LOG_TWO_PI
from elbo_compare.compare.claims.pointwise import ROUNDING_FACTOR, relative_size
from elbo_compare.compare.judging import choice
from elbo_compare.compare.judging.ordered import Ordered
from elbo_compare.compare.judging.standing import Standing, outcomes_told, standing_of, weakest
from elbo_compare.compare.judging.verdicts import Verdicts
from elbo_compare.compare.records import Outcome, Quantity, Verdict
from elbo_compare.suites.contract import Prior

QUESTION = (
    "A hand-written VAE computes KL = −(log p(z) − log q(z|x)) at one sample z, with 0.5 log 2π dropped from both "
    "densities. Which equation is that, is it right, and is it what Pyro and NumPyro compute?"
)
EQUATION = (
    "It is the KL part of the one-sample estimator L^A, Kingma and Welling 2014 (arXiv 1312.6114), eq. 6; eq. 7, L^B, "
    "has the analytic KL. log_Normal is the log density of a normal, nothing to do with a lognormal."
)
# What the answer rests on, and what of it is asked of hand-written code alone.
OF_HAND = frozenset({"KL-002", "KL-003", "CONST-001", "CONST-002"})
CLAIMS = ("MATCH-001", "MATCH-002", "MATCH-004", "MATCH-007", "KL-004", "KL-005", *sorted(OF_HAND))
LIBRARY_CLAIMS = {"Pyro": ("MATCH-001", cells.PYRO), "NumPyro": ("MATCH-002", cells.NUMPYRO)}


@dataclass(frozen=True, kw_only=True)
class Clause:
    """A part of the sentence and the standing that chose its words."""

    standing: Standing
    text: str


def answer(verdicts: Verdicts, results: Ordered) -> dict[str, Any]:
    """question, sentence, reasons, equation, numbers, counts (verdicts by outcome), cells (by status) and standing.

    `sentence` opens with what all clauses say together and gives the first; `reasons` are the others. A number is a
    dict: label, value (None where nothing was measured), unit, n and what it counts (`counted`), interval ([low, high]
    at the error budget's level) or tolerance, and detail in words. A run that judged nothing of the questioned line,
    and which estimator to choose, answers that instead, and says so in `about`.
    """
    counted = {
        "counts": {str(each): verdicts.counts[each] for each in outcomes_told(verdicts.counts)},
        "cells": dict(sorted((str(status), count) for status, count in results.statuses.items())),
    }
    # What was not run says nothing, and a hundred thousand cells of a plug-in have as many such verdicts.
    ran = (verdict for verdict in verdicts.of(*CLAIMS) if verdict.outcome is not Outcome.NOT_RUN)
    given = [verdict for verdict in ran if _is_about_the_line(verdict)]
    if not given and (chosen := [v for v in verdicts.of(*choice.CLAIMS) if v.outcome is not Outcome.NOT_RUN]):
        return choice.choice(chosen) | counted
    clauses = [_match(given), _right(given), _in_expectation(given), _cancels(given), _mean_field(given)]
    standing = next(each for each in Standing if any(clause.standing is each for clause in clauses))
    return {
        "question": QUESTION,
        "sentence": f"{_opening(standing)}{clauses[0].text}.",
        "reasons": [f"{clause.text[0].upper()}{clause.text[1:]}." for clause in clauses[1:]],
        "equation": EQUATION,
        "numbers": [_same_noise(given), _mean(given, results), _variance(given), _dropped_constant(given)],
        "standing": str(standing),
    } | counted


def _is_about_the_line(verdict: Verdict) -> bool:
    """The question's models, whatever the flow, and priors whose densities drop 0.5 log 2 pi: a Laplace prior has
    another constant, so that hand-written code keeps it there, and q's. Of claims that the answer asks hand-written
    code alone, the verdicts on it: a plug-in may have a hundred thousand others."""
    if verdict.claim in OF_HAND and verdict.implementation not in cells.HAND:
        return False
    return cells.prior_of(verdict.problem) is not Prior.LAPLACE


# --- the sentence


def _opening(standing: Standing) -> str:
    return {
        Standing.AGREES: "Yes: ",
        Standing.DIFFERS: "Not everywhere: ",
        Standing.INCONCLUSIVE: "Not decided: ",
        Standing.NOT_RUN: "Only partly measured: ",
    }[standing]


def _of(verdicts: Sequence[Verdict], *claims: str) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.claim in claims]


def _match(verdicts: Sequence[Verdict]) -> Clause:
    texts, standings, counts = [], [], []
    for library, (claim, name) in LIBRARY_CLAIMS.items():
        about = [verdict for verdict in _of(verdicts, claim) if verdict.implementation == name]
        standing = standing_of(about)
        count = f"{sum(each.outcome is Outcome.AGREES for each in about)} of {len(about)} comparisons"
        texts.append(
            {
                Standing.AGREES: f"equals the KL term of {library}'s Trace_ELBO up to rounding ({count})",
                Standing.DIFFERS: f"differs from the KL term of {library}'s Trace_ELBO (equal in {count} only)",
                Standing.INCONCLUSIVE: f"could not be compared throughout with {library}'s Trace_ELBO ({count} agree)",
                Standing.NOT_RUN: f"was not compared with {library}'s Trace_ELBO",
            }[standing]
        )
        standings.append(standing)
        counts.append(count)
    line = "at the same noise the hand-written line "
    if set(standings) == {Standing.AGREES}:
        libraries = "'s and ".join(LIBRARY_CLAIMS)
        compared = f"{counts[0]} each" if len(set(counts)) == 1 else " and ".join(counts)
        text = f"{line}equals the KL term of {libraries}'s Trace_ELBO up to rounding ({compared})"
        return Clause(standing=Standing.AGREES, text=text)
    return Clause(standing=weakest(standings), text=line + " and ".join(texts))


def _by_hand(verdicts: Sequence[Verdict], *claims: str) -> list[Verdict]:
    return [verdict for verdict in _of(verdicts, *claims) if verdict.implementation in cells.HAND]


def _right(verdicts: Sequence[Verdict]) -> Clause:
    standing = weakest(standing_of(_by_hand(verdicts, claim)) for claim in ("KL-002", "KL-003"))
    text = {
        Standing.AGREES: "it is log q(z|x) − log p(z) with full normalisers",
        Standing.DIFFERS: "somewhere it is not log q(z|x) − log p(z) with full normalisers",
        Standing.INCONCLUSIVE: "whether it is log q(z|x) − log p(z) throughout stayed undecided",
        Standing.NOT_RUN: "it was not compared throughout with log q(z|x) − log p(z)",
    }[standing]
    return Clause(standing=standing, text=text)


def _in_expectation(verdicts: Sequence[Verdict]) -> Clause:
    standing = weakest(standing_of(_by_hand(verdicts, claim)) for claim in ("KL-004", "KL-005"))
    text = {
        Standing.AGREES: "its own draws have the mean KL(q‖p) and the variance that theory gives, within the margins",
        Standing.DIFFERS: "its own draws have a wrong mean or variance somewhere",
        Standing.INCONCLUSIVE: "whether its own draws have the right mean and variance stayed undecided",
        Standing.NOT_RUN: "mean and variance of its own draws were not both measured",
    }[standing]
    return Clause(standing=standing, text=text)


def _cancels(verdicts: Sequence[Verdict]) -> Clause:
    standing = weakest(standing_of(_by_hand(verdicts, claim)) for claim in ("CONST-001", "CONST-002"))
    text = {
        Standing.AGREES: "the dropped constant cancels in the KL, but not in log q alone",
        Standing.DIFFERS: "a constant is missing that does not cancel",
        Standing.INCONCLUSIVE: "whether the dropped constant cancels stayed undecided",
        Standing.NOT_RUN: "whether the dropped constant cancels was not measured",
    }[standing]
    if standing is Standing.AGREES and not any(_is_dropped(verdict) for verdict in verdicts):
        text = "no constant was found dropped"
    return Clause(standing=standing, text=text)


def _mean_field(verdicts: Sequence[Verdict]) -> Clause:
    standing = weakest(standing_of(_of(verdicts, claim)) for claim in ("MATCH-004", "MATCH-007"))
    ran = {verdict.implementation for verdict in _of(verdicts, "MATCH-004")}
    libraries = " and ".join(library for library, (_, name) in LIBRARY_CLAIMS.items() if name in ran)
    text = {
        Standing.AGREES: f"TraceMeanField_ELBO ({libraries}) has the analytic KL instead: another value at the same "
        "noise, and the whole difference is sampled minus analytic KL",
        Standing.DIFFERS: "TraceMeanField_ELBO is not in every case the same ELBO with the analytic KL",
        Standing.INCONCLUSIVE: "whether TraceMeanField_ELBO is the same ELBO with the analytic KL stayed undecided",
        Standing.NOT_RUN: "TraceMeanField_ELBO was not compared",
    }[standing]
    return Clause(standing=standing, text=text)


# --- the numbers


def _number(label: str, unit: str, value: float | None = None, n: int | None = None, **more: Any) -> dict[str, Any]:
    return {"label": label, "unit": unit, "value": value, "n": n, "detail": "not measured"} | more


def _measured(verdicts: Sequence[Verdict], *claims: str) -> list[Verdict]:
    """Verdicts with a number behind them; a value that is not finite stays, since it is the worst."""
    return [verdict for verdict in _of(verdicts, *claims) if verdict.difference != 0 or verdict.tolerance >= 0]


def _size(verdict: Verdict) -> float:
    size = relative_size(verdict.difference, verdict.tolerance)
    return size if isfinite(size) else inf


def _same_noise(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    label, unit = "hand-written sampled KL − Trace_ELBO's KL at the same noise, worst in float64", "roundings"
    compared = [each for each in _measured(verdicts, "MATCH-001", "MATCH-002") if each.tolerance >= 0]
    double = [each for each in compared if each.dtype == "float64"]
    if not double:
        return _number(label, unit)
    worst, largest = max(double, key=_size), max(double, key=lambda verdict: abs(verdict.difference))
    others = max((_size(each) for each in compared if each not in double), default=None)
    single = "" if others is None else f"; in float32 at worst {others * ROUNDING_FACTOR:.2g} roundings"
    return _number(
        label,
        unit,
        _size(worst) * ROUNDING_FACTOR,
        len(double),
        counted=f"comparisons in float64, of {len(compared)} with both libraries",
        tolerance=ROUNDING_FACTOR,
        detail=(
            f"a rounding is the unit roundoff × the sum of absolute terms, and {ROUNDING_FACTOR:g} are allowed; "
            f"nearest to that is {worst.label} against {worst.other}, by {abs(worst.difference):.2g} nats; the largest "
            f"difference in nats is {abs(largest.difference):.2g}, {_size(largest) * ROUNDING_FACTOR:.2g} roundings, "
            f"of {largest.label}{single}"
        ),
    )


def _sampling(verdicts: Sequence[Verdict], claim: str) -> Verdict | None:
    """The verdict whose estimate lies farthest out in units of its margin."""
    tested = [each for each in _of(verdicts, claim) if each.tolerance > 0 and each.low == each.low]
    return max(tested, key=_size) if tested else None


# What KL-004 and KL-005 apply to (`cells.plain`), for a reader who does not look them up.
COVERED = "Gaussian q without flow, N(0, I) prior"


def _mean(verdicts: Sequence[Verdict], results: Ordered) -> dict[str, Any]:
    label = f"mean of own sampled-KL draws − exact KL, {COVERED}: worst case"
    unit = "standard deviations of one draw"
    worst = _sampling(verdicts, "KL-004")
    if worst is None:
        return _number(label, unit)
    drawn = next(results.where(lambda cell: cell.key == worst.key))
    sd = next(row.scale for row in drawn.measurements if row.quantity is Quantity.KL_MEAN)
    return _number(
        label,
        unit,
        worst.difference / sd,
        worst.n,
        counted="draws",
        interval=[worst.low / sd, worst.high / sd],
        tolerance=worst.tolerance / sd,
        detail=f"worst of {_count(verdicts, 'KL-004')} cells: {worst.label}, {worst.difference:.2g} nats; "
        "FLOW-003 judges linear flows",
    )


def _variance(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    label, unit = f"variance of own sampled-KL draws / Σ μ²σ² + (σ² − 1)²/2, {COVERED}: worst case", "ratio"
    worst = _sampling(verdicts, "KL-005")
    if worst is None:
        return _number(label, unit)
    return _number(
        label,
        unit,
        worst.value / worst.reference,
        worst.n,
        counted="draws",
        interval=[1 + worst.low / worst.reference, 1 + worst.high / worst.reference],
        tolerance=worst.tolerance / worst.reference,
        detail=f"worst of {_count(verdicts, 'KL-005')} cells: {worst.label}; FLOW-004 judges linear flows",
    )


def _count(verdicts: Sequence[Verdict], claim: str) -> int:
    return len(_of(verdicts, claim))


def _is_dropped(verdict: Verdict) -> bool:
    named = verdict.claim == "CONST-001" and verdict.part.startswith(str(Quantity.LOG_Q))
    return named and verdict.part.endswith("dropped") and verdict.implementation in cells.HAND


def _dropped_constant(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    label, unit = "what dropping 0.5 log 2π does to the hand-written log q(z|x) alone", "nats"
    dropped = [each for each in verdicts if _is_dropped(each) and each.dtype == "float64"]
    kl = [each for each in _by_hand(verdicts, "CONST-002") if each.part == "KL" and each.dtype == "float64"]
    if not dropped or not kl:
        return _number(label, unit)
    largest = max(dropped, key=lambda verdict: verdict.value)
    worst_kl = max(kl, key=lambda verdict: abs(verdict.difference))
    latent = round(largest.reference / HALF_LOG_TWO_PI)
    return _number(
        label,
        unit,
        largest.value,
        len(dropped),
        counted="cells of hand-written code, both estimators",
        tolerance=largest.tolerance,
        detail=(
            f"shown for {largest.label}: {latent} latent dimensions × {HALF_LOG_TWO_PI:.4f}. The KL itself is "
            f"off by at most {abs(worst_kl.difference):.2g} nats in {len(kl)} cells"
        ),
    )
