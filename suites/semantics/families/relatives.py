"""Trace_ELBO and its relatives on a reparameterised model: one estimator under many names.

x_b | z_b ~ N(z_b, 1), z_b ~ N(0, 1), q = N(0.7, 0.5^2), z_b = 0.7 + 0.5 e_b at the same noise e for every object.
"""

from collections.abc import Iterable

from elbo_compare.suites.semantics.case import OF_PROGRAMS, Behaviour, Case, Library, Numbers
from elbo_compare.suites.semantics.gaussian import log_normal

X, NOISE = (1.2, -0.3), (0.4, -1.1)
LOC, SCALE = 0.7, 0.5
CLASSES = {
    Library.PYRO: ("Trace", "TraceGraph", "TraceEnum", "JitTrace", "JitTraceGraph", "JitTraceEnum"),
    Library.NUMPYRO: ("Trace", "TraceGraph", "TraceEnum"),
}


def _loss_and_slope() -> tuple[float, float]:
    """Sum over data of log q(z) - log p(x, z), and its pathwise derivative in q's mean: sum of z + z - x."""
    z = [LOC + SCALE * e for e in NOISE]
    terms = [log_normal(at, LOC, SCALE) - log_normal(at) - log_normal(x, at) for x, at in zip(X, z, strict=True)]
    return sum(terms), sum(2 * at - x for x, at in zip(X, z, strict=True))


def _for(classes: Iterable[str]) -> Numbers:
    loss, slope = _loss_and_slope()
    return {name: value for each in classes for name, value in ((each, loss), (f"{each}_gradient", slope))}


def _same_for_all(measured: Numbers) -> Numbers:
    return _for(name for name in measured if not name.endswith("_gradient"))


def _every_class(library: Library) -> Behaviour:
    """As stated; and no class may be left out of what the program measures."""
    return Behaviour(
        library=library,
        formula="as stated",
        program=f"relatives/relatives_001_{library}.py",
        computes=lambda _: _for(CLASSES[library]),
    )


CASES = (
    Case(
        id="SEM-RELATIVES-001",
        title="Trace_ELBO, TraceGraph_ELBO, TraceEnum_ELBO and Pyro's Jit variants at one noise",
        statement="for each of them loss = sum_b log q(z_b) - log p(x_b, z_b), and its derivative in q's mean is "
        "sum_b 2 z_b - x_b",
        source="pyro.infer 1.9.2, numpyro.infer 0.22.0: without discrete or non-reparameterised sites none of them has "
        "anything of its own to add",
        behaviours=tuple(_every_class(library) for library in OF_PROGRAMS),
        oracle=_same_for_all,
    ),
)
