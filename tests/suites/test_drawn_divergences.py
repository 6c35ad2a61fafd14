"""Registered divergences at random parameters: the fixed nodes, the batches, and what is seen of planted errors."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from elbo_compare.compare.searching.divergences import judged, lines, recognised
from elbo_compare.suites.semantics.case import OF_PROGRAMS, Library
from elbo_compare.suites.semantics.pairs.drawn import FIXED, SHAPES, Drawn, Trial, trials
from elbo_compare.suites.semantics.pairs.nodes import conditions, divergence, value_and_size
from elbo_compare.suites.semantics.pairs.oracle import exact_kl
from elbo_compare.suites.semantics.pairs.table import PAIRS, checks

ADAPTIVE = ("Normal|Laplace", "Gamma|Gumbel", "Pareto|Gamma", "Uniform|Beta")


def test_fixed_nodes_give_the_adaptive_integral():
    compared = [check for check in checks(Library.PYRO) if "|".join(check.pair) in ADAPTIVE and check.number == 0]
    assert len(compared) == len(ADAPTIVE)
    for check in compared:
        right = exact_kl(check.q, check.p)
        assert value_and_size(check.q, check.p)[0] == pytest.approx(right, abs=2e-9 * (1 + abs(right))), check.key


def test_a_beta_s_upper_end_is_integrated_where_floats_are_1():
    """KL(Beta(12, 0.52) || N(0.86, 0.26^2)) by entropy and moments; nodes in x alone lose 2e-7 of it."""
    q, p = ("Beta", {"concentration1": 12.0, "concentration0": 0.52}), ("Normal", {"loc": 0.86, "scale": 0.26})
    beta = stats.beta(12.0, 0.52)
    cross = 0.5 * np.log(2 * np.pi) + np.log(0.26) + ((beta.mean() - 0.86) ** 2 + beta.var()) / (2 * 0.26**2)
    assert value_and_size(q, p)[0] == pytest.approx(cross - beta.entropy(), abs=1e-10)


def test_what_a_pair_shows_is_known_by_its_kind():
    """A shape and an IndexError are findings of every pair of torch; a value is one where the pair is registered."""
    shape, value = {"what": "shape", "double": True}, {"what": "value", "double": True}
    for name, off, raised, found in (
        ("Normal|Gamma", [shape], [], (["FIND-PYRO-032"], False)),
        ("Uniform|Gamma", [], ["IndexError"], (["FIND-PYRO-033"], False)),
        ("Normal|Gamma", [shape, value], [], (["FIND-PYRO-032"], True)),
        ("Geometric|Geometric", [value], [], (["FIND-PYRO-034"], False)),
    ):
        assert recognised(Library.PYRO, name, {"off": off, "raised": raised}) == found
    assert recognised(Library.NUMPYRO, "CategoricalProbs|CategoricalProbs", {"off": [value], "raised": []}) == (
        [],
        False,
    )
    assert recognised(Library.NUMPYRO, "Normal|Normal", {"off": [shape], "raised": []}) == ([], True)


def normal(loc, scale):
    return "Normal", {"loc": np.array(loc), "scale": np.array(scale)}


def test_derivatives_of_normals():
    """KL = log s/r + (r^2 + d^2) / 2s^2 - 1/2: derivatives in r and s are r/s^2 - 1/r and 1/s - (r^2 + d^2)/s^3."""
    found = divergence(normal(0.7, 0.5), normal(-0.2, 1.3), FIXED).slopes
    assert float(found["q", "loc"]) == pytest.approx(0.9 / 1.69, rel=1e-8)
    assert float(found["q", "scale"]) == pytest.approx(0.5 / 1.69 - 2, rel=1e-8)
    assert float(found["p", "scale"]) == pytest.approx(1 / 1.3 - (0.25 + 0.81) / 1.3**3, rel=1e-8)


def test_conditions_of_normals():
    """d/dr = r/s^2 - 1/r and d/dm = d/s^2, with d = m - n: |r| |1/s^2 + 1/r^2| + |s| |2r/s^3|, and
    (|m| + |n|) / s^2 + |s| |2d/s^3|. Their size alone is asked for."""
    m, r, n, s = 0.7, 0.5, -0.2, 1.3
    found = conditions(normal(m, r), normal(n, s), FIXED)
    assert float(found["q", "scale"]) == pytest.approx(r * (1 / s**2 + 1 / r**2) + s * 2 * r / s**3, rel=0.05)
    assert float(found["q", "loc"]) == pytest.approx((m - n) / s**2 * 2 + (abs(m) + abs(n)) / s**2, rel=0.05)


def test_every_pair_in_every_shape():
    """Also one against many; parameters are float32's, so that both precisions are asked the same."""
    for library in OF_PROGRAMS:
        drawn = list(trials(library, 0, len(SHAPES)))
        assert {trial.pair for trial in drawn} == set(PAIRS[library])
        assert {trial.shapes for trial in drawn} >= set(SHAPES[1:])
        for trial in drawn:
            cells = [index for index, _, _ in trial.cells()]
            assert len(cells) == np.prod(np.broadcast_shapes(*trial.shapes))
            for _, arguments in (trial.q, trial.p):
                assert all(np.array_equal(each, np.float32(each)) for each in arguments.values())
    assert str(list(trials(Library.PYRO, 0, 1))) != str(list(trials(Library.PYRO, 1, 1)))


