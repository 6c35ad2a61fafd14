"""`compare match`: right losses are SAME, each planted difference is named, nothing is SAME unjudged."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.errors import UsageError
from elbo_compare.compare.matching import expecting
from elbo_compare.compare.matching.loading import load_programs
from elbo_compare.compare.matching.process import match_targets
from elbo_compare.compare.matching.result import MatchVerdict
from elbo_compare.compare.matching.session import Plan, Side, match_sides
from elbo_compare.compare.testing import assert_same_objective

pytestmark = pytest.mark.skipif(find_spec("pyro") is None, reason="pyro is not installed")

TARGETS = Path(__file__).parent / "targets"
PROGRAMS = f"{TARGETS / 'match_torch.py'}"
ROWS = (np.random.default_rng(0).random((40, 7)) < 0.4).astype(float)
PLAN = Plan(data=[ROWS], tapes=9)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Threads of a busy machine wait for one another longer than these small products take."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def side(*names):
    programs = load_programs([f"{PROGRAMS}:{name}" for name in names], {})
    return Side(programs=programs, framework="torch", label=" ".join(names))


def matched(loss, model="model", guide="guide", plan=PLAN, **ties):
    return match_sides(side(loss), side(model, guide), plan, ties)


SAME = {
    "analytic_mean": ("TraceMeanField_ELBO", "loss = TraceMeanField_ELBO, averaged over the batch"),
    "sampled_sum": ("Trace_ELBO", "loss = Trace_ELBO"),
    "constant_dropped": ("Trace_ELBO", "up to a constant, -0.5 log 2 pi per latent, that no gradient sees"),
}


@pytest.mark.parametrize("loss", SAME)
def test_a_right_loss_is_the_same(loss):
    result = matched(loss)
    estimator, says = SAME[loss]
    assert result.verdict is MatchVerdict.SAME, result.as_text()
    assert result.estimator == estimator
    assert says in result.as_text()
    assert result.off <= result.allowed < 1e-10
    assert result.gradient_off <= result.gradient_allowed < 1e-12


DIFFERS = {
    "beta": "KL(z) weighs 4 times as much (beta = 4)",
    "beta_of_a_hundred_millionth": "KL(z) weighs 1.00000001 times as much",
    "over_pixels": "KL(z) is averaged over the batch, the rest averaged over the batch and the pixels",
    "squared_error": "the squared error of x instead of log p(x), which is Bernoulli",
    "log_var_absent": "log sigma^2 of q(z) is absent from the KL",
    "second_draw": "the KL of z comes from a second draw",
    "variance_as_sigma": "log p(x) is taken at z = mean + sigma^2 e",
    "eps_in_the_log": "probabilities + 0.001 inside the logs",
    "z_detached": "the latents are detached in log p(x): no gradient passes through them",
    "landing": "log q(z): its own parameters are detached, as in sticking the landing",
}


@pytest.mark.parametrize("loss", DIFFERS)
def test_each_planted_difference_is_named(loss):
    result = matched(loss)
    assert result.verdict is MatchVerdict.DIFFERS, result.as_text()
    assert DIFFERS[loss] in " ".join(result.differences)
    assert result.exit_code == 1


def test_a_scale_on_the_model_only():
    result = matched("sampled_sum", model="model_scaled")
    assert "log p(z) weighs 10 times as much: the pair's scale 0.1 is on it, and not in the loss" in result.differences


def test_what_no_term_explains_is_told_with_numbers():
    result = matched("another_law")
    assert result.verdict is MatchVerdict.NOT_EXPLAINED
    assert result.exit_code == 1
    assert "the nearest combination of its terms is off by" in result.message


def test_noise_from_elsewhere_is_not_judged():
    result = matched("numpy_noise")
    assert result.verdict is MatchVerdict.FAILED
    assert "draws from somewhere else than its framework" in result.message


def test_a_program_that_raises_is_told_in_one_line():
    result = matched("raising")
    assert (result.verdict, result.exit_code) == (MatchVerdict.FAILED, 3)
    assert result.message == "raising raises RuntimeError: no data set here"


def test_other_noise_is_not_judged():
    """The tape's numbers went elsewhere: whatever differs says nothing."""
    result = matched("noisy_input")
    assert (result.verdict, result.exit_code) == (MatchVerdict.NOT_JUDGED, 3)
    assert "not the same noise" in result.message


