"""The tape, and torch reading it: who asks makes no difference, dropout shifts nothing, two dtypes see one noise."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, Normal

from elbo_compare.suites.bridge.tape import Drawn, Tape, TapeError
from elbo_compare.suites.bridge.torch_tape import TorchTape

SHAPE = (4, 3)
ZEROS, ONES = (make(SHAPE, dtype=torch.float32) for make in (torch.zeros, torch.ones))


def _filled(fill):
    out = torch.empty(SHAPE)
    fill(out)
    return out


ASKING = {
    "randn": lambda: torch.randn(SHAPE),
    "randn of a generator": lambda: torch.randn(SHAPE, generator=torch.Generator().manual_seed(7)),
    "randn into": lambda: _filled(lambda out: torch.randn(SHAPE, out=out)),
    "randn_like": lambda: torch.randn_like(ONES),
    "normal_": lambda: torch.empty(SHAPE).normal_(),
    "normal_ by name": lambda: torch.zeros(SHAPE).normal_(std=1.0),
    "FloatTensor": lambda: torch.FloatTensor(ONES.size()).normal_(),
    "new": lambda: ONES.data.new(ONES.size()).normal_(),
    "torch.normal of tensors": lambda: torch.normal(ZEROS, ONES),
    "torch.normal of one mean": lambda: torch.normal(0.0, ONES),
    "torch.normal of one std": lambda: torch.normal(ZEROS, 1.0),
    "torch.normal of a size": lambda: torch.normal(0.0, 1.0, SHAPE),
    "rsample": lambda: Normal(ZEROS, ONES).rsample(),
    "sample": lambda: Normal(ZEROS, ONES).sample(),
    "a multivariate normal": lambda: MultivariateNormal(ZEROS, torch.eye(3)).rsample(),
    "float64": lambda: torch.randn(SHAPE, dtype=torch.float64),
    "a module that draws": lambda: nn.Sequential(nn.Dropout(), nn.Flatten(0))(ONES) * 0 + torch.randn(12),
}


@pytest.fixture(autouse=True)
def in_float32():
    """As a program starts: another test of this process may have left float64 as the default."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize("asking", ASKING.values(), ids=ASKING.keys())
def test_every_normal_draw_is_the_tapes(asking):
    """Whoever asks gets the seeded noise, exactly, in float32 and in float64."""
    expected = Tape(5).normal(SHAPE)
    with TorchTape(Tape(5)) as tape:
        drawn = asking()
    np.testing.assert_array_equal(drawn.double().numpy().reshape(SHAPE), expected)
    np.testing.assert_array_equal(tape.normals[0].reshape(SHAPE), expected)


def test_mean_and_spread_are_the_callers():
    noise = Tape(1).normal(SHAPE)
    with TorchTape(Tape(1)):
        np.testing.assert_array_equal(torch.normal(2 * ONES.double(), 3 * ONES.double()), 2 + 3 * noise)
    with TorchTape(Tape(1)):
        np.testing.assert_array_equal(torch.empty(SHAPE, dtype=torch.float64).normal_(2.0, 3.0), 2 + 3 * noise)


def test_gradients_pass_through_rsample():
    mean, sigma = ZEROS.clone().requires_grad_(), ONES.clone().requires_grad_()
    with TorchTape(Tape(2)) as tape:
        Normal(mean, sigma).rsample().sum().backward()
    np.testing.assert_array_equal(mean.grad, np.ones(SHAPE))
    np.testing.assert_array_equal(sigma.grad, tape.normals[0])


def test_other_draws_shift_no_normal_draw():
    """Dropout, initialisers, uniforms, permutations, gammas: each kind has a stream of its own."""
    with TorchTape(Tape(3)) as tape:
        first = torch.randn(3)
        nn.Dropout(0.4)(torch.ones(5))
        nn.Linear(3, 2)
        torch.rand(2), torch.bernoulli(torch.full((4,), 0.5)), torch.empty(2).exponential_()
        torch.randperm(5), torch._standard_gamma(torch.ones(2))
        second = torch.randn(3)
    with TorchTape(Tape(3)):
        expected = torch.randn(3), torch.randn(3)
    assert torch.equal(first, expected[0]) and torch.equal(second, expected[1])
    kinds = [draw.kind for draw in tape.drawn]
    assert kinds == [Drawn.NORMAL, Drawn.DROPOUT, Drawn.UNIFORM, Drawn.UNIFORM, Drawn.UNIFORM, Drawn.BERNOULLI,
                     Drawn.UNIFORM, Drawn.OTHER, Drawn.OTHER, Drawn.NORMAL]  # fmt: skip


def test_draws_have_their_laws():
    """Values follow their operator's law: n = 20,000, margin five standard errors of the mean."""
    n, margin = 20_000, 5 / 20_000**0.5
    with TorchTape(Tape(4)):
        assert abs(float(torch.randn(n).mean())) < margin
        assert abs(float(torch.rand(n).mean()) - 0.5) < margin
        assert abs(float(torch.empty(n).uniform_(-1, 3).mean()) - 1) < 4 * margin
        assert abs(float(torch.empty(n).exponential_(2.0).mean()) - 0.5) < margin
        assert abs(float(torch.bernoulli(torch.full((n,), 0.3)).mean()) - 0.3) < margin
        assert abs(float(torch.empty(n).bernoulli_(0.3).mean()) - 0.3) < margin
        assert abs(float(nn.Dropout(0.2)(torch.ones(n)).mean()) - 1) < margin
        assert abs(float(torch._standard_gamma(torch.full((n,), 1.0)).mean()) - 1) < margin


def test_the_same_seed_the_same_draws_of_every_kind():
    def drawn():
        with TorchTape(Tape(6)):
            gamma, chosen = torch._standard_gamma(torch.ones(3)), torch.multinomial(torch.ones(5), 3)
            return [gamma, chosen, torch.rand(3), torch.randn(3), torch.bernoulli(torch.full((9,), 0.5))]

    assert all(map(torch.equal, drawn(), drawn()))


def test_torchs_own_generator_is_left_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with TorchTape(Tape(0)):
        torch.randn(3), torch.rand(3), torch.multinomial(torch.ones(5), 3), nn.Dropout()(torch.ones(3))
    assert torch.equal(torch.get_rng_state(), before)


def test_given_noise_is_served_first():
    """A recorded tape, played again; zeros give the mean."""
    recorded = Tape(8)
    recorded.normal((2, 3)), recorded.normal((2,))
    with TorchTape(Tape(9, given=recorded.normals)):
        np.testing.assert_array_equal(torch.randn(2, 3, dtype=torch.float64), recorded.normals[0])
        np.testing.assert_array_equal(torch.randn(2, dtype=torch.float64), recorded.normals[1])
        assert torch.randn(2).abs().min() > 0
    said = r"normal draw 1 \(aten.randn.default\) has the shape \(3,\); the tape has \(2, 3\)"
    with pytest.raises(TapeError, match=said), TorchTape(Tape(0, given=recorded.normals)):
        torch.randn(3)
