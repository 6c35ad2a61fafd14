"""Which cells a claim is about, and which two belong together. Predicates and keys on cells, nothing else.

>>> tests = (sampled, analytic, core, library_variant, elbo, renyi, alpha_not_negative, by_hand_too, finite_variance)
>>> tests += (no_flow, plain, linear_flow, has_analytic_kl, derived_by_hand, not_oracle, closed_form, no_closed_form)
>>> tests += (wide, has_likelihood, splits, linear_gaussian, at_posterior, off_posterior, float64)
>>> for test in tests:
...     if not test(EXAMPLE):
...         print(test.__name__)
analytic
library_variant
renyi
linear_flow
no_closed_form
has_likelihood
linear_gaussian
at_posterior
off_posterior
>>> print(library(EXAMPLE), library_of(EXAMPLE) or None, of_further_library(EXAMPLE))
False None False
>>> print(ours(EXAMPLE), plug_in_by_hand(EXAMPLE), of_library(PYRO)(EXAMPLE))
True False False
>>> made = (implementation_in(HAND), estimator_in('k2'), kl_term(KLTerm.SAMPLED))
>>> print(*(test(EXAMPLE) for test in (*made, gradient_form(GradientForm.REPARAMETERISED), every(sampled, wide))))
True False True True True
>>> print(core_of(EXAMPLE), flow(EXAMPLE), prior(EXAMPLE), prior_of('vamp-small'))
sampled-kl none standard-normal vamp

What a cell may be compared with shares its key: here, another implementation of the same estimator.

>>> from dataclasses import replace
>>> other = replace(EXAMPLE, implementation='pyro')
>>> keys = (same_noise, same_noise_any_estimator, same_noise_any_device, same_noise_as_core)
>>> keys += (same_distribution, same_distribution_as_oracle, same_mean)
>>> print(', '.join(key.__name__ for key in keys if key(EXAMPLE) == key(other)))
same_noise, same_noise_as_core, same_distribution, same_distribution_as_oracle
>>> other = replace(EXAMPLE, estimator='analytic-kl')
>>> print(*(key('k2', EXAMPLE) == key('k2', other) for key in (same_noise_named, same_draws_named)))
True True
"""

from collections.abc import Callable, Hashable

from elbo_compare.compare.records import Cell, Procedure
from elbo_compare.suites.contract import Bound, Flow, GradientForm, Kind, KLTerm, Prior
from elbo_compare.suites.estimators import ANALYTIC_KL, CORE_ESTIMATORS, ESTIMATORS, LIBRARY_VARIANTS, SAMPLED_KL
from elbo_compare.suites.roster import BY_NAME, ORACLE, named

HAND = frozenset(named(Kind.HAND))
PYRO = "pyro"
NUMPYRO = "numpyro"

GAUSSIAN_KL = "gaussian-kl"
LINEAR_GAUSSIAN = "linear-gaussian"
# Every moment of the ELBO and of its gradient is known for these, so an in-expectation claim needs no second sampler.
CLOSED_FORM = frozenset({GAUSSIAN_KL, LINEAR_GAUSSIAN})
EXACT_POSTERIOR = "posterior"
# By problem without the suffix `-small`, so that judging builds no weights; a test holds them against the catalogue.
SMALL = "-small"
FLOWS = {
    "householder": Flow.HOUSEHOLDER,
    "linear-iaf": Flow.LINEAR_IAF,
    "convex-linear-iaf": Flow.CONVEX_LINEAR_IAF,
    "planar": Flow.PLANAR,
    "iaf": Flow.AUTOREGRESSIVE,
}
PRIORS = {"mixture": Prior.MIXTURE, "vamp": Prior.VAMP, "laplace": Prior.LAPLACE}
VARIANTS = frozenset(estimator.name for estimator in LIBRARY_VARIANTS)

CellTest = Callable[[Cell], bool]

# A cell for the printed examples.
EXAMPLE = Cell(
    problem="gaussian-kl",
    weights="40-wide",
    dataset="none",
    implementation="torch-hand",
    estimator="sampled-kl",
    procedure=Procedure.EVALUATE,
    dtype="float64",
    device="cpu",
    seed=0,
    size=16,
)


def every(*tests: CellTest) -> CellTest:
    """The cells that satisfy all of `tests`."""
    return lambda cell: all(test(cell) for test in tests)


def implementation_in(names: frozenset[str]) -> CellTest:
    """The cells of these implementations."""
    return lambda cell: cell.implementation in names


def library_of(cell: Cell) -> str:
    """The library whose public ELBO objects gave the cell's numbers, ours or a plug-in's; "" by hand."""
    row = BY_NAME.get(cell.implementation)
    if row is None:
        return cell.library
    return "" if row.library is None else row.library.module


def library(cell: Cell) -> bool:
    """The cells of implementations that go through a library's public ELBO objects."""
    return library_of(cell) != ""


def of_library(name: str) -> CellTest:
    """The cells of implementations that go through this library."""
    return lambda cell: library_of(cell) == name


def of_further_library(cell: Cell) -> bool:
    """The cells of implementations that go through another library than Pyro and NumPyro."""
    return library_of(cell) not in ("", PYRO, NUMPYRO)


def ours(cell: Cell) -> bool:
    """The cells of our own implementations."""
    return cell.implementation in BY_NAME


def plug_in_by_hand(cell: Cell) -> bool:
    """The cells of third parties' implementations that go through no library."""
    return not ours(cell) and not library(cell)


def estimator_in(*names: str) -> CellTest:
    """The cells of these estimators."""
    return lambda cell: cell.estimator in names


def sampled(cell: Cell) -> bool:
    """The estimator `sampled-kl`, the questioned line."""
    return cell.estimator == SAMPLED_KL.name


