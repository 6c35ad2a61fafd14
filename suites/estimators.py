"""The catalogue of estimators: name, formula, paper, and the public library class that computes it.

w_k = p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x); k1 = log q(z|x) - log p(z); r = exp(-k1).

>>> from elbo_compare.suites import problems, registry
>>> from elbo_compare.suites.contract import Device, DType
>>> oracle = registry.load('numpy-oracle')
>>> problem = problems.load('linear-gaussian', 'generic')
>>> def value(estimator):
...     noise = np.linspace(-1, 1, 3 * estimator.noise_rows).reshape(-1, 1, 3)
...     session = oracle.prepare(problem, estimator, Device.CPU, DType.FLOAT64)
...     return session.evaluate(problem.params, np.ones((1, 8)), noise).elbo
>>> for estimator in ESTIMATORS.values():
...     if estimator not in LIBRARY_VARIANTS:
...         print(f'{estimator.name:<16}{value(estimator):.4f}')
sampled-kl      -16.7855
analytic-kl     -15.9424
k2              -17.7723
k3              -15.8511
control-variate -16.7855
antithetic      -19.7835
sobol-8         -18.3585
elbo-5          -18.2449
iwae-1          -16.7855
iwae-5          -16.3457
iwae-20         -16.5986
iwae-80         -16.6648
renyi-minus-1   -15.9414
renyi-half      -16.8697
renyi-2         -21.5594
stl             -16.7855
dreg-1          -16.7855
dreg-5          -16.3457
dreg-20         -16.5986
dreg-80         -16.6648
>>> for estimator in LIBRARY_VARIANTS:
...     core = SAMPLED_KL if estimator.kl_term is KLTerm.SAMPLED else ANALYTIC_KL
...     print(f'{estimator.name:<21}{value(core):.4f}, by {" and ".join(estimator.library_classes)}')
trace-graph          -16.7855, by pyro and numpyro
jit-trace            -16.7855, by pyro
jit-trace-mean-field -15.9424, by pyro
jit-trace-graph      -16.7855, by pyro
"""

from typing import Any

from elbo_compare.suites.contract import Bound, Estimator, GradientForm, KLTerm, Noise
from elbo_compare.suites.roster import library_classes

_L_A = "Kingma and Welling 2014 (arXiv 1312.6114), eq. 6, estimator L^A"
_L_B = "Kingma and Welling 2014 (arXiv 1312.6114), eq. 7, estimator L^B"
_SCHULMAN = "Schulman 2020, Approximating KL divergence"
_SAMPLED = "log p(x|z) + log p(z) - log q(z|x),  z = mean + sigma * e,  e ~ N(0, I)"
_RENYI = "Li and Turner 2016 (arXiv 1602.02311), eq. 7, the variational Renyi bound with K = 5 samples"


def _estimator(name: str, **fields: Any) -> Estimator:
    return Estimator(name=name, library_classes=library_classes(name), **fields)


SAMPLED_KL = _estimator(
    name="sampled-kl",
    kl_term=KLTerm.SAMPLED,
    formula=_SAMPLED,
    source=f"{_L_A}, one sample",
)

ANALYTIC_KL = _estimator(
    name="analytic-kl",
    kl_term=KLTerm.ANALYTIC,
    formula="log p(x|z) - KL(q(z|x) || N(0, I)),  KL = sum((mean^2 + sigma^2 - 1) / 2 - log sigma)",
    source=f"{_L_B}, one sample; KL: appendix B",
)

# The two that the question is about; every problem, claim and mutant is tried with them.
CORE_ESTIMATORS = {estimator.name: estimator for estimator in (SAMPLED_KL, ANALYTIC_KL)}

# One sample, another KL term: in no library, by hand only.
_KL_TERMS = (
    _estimator(
        name="k2",
        kl_term=KLTerm.HALF_SQUARE,
        formula="log p(x|z) - k1^2 / 2",
        source=f"{_SCHULMAN}, k2 (biased: E = (KL^2 + Var k1) / 2)",
    ),
    _estimator(
        name="k3",
        kl_term=KLTerm.RATIO,
        formula="log p(x|z) - (r - 1 - log r)",
        source=f"{_SCHULMAN}, k3 (unbiased, never negative; infinite variance where a sigma^2 <= 1/2)",
    ),
    _estimator(
        name="control-variate",
        kl_term=KLTerm.CONTROL_VARIATE,
        formula="log p(x|z) - (k1 + l (r - 1)),  l = J / (R - 1), J = KL(q||p) + KL(p||q), R = E r^2; l = 0 at R = inf",
        source=f"{_SCHULMAN}; Owen 2013, Monte Carlo theory, section 8.9, for the optimal coefficient",
    ),
)

