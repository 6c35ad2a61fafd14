"""What counts as seen when a pair is measured: draws that say nothing accuse nobody."""

import numpy as np

from elbo_compare.compare.semantics.measuring import _Judge


def test_few_draws_of_a_discrete_latent_are_no_evidence():
    """Six draws that are all alike have no spread; the value that makes up for them has not come up yet."""
    judge = _Judge(level=1e-4, bits=64, discrete=True)
    assert not judge.estimate(np.full(6, 628.5), 1e3).seen
    assert not judge.estimate(np.full(200, 628.5), 1e3).seen
    assert not judge.estimate(np.array([1.0, 1.1, 0.9, 1.0, 1.05, 0.95]), 1.0).seen
    assert _Judge(level=1e-4, bits=64, discrete=False).estimate(np.full(6, 628.5), 1e3).seen


def test_what_is_left_of_terms_that_cancel_is_no_bias():
    """float32: 2e-4 at each draw beside slopes of order one is rounding, 1e-2 is not."""
    judge = _Judge(level=1e-4, bits=32, discrete=False)
    assert not judge.estimate(np.full(7, -2.2e-4), 1.0).seen
    assert judge.estimate(np.full(7, -1e-2), 1.0).seen