def analytic(cell: Cell) -> bool:
    """The estimator `analytic-kl`."""
    return cell.estimator == ANALYTIC_KL.name


def core(cell: Cell) -> bool:
    """Either of the two estimators that the question is about."""
    return cell.estimator in CORE_ESTIMATORS


def library_variant(cell: Cell) -> bool:
    """Another public class of a library for what a core estimator computes."""
    return cell.estimator in VARIANTS


def core_of(cell: Cell) -> str:
    """The name of the core estimator with this cell's KL term."""
    return ANALYTIC_KL.name if ESTIMATORS[cell.estimator].kl_term is KLTerm.ANALYTIC else SAMPLED_KL.name


def kl_term(*terms: KLTerm) -> CellTest:
    """Estimators of the ELBO with one of these KL terms."""
    return lambda cell: elbo(cell) and ESTIMATORS[cell.estimator].kl_term in terms


def elbo(cell: Cell) -> bool:
    """Estimators whose value is a mean of log p(x|z) - KL term."""
    return ESTIMATORS[cell.estimator].bound is Bound.ELBO


def renyi(cell: Cell) -> bool:
    """Estimators of a Renyi bound, IWAE included."""
    return ESTIMATORS[cell.estimator].bound is Bound.RENYI


def alpha_not_negative(cell: Cell) -> bool:
    """Bounds below log p(x) in expectation."""
    return ESTIMATORS[cell.estimator].alpha >= 0


def gradient_form(*forms: GradientForm) -> CellTest:
    """Estimators of these forms of the gradient."""
    return lambda cell: ESTIMATORS[cell.estimator].gradient in forms


def by_hand_too(cell: Cell) -> bool:
    """Estimators that are written by hand as well: all but a library's variants."""
    return not library_variant(cell)


def finite_variance(cell: Cell) -> bool:
    """Estimators whose draws have a variance whatever sigma is: none that holds the ratio p / q."""
    return ESTIMATORS[cell.estimator].kl_term not in (KLTerm.RATIO, KLTerm.CONTROL_VARIATE) and by_hand_too(cell)


def flow(cell: Cell) -> Flow:
    """The flow of the cell's problem."""
    return FLOWS.get(cell.problem.removesuffix(SMALL), Flow.NONE)


def prior(cell: Cell) -> Prior:
    """The prior of the cell's problem."""
    return prior_of(cell.problem)


def prior_of(problem: str) -> Prior:
    """The prior of the problem of this name."""
    return PRIORS.get(problem.removesuffix(SMALL), Prior.STANDARD_NORMAL)


def no_flow(cell: Cell) -> bool:
    """q(z|x) is a diagonal Gaussian."""
    return flow(cell) is Flow.NONE


def plain(cell: Cell) -> bool:
    """q(z|x) is a diagonal Gaussian and p(z) = N(0, I)."""
    return no_flow(cell) and prior(cell) is Prior.STANDARD_NORMAL


def linear_flow(cell: Cell) -> bool:
    """q(z|x) is a Gaussian with full covariance and p(z) = N(0, I)."""
    return not no_flow(cell) and flow(cell).is_linear


def has_analytic_kl(cell: Cell) -> bool:
    """KL(q || p) is closed."""
    return plain(cell) or linear_flow(cell)


def derived_by_hand(cell: Cell) -> bool:
    """The oracle's gradient of every parameter is derived by hand; elsewhere it gives directional derivatives."""
    estimator = ESTIMATORS[cell.estimator]
    ordinary = estimator.gradient is GradientForm.REPARAMETERISED and estimator.particles == 1
    return plain(cell) and ordinary and kl_term(KLTerm.SAMPLED, KLTerm.ANALYTIC)(cell)


def not_oracle(cell: Cell) -> bool:
    """Not the implementation that the reference values come from: agreeing with oneself is no evidence."""
    return cell.implementation != ORACLE


def closed_form(cell: Cell) -> bool:
    """Problems whose moments are all known."""
    return cell.problem in CLOSED_FORM


def no_closed_form(cell: Cell) -> bool:
    """Problems whose ELBO is only known by sampling."""
    return cell.problem not in CLOSED_FORM


def wide(cell: Cell) -> bool:
    """The KL alone at a q wider than the prior in every dimension, where r = p / q is bounded."""
    return cell.problem == GAUSSIAN_KL and cell.weights.endswith("-wide")


def has_likelihood(cell: Cell) -> bool:
    """Problems with a data term."""
    return cell.problem != GAUSSIAN_KL


def splits(cell: Cell) -> bool:
    """Batches that are large enough to fall into ragged parts: a first row and the rest in thirds."""
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


def same_noise_as_core(cell: Cell) -> Hashable:
    """Cells at the same noise whose estimators have the same core estimator."""
    return (*_problem(cell), cell.size, core_of(cell), cell.dtype, cell.device)


def same_noise_named(name: str, cell: Cell) -> Hashable:
    """The same implementation at the same noise, looking for the estimator of this name."""
    return (same_noise_any_estimator(cell), name)


def same_distribution(cell: Cell) -> Hashable:
    """Cells whose own draws have the same distribution at the same precision on the same device."""
    return (*_problem(cell), cell.estimator, cell.dtype, cell.device)


def same_distribution_as_oracle(cell: Cell) -> Hashable:
    """Cells whose own draws have the same distribution, whatever the precision and device."""
    return (*_problem(cell), cell.estimator)


def same_mean(cell: Cell) -> Hashable:
    """The same implementation's draws, whose mean does not depend on the estimator."""
    return (*_problem(cell), cell.implementation, cell.dtype, cell.device)


def same_draws_named(name: str, cell: Cell) -> Hashable:
    """The same implementation's draws, looking for the estimator of this name."""
    return (same_mean(cell), name)
