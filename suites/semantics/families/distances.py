"""Objectives of Pyro that are no ELBO: the energy distance and the maximum mean discrepancy.

z ~ N(0, 1), q = N(0.7, 0.5^2), x_b | z ~ N(z, 1) for two data; the penalty of Trace_MMD at q = p = N(0, 1).
"""

from itertools import combinations, product
from math import exp
from statistics import fmean

from elbo_compare.suites.semantics.case import Behaviour, Case, Library, Numbers

COUNTS, MMD_PARTICLES = (2, 16, 64), 4


def _prior_terms(measured: Numbers) -> Numbers:
    """-mean_k log p(z_k) at the draws: what is documented for prior_scale = 1, and what `scaled` is to give."""
    return {f"{name}_{k}": measured[f"mean_{k}"] for k in COUNTS for name in ("prior", "scaled")}


def _prior_sums(measured: Numbers) -> Numbers:
    return {f"prior_{k}": measured[f"mean_{k}"] * k for k in COUNTS}


def _kernel(one: float, other: float) -> float:
    return exp(-((one - other) ** 2) / 2)


def _draws(measured: Numbers) -> tuple[list[float], list[float]]:
    q, p = ([measured[f"{name}{k}"] for k in range(MMD_PARTICLES)] for name in "qp")
    return q, p


def unbiased_mmd(measured: Numbers) -> float:
    """Gretton et al. 2012 (JMLR 13), eq. 3: pairs of different draws only, so that the mean is MMD^2(q, p)."""
    q, p = _draws(measured)
    within = sum(fmean(_kernel(a, b) for a, b in combinations(each, 2)) for each in (q, p))
    return within - 2 * fmean(_kernel(a, b) for a, b in product(q, p))


def biased_mmd(measured: Numbers) -> float:
    """Gretton et al. 2012, eq. 5: each draw is paired with itself, too; never negative."""
    q, p = _draws(measured)
    within = sum(fmean(_kernel(a, b) for a, b in product(each, each)) for each in (q, p))
    return within - 2 * fmean(_kernel(a, b) for a, b in product(q, p))


CASES = (
    Case(
        id="SEM-ENERGY-001",
        title="The prior's term of EnergyDistance by the number of particles",
        statement="loss(prior_scale 1) - loss(prior_scale 0) = -mean_k log p(z_k), whatever the number K of particles; "
        "`scaled` is the workaround, prior_scale 1/K",
        source="pyro.infer.EnergyDistance 1.9.2: the loss has '- \\lambda \\mathbb E_Z \\log p(Z)'",
        behaviours=(
            Behaviour(
                library=Library.PYRO,
                formula="-sum_k log p(z_k): K times as much; with 1/K for 1 it is the documented term",
                program="energy/energy_001_pyro.py",
                computes=_prior_sums,
            ),
        ),
        oracle=_prior_terms,
        given=tuple(f"mean_{k}" for k in COUNTS),
        tolerance_reason="float64: a difference of two losses of up to 90 nats, 64 terms",
        tolerance=1e-11,
    ),
    Case(
        id="SEM-ENERGY-002",
        title="EnergyDistance and a likelihood without reparameterised samples",
        statement="raises = 1: validation refuses a Bernoulli likelihood, wherever the site stands",
        source="pyro.infer.EnergyDistance 1.9.2: 'EnergyDistance requires reparametrized likelihoods', the message of "
        "a check whose loop reads the variable of the loop before",
        behaviours=(
            Behaviour(
                library=Library.PYRO,
                formula="accepted, with a loss that has no gradient to the guide",
                program="energy/energy_002_pyro.py",
                computes=lambda _: {"data_last_raises": 0.0, "data_first_raises": 0.0},
            ),
        ),
        oracle=lambda _: {
            f"data_{at}_{what}": value
            for at in ("last", "first")
            for what, value in (("raises", 1.0), ("has_gradient", 0.0))
        },
    ),
    Case(
        id="SEM-MMD-001",
        title="The penalty of Trace_MMD at its draws",
        statement="an unbiased draw of MMD^2: mean over pairs k != l of k(z_k, z_l) and k(z'_k, z'_l), minus twice the "
        "mean of k(z_k, z'_l)",
        source="pyro.infer.Trace_MMD 1.9.2: 'MMD(q(z) \\| p(z)) = E_{p(z), p(z')} k(z,z') + E_{q(z), q(z')} k(z,z') - "
        "2 E_{p(z), q(z')} k(z,z')'; Gretton et al. 2012 (JMLR 13), eqs. 3 and 5",
        behaviours=(
            Behaviour(
                library=Library.PYRO,
                formula="the V-statistic: each draw is paired with itself, too",
                program="mmd/mmd_001_pyro.py",
                computes=lambda measured: {"penalty": biased_mmd(measured)},
            ),
        ),
        oracle=lambda measured: {"penalty": unbiased_mmd(measured)},
        given=tuple(f"{name}{k}" for name in "qp" for k in range(MMD_PARTICLES)),
    ),
)
