"""`compare match` on the kinds of pairs that `benchmarks/match_expected.py` lists: one right and one wrong of each."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.errors import CompareError
from elbo_compare.compare.matching.loading import load_programs
from elbo_compare.compare.matching.result import MatchVerdict
from elbo_compare.compare.matching.session import Plan, Side, match_sides
from elbo_compare.compare.matching.tying import tie
from elbo_compare.suites.bridge.pairs.records import Weight

pytestmark = pytest.mark.skipif(find_spec("pyro") is None, reason="pyro is not installed")

MODELS = Path(__file__).parents[2] / "benchmarks" / "match_models"
RNG = np.random.default_rng(0)
BINARY = (RNG.random((40, 6)) < 0.4).astype(float)
COUNTS = RNG.integers(9, size=(40, 6)).astype(float)
REAL = RNG.normal(size=(40, 6))
HALF = [REAL, (RNG.random(40) < 0.5).astype(float)]


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def matched(file, names, second, data):
    loss, pair = ([load_programs([f"{MODELS / file}.py:{name}"], {})[0] for name in each.split()]
                  for each in (names, second))  # fmt: skip
    sides = [Side(programs=tuple(each), framework="torch", label=file) for each in (loss, pair)]
    return match_sides(sides[0], sides[1], Plan(data=data if isinstance(data, list) else [data], tapes=9), {})


@pytest.mark.parametrize(
    ("file", "loss", "pair", "data", "note"),
    [
        ("likelihoods", "poisson_loss", "poisson_model guide", COUNTS, "up to log x! of x, which the data alone"),
        ("likelihoods", "laplace_loss", "laplace_model guide", REAL, ""),  # its scale is a number of no dimension
        ("structures", "regression_loss", "regression_model regression_guide", HALF, ""),  # a KL that no tape moves
    ],
)
def test_a_right_loss_is_the_same(file, loss, pair, data, note):
    result = matched(file, loss, pair, data)
    assert result.verdict is MatchVerdict.SAME, result.as_text()
    assert note in result.as_text()


@pytest.mark.parametrize(
    ("file", "loss", "pair", "data", "says"),
    [
        ("flows", "flow_no_determinant", "model flow_guide", BINARY, "the log determinant of q(z) is absent"),
        ("structures", "given_standard", "given_model guide", [BINARY, np.eye(3)[RNG.integers(3, size=40)]],
         "KL(q || N(0, I)) stands where KL(z) belongs"),
        ("structures", "mini_unscaled", "mini_model mini_guide", BINARY, "KL(z) lacks the scale size / batch"),
        ("structures", "mixture_second_draw", "mixture_model guide", BINARY, "log p(z) comes from a second draw"),
        ("discrete", "both_without_prior_of_b", "both_model both_guide", BINARY, "log p(b) is absent"),
        ("likelihoods", "laplace_l1", "laplace_model guide", REAL, "the absolute error of x stands"),
        ("structures", "narrow_model rewritten_guide", "narrow_model guide", BINARY, "q(z) is another law"),
        ("unseen", "scales_swapped", "both_model guide", [BINARY, RNG.integers(3, size=40)],
         "log p(x) weighs 1.666666667 times as much: by 5, where the pair's scale is 3"),
        ("unseen", "prior_without_jacobian", "positive_model positive_guide", BINARY,
         "the log determinant of p(z) is absent"),
        ("unseen", "likelihood_of_the_batch_alone", "part_model part_guide", BINARY,
         "log p(x) lacks the scale size / batch"),
        ("unseen", "log_var_read_as_log_sigma", "model guide", BINARY,
         "what is log sigma^2 of z in the pair is read as log sigma, in the draw and in the KL"),
        ("unseen", "spread_in_float32", "fixed_model guide", REAL, "log p(x) weighs 0.9999999702 times as much"),
        ("unseen", "tempered", "model guide", BINARY,
         "log p(x) at a temperature of 0.7 (logits / 0.7) instead of log p(x), which is Bernoulli"),
        ("unseen", "heads_swapped", "model heads_guide", BINARY, "the mean and log sigma^2 of q(z) are swapped"),
        ("discrete", "cluster_over_pixels", "cluster_model cluster_guide", BINARY,
         "log p(x) is averaged over the batch and the pixels"),
        ("unseen", "mean_of_log_q_cut", "model heads_guide", BINARY,
         "at first_head.0.weight, first_head.0.bias, first_head.2.weight and 1 more log q(z): its own parameters are"),
    ],
)  # fmt: skip
def test_a_planted_difference_is_named(file, loss, pair, data, says):
    result = matched(file, loss, pair, data)
    assert result.verdict is MatchVerdict.DIFFERS, result.as_text()
    assert says in "; ".join(result.differences)


def test_heads_that_order_alone_has_tied_to_one_another_accuse_nobody():
    targets = Path(__file__).parent / "targets" / "match_order.py"
    one, model, guide = load_programs([f"{targets}:{name}" for name in ("loss", "model", "guide")], {})
    first, second = (Side(programs=each, framework="torch", label="heads") for each in ((one,), (model, guide)))
    result = match_sides(first, second, Plan(data=[BINARY], tapes=9), {})
    assert (result.verdict, result.exit_code, result.differences) == (MatchVerdict.NOT_JUDGED, 3, ())
    assert "tied by order and shape, and with mean and log_var exchanged both sides are the same" in result.message
    assert "--tie mean=centre --tie log_var=spread" in result.message
    named = match_sides(first, second, Plan(data=[BINARY], tapes=9), {"mean": "centre", "log_var": "spread"})
    assert named.verdict is MatchVerdict.SAME, named.as_text()


def weights(*described):
    return [Weight(name=name, shape=shape, kernel=kernel) for name, shape, kernel in described]


def test_weights_tie_by_layer_whatever_a_framework_calls_its_parts():
    """Dense layers keep (in, out); the order is another, so that order and shape would not tell."""
    torch_side = weights(("net.a.weight", (5, 6), False), ("net.b.weight", (6, 5), False), ("net.a.bias", (5,), False))
    jax_side = weights(("b.kernel", (5, 6), True), ("a.kernel", (6, 5), True), ("a.b", (5,), False))
    tied = tie(torch_side, jax_side, {}).names
    assert tied == {"b.kernel": "net.b.weight", "a.kernel": "net.a.weight", "a.b": "net.a.bias"}
    said = tie(torch_side, weights(("q.kernel", (6, 5), True), ("q.bias", (5,), False)), {"q": "net.a"}).names
    assert said == {"q.kernel": "net.a.weight", "q.bias": "net.a.bias"}
    with pytest.raises(TargetError, match=r"the first side has no weight 'net.c.kernel'"):
        tie(torch_side, weights(("q.kernel", (6, 5), True)), {"q": "net.c"})


def test_weights_of_one_shape_whose_order_does_not_tell_are_refused():
    ours = weights(("u", (3, 3), False), ("v", (3, 3), False), ("w", (3, 3), False))
    with pytest.raises(CompareError, match="--tie THEIRS=OURS"):
        tie(ours, weights(("p", (3, 3), False), ("q", (3, 3), False)), {})
