"""`compare mutants`: do the claims that judge the libraries catch wrong code, and do they let other right code pass?

Every variant of the catalogue becomes an implementation that takes a library's place in a small run: the oracle and a
hand-written implementation beside it, the same procedures, the same claims. A mutant is caught where a claim differs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from math import isnan, nan
from queue import SimpleQueue

import numpy as np

from elbo_compare.compare.claims import CLAIMS
from elbo_compare.compare.claims.cells import PYRO
from elbo_compare.compare.environment import worker_environment
from elbo_compare.compare.errors import IncompleteError, WorkerError
from elbo_compare.compare.judging.judge import judge
from elbo_compare.compare.judging.sensitivity import JUDGED_CLAIMS, NOT_FOR_MUTANTS, Screened, Sensitivity, aspect_of
from elbo_compare.compare.launching.connected import Connected
from elbo_compare.compare.procedures.draw import draw
from elbo_compare.compare.procedures.evaluate import evaluate
from elbo_compare.compare.procedures.gradient import gradient
from elbo_compare.compare.procedures.task import InvalidResultError, Task
from elbo_compare.compare.records import (
    Cell,
    CellResult,
    Measurement,
    Outcome,
    Procedure,
    Status,
    SuiteVerdict,
    Verdict,
)
from elbo_compare.compare.statistics import ErrorBudget, planned_draws
from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Dataset, Device, DType, Estimator, Problem
from elbo_compare.suites.estimators import CORE_ESTIMATORS
from elbo_compare.suites.exact.expected import expected
from elbo_compare.suites.mutants.catalogue import CATALOGUE, Aspect, Kind, Variant
from elbo_compare.suites.mutants.own_problems import checks
from elbo_compare.suites.mutants.problem import bernoulli_data, bernoulli_tiny, near_prior
from elbo_compare.suites.mutants.session import Mutant
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle
from elbo_compare.suites.numpy_oracle.vae import encode
from elbo_compare.suites.roster import ORACLE

# A variant takes the place of Pyro, so that the claims which compare a library with a hand-written loss judge it too.
SUBJECT, HAND = PYRO, "torch-hand"
# No size equals another (6 pixels, 3 latent dimensions), or a sum over the wrong axis would look right. Parts: 1, 3, 3.
ROWS = 7
UNPLANNED = "inconclusive: the number of draws is planned for the usual estimator's variance"
CONSTANT_DRAWS = 1_000  # where every draw should be the exact value
PROCEDURES: Mapping[Procedure, Callable[[Task], list[Measurement]]] = {
    Procedure.EVALUATE: evaluate,
    Procedure.DRAW: draw,
    Procedure.GRADIENT: gradient,
}


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Where variants are judged: one problem and estimator under one procedure."""

    problem: Problem
    dataset: Dataset
    estimator: Estimator
    procedure: Procedure

    @property
    def x(self) -> np.ndarray:
        """The datum at which draws are made, (1, observed)."""
        return self.dataset.test[:1]

    @property
    def label(self) -> str:
        """Procedure, problem, weights and estimator: no two setups share all four."""
        return f"{self.procedure}/{self.problem.name}@{self.problem.weights}/{self.estimator.name}"

    def cell(self, implementation: str, size: int, seed: int) -> Cell:
        """The setup's cell for one implementation."""
        return Cell(
            problem=self.problem.name,
            weights=self.problem.weights,
            dataset=self.dataset.name,
            implementation=implementation,
            estimator=self.estimator.name,
            procedure=self.procedure,
            dtype=str(DType.FLOAT64),
            device=str(Device.CPU),
            seed=seed,
            size=size,
        )

    def size(self, budget: ErrorBudget) -> int:
        """Rows of a batch, or the draws that the margins and the error budget ask for."""
        if self.procedure is Procedure.EVALUATE:
            return ROWS
        exact = expected(self.problem, self.estimator, self.x, *encode(self.problem.params, self.problem, self.x)[:2])
        if self.procedure is Procedure.GRADIENT:
            kurtoses, variances = list(exact.gradient_kurtosis.values()), list(exact.gradient_variance.values())
        else:
            kurtoses = [exact.elbo_kurtosis, exact.kl_kurtosis]
            variances = [exact.elbo_variance, exact.kl_variance]
        if all(variance == 0 for variance in variances):
            return CONSTANT_DRAWS
        kurtosis = max((value for value in kurtoses if not isnan(value)), default=nan)
        return planned_draws(kurtosis=kurtosis, alpha=budget.per_test)

    def smallest_variance(self) -> float:
        """The smallest sigma^2 of q at the datum."""
        _, log_var, _ = encode(self.problem.params, self.problem, self.x)
        return float(np.exp(log_var).min())