# Several samples, the same ELBO.
_PARTICLES = (
    _estimator(
        name="antithetic",
        kl_term=KLTerm.SAMPLED,
        formula="mean of the sampled ELBO at z = mean + sigma e and z = mean - sigma e",
        source="Hammersley and Morton 1956; Owen 2013, section 8.2; with reparameterisation Wu et al. 2019",
        particles=2,
        noise=Noise.ANTITHETIC,
    ),
    _estimator(
        name="sobol-8",
        kl_term=KLTerm.SAMPLED,
        formula="mean of the sampled ELBO over 8 scrambled Sobol points, e = Phi^-1(u)",
        source="Owen 1995 (scrambling); Buchholz, Wenzel and Mandt 2018 (arXiv 1807.01604) for variational inference",
        particles=8,
        noise=Noise.SOBOL,
    ),
    _estimator(
        name="elbo-5",
        kl_term=KLTerm.SAMPLED,
        formula="(1/5) sum_k log w_k",
        source=f"{_L_A}, L = 5 samples",
        particles=5,
    ),
)


def _renyi(name: str, alpha: float) -> Estimator:
    return _estimator(
        name=name,
        kl_term=KLTerm.SAMPLED,
        formula=f"log((1/5) sum_k w_k^{1 - alpha:g}) / {1 - alpha:g}",
        source=_RENYI,
        bound=Bound.RENYI,
        alpha=alpha,
        particles=5,
    )


def _iwae(particles: int) -> Estimator:
    return _estimator(
        name=f"iwae-{particles}",
        kl_term=KLTerm.SAMPLED,
        formula=f"log (1/{particles}) sum_k w_k",
        source=f"Burda, Grosse and Salakhutdinov 2016 (arXiv 1509.00519), eq. 8, k = {particles}; RenyiELBO(alpha=0)",
        bound=Bound.RENYI,
        particles=particles,
    )


def _dreg(particles: int) -> Estimator:
    return _estimator(
        name=f"dreg-{particles}",
        kl_term=KLTerm.SAMPLED,
        formula=(
            f"log (1/{particles}) sum_k w_k; gradient for q: "
            "sum_k (w_k / sum w)^2 d log w_k / dz_k dz_k / d(mean, sigma)"
        ),
        source="Tucker et al. 2019 (arXiv 1810.04152), eq. 6, doubly reparameterised IWAE",
        bound=Bound.RENYI,
        particles=particles,
        gradient=GradientForm.DOUBLY_REPARAMETERISED,
    )


PARTICLES = (1, 5, 20, 80)  # of the importance-weighted bounds, for the signal-to-noise ratio over K

# Another bound on log p(x), from the same log weights.
_BOUNDS = (
    *(_iwae(particles) for particles in PARTICLES),
    _renyi("renyi-minus-1", -1.0),
    _renyi("renyi-half", 0.5),
    _renyi("renyi-2", 2.0),
)

# The same value, another estimator of its gradient.
_GRADIENTS = (
    _estimator(
        name="stl",
        kl_term=KLTerm.SAMPLED,
        formula=f"{_SAMPLED}; the gradient leaves out the score d log q(z; mean, sigma) / d(mean, sigma)",
        source="Roeder, Wu and Duvenaud 2017 (arXiv 1703.09194), eq. 8, sticking the landing",
        gradient=GradientForm.STICKING_THE_LANDING,
    ),
    *(_dreg(particles) for particles in PARTICLES),
)


def _library(name: str, kl_term: KLTerm) -> Estimator:
    core = SAMPLED_KL if kl_term is KLTerm.SAMPLED else ANALYTIC_KL
    return _estimator(
        name=name,
        kl_term=kl_term,
        formula=core.formula,
        source=f"{core.source}; {', '.join(sorted(set(library_classes(name).values())))}",
    )


# The same function as a core estimator, through another public class of a library.
LIBRARY_VARIANTS = (
    _library("trace-graph", KLTerm.SAMPLED),
    _library("jit-trace", KLTerm.SAMPLED),
    _library("jit-trace-mean-field", KLTerm.ANALYTIC),
    _library("jit-trace-graph", KLTerm.SAMPLED),
)

ESTIMATORS = CORE_ESTIMATORS | {
    estimator.name: estimator
    for group in (_KL_TERMS, _PARTICLES, _BOUNDS, _GRADIENTS, LIBRARY_VARIANTS)
    for estimator in group
}
