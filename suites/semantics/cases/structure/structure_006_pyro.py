"""SEM-STRUCTURE-006: which ELBO objects offer differentiable_loss (Pyro)."""

from pyro import infer

NAMES = (
    "Trace_ELBO",
    "TraceEnum_ELBO",
    "TraceGraph_ELBO",
    "TraceMeanField_ELBO",
    "TraceTMC_ELBO",
    "RenyiELBO",
    "ReweightedWakeSleep",
)


def measure() -> dict[str, float]:
    """1 where the method exists."""
    return {name: float(hasattr(getattr(infer, name)(), "differentiable_loss")) for name in NAMES}


if __name__ == "__main__":
    print(measure())
