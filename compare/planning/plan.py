"""Spec -> Iterator[Cell]: pure, lazy, always in the same order. The number of draws is fixed here, before any draw."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from functools import cache
from itertools import product
from math import isfinite, isinf, nan

from elbo_compare.compare.errors import SpecError, unknown
from elbo_compare.compare.planning.availability import Placement, implementations, library_of, offers
from elbo_compare.compare.planning.combinations import meant
from elbo_compare.compare.planning.spec import Block, Spec
from elbo_compare.compare.records import Cell, Procedure
from elbo_compare.compare.statistics import MEAN_MARGIN, MINIMUM_DRAWS, ErrorBudget, planned_draws
from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device
from elbo_compare.suites.estimators import ESTIMATORS
from elbo_compare.suites.exact.expected import expected
from elbo_compare.suites.numpy_oracle.vae import encode
from elbo_compare.suites.protocol import PROTOCOLS
from elbo_compare.suites.roster import BY_NAME, ORACLE

ZERO_VARIANCE_DRAWS = 1_000  # where every draw should be the exact value: each one is judged, no mean is
INFINITE_VARIANCE_DRAWS = 1_000  # described: no number of draws decides anything there
AT_ONE_DATUM = (Procedure.DRAW, Procedure.GRADIENT)
IN_ONE_CELL = (Procedure.LIKELIHOOD, Procedure.SPREAD, Procedure.FIT_PAIRS)  # several data, or trainings


@dataclass(frozen=True, kw_only=True)
class DrawsAt:
    """Where the draws of a cell are made: what their number depends on."""

    problem: str
    weights: str
    dataset: str
    estimator: str
    procedure: Procedure
    datum: int

    @classmethod
    def of(cls, cell: Cell) -> "DrawsAt":
        """Where a cell draws."""
        return cls(**{field.name: getattr(cell, field.name) for field in fields(cls)})


def plan(spec: Spec, device: Device | Placement, select: Callable[[str], bool] = lambda label: True) -> Iterator[Cell]:
    """The cells of a specification on a device, or as a placement says; those whose label `select` accepts.

    Raises SpecError for an unknown implementation, problem or weights. On CUDA, EVALUATE cells are planned on the CPU
    too, for the claim that the two devices agree and to compare with what stays there; the oracle stays on the CPU.
    """
    placed = device if isinstance(device, Placement) else Placement(device=device)
    seen: set[str] = set()
    named = cache(implementations)  # what is installed is looked up once for a plan: every block means the same
    for block in spec.cells:
        for unsized in _cells(block, spec, placed, named):
            # A label holds no size, and finding the size may load weights and data.
            if not meant(unsized) or not select(unsized.label):
                continue
            cell = unsized if unsized.size else replace(unsized, size=draws_needed(DrawsAt.of(unsized), spec))
            if cell.key not in seen:
                seen.add(cell.key)
                yield cell if cell.implementation in BY_NAME else replace(cell, library=library_of(cell.implementation))


def _cells(
    block: Block,
    spec: Spec,
    placed: Placement,
    named: Callable[[tuple[str, ...]], Iterable[str]] = implementations,
) -> Iterator[Cell]:
    names = named(block.implementations)
    data = range(block.data if block.procedure in AT_ONE_DATUM else 1)
    axes = product(expand(block.problems), data, block.estimators, block.dtypes, names, range(block.seeds))
    rows = block.data if block.procedure in IN_ONE_CELL else 0
    for (problem, weights), datum, estimator, dtype, name, offset in axes:
        for place in places(block.procedure, name, placed.of(name)):
            if offers(name, dtype, place):
                yield Cell(
                    problem=problem,
                    weights=weights,
                    dataset=dataset_of(block, problem, weights),
                    implementation=name,
                    estimator=estimator,
                    procedure=block.procedure,
                    dtype=dtype,
                    device=str(place),
                    seed=spec.seed + offset,
                    size=block.size,
                    datum=datum,
                    chunk=block.chunk,
                    data=rows,
                    protocol=block.protocol,
                    replicas=block.replicas,
                )


def dataset_of(block: Block, problem: str, weights: str) -> str:
    """The data set that a block names, else the problem's own. Raises SpecError where it does not fit the block."""
    name = block.dataset or problems.DATASET[problem]
    if block.protocol and PROTOCOLS[block.protocol].dynamic and not datasets.was_grey(name):
        raise SpecError(f"Data set {name!r} never was grey: protocol {block.protocol!r} has nothing to binarise anew.")
    if block.dataset and (pixels := datasets.OBSERVED[name]) != (observed := problems.load(problem, weights).observed):
        raise SpecError(f"Data set {name!r} has {pixels} values a row; {problem} is for {observed}. Name another.")
    return name