@pytest.fixture(scope="module")
def many_against_one():
    trial = Trial(library=Library.PYRO, pair=("Normal", "Normal"), number=0,
                  q=normal([0.5, -1.0, 2.0], [0.5, 1.0, 2.0]), p=normal(0.25, 1.5))  # fmt: skip
    right = {index: divergence(q, p, FIXED) for index, q, p in trial.cells()}
    value = np.array([right[k,].value for k in range(3)])
    slopes = {key: np.array([right[k,].slopes[key] for k in range(3)]) for key in right[0,].slopes}
    slopes = {key: each if key[0] == "q" else np.array(each.sum()) for key, each in slopes.items()}
    return trial, right, Drawn(value=value, slopes=slopes)


def test_right_numbers_pass_and_broadcast_gradients_are_sums(many_against_one):
    trial, right, given = many_against_one
    assert judged(trial, given, right) == (3 + 2 * 3 + 2, [])


@pytest.mark.parametrize("what", ["value", "shape", "gradient p.scale", "gradient q.loc"])
def test_planted_errors_are_seen(many_against_one, what):
    trial, right, given = many_against_one
    slopes = {key: each.copy() for key, each in given.slopes.items()}
    if what == "value":
        wrong = replace(given, value=given.value + np.array([0, 0, 1e-6]))
    elif what == "shape":
        wrong = replace(given, value=given.value.sum(keepdims=True))
    else:
        side, name = what.removeprefix("gradient ").split(".")
        slopes[side, name] = slopes[side, name] * (1 + 1e-4)
        wrong = replace(given, slopes=slopes)
    off = judged(trial, wrong, right)[1]
    assert {each.what for each in off} == {what}
    row = {"numbers": 1, "raised": [], "off": [vars(each) for each in off]}
    known = "FIND-PYRO-032" if what == "shape" else "NEW"
    assert f"Normal|Normal ({known})" in "\n".join(lines(Library.PYRO, {"Normal|Normal": row}))


def test_a_float32_gradient_may_round_and_no_more(many_against_one):
    """A tenth of a per cent off is seen in float32 too, a rounding of each term is not."""
    trial, right, given = many_against_one
    spread = {index: conditions(q, p, FIXED) for index, q, p in trial.cells()}
    for factor, seen in ((1 + 1e-6, False), (1 + 1e-3, True)):
        wrong = replace(given, slopes={key: each * factor for key, each in given.slopes.items()})
        numbers, off = judged(trial, wrong, right, spread)
        assert numbers == 3 + 2 * 3 + 2
        assert bool(off) == seen
        assert not any(each.double for each in off)


@pytest.fixture
def own_default():
    """The program sets float64 for its process, which here is other tests' too."""
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    yield
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("own_default")
def test_pyro_at_drawn_parameters():
    """Right ones pass, through the library; the Wishart's lost gradient and mixed batch (PYRO-011, 028) are seen."""
    pytest.importorskip("pyro")
    from elbo_compare.suites.semantics.pairs.measure_pyro import measure_trial

    wishart = ("ExponentialFamily", "ExponentialFamily")
    wanted = (("Normal", "Gumbel"), ("Gamma", "Gamma"), ("Categorical", "Categorical"), wishart)
    for trial in (each for each in trials(Library.PYRO, 1, 2) if each.pair in wanted and each.number == 1):
        right = {index: divergence(q, p, FIXED) for index, q, p in trial.cells()}
        spread = {index: conditions(q, p, FIXED) for index, q, p in trial.cells()}
        for double in (True, False):
            numbers, off = judged(trial, measure_trial(trial, double=double), right, None if double else spread)
            assert numbers > sum(map(np.size, (each.value for each in right.values()))) + 2  # values, and derivatives
            seen = {each.what for each in off}
            if trial.pair != wishart:
                assert not seen, trial.label
            else:
                assert seen >= {"value", "gradient q.df"}
