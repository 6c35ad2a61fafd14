"""The sweep: each registered divergence of a library, at each choice of parameters, beside the integral."""

from collections.abc import Collection, Iterator
from enum import StrEnum
from math import inf, isfinite, isnan, nan
from pathlib import Path
from typing import NamedTuple

from elbo_compare.suites.semantics.case import Library, Numbers
from elbo_compare.suites.semantics.pairs.oracle import exact_kl, log_density, truncated_kumaraswamy_beta
from elbo_compare.suites.semantics.pairs.table import DENSITIES, EDGES, PAIRS, PairCheck, checks

# Adaptive quadrature in s asks for 1e-11; the cut at s = 200 and the float spacing near a finite edge leave 1e-9.
TOLERANCE = 1e-8
# The series of NumPyro's Kumaraswamy | Beta adds terms with jax's betaln, each off by up to 1e-6 (SEM-KL-007).
SERIES_TOLERANCE = 1e-6
# Pairs and edges whose registered divergence is known not to be exact, and the case that says why.
KNOWN = {
    (Library.NUMPYRO, "Kumaraswamy|Beta"): "SEM-FALLBACK-016",
    (Library.PYRO, "Poisson|Poisson#21"): "SEM-KL-004",
    (Library.PYRO, "Binomial|Binomial#22"): "SEM-KL-005",
    (Library.PYRO, "Uniform|ContinuousBernoulli#23"): "SEM-KL-006",
}
_EDGES_GIVE = {"Poisson|Poisson#21": nan, "Binomial|Binomial#22": -inf, "Uniform|ContinuousBernoulli#23": inf}


class Treatment(StrEnum):
    """What TraceMeanField_ELBO does with a pair. APPROXIMATE: a registered divergence that is not exact."""

    ANALYTIC = "analytic"
    APPROXIMATE = "approximate"
    SAMPLED = "sampled"


class PairResult(NamedTuple):
    """One divergence (or log density) in nats: the library's, the integral (SciPy's density), and what the library is
    known to compute."""

    check: PairCheck
    measured: float
    exact: float
    behaviour: float

    @property
    def right(self) -> bool:
        """Equal to the integral; relative to 1 + |exact|."""
        return _close(self.measured, self.exact, TOLERANCE)

    @property
    def reproduces(self) -> bool:
        """Equal to what this catalogue says that the library computes."""
        series = self.check.pair == ("Kumaraswamy", "Beta")
        return _close(self.measured, self.behaviour, SERIES_TOLERANCE if series else TOLERANCE)


def program(library: Library) -> Path:
    """The file that measures all divergences and names all registered pairs of a library; it needs a fresh process."""
    return Path(__file__).with_name(f"measure_{library}.py")


def registered(measured: Numbers) -> frozenset[tuple[str, str]]:
    """The pairs of classes that the installed version registers; compare them with `table.PAIRS`."""
    names = (key.removeprefix("registered ").split("|") for key in measured if key.startswith("registered "))
    return frozenset((q, p) for q, p in names)


def unlisted(library: Library, measured: Numbers) -> frozenset[tuple[str, str]]:
    """Pairs that only the installed version or only the table has."""
    return registered(measured) ^ frozenset(PAIRS[library])


def results(library: Library, measured: Numbers, numbers: Collection[int] = (0, 1, 2)) -> Iterator[PairResult]:
    """Integrate and compare the choices of parameters in `numbers`; edges (numbers from 10) come with Pyro, log
    densities at points with the libraries that have a table of them."""
    for check in checks(library) + (EDGES if library is Library.PYRO else ()):
        if check.number in numbers or check.number >= 10:
            exact = exact_kl(check.q, check.p)
            behaviour = _EDGES_GIVE.get(check.key, exact)
            if check.pair == ("Kumaraswamy", "Beta"):
                behaviour = truncated_kumaraswamy_beta(check.q, check.p)
            yield PairResult(check, measured[check.key], exact, behaviour)
    for check in DENSITIES.get(library, ()):
        exact = log_density(check.q, check.p[1]["x"])
        yield PairResult(check, measured[check.key], exact, exact)


def treatment(library: Library, pair: tuple[str, str]) -> Treatment:
    """How a library treats a pair of classes; classes that it lacks count as sampled."""
    if (library, "|".join(pair)) in KNOWN:
        return Treatment.APPROXIMATE
    return Treatment.ANALYTIC if pair in PAIRS[library] else Treatment.SAMPLED


def known(library: Library, check: PairCheck) -> str:
    """The case that explains why this divergence is not exact; empty where it is."""
    return KNOWN.get((library, check.key)) or KNOWN.get((library, check.key.partition("#")[0]), "")


def _close(one: float, other: float, tolerance: float) -> bool:
    if not (isfinite(one) and isfinite(other)):
        return one == other or (isnan(one) and isnan(other))
    return abs(one - other) <= tolerance * (1 + abs(other))
