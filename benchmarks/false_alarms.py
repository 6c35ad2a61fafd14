"""How often are correct implementations failed, and wrong ones passed, by chance? `python benchmarks/false_alarms.py`

Correct: the NumPy oracle's own draws and gradients, and (same noise) a second correct VAE whose sampled KL is written
in log sigma and whose gradients are complex steps. Wrong: the oracle's draws moved to the edge of the margin, where
*agrees* is a false verdict (mean: 0.05 standard deviations, variance: 10%). Each under `--seeds` different seeds, at
the number of draws and the level that a run uses. Bounds are exact (Clopper and Pearson 1934), one-sided, 95%; verdicts
under one seed share their draws, so that the bound to cite is the one on seeds.
"""

import argparse
import csv
import json
import platform
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from math import sqrt
from multiprocessing import get_context
from pathlib import Path
from time import monotonic

import numpy as np
import scipy
from scipy.stats import beta

from elbo_compare.compare.claims import CLAIMS
from elbo_compare.compare.judging.judge import judge
from elbo_compare.compare.judging.mutants import Setup, measure
from elbo_compare.compare.records import Cell, CellResult, Outcome, Procedure, Verdict
from elbo_compare.compare.statistics import MEAN_MARGIN, VARIANCE_MARGIN, ErrorBudget
from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Array, Device, Draws, DType, Estimator, Params, Problem
from elbo_compare.suites.estimators import CORE_ESTIMATORS, SAMPLED_KL
from elbo_compare.suites.exact.expected import Expected, expected
from elbo_compare.suites.mutants.catalogue import CATALOGUE
from elbo_compare.suites.mutants.session import Mutant
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle, OracleSession
from elbo_compare.suites.numpy_oracle.vae import encode

SECOND = "second-correct"  # another correct program, so that rounding differs
MEAN_CLAIMS = frozenset({"KL-004", "LG-001"})
VARIANCE_CLAIMS = frozenset({"KL-005", "LG-002", "LG-003", "LG-005"})
LATENT = {"gaussian-kl": 2, "linear-gaussian": 3}


def setups(*procedures: Procedure) -> Iterator[Setup]:
    """The closed-form problems, both estimators."""
    for name, weights in (
        ("gaussian-kl", "2-typical"),
        ("linear-gaussian", "generic"),
        ("linear-gaussian", "posterior"),
    ):
        problem, dataset = problems.load(name, weights), datasets.load(problems.DATASET[name])
        for procedure in procedures:
            if procedure is Procedure.GRADIENT and weights == "posterior":
                continue  # its variance is known, its cost is that of `generic`
            for estimator in CORE_ESTIMATORS.values():
                yield Setup(problem=problem, dataset=dataset, estimator=estimator, procedure=procedure)


def correct_results(seed: int, budget: ErrorBudget) -> list[CellResult]:
    """What a run of correct programs measures under one seed."""
    drawn = [
        measure(setup, NumpyOracle(), "numpy-oracle", budget, seed)
        for setup in setups(Procedure.DRAW, Procedure.GRADIENT)
    ]
    second = Mutant(variant=CATALOGUE["VAR-005"])
    same_noise = [setup for setup in setups(Procedure.EVALUATE) if setup.estimator is SAMPLED_KL]
    return drawn + [measure(setup, second, SECOND, budget, seed) for setup in same_noise]


class Moved(NumpyOracle):
    """The oracle with its draws moved to the edge: the mean by 0.05 standard deviations, or the variance by 10%."""

    def __init__(self, *, of_mean: bool) -> None:
        self.of_mean = of_mean

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> "MovedSession":
        return MovedSession(problem, estimator, self.of_mean)


class MovedSession(OracleSession):
    def __init__(self, problem: Problem, estimator: Estimator, of_mean: bool) -> None:
        super().__init__(problem, estimator)
        self.of_mean = of_mean

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        exact = expected(self.setting.problem, self.setting.estimator, x, *encode(params, self.setting.problem, x)[:2])
        draws = super().draw(params, x, n, seed, chunk)
        return replace(draws, elbo=self._moved(draws.elbo, exact, "elbo"), kl=self._moved(draws.kl, exact, "kl"))

    def _moved(self, values: Array, exact: Expected, name: str) -> Array:
        mean, variance = getattr(exact, f"{name}_mean"), getattr(exact, f"{name}_variance")
        if self.of_mean:
            return values + MEAN_MARGIN * sqrt(variance)
        return mean + (values - mean) * sqrt(1.0 + VARIANCE_MARGIN)


