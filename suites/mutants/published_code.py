"""Mutants seen in the public code of the questioned papers, written again from the formulas.

Repository jmtomczak/vae_vpflows. All leave the training of the static data sets alone; they touch reported numbers.
"""

import numpy as np

from elbo_compare.suites.complex_step import Dual, logsumexp
from elbo_compare.suites.contract import Array, Reduction
from elbo_compare.suites.mutants import correct
from elbo_compare.suites.mutants.loss import NegativeElbo
from elbo_compare.suites.mutants.variant import Flag, Kind, Variant

BLOCK = 2  # particles drawn at once; 500 of 5,000 in the code that this was seen in
ROWS_AT_ONCE = 3  # rows of one block of the lower bound; 500 in the code that this was seen in
DARK, LIGHT = 0.1, 0.8  # grey values of which 0 and 1 are a binarisation


def log_of_one_block(log_weight: Dual) -> Dual:
    """log sum_k w_k - log(particles of one block): log(K / block) too much; log 10 = 2.3026 nats for 5,000 in 500s."""
    return logsumexp(log_weight, 0) - np.log(min(BLOCK, len(log_weight)))


def scored_on_grey(x: Array, logits: Dual, scale: float = 1.0) -> Dual:
    """sum g log p + (1 - g) log(1 - p), g the grey value that the encoder's x was drawn from.

    A cross-entropy of grey values, not the log-likelihood of the binary x. Its mean over binarisations at a fixed z is
    that of log p(x|z), since E x = g; but z depends on the x that was drawn.
    """
    return correct.bernoulli_log_likelihood(DARK + (LIGHT - DARK) * x, logits)


def whole_blocks_only(log_likelihood: Dual, kl: Dual) -> Dual:
    """The sum over whole blocks of rows, divided by all rows: 2,000 / 2,307 = 0.867 of it for blocks of 500."""
    negative = kl - log_likelihood
    return negative[: len(negative) // ROWS_AT_ONCE * ROWS_AT_ONCE].sum() / len(negative)


VARIANTS = (
    Variant(
        id="MUT-169",
        title="log of one block's particles subtracted where several blocks were drawn: too much by log(blocks)",
        kind=Kind.BOUND,
        flag=Flag.IMPORTANCE_WEIGHTS,
        seen="jmtomczak/vae_vpflows, models/VAE_ccLinIAF.py, calculate_likelihood at caa0129: log S after S = 500 "
        "(log of all draws at dd33e99, and in VAE.py and VAE_HF.py)",
        advice="subtract the log of all draws, not of those in one block",
        function=log_of_one_block,
    ),
    Variant(
        id="MUT-170",
        title="the grey pixels scored where the encoder saw their binarisation",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.LIKELIHOOD,
        seen="jmtomczak/vae_vpflows, utils/training.py, train_vae and train_vae_VPflow at caa0129 (dynamic only)",
        advice="give the loss the same binary pixels that the encoder saw",
        function=NegativeElbo(log_likelihood=scored_on_grey),
    ),
    Variant(
        id="MUT-171",
        title="the rows after the last whole block dropped from the sum, which is divided by all rows",
        kind=Kind.NEGATIVE_ELBO,
        flag=Flag.REDUCTION,
        seen="jmtomczak/vae_vpflows, calculate_lower_bound in models/VAE.py, VAE_HF.py and VAE_ccLinIAF.py at 51fa78f",
        advice="divide by the rows that were summed, or sum the last, smaller block too",
        function=NegativeElbo(combine=whole_blocks_only, reduction=Reduction.MEAN),
    ),
)
