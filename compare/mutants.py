"""`compare mutants`: do the claims that judge the libraries catch wrong code, and do they let other right code pass?

Every variant of the catalogue becomes an implementation that takes a library's place in a small run: the oracle and a
hand-written implementation beside it, the same procedures, the same claims. A mutant is caught where a claim differs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import isnan, nan

import numpy as np

from compare.claims import CLAIMS
from compare.claims.cells import ORACLE, PYRO
from compare.judge import judge
from compare.procedures.draw import draw
from compare.procedures.evaluate import evaluate
from compare.procedures.gradient import gradient
from compare.procedures.task import InvalidResultError, Task
from compare.records import Cell, CellResult, Measurement, Outcome, Procedure, Status, Strength, Verdict
from compare.statistics import ErrorBudget, planned_draws
from suites import datasets, problems
from suites.contract import Dataset, Device, DType, Estimator, Problem
from suites.estimators import ESTIMATORS
from suites.exact.expected import expected
from suites.mutants.catalogue import CATALOGUE, Aspect, Kind, Variant
from suites.mutants.own_problems import checks
from suites.mutants.problem import bernoulli_data, bernoulli_tiny, near_prior
from suites.mutants.session import Mutant
from suites.numpy_oracle.vae import NumpyOracle, encode

# A variant takes the place of Pyro, so that the claims which compare a library with a hand-written loss judge it too.
SUBJECT, HAND = PYRO, "torch-hand"
ROWS = 6  # a batch that splits into ragged parts of 1, 3 and 2
CONSTANT_DRAWS = 1_000  # where every draw should be the exact value
PROCEDURES: Mapping[Procedure, Callable[[Task], list[Measurement]]] = {
    Procedure.EVALUATE: evaluate,
    Procedure.DRAW: draw,
    Procedure.GRADIENT: gradient,
}
STRENGTH_ORDER = (Strength.EXACT, Strength.POINTWISE, Strength.EXPECTATION, Strength.ORDERING, Strength.FIELD)
GRADIENT_CLAIMS = frozenset({"GRAD-001", "GRAD-002", "GRAD-003"})

# What each claim looks at; a legitimate variant is exempt from an aspect, never from a claim by name.
ASPECTS: Mapping[str, Aspect] = {
    **dict.fromkeys(("MATCH-001", "MATCH-003", "MATCH-004", "MATCH-005", "MATCH-007"), Aspect.SAME_NOISE_VALUE),
    **dict.fromkeys(("KL-001", "KL-002", "KL-006", "ELBO-001", "ELBO-002"), Aspect.SAME_NOISE_VALUE),
    **dict.fromkeys(("UNIT-001", "CONST-001", "CONST-002"), Aspect.SAME_NOISE_VALUE),
    "GRAD-001": Aspect.SAME_NOISE_GRADIENT,
    **dict.fromkeys(("KL-003", "LG-006"), Aspect.DETERMINISTIC_MEAN),
    **dict.fromkeys(("MATCH-006", "MATCH-008", "KL-004", "ELBO-003", "ORD-001", "LG-001"), Aspect.DRAW_MEAN),
    **dict.fromkeys(("KL-005", "LG-002", "LG-003", "LG-004", "LG-005"), Aspect.DRAW_VARIANCE),
    "GRAD-003": Aspect.GRADIENT_MEAN,
    "GRAD-002": Aspect.GRADIENT_VARIANCE,
}

# Claims that no mutant of the catalogue can meet, and why they are kept.
NOT_FOR_MUTANTS: Mapping[str, str] = {
    "MATCH-002": "MATCH-001 about the other library: the same judgement on another row",
    "ELBO-004": "ties a library's vectorised draws to its ELBO object, which a mutant does not have; broken ELBO "
    "classes are planted in an installed library by the sabotage tests",
    "TRAIN-001": "judges an optimiser's path, which a loss alone does not have",
    "TRAIN-002": "judges an optimiser's path, which a loss alone does not have",
    "DEV-001": "compares two devices; a mutant runs on one",
}


JUDGED_CLAIMS = tuple(claim for claim in CLAIMS if claim.id not in NOT_FOR_MUTANTS)


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where variants are judged: one problem and estimator under one procedure."""

    problem: Problem
    dataset: Dataset
    estimator: Estimator
    procedure: Procedure

    @property
    def x(self) -> np.ndarray:
        """The datum at which draws are made, (1, observed)."""
        return self.dataset.test[:1]

    def cell(self, implementation: str, size: int, seed: int) -> Cell:
        """The site's cell for one implementation."""
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
        exact = expected(self.problem, self.estimator, self.x, *encode(self.problem, self.problem.params, self.x))
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
        _, log_var = encode(self.problem, self.problem.params, self.x)
        return float(np.exp(log_var).min())


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What the claims said about one variant.

    `caught`: claims that differ, with the verdict (or check) that shows it best. `exempted`: claims that differ on an
    aspect that is not meant for a legitimate variant, with the reason. `undecided`: claims that stayed inconclusive.
    `failures`: cells that raised. `judged`: every claim that gave a verdict.
    """

    variant: Variant
    caught: Mapping[str, str]
    exempted: Mapping[str, str]
    undecided: Mapping[str, str]
    failures: tuple[str, ...]
    judged: frozenset[str]

    @property
    def by_gradient(self) -> bool:
        """Caught by a claim on gradients."""
        return any(_of_gradient(claim) for claim in self.caught)

    @property
    def by_value(self) -> bool:
        """Caught by a claim on values."""
        return any(not _of_gradient(claim) for claim in self.caught)

    @property
    def right(self) -> bool:
        """A mutant that is caught, or a legitimate variant that no claim meant for it fails or leaves undecided."""
        if self.variant.legitimate:
            return not self.caught and not self.failures and not self.undecided
        return bool(self.caught or self.failures)


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """The matrix mutant x claim. `strengths`: every claim and check that was judged, by ID."""

    judged: tuple[Judged, ...]
    strengths: Mapping[str, str]
    kept: Mapping[str, str] = field(default_factory=dict)

    @property
    def missed(self) -> tuple[Judged, ...]:
        """Mutants that nothing caught."""
        return tuple(each for each in self.judged if not each.variant.legitimate and not each.right)

    @property
    def wronged(self) -> tuple[Judged, ...]:
        """Legitimate variants that a claim meant for them failed."""
        return tuple(each for each in self.judged if each.variant.legitimate and not each.right)

    def caught_by(self, claim: str) -> tuple[str, ...]:
        """IDs of the mutants that a claim catches."""
        return tuple(each.variant.id for each in self.judged if claim in each.caught and not each.variant.legitimate)

    def needed_for(self, claim: str) -> tuple[str, ...]:
        """IDs of the mutants that a claim catches and no weaker claim does."""
        rank = _rank(self.strengths[claim])
        weaker = {other for other, strength in self.strengths.items() if _rank(strength) > rank}
        return tuple(
            each.variant.id
            for each in self.judged
            if claim in each.caught and not each.variant.legitimate and not weaker & each.caught.keys()
        )

    def rows(self) -> list[dict[str, str | bool]]:
        """One row for each variant and claim that was judged on it: outcome and detail."""
        return [
            {
                "variant": each.variant.id,
                "title": each.variant.title,
                "kind": str(each.variant.kind),
                "flag": str(each.variant.flag),
                "seen": each.variant.seen,
                "legitimate": each.variant.legitimate,
                "claim": claim,
                "strength": str(self.strengths[claim]),
                **_outcome(each, claim),
            }
            for each in self.judged
            for claim in self.strengths
            if claim in each.judged
        ]

    @property
    def exit_code(self) -> int:
        """0 where every mutant is caught and no legitimate variant is failed, else 1."""
        return int(bool(self.missed or self.wronged))


def run_mutants(
    ids: Iterable[str] | None = None,
    *,
    seed: int = 0,
    budget: ErrorBudget | None = None,
    progress: Callable[[Judged], None] = lambda judged: None,
) -> Sensitivity:
    """Judge the named variants (all of them by default) and give the sensitivity matrix.

    `progress` is told of each variant as it is judged. Raises KeyError for an unknown ID.
    """
    chosen = [_variant(identifier) for identifier in (CATALOGUE if ids is None else ids)]
    bench = Bench(budget=budget or ErrorBudget(), seed=seed)
    judged = []
    for variant in chosen:
        judged.append(bench.judge(variant))
        progress(judged[-1])
    strengths = {claim.id: str(claim.strength) for claim in JUDGED_CLAIMS}
    for each in judged:
        if each.variant.kind in (Kind.BOUND, Kind.FLOW):
            strengths |= {check.id: check.strength for check in checks(each.variant)}
    seen = frozenset().union(*(each.judged for each in judged)) if judged else frozenset()
    return Sensitivity(
        judged=tuple(judged),
        strengths={claim: strength for claim, strength in strengths.items() if claim in seen},
        kept={claim.id: NOT_FOR_MUTANTS[claim.id] for claim in CLAIMS if claim.id in NOT_FOR_MUTANTS},
    )


def _variant(identifier: str) -> Variant:
    if identifier not in CATALOGUE:
        raise KeyError(f"No variant {identifier!r}. Known: {next(iter(CATALOGUE))} to {list(CATALOGUE)[-1]}.")
    return CATALOGUE[identifier]


def sites() -> tuple[Site, ...]:
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
        Site(problem=problem, dataset=dataset, estimator=estimator, procedure=procedure)
        for procedure, places in at.items()
        for problem, dataset in places
        for estimator in ESTIMATORS.values()
    )


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Runs and judges one variant at a time beside the oracle and a hand-written loss, which are measured once."""

    budget: ErrorBudget
    seed: int

    def judge(self, variant: Variant) -> Judged:
        """Run every cell that the variant changes, and let every claim judge it."""
        if variant.kind in (Kind.BOUND, Kind.FLOW):
            return _judge_checks(variant)
        mutant = Mutant(variant=variant)
        results = [self._result(site, mutant) for site in sites() if self._meant(site, mutant)]
        done = {_place(result.cell) for result in results}
        beside = [each for each in _correct(self.budget, self.seed) if _place(each.cell) not in done]
        verdicts = judge([*results, *beside], self.budget, claims=JUDGED_CLAIMS, latent=_latent)
        keys = {result.cell.key for result in results}
        partners = {result.cell.label for result in results}
        return _judged(variant, [each for each in verdicts if each.key in keys or each.other in partners], results)

    def _meant(self, site: Site, mutant: Mutant) -> bool:
        sampling = site.procedure is not Procedure.EVALUATE
        if sampling and site.smallest_variance() <= mutant.variant.moments_above:
            return False
        return mutant.supports(site.problem, site.estimator) is None

    def _result(self, site: Site, implementation: Mutant | NumpyOracle) -> CellResult:
        return measure(site, implementation, SUBJECT, self.budget, self.seed)


