"""Whole JAX models: a loss of (weights, x, key) and what makes the weights; flax where it is installed."""

from pathlib import Path

import pytest

pytest.importorskip("jax")

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.models.check import check_model
from elbo_compare.compare.checking.models.loading import load_model, whole
from elbo_compare.compare.checking.result import CheckVerdict

ROOT = Path(__file__).resolve().parents[2]
FILE = str(Path(__file__).parent / "targets" / "whole_jax.py")


def checked(name, **options):
    loaded = load_model(f"{FILE}:{name}")
    return check_model(loaded.found, names=loaded.names, target=name, **options)


def test_a_key_for_each_datum_is_read_from_the_tape_and_equals_trace_elbo():
    result = checked("by_datum")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert "Trace_ELBO of your own networks (NumPyro" in result.message
    assert "gradients too" in result.message


def test_a_loss_that_overflows_at_far_noise_has_gradients_that_are_numbers():
    result = checked("overflowing")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert "gradients too" in result.message


FAULTS = {
    "stopped": "stop_gradient in whole_jax.py",
    "one_key": "shared by all 4 data",
    "squared": "multiplies the noise by sigma^2",
    "second_key": "second draw",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught_and_named(name):
    result = checked(name)
    assert result.exit_code == 1, result.as_text()
    assert FAULTS[name] in result.diagnosis.text


def broken(monkeypatch, change):
    """NumPyro's TraceMeanField_ELBO with another loss; Trace_ELBO stands as it stood."""
    from numpyro.infer import TraceMeanField_ELBO

    loss = TraceMeanField_ELBO.loss_with_mutable_state

    def other(self, *args, **kwargs):
        found = loss(self, *args, **kwargs)
        return found | {"loss": change(found["loss"])}

    monkeypatch.setattr(TraceMeanField_ELBO, "loss_with_mutable_state", other)


def test_the_sentence_of_the_mean_field_object_is_numpyros_own(monkeypatch):
    broken(monkeypatch, lambda loss: 1.01 * loss)
    result = checked("loss")
    assert result.verdict is not CheckVerdict.RIGHT
    assert "TraceMeanField_ELBO off by" in result.as_text()


def test_a_mean_field_object_without_its_gradient_is_not_the_loss(monkeypatch):
    import jax

    broken(monkeypatch, lambda loss: 0.5 * loss + jax.lax.stop_gradient(0.5 * loss))
    result = checked("loss")
    assert result.verdict is not CheckVerdict.RIGHT
    assert "gradients too" not in result.as_text()


def test_a_function_of_weights_is_taken_for_a_model_and_asks_for_what_makes_them():
    assert whole(f"{FILE}:loss", asked=False) is not None
    assert whole(f"{FILE}:kl_term", asked=False) is None
    with pytest.raises(TargetError, match=r"name the function that makes them.*init_params"):
        checked("loss", init='"nothing"')


def test_the_example_in_flax_right_and_once_wrong():
    pytest.importorskip("flax")
    place = str(ROOT / "examples" / "whole_models" / "flax_module.py")
    right, wrong = whole(f"{place}:VAE", asked=False), load_model(f"{place}:Squared")
    assert right is not None
    assert check_model(right.found, names=right.names).verdict is CheckVerdict.RIGHT
    assert "sigma^2" in check_model(wrong.found, names=wrong.names).diagnosis.text


def test_a_flax_module_that_cannot_be_traced_while_it_is_made_is_made_as_it_stands():
    nn = pytest.importorskip("flax.linen")
    import jax

    from elbo_compare.suites.bridge.jax_views import view_of

    class ReadsAValue(nn.Module):
        @nn.compact
        def __call__(self, x):
            scale = self.param("scale", nn.initializers.ones, (3,))
            return nn.Dense(2)(x) if float(scale.sum()) > 2 else x

    class KeepsAText(nn.Module):
        @nn.compact
        def __call__(self, x):
            self.variable("names", "name", lambda: "text")
            return nn.Dense(2)(x)

    for module in (ReadsAValue(), KeepsAText()):
        view = view_of(module)
        view.begin(jax.numpy.ones((4, 5)), jax.random.PRNGKey(0))
        assert view.weights["Dense_0"]["kernel"].shape == (5, 2)
