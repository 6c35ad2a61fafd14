"""How rarely run programs of JAX are compiled: what is asked of XLA, and that the numbers are the same."""

from math import inf
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from elbo_compare.suites import problems, registry
from elbo_compare.suites.bridge import jax_rarely
from elbo_compare.suites.bridge.jax_rarely import FEW_STEPS, SMALL, Rarely
from elbo_compare.suites.contract import Device, DType, Training
from elbo_compare.suites.estimators import ESTIMATORS
from elbo_compare.suites.tracing.compiling import HALF_AS_LONG, QUICK_TO_COMPILE

NAMES = ("jax-hand", "numpyro")


@pytest.fixture
def asked(monkeypatch):
    """The options of every program that a test asks JAX for."""
    found, jit = [], jax.jit

    def told(*function, **options):
        if "compiler_options" in options:
            found.append(options["compiler_options"])
        return jit(*function, **options)

    jax_rarely._compiled.cache_clear()
    monkeypatch.setattr(jax_rarely.jax, "jit", told)
    yield found
    jax_rarely._compiled.cache_clear()


def session(name, problem="vae-small", weights="initial"):
    loaded = problems.load(problem, weights)
    made = registry.load(name).prepare(loaded, ESTIMATORS["sampled-kl"], Device.CPU, DType.FLOAT64)
    rng = np.random.default_rng(3)
    return made, loaded, rng.integers(0, 2, (7, loaded.observed)).astype(float), rng


def test_the_way_is_chosen_by_size_and_a_gpu_gets_xla_s_own():
    program = Rarely(lambda x: x + 1, ())
    cpu, gpu = SimpleNamespace(platform="cpu"), SimpleNamespace(platform="gpu")
    ways = [program.on(cpu, numbers=SMALL), program.on(cpu, numbers=SMALL + 1), program.on(gpu, numbers=1)]
    assert len({id(way) for way in ways}) == 3
    assert program.on(cpu) is program.on(cpu, numbers=inf) is ways[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_small_evaluation_and_a_block_of_draws_are_compiled_quickly(asked, name):
    made, problem, x, rng = session(name)
    made.evaluate(problem.params, x, rng.standard_normal((1, len(x), problem.latent)))
    assert asked == [QUICK_TO_COMPILE]
    made.draw(problem.params, x[:1], 20, 1, 10)
    assert asked[1:] == [HALF_AS_LONG]


@pytest.mark.parametrize("name", NAMES)
def test_a_training_of_hundreds_of_steps_and_a_timed_step_are_compiled_as_xla_would(asked, monkeypatch, name):
    made, problem, x, _ = session(name)
    quick = QUICK_TO_COMPILE, HALF_AS_LONG
    made.stepper(problem.params, x, 1).compile()
    assert asked == []
    for steps, rarely in ((2, True), (FEW_STEPS + 1, False)):
        del asked[:]
        batches = np.zeros((steps, 2), int)
        monkeypatch.setattr("elbo_compare.suites.bridge.training.Checkpoints.end_at", lambda *_: True)
        made.fit(problem.params, Training(x=x, batches=batches, noise=None, learning_rate=1e-3, seed=1, checkpoints=()))
        assert all(each in quick for each in asked)
        assert bool(asked) is rarely


def test_every_way_gives_the_same_numbers_up_to_rounding():
    """Of XLA's own settings the draws of a block are the same; sums of some tens of terms may be taken in another
    order, which moves a value by a few unit roundoffs of its largest term."""
    from elbo_compare.suites.jax_hand.draws import draw_block
    from elbo_compare.suites.jax_hand.evaluation import loss_and_gradients

    made, problem, x, rng = session("jax-hand")
    setting = made.setting
    weights, data = setting.weights(problem.params), setting.array(x)
    noise = setting.array(rng.standard_normal((1, len(x), problem.latent)))
    own = jax.jit(loss_and_gradients.function, static_argnames="form")(weights, data, noise, form=setting.form)
    for numbers in (1, inf):
        found = loss_and_gradients.on(setting.device, numbers=numbers)(weights, data, noise, form=setting.form)
        for mine, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(own), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-13, atol=1e-13)
    key = setting.key(1)
    own = jax.jit(draw_block.function, static_argnames=("form", "count"))(
        weights, data[:1], key, form=setting.form, count=50
    )
    found = draw_block.on(setting.device)(weights, data[:1], key, form=setting.form, count=50)
    for mine, theirs in zip(found, own, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-13, atol=1e-13)