@cache
def _correct(budget: ErrorBudget, seed: int) -> tuple[CellResult, ...]:
    """The oracle as itself, as the hand-written loss, and as the library where a variant leaves it unchanged."""
    return tuple(
        measure(site, NumpyOracle(), name, budget, seed) for name in (ORACLE, HAND, SUBJECT) for site in sites()
    )


def measure(site: Site, implementation: Mutant | NumpyOracle, name: str, budget: ErrorBudget, seed: int) -> CellResult:
    """One cell, in this process, under the name `name`."""
    cell = site.cell(name, site.size(budget), seed)
    session = implementation.prepare(site.problem, site.estimator, Device.CPU, DType.FLOAT64)
    task = Task(cell=cell, session=session, problem=site.problem, estimator=site.estimator, dataset=site.dataset)
    try:
        with np.errstate(all="ignore"):  # a mutant may divide by zero: the number that comes out is judged
            rows = PROCEDURES[site.procedure](task)
    except (InvalidResultError, ArithmeticError, ValueError) as error:
        return CellResult(cell=cell, status=Status.FAILED, reason=str(error))
    return CellResult(cell=cell, status=Status.OK, measurements=tuple(rows))


def _place(cell: Cell) -> str:
    return cell.label


@cache
def _latents() -> dict[tuple[str, str], int]:
    return {(site.problem.name, site.problem.weights): site.problem.latent for site in sites()}