def run_mutants(
    ids: Iterable[str] | None = None,
    *,
    seed: int = 0,
    budget: ErrorBudget | None = None,
    jobs: int = 1,
    progress: Callable[[Screened], None] = lambda judged: None,
) -> Sensitivity:
    """Judge the named variants (all of them by default) and give the sensitivity matrix.

    `jobs` processes judge side by side. `progress` is told of each variant, in the catalogue's order. Raises KeyError
    for an unknown ID.
    """
    chosen = [_variant(identifier) for identifier in (CATALOGUE if ids is None else ids)]
    bench = Bench(budget=budget or ErrorBudget(), seed=seed)
    judged = []
    for each in _side_by_side(bench, chosen, jobs):
        judged.append(each)
        progress(each)
    strengths = {claim.id: str(claim.strength) for claim in JUDGED_CLAIMS}
    for each in judged:
        if each.variant.kind in (Kind.BOUND, Kind.FLOW):
            strengths |= {check.id: check.strength for check in checks(each.variant)}
    seen = {said.id for each in judged for said in each.verdicts}
    return Sensitivity(
        judged=tuple(judged),
        strengths={claim: strength for claim, strength in strengths.items() if claim in seen},
        kept={claim.id: NOT_FOR_MUTANTS[claim.id] for claim in CLAIMS if claim.id in NOT_FOR_MUTANTS},
    )


def _side_by_side(bench: "Bench", chosen: Sequence[Variant], jobs: int) -> Iterator[Screened]:
    """The judgements in the order of `chosen`, by up to `jobs` processes. Raises IncompleteError where one dies."""
    jobs = min(jobs, len(chosen))
    if jobs <= 1:
        yield from map(bench.judge, chosen)
        return
    # One thread each: side by side, further ones wait for each other, spinning.
    alone = worker_environment(device=Device.CPU, dtype=DType.FLOAT64, threads=1, compile_cache=False)
    children = [Connected(["-m", "elbo_compare.compare.judging.mutant_worker"], alone) for _ in range(jobs)]
    free: SimpleQueue[Connected] = SimpleQueue()
    for child in children:
        free.put(child)
    threads = ThreadPoolExecutor(jobs)
    try:
        yield from threads.map(lambda variant: _ask(free, bench, variant), chosen)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for child in children:
            child.close()  # a thread that waits for its answer then ends
        threads.shutdown()


def _ask(free: "SimpleQueue[Connected]", bench: "Bench", variant: Variant) -> Screened:
    child = free.get()
    try:
        budget = {"alpha": bench.budget.alpha, "tests": bench.budget.tests}
        child.channel.send({"variant": variant.id, "seed": bench.seed, "budget": budget})
        answer = child.channel.receive()
    except WorkerError as error:
        raise IncompleteError(f"{variant.id} could not be judged: {child.epitaph()}.") from error
    finally:
        free.put(child)
    verdicts = tuple(verdict(claim, variant, Outcome(outcome), reason) for claim, outcome, reason in answer["verdicts"])
    return Screened(variant=variant, verdicts=verdicts, failures=tuple(answer["failures"]))


def _variant(identifier: str) -> Variant:
    if identifier not in CATALOGUE:
        raise KeyError(f"No variant {identifier!r}. Known: {next(iter(CATALOGUE))} to {list(CATALOGUE)[-1]}.")
    return CATALOGUE[identifier]


