"""SEM-BATCH-001: what PyMC's ADVI calls the loss of a mini-batch, at the posterior, where minus the ELBO is no draw."""

import os

os.environ.setdefault("PYTENSOR_FLAGS", "cxx=,mode=FAST_COMPILE")  # a moment instead of a compiler's minutes

import numpy as np
import pymc as pm

X = np.array([0.3, -0.2, 1.0, 0.7, 0.4])
N = 100
PRECISION = 1.0 + N  # of the posterior of the mean under N / 5 copies of X
MEAN = N * X.mean() / PRECISION


def loss(*, whole: bool) -> float:
    """The loss that `fit(..., score=True)` records before its first step."""
    with pm.Model():
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("x", mu, 1.0, observed=X, total_size=N)
        advi = pm.ADVI(random_seed=1, start={"mu": MEAN}, start_sigma={"mu": PRECISION**-0.5})
        if whole:
            advi.approx.scale_cost_to_minibatch = False
        return float(advi.fit(1, progressbar=False, score=True).hist[0])


def measure() -> dict[str, float]:
    """As it comes, and without the division by N / 5."""
    return {"loss": loss(whole=False), "whole_loss": loss(whole=True)}


if __name__ == "__main__":
    print(measure())