def one_seed(seed: int, budget: ErrorBudget) -> tuple[Counter, Counter]:
    """(claim, outcome) counts of correct programs, and of programs at the edge of a margin."""
    right = Counter(
        (verdict.claim, str(verdict.outcome)) for verdict in verdicts_of(correct_results(seed, budget), budget)
    )
    edge: Counter = Counter()
    for of_mean, claims in ((True, MEAN_CLAIMS), (False, VARIANCE_CLAIMS)):
        moved = [
            measure(setup, Moved(of_mean=of_mean), "numpy-oracle", budget, seed) for setup in setups(Procedure.DRAW)
        ]
        judged = verdicts_of(moved, budget)
        edge.update((each.claim, str(each.outcome)) for each in judged if each.claim in claims and each.tolerance > 0)
    return right, edge


def verdicts_of(results: list[CellResult], budget: ErrorBudget) -> list[Verdict]:
    verdicts = judge(results, budget, latent=latent)
    return [verdict for verdict in verdicts if verdict.outcome is not Outcome.NOT_RUN]


def latent(cell: Cell) -> int:
    return LATENT[cell.problem]


def upper_bound(hits: int, trials: int, level: float = 0.95) -> float:
    """The largest rate at which `hits` or fewer of `trials` still happen with probability 1 - level."""
    if not trials:
        return 1.0
    return 1.0 if hits == trials else float(beta.ppf(level, hits + 1, trials - hits))


def table(counts: Counter, false: Outcome) -> list[dict[str, object]]:
    """One row for each claim, and one for all: verdicts, false ones with the bound of their rate, inconclusive ones."""
    claims = [claim.id for claim in CLAIMS if any(name == claim.id for name, _ in counts)]
    return [_row(name, {outcome: counts[name, str(outcome)] for outcome in Outcome}, false) for name in claims] + [
        _row("all", {o: sum(counts[name, str(o)] for name in claims) for o in Outcome}, false)
    ]


def _row(name: str, by_outcome: dict[Outcome, int], false: Outcome) -> dict[str, object]:
    total = sum(by_outcome.values())
    return {
        "claim": name,
        "verdicts": total,
        f"false_{false}": by_outcome[false],
        "rate_below_95": upper_bound(by_outcome[false], total),
        "inconclusive": by_outcome[Outcome.INCONCLUSIVE],
    }


def show(title: str, rows: list[dict[str, object]]) -> None:
    print(title)
    names = list(rows[0])
    print("  " + "".join(f"{name:>16}" for name in names))
    for row in rows:
        cells = (f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values())
        print("  " + "".join(f"{cell:>16}" for cell in cells))


def publish(folder: Path, tables: dict[str, list[dict[str, object]]], about: dict[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    summary = about | {name: rows[-1] for name, rows in tables.items()}
    (folder / "false_alarms.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("-j", "--jobs", type=int, default=1)
    parser.add_argument("--publish", type=Path, metavar="DIR", help="write CSV and JSON there")
    given = parser.parse_args()
    budget, started = ErrorBudget(), monotonic()
    right, edge, alarmed = Counter(), Counter(), 0
    seeds = range(given.first, given.first + given.seeds)
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        for one, other in pool.map(partial(one_seed, budget=budget), seeds, chunksize=5):
            right += one
            edge += other
            alarmed += any(outcome == Outcome.DIFFERS for _, outcome in one)
    tables = {"false_differs": table(right, Outcome.DIFFERS), "false_agrees": table(edge, Outcome.AGREES)}
    about = {
        "seeds": given.seeds,
        "first_seed": given.first,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
        "alpha": budget.alpha,
        "tests": budget.tests,
        "seeds_with_a_false_differs": alarmed,
        "rate_of_such_seeds_below_95": upper_bound(alarmed, given.seeds),
    }
    show(f"Correct programs, {given.seeds} seeds", tables["false_differs"])
    show("Programs at the edge of a margin", tables["false_agrees"])
    print(json.dumps(about), f"in {monotonic() - started:.0f} s")
    if given.publish:
        publish(given.publish, tables, about)


if __name__ == "__main__":
    main()
