"""SEM-DTYPE-003: PyMC's log density of a normal whose scale is a number of Python, and an array of float64."""

import os

os.environ.setdefault("PYTENSOR_FLAGS", "cxx=,mode=FAST_COMPILE")  # a moment instead of a compiler's minutes

import numpy as np
import pymc as pm


def measure() -> dict[str, float]:
    """log N(0; 0, 0.5) in float64 both times."""
    scales = {"python": 0.5, "array": np.asarray(0.5)}
    at = np.asarray(0.0)
    return {name: float(pm.logp(pm.Normal.dist(np.asarray(0.0), scale), at).eval()) for name, scale in scales.items()}


if __name__ == "__main__":
    print(measure())
