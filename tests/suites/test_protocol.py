"""The authors' training protocol: warm-up from exactly 0, early stopping with its patience, looks at the weights."""

import numpy as np
import pytest

from elbo_compare.suites.protocol import PROTOCOLS, EarlyStopping, check_steps, warm_up


def test_warm_up_starts_at_exactly_zero_is_linear_and_ends_at_exactly_one():
    weights = warm_up(20, 10)
    assert weights[0] == 0.0
    assert (weights[10:] == 1.0).all()
    np.testing.assert_array_equal(np.diff(weights[:11]) > 0, True)
    # Steps of 1/10 to the rounding of two divisions.
    np.testing.assert_allclose(np.diff(weights[:11]), 0.1, rtol=0, atol=2**-52)


def test_a_run_shorter_than_its_warm_up_never_reaches_one():
    assert warm_up(5, 10).max() == 0.4


@pytest.mark.parametrize(("steps", "over"), [(0, 5), (5, 0)])
def test_a_warm_up_of_no_steps_is_refused(steps, over):
    with pytest.raises(ValueError, match=f"steps = {steps}, over = {over}"):
        warm_up(steps, over)


def test_epochs_become_steps():
    weights = PROTOCOLS["static"].kl_weights(5_000, 36)
    assert weights is not None
    assert (weights == 1.0).argmax() == 3_600  # 100 epochs of 36 steps


def stopped_at(scores, patience, warm_up=0):
    """The step at which training over `scores` (one a step, from step 1) ends, and the best step that was kept."""
    stopping = EarlyStopping(score=lambda weights: float(weights["w"]), patience=patience, warm_up=warm_up)
    for step, score in enumerate(scores, start=1):
        if stopping(step, {"w": np.array(score)}):
            return step, stopping
    return None, stopping


def test_training_ends_when_patience_is_exceeded_and_the_best_weights_are_kept():
    step, stopping = stopped_at([1, 3, 2, 2, 2.9, 2, 2], patience=3)
    assert step == 6  # the best is step 2: step 5 is 3 later, step 6 more than that
    assert (stopping.best_step, float(stopping.best_weights["w"])) == (2, 3.0)


def test_a_new_best_starts_the_patience_again():
    assert stopped_at([1, 0, 0, 2, 0, 0, 0], patience=2)[0] == 7


def test_patience_is_not_counted_during_the_warm_up():
    assert stopped_at([5, 1, 1, 1, 1, 1, 1, 1], patience=2, warm_up=5)[0] == 8


def test_no_patience_never_stops():
    assert stopped_at([5.0] + [0.0] * 50, patience=0)[0] is None


def test_equal_scores_are_no_improvement():
    assert stopped_at([1, 1, 1], patience=1)[0] == 3


def test_the_kept_weights_do_not_move_with_the_network():
    stopping, weights = EarlyStopping(score=lambda w: float(w["w"][0]), patience=5), {"w": np.array([2.0])}
    stopping(1, weights)
    weights["w"][0] = 1.0  # trained on in place
    stopping(2, weights)
    assert stopping.best_weights["w"][0] == 2.0


def test_a_score_that_is_no_number_is_an_error_and_not_silence():
    stopping = EarlyStopping(score=lambda _: float("nan"), patience=5)
    with pytest.raises(ValueError, match="after 3 steps is nan: training has diverged"):
        stopping(3, {})


@pytest.mark.parametrize(("steps", "per_epoch", "most"), [(300, 13, 25), (20_000, 36, 25), (7, 36, 25), (100, 10, 3)])
def test_looks_fall_on_epochs_and_are_few(steps, per_epoch, most):
    looks = check_steps(steps, per_epoch, most)
    assert looks[-1] == steps and len(looks) <= most + 1
    assert all(step % per_epoch == 0 for step in looks[:-1])
    assert list(looks) == sorted(set(looks))