def labelled(loss):
    return matched(loss, model="labelled_model", guide="labelled_guide")


def test_a_discrete_latent_is_summed_over_by_the_library():
    result = labelled("over_labels")
    assert result.verdict is MatchVerdict.SAME, result.as_text()
    assert result.formula == "loss = TraceEnum_ELBO"


def test_a_discrete_latent_that_is_drawn_lacks_the_score_function():
    result = labelled("one_label")
    assert result.verdict is MatchVerdict.DIFFERS
    assert "y has no reparameterised draw: Trace_ELBO's gradient has a score-function term there" in result.as_text()


def in_expectation(loss, monkeypatch):
    """Few draws: enough for these pairs, whose term is of the order of the rest."""
    monkeypatch.setattr(expecting, "COUNTS", (64, 512))
    monkeypatch.setattr(expecting, "GRADIENTS", (96, 384))
    place = f"{TARGETS / 'match_discrete.py'}"
    one, model, guide = load_programs([f"{place}:{name}" for name in (loss, "model", "guide")], {})
    sides = [Side(programs=each, framework="torch", label=loss) for each in ((one,), (model, guide))]
    return match_sides(sides[0], sides[1], Plan(data=[ROWS[:, :3]], tapes=9), {})


def test_a_discrete_latent_drawn_by_other_means_is_judged_in_expectation(monkeypatch):
    """The pair is summed over its states; the interval of the mean excludes the margin, and the weight is told."""
    result = in_expectation("twice_the_kl", monkeypatch)
    assert (result.verdict, result.claim) == (MatchVerdict.DIFFERS, "in expectation, the pair exact by enumeration")
    assert "KL(s) weighing" in result.differences[0]
    assert "at level 1 - 1e-06; margin" in result.message
    assert "not the same noise" in result.notes[0]


def test_a_score_function_that_is_left_out_is_seen_in_the_expected_gradient(monkeypatch):
    result = in_expectation("without_score", monkeypatch)
    assert result.verdict is MatchVerdict.DIFFERS, result.as_text()
    assert result.formula == "E[loss] = E[Trace_ELBO], averaged over the batch"
    assert "equal expected values, other expected gradients" in result.differences[0]


def test_a_right_loss_whose_state_is_drawn_by_other_means_is_the_same_in_expectation(monkeypatch):
    """Value and gradient, the score function's too; the interval, its margin and how many draws are said."""
    result = in_expectation("with_score", monkeypatch)
    assert (result.verdict, result.exit_code) == (MatchVerdict.SAME, 0), result.as_text()
    assert result.claim == "in expectation, the pair exact by enumeration"
    assert "at level 1 - 1e-06; margin" in result.message
    assert "its expected gradients too: off by at most" in result.gradients
    assert "96 draws" in result.gradients
    assert result.gradient_off < result.gradient_allowed


def test_what_the_draws_do_not_resolve_is_inconclusive(monkeypatch):
    monkeypatch.setattr(expecting, "COUNTS", (16,))
    result = labelled("relaxed_label")
    assert (result.verdict, result.exit_code) == (MatchVerdict.INCONCLUSIVE, 3)
    assert result.claim == "in expectation"


@pytest.mark.parametrize(
    ("loss", "cause"),
    [
        ("iwae", "it is the importance-weighted bound (IWAE) of 2 draws, no ELBO"),
        ("one_latent_alone", "the KL of z counts 1 of 3 latents: z[1], z[2] absent"),
    ],
)
def test_bounds_and_terms_that_are_no_elbo(loss, cause):
    result = matched(loss)
    assert result.verdict is MatchVerdict.DIFFERS, result.as_text()
    assert cause in result.differences


@pytest.mark.skipif(find_spec("numpyro") is None, reason="numpyro is not installed")
def test_a_torch_loss_against_a_numpyro_pair_in_two_processes(tmp_path):
    """Weights and values travel as arrays, matrices turned; the tape is the same; the scale is named."""
    data = tmp_path / "rows.npy"
    np.save(data, ROWS)
    pair = [f"{TARGETS / 'match_numpyro.py'}:{name}" for name in ("model_scaled", "guide")]
    answer = match_targets([f"{PROGRAMS}:sampled_sum", *pair], data=str(data), timeout_s=400)
    content = json.loads(answer.json)
    assert (answer.exit_code, content["verdict"]) == (1, "differs"), answer.text
    assert "log p(z) weighs 10 times as much: the pair's scale 0.1 is on it" in content["differences"][0]
    assert content["gradient_off"] <= content["gradient_allowed"]
    assert content["tied"]["encoder.w"] == "encoder.hidden.weight"