def _latent(cell: Cell) -> int:
    return _latents()[cell.problem, cell.weights]


def _judged(variant: Variant, verdicts: Sequence[Verdict], results: Sequence[CellResult]) -> Judged:
    exempt = dict(variant.exempt)
    caught, exempted, undecided = {}, {}, {}
    for verdict in verdicts:
        aspect = ASPECTS.get(verdict.claim)
        if verdict.outcome is Outcome.DIFFERS and aspect is not None and aspect in exempt:
            exempted[verdict.claim] = exempt[aspect]
        elif verdict.outcome is Outcome.DIFFERS:
            caught.setdefault(verdict.claim, _shown(verdict))
        elif verdict.outcome is Outcome.INCONCLUSIVE and aspect not in exempt:
            undecided.setdefault(verdict.claim, f"{verdict.label}: {verdict.reason}")
    return Judged(
        variant=variant,
        caught=caught,
        exempted=exempted,
        undecided=undecided,
        failures=tuple(f"{each.cell.label}: {each.reason}" for each in results if each.status is not Status.OK),
        judged=frozenset(each.claim for each in verdicts if each.outcome is not Outcome.NOT_RUN),
    )


def _judge_checks(variant: Variant) -> Judged:
    with np.errstate(all="ignore"):
        done = checks(variant)
    return Judged(
        variant=variant,
        caught={
            each.id: f"{each.value:.6g}, must be {each.reference:.6g} within {each.tolerance:.1g}"
            for each in done
            if not each.holds
        },
        exempted={},
        undecided={},
        failures=(),
        judged=frozenset(each.id for each in done),
    )


def _shown(verdict: Verdict) -> str:
    size = f"off by {verdict.difference:.3g}, allowed {verdict.tolerance:.3g} {verdict.unit}"
    return " ".join(filter(None, (verdict.label, verdict.part))) + f": {size}"


def _outcome(each: Judged, claim: str) -> dict[str, str]:
    for name, group in (
        ("differs", each.caught),
        ("not meant for it", each.exempted),
        ("inconclusive", each.undecided),
    ):
        if claim in group:
            return {"outcome": name, "detail": group[claim]}
    return {"outcome": "agrees", "detail": ""}


def _of_gradient(claim: str) -> bool:
    return claim in GRADIENT_CLAIMS or claim.endswith("-gradient")


def _rank(strength: str) -> int:
    return [str(each) for each in STRENGTH_ORDER].index(str(strength))
