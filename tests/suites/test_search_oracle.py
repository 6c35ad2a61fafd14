"""The oracle of `compare search`: closed forms, a simulation with SciPy, and what shrinking makes of a pair."""

import json
from math import exp, log, pi

import numpy as np
import pytest

from elbo_compare.suites.semantics.case import OF_PROGRAMS, Library
from elbo_compare.suites.semantics.families.discrete import exact_gradient
from elbo_compare.suites.semantics.gaussian import kl_standard, log_normal
from elbo_compare.suites.semantics.searching import densities, shrinking
from elbo_compare.suites.semantics.searching.description import (
    Expression,
    Family,
    Pair,
    Parent,
    Plate,
    Site,
    from_json,
    productions,
    to_json,
)
from elbo_compare.suites.semantics.searching.exact import exact
from elbo_compare.suites.semantics.searching.grammar import Feature, draw
from elbo_compare.suites.semantics.searching.rendering import functions
from elbo_compare.suites.semantics.searching.simulating import simulate
from elbo_compare.suites.semantics.searching.ways import UNSEARCHED, WAYS

NUMBER = Expression(const=(0.0,)), Expression(const=(1.0,))


def normal_pair(**changes):
    """a ~ N(0, 1), x = 0.8 | a ~ N(a, 1), q(a) = N(t0, exp(t1)^2)."""
    data = Site(
        name="x",
        family=Family.NORMAL,
        parameters=(Expression(parents=(Parent(name="a", coefficient=1.0),)), NUMBER[1]),
        observed=(0.8,),
    )
    guide = Site(name="a", family=Family.NORMAL, parameters=(Expression(theta=0), Expression(theta=1)))
    model = Site(name="a", family=Family.NORMAL, parameters=NUMBER)
    given = {"model": (model, data), "guide": (guide,), "theta": (0.7, log(0.5))}
    return Pair(**{**given, **changes})


def test_normal_closed_form():
    found = exact(normal_pair())
    reconstruction = 0.5 * log(2 * pi) + 0.5 * ((0.8 - 0.7) ** 2 + 0.25)
    assert found.value == pytest.approx(kl_standard(0.7, 0.5) + reconstruction, abs=1e-12)
    # d/dm: m + (m - x); d/d log s: s^2 - 1 + s^2
    assert found.gradient == pytest.approx((0.7 + 0.7 - 0.8, 2 * 0.25 - 1), abs=1e-9)


def test_discrete_closed_form():
    prior = Site(name="z", family=Family.BERNOULLI, parameters=(Expression(const=(0.5,)),))
    mean = Expression(parents=(Parent(name="z", coefficient=2.0),))
    data = Site(name="x", family=Family.NORMAL, parameters=(mean, NUMBER[1]), observed=(0.8,))
    guide = Site(name="z", family=Family.BERNOULLI, parameters=(Expression(theta=0),))
    found = exact(Pair(model=(prior, data), guide=(guide,), theta=(0.4,)))
    s = 1 / (1 + exp(-0.4))
    r = [log(q) - log(0.5) - log_normal(0.8, 2 * z) for z, q in ((0, 1 - s), (1, s))]
    assert found.value == pytest.approx((1 - s) * r[0] + s * r[1], abs=1e-12)
    assert found.gradient[0] == pytest.approx(exact_gradient(), abs=1e-9)


def test_weights_and_subsample():
    """Fixed rows 0 and 2 of three count N/B = 3/2 each, a scale multiplies, a mask takes out."""
    plate = Plate(name="i", size=3, subsample=(0, 2))
    data = Site(name="x", family=Family.NORMAL, parameters=NUMBER, plates=("i",), observed=(0.1, 0.2, 0.3),
                scale=(2.0,), mask=(True, True, False))  # fmt: skip
    found = exact(normal_pair(model=(normal_pair().model[0], data), plates=(plate,)))
    assert found.value == pytest.approx(kl_standard(0.7, 0.5) - 1.5 * 2 * log_normal(0.1), abs=1e-12)


