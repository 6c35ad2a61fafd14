"""Delta guides with a log_density, and the autoguides that are built from them.

KL(Delta(v, log_density = l) || p) = l - log p(v). An autoguide on a positive latent draws u ~ N(m, s^2), returns
z = exp(u) as a Delta whose log_density is -log|dz/du| = -u, and needs that term:
loss = log q(u) - u - log p(z), with gradient d/dm = m for p = LogNormal(0, 1) at the draw u = m + s e: u.
"""

from math import log

import numpy as np

from elbo_compare.suites.semantics.case import Behaviour, Case, Library, Numbers
from elbo_compare.suites.semantics.gaussian import kl_standard, log_normal

LOC, SCALE, VALUE, LOG_DENSITY = 0.3, 0.5, 0.7, -0.4
SOURCE = (
    "pyro.infer.autoguide.AutoNormal 1.9.2: 'It should be equivalent to AutoDiagonalNormal, but with more convenient "
    "site names and with better support for TraceMeanField_ELBO'; registered KL: pyro.distributions.kl._kl_delta, "
    "numpyro.distributions.kl (Delta, Distribution)"
)


def _point(with_density: bool) -> float:
    return (LOG_DENSITY if with_density else 0.0) - log_normal(VALUE)


def _point_lost(_: Numbers) -> Numbers:
    return {"mean_field": _point(with_density=False)}


def _autoguide(measured: Numbers) -> Numbers:
    u = log(measured["z"])
    # the Jacobian cancels between q and p = LogNormal: log q(u) - u - (log N(u) - u)
    loss = log_normal(u, LOC, SCALE) - log_normal(u)
    return {"trace": loss, "trace_gradient": u, "mean_field": loss, "mean_field_gradient": u}


def _autoguide_lost(measured: Numbers) -> Numbers:
    u = log(measured["z"])
    return {"mean_field": _autoguide(measured)["mean_field"] + u, "mean_field_gradient": u + 1}


def _simulate() -> dict[str, tuple[float, float]]:
    """E[log q(u) - log N(u)] over 200,000 NumPy draws, to be compared with KL(N(0.3, 0.5^2) || N(0, 1))."""
    noise = np.random.default_rng(31).standard_normal(200_000)
    draws = -np.log(SCALE) - noise**2 / 2 + (LOC + SCALE * noise) ** 2 / 2
    return {"kl": (float(draws.mean()), float(draws.std() / np.sqrt(len(draws))))}


def exact_kl() -> float:
    """What the autoguide's loss estimates: KL(LogNormal(0.3, 0.5) || LogNormal(0, 1))."""
    return kl_standard(LOC, SCALE)


def _autoguide_case(number: int, guide: str) -> Case:
    return Case(
        id=f"SEM-DELTA-{number:03d}",
        title=f"{guide} on a positive latent under TraceMeanField_ELBO",
        statement="loss = log q(u) - u - log p(exp u); without the Jacobian: log q(u) - log p(exp u)",
        source=SOURCE,
        behaviours=(
            Behaviour(library=Library.PYRO, formula="TraceMeanField loses the Jacobian: loss + u, gradient + 1",
                      program=f"delta/delta_{number:03d}_pyro.py", computes=_autoguide_lost),
            Behaviour(library=Library.NUMPYRO, formula="TraceMeanField keeps the Jacobian",
                      program=f"delta/delta_{number:03d}_numpyro.py"),
        ),
        oracle=_autoguide,
        given=("z",),
        simulate=_simulate,
    )  # fmt: skip


CASES = (
    Case(
        id="SEM-DELTA-001",
        title="A Delta guide with a log_density under TraceMeanField_ELBO",
        statement="loss = log_density - log p(v)",
        source=SOURCE,
        behaviours=(
            Behaviour(library=Library.PYRO, formula="TraceMeanField = -log p(v): the log_density is lost",
                      program="delta/delta_001_pyro.py", computes=_point_lost),
            Behaviour(library=Library.NUMPYRO, formula="TraceMeanField = log_density - log p(v)",
                      program="delta/delta_001_numpyro.py"),
        ),
        oracle=lambda _: {"trace": _point(with_density=True), "mean_field": _point(with_density=True)},
    ),
    _autoguide_case(2, "AutoNormal"),
    _autoguide_case(3, "AutoDiagonalNormal"),
)  # fmt: skip
