"""Which cells a claim is about, and which two belong together. Predicates and keys on cells, nothing else."""

from collections.abc import Callable, Hashable

from compare.records import Cell
from suites.estimators import ANALYTIC_KL, SAMPLED_KL

ORACLE = "numpy-oracle"
HAND = frozenset({"torch-hand", "jax-hand"})
PYRO, NUMPYRO = "pyro", "numpyro"
LIBRARIES = frozenset({PYRO, NUMPYRO})

GAUSSIAN_KL = "gaussian-kl"
LINEAR_GAUSSIAN = "linear-gaussian"
# Every moment of the ELBO and of its gradient is known for these, so an in-expectation claim needs no second sampler.
CLOSED_FORM = frozenset({GAUSSIAN_KL, LINEAR_GAUSSIAN})
EXACT_POSTERIOR = "posterior"

CellTest = Callable[[Cell], bool]


def every(*tests: CellTest) -> CellTest:
    """The cells that satisfy all of `tests`."""
    return lambda cell: all(test(cell) for test in tests)


def implementation_in(names: frozenset[str]) -> CellTest:
    """The cells of these implementations."""
    return lambda cell: cell.implementation in names


def sampled(cell: Cell) -> bool:
    """Estimator with the sampled KL term."""
    return cell.estimator == SAMPLED_KL.name


def analytic(cell: Cell) -> bool:
    """Estimator with the analytic KL term."""
    return cell.estimator == ANALYTIC_KL.name


def not_oracle(cell: Cell) -> bool:
    """Not the implementation that the reference values come from: agreeing with oneself is no evidence."""
    return cell.implementation != ORACLE


def closed_form(cell: Cell) -> bool:
    """Problems whose moments are all known."""
    return cell.problem in CLOSED_FORM


def no_closed_form(cell: Cell) -> bool:
    """Problems whose ELBO is only known by sampling."""
    return cell.problem not in CLOSED_FORM


def has_likelihood(cell: Cell) -> bool:
    """Problems with a data term."""
    return cell.problem != GAUSSIAN_KL


def splits(cell: Cell) -> bool:
    """Batches that fall into ragged parts of 1, 3 and at least one more row."""
    return cell.size >= 5


def linear_gaussian(cell: Cell) -> bool:
    """The linear-Gaussian VAE."""
    return cell.problem == LINEAR_GAUSSIAN


def at_posterior(cell: Cell) -> bool:
    """The linear-Gaussian VAE whose q is the exact posterior."""
    return linear_gaussian(cell) and cell.weights == EXACT_POSTERIOR


def off_posterior(cell: Cell) -> bool:
    """The linear-Gaussian VAE at any other q."""
    return linear_gaussian(cell) and cell.weights != EXACT_POSTERIOR


def float64(cell: Cell) -> bool:
    """Computed in float64."""
    return cell.dtype == "float64"


def _problem(cell: Cell) -> tuple[Hashable, ...]:
    return (cell.problem, cell.weights, cell.dataset, cell.procedure, cell.seed, cell.datum)


def same_noise(cell: Cell) -> Hashable:
    """Cells that see the same inputs and noise at the same precision on the same device (`Cell.shared_seed`)."""
    return (*_problem(cell), cell.size, cell.estimator, cell.dtype, cell.device)


def same_noise_any_estimator(cell: Cell) -> Hashable:
    """The same implementation at the same noise, whatever the estimator."""
    return (*_problem(cell), cell.size, cell.implementation, cell.dtype, cell.device)


def same_noise_any_device(cell: Cell) -> Hashable:
    """The same implementation at the same noise, whatever the device."""
    return (*_problem(cell), cell.size, cell.implementation, cell.estimator, cell.dtype)


def same_distribution(cell: Cell) -> Hashable:
    """Cells whose own draws have the same distribution at the same precision on the same device."""
    return (*_problem(cell), cell.estimator, cell.dtype, cell.device)


def same_distribution_as_oracle(cell: Cell) -> Hashable:
    """Cells whose own draws have the same distribution, whatever the precision and device."""
    return (*_problem(cell), cell.estimator)


def same_mean(cell: Cell) -> Hashable:
    """The same implementation's draws, whose mean does not depend on the estimator."""
    return (*_problem(cell), cell.implementation, cell.dtype, cell.device)