@pytest.mark.skipif(find_spec("numpyro") is None, reason="numpyro is not installed")
def test_a_hand_written_jax_loss_is_the_same():
    """Its weights are a global that a compiled function keeps; they are put back."""
    programs = jax_programs("right")
    assert_same_objective(*programs, data=ROWS)
    weights = programs[0].__globals__["weights"]
    assert float(weights["encoder"]["b"][0]) == np.float32(0.1)
    assert str(weights["encoder"]["b"].dtype) == "float32"


@pytest.mark.skipif(find_spec("numpyro") is None, reason="numpyro is not installed")
def test_data_outside_the_support_name_their_site_and_nothing_more_is_run(monkeypatch):
    """NumPyro validates by default: a grey pixel has no Bernoulli density, and no wider term could mend that."""
    from elbo_compare.compare.matching import session
    from elbo_compare.compare.matching.programs import match_programs

    asked, runs = [], session.runs
    monkeypatch.setattr(session, "runs", lambda *given: asked.append(given[3].wide) or runs(*given))
    result = match_programs(jax_programs("right"), data=0.25 + 0.5 * ROWS)
    assert result.verdict is MatchVerdict.NOT_JUDGED
    assert "log p(x) (Bernoulli) has no finite value" in result.message
    assert asked == [False, False]


@pytest.mark.skipif(find_spec("numpyro") is None, reason="numpyro is not installed")
@pytest.mark.parametrize("ours", [True, False])
def test_numpyros_kls_are_held_against_its_own_mean_field_object(monkeypatch, ours):
    """Half a per mille more in the terms' KL, or in the object's own: nobody's loss is judged by either."""
    from numpyro.infer import elbo

    from elbo_compare.compare.matching.programs import match_programs
    from elbo_compare.suites.tracing import numpyro_trace

    module = numpyro_trace if ours else elbo
    divergence = module.kl_divergence
    monkeypatch.setattr(module, "kl_divergence", lambda *pair: 1.0005 * divergence(*pair))
    result = match_programs(jax_programs("right"), data=ROWS)
    assert result.verdict is MatchVerdict.NOT_JUDGED, result.as_text()
    assert "TraceMeanField_ELBO's own value is off by" in result.message


def test_a_gradient_is_made_once_it_is_read():
    from elbo_compare.suites.bridge.pairs.records import Gradient, Later, together

    made = []

    def gradient(norm):
        made.append(norm)
        return {"w": Gradient(norm=norm, projections=())}

    before, after = (Later({"log q": lambda norm=norm: gradient(norm)}) for norm in (1.0, 2.0))
    both = together(before, Later({"KL": lambda: gradient(3.0)}), after)
    assert (list(both), made) == (["log q", "KL"], [])
    assert both["log q"]["w"].norm == both["log q"]["w"].norm == 2.0
    assert made == [2.0]


@pytest.mark.skipif(find_spec("numpyro") is None, reason="numpyro is not installed")
def test_a_hand_written_jax_loss_with_two_differences():
    """Weights as an argument, made by the file's own init; the cut is seen in the gradient, apart from the weight."""
    with pytest.raises(AssertionError) as caught:
        assert_same_objective(*jax_programs("beta_and_detached"), data=ROWS)
    assert "KL(z) weighs 4 times as much (beta = 4)" in str(caught.value)
    assert "other gradients than that formula's: the latents are detached in log p(x)" in str(caught.value)


@pytest.mark.skipif(find_spec("numpyro") is None, reason="numpyro is not installed")
def test_a_latent_with_a_transform_is_cut_with_its_numbers_and_an_untied_weight_is_made():
    """exp(u) has a log determinant that the gradient passes through too; the pair's own weight has its first value."""
    from elbo_compare.compare.matching.programs import match_programs

    programs = load_programs([f"{TARGETS / 'match_positive.py'}:{name}" for name in ("cut", "model", "guide")], {})
    ties = {"encoder": "params.encoder", "decoder": "params.decoder"}
    result = match_programs(programs, data=ROWS[:, :6], tie=ties)
    assert (result.verdict, result.formula) == (MatchVerdict.DIFFERS, "loss = Trace_ELBO"), result.as_text()
    assert "the latents are detached in log p(x): no gradient passes through them" in result.differences[0]
    assert "1 of the second side alone: as they are there" in result.how_tied


