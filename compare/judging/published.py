"""What the papers report, and what three lines of their public code do to such numbers, as frames for the report.

All were read in jmtomczak/vae_vpflows and are the mutants MUT-169, MUT-170 and MUT-171; here their effect is computed.
"""

from dataclasses import asdict
from math import log, sqrt
from typing import Any

import numpy as np
import pandas as pd

from elbo_compare.compare.judging.frames import half_widths
from elbo_compare.suites import datasets, problems
from elbo_compare.suites.numpy_oracle.vae import encode, log_bernoulli, terms_at
from elbo_compare.suites.published_values import PUBLISHED, QUOTED
from elbo_compare.suites.questions.questioned_code import lower_bound, negative_elbo

VALUES_FRAME, LINES_FRAME, QUOTED_FRAME = "published_values", "published_lines", "published_quoted"
ROWS = 500  # training rows of mnist-5k at which the effect of scoring grey pixels is measured
DRAWS, BLOCK = 5_000, 500


def values_frame() -> pd.DataFrame:
    """`PUBLISHED` as a frame; a value that was not verified is nan."""
    return pd.DataFrame([asdict(each) for each in PUBLISHED]).astype({"value": float})


def quoted_frame() -> pd.DataFrame:
    """`QUOTED` as a frame."""
    return pd.DataFrame([asdict(each) for each in QUOTED])


def lines_frame() -> pd.DataFrame:
    """The three lines: mutant, where they were read, what they do, by how much (nats per datum, standard error, n)."""
    shift, error = grey_shift()
    frame = pd.DataFrame([_block_line(), _grey_line(shift, error), _dropped_line()])
    half = half_widths(frame["n"]) * frame["standard_error"]
    return frame.assign(low=frame["value"] - half, high=frame["value"] + half)


def _block_line() -> dict[str, Any]:
    return {
        "mutant": "MUT-169",
        "read_in": "models/VAE_ccLinIAF.py, calculate_likelihood, commit caa0129; log of all draws at commit dd33e99",
        "what": f"log {BLOCK} is subtracted from logsumexp of {DRAWS:,} log weights: the log-likelihood looks better",
        "value": log(DRAWS / BLOCK),
        "standard_error": 0.0,
        "n": 1,
    }


def _grey_line(shift: float, error: float) -> dict[str, Any]:
    return {
        "mutant": "MUT-170",
        "read_in": "utils/training.py, train_vae and train_vae_VPflow, commit caa0129, with dynamic_binarization only",
        "what": "the decoder is scored on the grey image, the encoder has seen its binarisation; added to log p(x|z) "
        "in training (here at vae@trained on mnist-5k)",
        "value": shift,
        "standard_error": error,
        "n": ROWS,
    }


def _dropped_line() -> dict[str, Any]:
    """As the question CODE measures it, at fixed rows and draws: no sampling error."""
    negative = negative_elbo()
    return {
        "mutant": "MUT-171",
        "read_in": "models/VAE.py, VAE_HF.py and VAE_ccLinIAF.py, calculate_lower_bound, commit 51fa78f",
        "what": f"rows after the last full {BLOCK} are dropped, the sum is divided by all: added to the mean negative "
        f"ELBO of {len(negative):,} rows, as many as Caltech 101 Silhouettes tests (here at vae@trained on mnist-5k)",
        "value": lower_bound(negative) - float(negative.mean()),
        "standard_error": 0.0,
        "n": len(negative),
    }


def grey_shift() -> tuple[float, float]:
    """Mean over rows of (cross-entropy score of the grey pixels - log p(x|z) of their binarisation), z ~ q(z|x), at the
    trained VAE, and its standard error over rows. Nats per datum."""
    problem, x = problems.load("vae", "trained"), datasets.load("mnist-5k").train[:ROWS]
    grey = datasets.grey("mnist-5k")[:ROWS]
    noise = np.random.default_rng(170).standard_normal((1, len(x), problem.latent))
    drawn = terms_at(problem.params, problem, x, encode(problem.params, problem, x), noise)
    shift = log_bernoulli(grey, drawn.output[0]) - log_bernoulli(x, drawn.output[0])
    return float(shift.mean()), float(shift.std(ddof=1) / sqrt(len(x)))