@cache
def setups() -> tuple[Setup, ...]:
    """Where the variants are judged. Extreme sigma, q = p, a generic q, the exact posterior, saturated pixels."""
    kl, none = "gaussian-kl", datasets.load("none")
    typical, equal, mixed = (problems.load(kl, name) for name in ("2-typical", "2-equal", "40-mixed"))
    linear = datasets.load("linear-gaussian")
    generic, posterior = (problems.load("linear-gaussian", name) for name in ("generic", "posterior"))
    at = {
        Procedure.EVALUATE: ((typical, none), (equal, none), (mixed, none), (near_prior(), none)),
        Procedure.DRAW: ((typical, none), (equal, none), (near_prior(), none)),
        Procedure.GRADIENT: ((typical, none), (near_prior(), none), (generic, linear)),
    }
    models = ((generic, linear), (posterior, linear), (bernoulli_tiny(), bernoulli_data()))
    at[Procedure.EVALUATE] += models
    at[Procedure.DRAW] += models
    return tuple(
        Setup(problem=problem, dataset=dataset, estimator=estimator, procedure=procedure)
        for procedure, places in at.items()
        for problem, dataset in places
        for estimator in CORE_ESTIMATORS.values()
    )


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Runs and judges one variant at a time beside the oracle and a hand-written loss, which are measured once."""

    budget: ErrorBudget
    seed: int

    def judge(self, variant: Variant) -> Screened:
        """Run every cell that the variant changes, and let every claim judge it."""
        if variant.kind in (Kind.BOUND, Kind.FLOW):
            return _screened_by_checks(variant)
        mutant = Mutant(variant=variant)
        results = [self._result(setup, mutant) for setup in setups() if self._meant(setup, mutant)]
        done = {_place(result.cell) for result in results}
        beside = [each for each in _correct(self.budget, self.seed) if _place(each.cell) not in done]
        verdicts = judge([*results, *beside], self.budget, claims=JUDGED_CLAIMS, latent=_latent)
        keys = {result.cell.key for result in results}
        partners = {result.cell.label for result in results}
        return _screened(variant, [each for each in verdicts if each.key in keys or each.other in partners], results)

    def _meant(self, setup: Setup, mutant: Mutant) -> bool:
        sampling = setup.procedure is not Procedure.EVALUATE
        if sampling and setup.smallest_variance() <= mutant.variant.moments_above:
            return False
        return mutant.supports(setup.problem, setup.estimator) is None

    def _result(self, setup: Setup, implementation: Mutant | NumpyOracle) -> CellResult:
        return measure(setup, implementation, SUBJECT, self.budget, self.seed)


@cache
def _correct(budget: ErrorBudget, seed: int) -> tuple[CellResult, ...]:
    """The oracle as itself, as the hand-written loss, and as the library where a variant leaves it unchanged."""
    return tuple(
        measure(setup, NumpyOracle(), name, budget, seed) for name in (ORACLE, HAND, SUBJECT) for setup in setups()
    )


def measure(
    setup: Setup, implementation: Mutant | NumpyOracle, name: str, budget: ErrorBudget, seed: int
) -> CellResult:
    """One cell, in this process, under the name `name`."""
    cell = setup.cell(name, _sizes(budget)[setup.label], seed)
    session = implementation.prepare(setup.problem, setup.estimator, Device.CPU, DType.FLOAT64)
    task = Task(cell=cell, session=session, problem=setup.problem, estimator=setup.estimator, dataset=setup.dataset)
    try:
        with np.errstate(all="ignore"):  # a mutant may divide by zero: the number that comes out is judged
            rows = PROCEDURES[setup.procedure](task)
    except (InvalidResultError, ArithmeticError, ValueError) as error:
        return CellResult(cell=cell, status=Status.FAILED, reason=str(error))
    return CellResult(cell=cell, status=Status.OK, measurements=tuple(rows))


def _place(cell: Cell) -> str:
    return cell.label


@cache
def _sizes(budget: ErrorBudget) -> dict[str, int]:
    """The size of each setup by its label: the exact moments behind it are the same for every variant."""
    return {setup.label: setup.size(budget) for setup in setups()}


@cache
def _latents() -> dict[tuple[str, str], int]:
    return {(setup.problem.name, setup.problem.weights): setup.problem.latent for setup in setups()}


def _latent(cell: Cell) -> int:
    return _latents()[cell.problem, cell.weights]


# Of several cells on which a claim is judged, the first with the outcome that stands first here speaks for it.
BEFORE = (Outcome.DIFFERS, Outcome.INCONCLUSIVE, Outcome.NOT_RUN, Outcome.REGISTERED, Outcome.AGREES)


def verdict(claim: str, variant: Variant, outcome: Outcome, reason: str = "") -> SuiteVerdict:
    """What a claim says about a variant."""
    return SuiteVerdict(id=claim, subject=variant.id, outcome=outcome, reason=reason)


def _screened(variant: Variant, verdicts: Sequence[Verdict], results: Sequence[CellResult]) -> Screened:
    said: dict[str, SuiteVerdict] = {}
    for each in verdicts:
        if each.outcome is Outcome.NOT_RUN:
            continue
        found = verdict(each.claim, variant, *_meant_for(variant, each))
        known = said.get(each.claim)
        # A difference that is not meant for it says more than a number of draws that was not planned for it.
        excused = each.outcome is Outcome.DIFFERS and found.outcome is Outcome.NOT_RUN
        if known is None or BEFORE.index(found.outcome) < BEFORE.index(known.outcome) + excused:
            said.pop(each.claim, None)  # in the order in which they spoke
            said[each.claim] = found
    failures = tuple(f"{each.cell.label}: {each.reason}" for each in results if each.status is not Status.OK)
    return Screened(variant=variant, verdicts=tuple(said.values()), failures=failures)


def _meant_for(variant: Variant, each: Verdict) -> tuple[Outcome, str]:
    """The outcome as far as it is meant for the variant, and why."""
    exempt, aspect = dict(variant.exempt), aspect_of(each)
    excused = exempt.get(aspect, "") if aspect else ""
    if each.outcome is Outcome.DIFFERS:
        return (Outcome.NOT_RUN, excused) if excused else (Outcome.DIFFERS, _shown(each))
    if each.outcome is Outcome.INCONCLUSIVE:
        if Aspect.DRAW_VARIANCE in exempt and aspect is Aspect.DRAW_MEAN:
            return Outcome.NOT_RUN, UNPLANNED
        if not excused:
            return Outcome.INCONCLUSIVE, f"{each.label}: {each.reason}"
    return Outcome.AGREES, ""


def _screened_by_checks(variant: Variant) -> Screened:
    with np.errstate(all="ignore"):
        done = checks(variant)
    return Screened(
        variant=variant,
        verdicts=tuple(
            verdict(each.id, variant, Outcome.AGREES)
            if each.holds
            else verdict(
                each.id,
                variant,
                Outcome.DIFFERS,
                f"{each.value:.6g}, must be {each.reference:.6g} within {each.tolerance:.1g}",
            )
            for each in done
        ),
    )


def _shown(verdict: Verdict) -> str:
    size = f"off by {verdict.difference:.3g}, allowed {verdict.tolerance:.3g} {verdict.unit}"
    return " ".join(filter(None, (verdict.label, verdict.part))) + f": {size}"
