"""What a backend needs to know of a problem and an estimator besides weights: a small hashable record. No maths."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from elbo_compare.suites.contract import (
    Array,
    Bound,
    Estimator,
    Flow,
    GradientForm,
    KLTerm,
    Likelihood,
    Noise,
    Params,
    Prior,
    Problem,
)


@dataclass(frozen=True, kw_only=True)
class Form:
    """The model's and the estimator's form. Hashable: problems of the same form and shapes share compiled code."""

    gated_layers: int
    latent: int
    likelihood: Likelihood
    likelihood_scale: float
    kl_term: KLTerm
    names: tuple[str, ...]
    flow: Flow = Flow.NONE
    flow_length: int = 0
    prior: Prior = Prior.STANDARD_NORMAL
    bound: Bound = Bound.ELBO
    alpha: float = 0.0
    particles: int = 1
    noise: Noise = Noise.INDEPENDENT
    gradient: GradientForm = GradientForm.REPARAMETERISED

    @property
    def noise_rows(self) -> int:
        """Rows of base noise per value; see `Estimator.noise_rows`."""
        return self.particles // 2 if self.noise is Noise.ANTITHETIC else self.particles

    def part(self, prefix: str) -> tuple[str, ...]:
        """Names of the parameters of one part, `encoder`, `flow`, `prior` or `decoder`, in the problem's order."""
        return tuple(name for name in self.names if name.startswith(f"{prefix}."))

    def without_likelihood(self) -> "Form":
        """The same model with no observed site: its ELBO is -KL."""
        return replace(self, likelihood=Likelihood.NONE)


def form_of(problem: Problem, estimator: Estimator) -> Form:
    """The form of `problem` under `estimator`."""
    return Form(
        gated_layers=problem.gated_layers,
        latent=problem.latent,
        likelihood=problem.likelihood,
        likelihood_scale=problem.likelihood_scale,
        kl_term=estimator.kl_term,
        names=tuple(problem.params),
        flow=problem.flow,
        flow_length=problem.flow_length,
        prior=problem.prior,
        bound=estimator.bound,
        alpha=estimator.alpha,
        particles=estimator.particles,
        noise=estimator.noise,
        gradient=estimator.gradient,
    )


def no_analytic_kl(problem: Problem, estimator: Estimator) -> str | None:
    """None, or why no implementation can have this estimator's KL term on this problem."""
    if estimator.kl_term is KLTerm.ANALYTIC and not problem.has_analytic_kl:
        return f"KL(q || p) has no closed form under a {problem.flow} flow and a {problem.prior} prior"
    if estimator.kl_term is KLTerm.CONTROL_VARIATE and (problem.flow, problem.prior) != (
        Flow.NONE,
        Prior.STANDARD_NORMAL,
    ):
        return "the optimal control variate is known for a diagonal Gaussian q against N(0, I) only"
    return None


def check_shapes(form: Form, params: Params, x: Array, noise: Array | None = None) -> None:
    """Raise ValueError, saying what arrived, unless names and shapes are those that the session was prepared for."""
    if set(params) != set(form.names):
        raise ValueError(f"parameters must be {sorted(form.names)}; {sorted(params)} arrived")
    if x.ndim != 2:
        raise ValueError(f"x must have axes (batch, observed); shape {x.shape} arrived")
    expected = (form.noise_rows, len(x), form.latent)
    if noise is not None and noise.shape != expected:
        raise ValueError(f"noise must have axes (particle, batch, latent) = {expected}; shape {noise.shape} arrived")


def check_datum(form: Form, params: Params, x: Array) -> None:
    """As `check_shapes`, and x is one datum: shape (1, observed)."""
    check_shapes(form, params, x)
    if len(x) != 1:
        raise ValueError(f"draws are of one datum, x (1, observed); shape {x.shape} arrived")


def blocks(n: int, chunk: int) -> Iterator[tuple[int, int]]:
    """(block index, block size) of n draws in blocks of at most `chunk`; only the last one may be smaller."""
    if n < 1 or chunk < 1:
        raise ValueError(f"n and chunk must be positive; n = {n}, chunk = {chunk} arrived")
    for index, start in enumerate(range(0, n, chunk)):
        yield index, min(chunk, n - start)