def places(procedure: Procedure, implementation: str, device: Device) -> tuple[Device, ...]:
    """The devices on which a cell is planned."""
    if device is Device.CPU or implementation == ORACLE:
        return (Device.CPU,)
    return (Device.CPU, device) if procedure is Procedure.EVALUATE else (device,)


def expand(patterns: tuple[str, ...]) -> list[tuple[str, str]]:
    """(problem, weights) of every pattern such as `vae@*`, in the catalogue's order within each pattern.

    Raises SpecError where a pattern matches nothing.
    """
    known = [(problem, weights) for problem, names in problems.WEIGHTS.items() for weights in names]
    found = []
    for pattern in patterns:
        matches = [pair for pair in known if fnmatchcase("@".join(pair), pattern)]
        if not matches:
            raise SpecError(unknown("problem@weights", pattern, ("@".join(pair) for pair in known)))
        found += [pair for pair in matches if pair not in found]
    return found


@cache
def draws_needed(at: DrawsAt, spec: Spec) -> int:
    """Draws for one DRAW or GRADIENT cell, from the margins and the known kurtosis, the same in float32 and float64.

    Where the kurtosis is unknown the mean alone decides: that variance is described, not judged.
    """
    level = ErrorBudget(alpha=spec.alpha, tests=spec.tests).per_test
    problem = problems.load(at.problem, at.weights)
    if datasets.missing(at.dataset) is not None:  # the cell will not run; any number that needs no data will do
        return MINIMUM_DRAWS
    test = datasets.load(at.dataset).test
    x = test[[at.datum % len(test)]]
    exact = expected(problem, ESTIMATORS[at.estimator], x, *encode(problem.params, problem, x)[:2])
    kurtoses = [exact.elbo_kurtosis, exact.kl_kurtosis]
    variances = [exact.elbo_variance, exact.kl_variance]
    if at.procedure is Procedure.GRADIENT:
        kurtoses, variances = list(exact.gradient_kurtosis.values()), list(exact.gradient_variance.values())
    if all(variance == 0 for variance in variances):
        return ZERO_VARIANCE_DRAWS
    if any(isinf(variance) for variance in variances):
        return INFINITE_VARIANCE_DRAWS
    return planned_draws(
        mean_margin=MEAN_MARGIN,
        variance_margin=spec.variance_margin,
        kurtosis=max((value for value in kurtoses if isfinite(value)), default=nan),
        alpha=level,
        power=spec.power,
    )


def preflight(cells: Iterable[Cell]) -> None:
    """Load and check every problem and data set that the cells name, but for data whose files are not there.

    Raises ValueError: weights of a wrong shape or that are not finite, data that are damaged, not finite or not binary.
    """
    for name, weights, data in dict.fromkeys((cell.problem, cell.weights, cell.dataset) for cell in cells):
        problem = problems.load(name, weights)
        problems.check_params(problem, problem.params)
        if datasets.missing(data) is not None:
            continue
        dataset = datasets.load(data)
        for rows in (dataset.train, dataset.test):
            datasets.validate(rows, problem.likelihood)