@pytest.mark.parametrize("family", [Family.GAMMA, Family.BETA, Family.LOG_NORMAL, Family.EXPONENTIAL, Family.POISSON])
def test_nodes_integrate(family):
    """Means, and 1, from the nodes: a density of its own would not do."""
    arguments, mean = {
        Family.GAMMA: ((2.5, 1.3), 2.5 / 1.3),
        Family.BETA: ((1.5, 2.5), 1.5 / 4),
        Family.LOG_NORMAL: ((0.2, 0.5), exp(0.2 + 0.125)),
        Family.EXPONENTIAL: ((0.7,), 1 / 0.7),
        Family.POISSON: ((1.7,), 1.7),
    }[family]
    values, weights = densities.nodes(family, [np.array(each) for each in arguments], 28)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert (weights * values).sum() == pytest.approx(mean, rel=1e-6)


def test_agrees_with_simulation():
    """Quadrature against SciPy's densities and independent draws. Six standard errors of 200 numbers: 4e-7."""
    compared = 0
    for index in range(14):
        pair = draw(3, index)
        right, found = exact(pair), simulate(pair, 0, 2000)
        numbers = zip((right.value, *right.gradient), (found.value, *found.gradient),
                      (found.value_error, *found.gradient_error), strict=True)  # fmt: skip
        for one, other, error in numbers:
            assert abs(one - other) <= 6 * error + 1e-6 * (1 + abs(one)), f"pair {index}: {one} against {other}"
            compared += 1
    assert compared > 50


def test_simulation_of_data_that_no_latent_reaches():
    """As shrinking leaves them: in a plate, without parents."""
    data = Site(name="x", family=Family.NORMAL, parameters=NUMBER, plates=("i",), observed=(0.1, 0.2, 0.3))
    pair = normal_pair(model=(normal_pair().model[0], data), plates=(Plate(name="i", size=3),))
    right, found = exact(pair), simulate(pair, 0, 500)
    assert abs(right.value - found.value) <= 6 * found.value_error


def test_simulation_sees_a_wrong_oracle():
    pair = draw(3, 0)
    found = simulate(pair, 0, 2000)
    scaled = Pair(**{**vars(pair), "guide": tuple(Site(**{**vars(site), "scale": (2.0,)}) for site in pair.guide)})
    assert abs(exact(scaled).value - found.value) > 6 * found.value_error


def test_drawn_alike_and_stored():
    for index in range(40):
        pair = draw(5, index)
        assert pair == draw(5, index)
        assert from_json(json.loads(json.dumps(to_json(pair)))) == pair
    assert draw(5, 1) != draw(6, 1)


def test_every_production_is_drawn():
    found = {name for index in range(300) for name in productions(draw(0, index))}
    wanted = {
        "plate", "plates, crossed or nested", "subsample, random", "subsample, fixed", "scale by element",
        "mask on the model's latent", "mask on the guide's latent", "auxiliary discrete site", "model: factor",
        "auxiliary continuous site", "latent in the model only", "guide in another order", "to_event",
        "dependence by branch", "dependence by item", "Delta with a log_density", "another family in the guide",
        "guide: beta latent", "guide: gamma latent", "guide: poisson latent", "guide: categorical latent",
    }  # fmt: skip
    assert wanted <= found
    assert len(Feature) == 16


def test_smaller_pairs_are_pairs():
    """Every step can be integrated and written, and the sizes that shrinking follows end."""
    for index in range(0, 40, 3):
        pair = draw(1, index)
        for step in shrinking.smaller(pair):
            functions(step, Library.PYRO)
            used = [each.theta for site in step.guide for each in site.parameters if each.theta is not None]
            assert max(used, default=-1) < len(step.theta)
        step = next(iter(shrinking.smaller(pair)), pair)
        assert np.isfinite(exact(step).value)


def test_program_compiles():
    for index in range(60):
        for library in OF_PROGRAMS:
            pair = draw(2, index)
            if library is Library.NUMPYRO and any(plate.subsample for plate in pair.plates):
                with pytest.raises(ValueError, match="fixed subsample"):
                    functions(pair, library)
            else:
                compile(functions(pair, library), "pair", "exec")


def test_every_public_class_is_told():
    """A class that a library adds must be searched, or be named as not searched."""
    for library in OF_PROGRAMS:
        infer = pytest.importorskip("pyro.infer") if library is Library.PYRO else None
        if infer is None:
            continue
        from elbo_compare.suites.semantics.explaining.named import elbo_classes

        known = {way.elbo for way in WAYS[library]} | set(UNSEARCHED[library])
        assert set(elbo_classes(infer, infer.ELBO)) - {"ELBO"} <= known