@pytest.mark.skipif(find_spec("numpyro") is None, reason="numpyro is not installed")
def test_a_jax_loss_whose_weights_are_nowhere():
    from elbo_compare.suites.bridge.pairs.jax_holders import Held
    from elbo_compare.suites.bridge.pairs.records import ProgramError

    program = load_programs([f"{TARGETS / 'match_jax.py'}:no_weights"], {})[0]
    assert list(Held(program).weights) == [
        f"theta.{layer}.{part}" for layer in program.__globals__["LAYERS"] for part in "wb"
    ]
    del program.__globals__["init"]
    with pytest.raises(ProgramError, match=r"as in functools.partial\(loss, theta\)"):
        Held(program)


def jax_programs(loss):
    return (
        *load_programs([f"{TARGETS / 'match_jax.py'}:{loss}"], {}),
        *load_programs([f"{TARGETS / 'match_numpyro.py'}:{name}" for name in ("model", "guide")], {}),
    )


@pytest.mark.parametrize(
    ("targets", "says"),
    [(["a.py:f", "b.py:g"], "2 targets arrived"), (["a.py:f"] * 5, "5 targets arrived")],
)
def test_a_wrong_number_of_targets(targets, says):
    with pytest.raises(UsageError, match=says):
        match_targets(targets)


def test_what_is_not_there_is_told_in_one_line():
    answer = match_targets([f"{PROGRAMS}:nothing", f"{PROGRAMS}:model", f"{PROGRAMS}:guide"], timeout_s=300)
    assert answer.exit_code == 2
    assert "No function 'nothing'" in answer.text


def test_weights_that_cannot_be_tied_are_refused():
    with pytest.raises(TargetError, match=r"can't be tied by order and shape: the first side has smaller.layer.weight"):
        matched("other_weights")


def test_weights_are_put_back():
    """float32, the pair's own weights, no gradient, no parameter left in Pyro's store."""
    import pyro
    import torch

    module = load_programs([f"{PROGRAMS}:model"], {})[0].__globals__
    before = {name: each.clone() for name, each in module["guide_net"].state_dict().items()}
    stored = set(pyro.get_param_store().keys())
    matched("beta", plan=Plan(data=[ROWS], tapes=9))
    assert all(torch.equal(before[name], each) for name, each in module["guide_net"].state_dict().items())
    assert torch.get_default_dtype() is torch.float32
    assert set(pyro.get_param_store().keys()) == stored
    assert all(each.grad is None for each in module["encoder"].parameters())


def test_the_terms_are_held_against_the_librarys_own_value(monkeypatch):
    """A broken Trace_ELBO is no basis to judge by."""
    from pyro.infer import Trace_ELBO

    real = Trace_ELBO.differentiable_loss
    monkeypatch.setattr(Trace_ELBO, "differentiable_loss", lambda self, *args: 1.01 * real(self, *args))
    result = matched("sampled_sum")
    assert result.verdict is MatchVerdict.NOT_JUDGED
    assert "Trace_ELBO's own value is off by" in result.message


def example(name, *attributes):
    place = TARGETS.parents[2] / "examples" / "pairs" / f"{name}.py"
    return load_programs([f"{place}:{each}" for each in attributes], {})


def test_the_pyro_example_is_the_same_and_once_wrong():
    assert_same_objective(*example("pyro_pair", "loss", "model", "guide"))
    with pytest.raises(AssertionError, match=r"KL\(z\) is averaged over the batch and the latents"):
        assert_same_objective(*example("pyro_pair", "averaged_loss", "model", "guide"))


@pytest.mark.skipif(find_spec("numpyro") is None, reason="numpyro is not installed")
def test_the_numpyro_example_is_the_same_as_pyros_and_once_wrong():
    """Torch and JAX side by side in one process here."""
    rows = (np.random.default_rng(1).random((30, 64)) < 0.4).astype(float)
    pyro_pair = example("pyro_pair", "model", "guide")
    assert_same_objective(*pyro_pair, *example("numpyro_pair", "model", "guide"), data=rows)
    with pytest.raises(AssertionError, match="weighs 10 times as much: the pair's scale"):
        assert_same_objective(*pyro_pair, *example("numpyro_pair", "annealed_model", "guide"), data=rows)
