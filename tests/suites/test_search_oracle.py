"""The oracle of `compare search`: closed forms, a simulation with SciPy, and what shrinking makes of a pair."""

import json
from math import erf, exp, inf, isinf, isnan, lgamma, log, pi

import numpy as np
import pytest
import scipy.special as special

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
    Via,
    from_json,
    to_json,
)
from elbo_compare.suites.semantics.searching.exact import exact
from elbo_compare.suites.semantics.searching.features import Feature
from elbo_compare.suites.semantics.searching.grammar import draw
from elbo_compare.suites.semantics.searching.objectives import exact_of, has_objective
from elbo_compare.suites.semantics.searching.productions import productions
from elbo_compare.suites.semantics.searching.quiet import is_prior
from elbo_compare.suites.semantics.searching.rendering import functions
from elbo_compare.suites.semantics.searching.simulating import simulate, simulate_objective
from elbo_compare.suites.semantics.searching.ways import RELATIVES, WAYS, Objective, Way

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


@pytest.mark.parametrize("family", [
    Family.GAMMA, Family.BETA, Family.LOG_NORMAL, Family.EXPONENTIAL, Family.POISSON, Family.FOLDED,
    Family.KUMARASWAMY, Family.AFFINE, Family.LOGIT_NORMAL,
])  # fmt: skip
def test_nodes_integrate(family):
    """Means, and 1, from the nodes: a density of its own would not do."""
    half = 0.7 / 0.5  # of |N(0.7, 0.5^2)|: s sqrt(2/pi) e^(-m^2/2s^2) + m erf(m/(s sqrt 2))
    arguments, mean = {
        Family.FOLDED: ((0.7, 0.5), 0.5 * (2 / pi) ** 0.5 * exp(-(half**2) / 2) + 0.7 * erf(half / 2**0.5)),
        Family.KUMARASWAMY: ((1.5, 2.5), 2.5 * exp(lgamma(1 + 1 / 1.5) + lgamma(2.5) - lgamma(3.5 + 1 / 1.5))),
        Family.AFFINE: ((0.7, 0.5), 0.5 + 2 * 0.7),
        Family.LOGIT_NORMAL: ((0.0, 0.5), 0.5),
        Family.GAMMA: ((2.5, 1.3), 2.5 / 1.3),
        Family.BETA: ((1.5, 2.5), 1.5 / 4),
        Family.LOG_NORMAL: ((0.2, 0.5), exp(0.2 + 0.125)),
        Family.EXPONENTIAL: ((0.7,), 1 / 0.7),
        Family.POISSON: ((1.7,), 1.7),
    }[family]
    values, weights = densities.nodes(family, [np.array(each) for each in arguments], 28)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert (weights * values).sum() == pytest.approx(mean, rel=1e-6)


def latent(family, guide, prior, event, theta):
    """One latent site and no data: the loss is the divergence."""
    shared = {"name": "a", "family": family, "event": event}
    return Pair(model=(Site(parameters=prior, **shared),), guide=(Site(parameters=guide, **shared),), theta=theta)


def test_dirichlet_closed_form():
    """KL(Dir(a) || Dir(b)), a = exp(t); its derivative is trigamma(a_k)(a_k - b_k) - trigamma(A)(A - B)."""
    a, b = np.array([1.5, 2.0, 3.0]), np.array([2.5, 1.5, 4.0])
    found = exact(latent(Family.DIRICHLET, (Expression(theta=0, each=True),), (Expression(const=tuple(b)),), 3,
                         tuple(np.log(a))))  # fmt: skip
    psi, psi_1 = special.digamma(a) - special.digamma(a.sum()), special.polygamma(1, a)
    value = special.gammaln(a.sum()) - special.gammaln(a).sum() - special.gammaln(b.sum()) + special.gammaln(b).sum()
    slopes = a * (psi_1 * (a - b) - special.polygamma(1, a.sum()) * (a.sum() - b.sum()))
    assert found.value == pytest.approx(value + ((a - b) * psi).sum(), abs=1e-6)
    assert found.gradient == pytest.approx(slopes, abs=1e-5)


def test_multivariate_closed_form():
    guide = (Expression(theta=0, each=True), Expression(const=(0.5, 0.8)), Expression(const=(0.3,)))
    prior = (Expression(const=(0.1, -0.2)), Expression(const=(1.1, 0.9)), Expression(const=(-0.4,)))
    found = exact(latent(Family.MULTIVARIATE, guide, prior, 2, (0.7, -0.4)))
    factor, other = np.array([[0.5, 0.0], [0.3, 0.8]]), np.array([[1.1, 0.0], [-0.4, 0.9]])
    away = np.array([0.7, -0.4]) - [0.1, -0.2]
    inverse = np.linalg.inv(other @ other.T)
    value = 0.5 * (np.trace(inverse @ factor @ factor.T) + away @ inverse @ away - 2) + log(1.1 * 0.9 / (0.5 * 0.8))
    assert found.value == pytest.approx(value, abs=1e-10)
    assert found.gradient == pytest.approx(inverse @ away, abs=1e-8)


def test_summed_out_closed_form():
    """z ~ Bernoulli(0.3) and x = 0.8 | z ~ N(2z, 1) leave -log of a mixture; the guide has none of it."""
    pair = normal_pair()
    mean = Expression(parents=(Parent(name="z", coefficient=2.0),))
    z = Site(name="z", family=Family.BERNOULLI, parameters=(Expression(const=(0.3,)),), summed=True)
    data = Site(name="x", family=Family.NORMAL, parameters=(mean, NUMBER[1]), observed=(0.8,))
    found = exact(normal_pair(model=(pair.model[0], z, data)))
    mixture = 0.7 * exp(log_normal(0.8)) + 0.3 * exp(log_normal(0.8, 2.0))
    assert found.value == pytest.approx(kl_standard(0.7, 0.5) - log(mixture), abs=1e-12)


def test_obs_mask_is_data_and_a_latent():
    """What is observed counts as data, the rest as a latent, of which the guide has a normal here."""
    plate = Plate(name="i", size=2)
    data = Site(name="x", family=Family.NORMAL, parameters=NUMBER, plates=("i",), observed=(0.1, 9.0),
                observed_where=(True, False))  # fmt: skip
    numbers = (Expression(const=(0.7,)), Expression(const=(0.5,)))
    rest = Site(name="x_unobserved", family=Family.NORMAL, parameters=numbers, plates=("i",), mask=(False, True))
    pair = normal_pair(model=(normal_pair().model[0], data), plates=(plate,))
    found = exact(Pair(**{**vars(pair), "guide": (*pair.guide, rest)}))
    assert found.value == pytest.approx(2 * kl_standard(0.7, 0.5) - log_normal(0.1), abs=1e-12)


def test_impossible_data_have_an_infinite_loss_and_no_gradient():
    data = Site(name="x", family=Family.BERNOULLI, parameters=(Expression(const=(0.0,)),), observed=(1.0,))
    found = exact(normal_pair(model=(normal_pair().model[0], data)))
    assert found.value == inf
    assert all(map(isnan, found.gradient))
    assert "impossible data" in productions(normal_pair(model=(normal_pair().model[0], data)))


def test_agrees_with_simulation():
    """Quadrature against SciPy's densities and independent draws, a pair of each production. Six standard errors of
    some hundred numbers: 4e-7. With infinite losses, both say so and neither has a gradient."""
    compared = 0
    for index in range(0, 2 * len(Feature), 2):
        pair = draw(3, index)
        right, found = exact(pair), simulate(pair, 0, 1000)
        if isinf(right.value):
            assert found.value == right.value
            continue
        numbers = zip((right.value, *right.gradient), (found.value, *found.gradient),
                      (found.value_error, *found.gradient_error), strict=True)  # fmt: skip
        for one, other, error in numbers:
            assert abs(one - other) <= 6 * error + 1e-6 * (1 + abs(one)), f"pair {index}: {one} against {other}"
            compared += 1
    assert compared > 100


def test_simulation_of_data_that_no_latent_reaches():
    """As shrinking leaves them: in a plate, without parents."""
    data = Site(name="x", family=Family.NORMAL, parameters=NUMBER, plates=("i",), observed=(0.1, 0.2, 0.3))
    pair = normal_pair(model=(normal_pair().model[0], data), plates=(Plate(name="i", size=3),))
    right, found = exact(pair), simulate(pair, 0, 500)
    assert abs(right.value - found.value) <= 6 * found.value_error


ENERGY, MMD = Way(elbo="EnergyDistance", option="prior_scale=1"), Way(elbo="Trace_MMD")


def test_energy_distance_closed_form():
    """X ~ N(m, s^2 + 1) where z ~ N(m, s^2): E |X - x| - E |X - X'| / 2 - E log p(z)."""
    m, s = 0.7, 0.5
    away, wide = m - 0.8, (s**2 + 1) ** 0.5
    error = wide * (2 / pi) ** 0.5 * exp(-0.5 * (away / wide) ** 2) + away * erf(away / (wide * 2**0.5))
    prior = -0.5 * log(2 * pi) - 0.5 * (m**2 + s**2)
    assert exact_of(normal_pair(), ENERGY).value == pytest.approx(error - wide / pi**0.5 - prior, abs=1e-10)


def test_discrepancy_closed_form():
    """E exp(-(a - b)^2 / 2) is exp(-d^2 / 2v) / sqrt(v) with v = 1 + both variances, d the means' difference."""
    m, s = 0.7, 0.5
    apart, both = (1 + 2 * s**2) ** -0.5, (2 + s**2) ** -0.5 * exp(-(m**2) / (2 * (2 + s**2)))
    reconstruction = 0.5 * log(2 * pi) + 0.5 * ((0.8 - m) ** 2 + s**2)
    right = reconstruction + apart + 3**-0.5 - 2 * both
    assert exact_of(normal_pair(), MMD).value == pytest.approx(right, abs=1e-10)


def test_two_particle_bound_by_enumeration():
    prior = Site(name="z", family=Family.BERNOULLI, parameters=(Expression(const=(0.5,)),))
    mean = Expression(parents=(Parent(name="z", coefficient=2.0),))
    data = Site(name="x", family=Family.NORMAL, parameters=(mean, NUMBER[1]), observed=(0.8,))
    guide = Site(name="z", family=Family.BERNOULLI, parameters=(Expression(theta=0),))
    pair = Pair(model=(prior, data), guide=(guide,), theta=(0.4,))
    s = 1 / (1 + exp(-0.4))
    q = (1 - s, s)
    w = [0.5 * exp(log_normal(0.8, 2 * z)) / q[z] for z in (0, 1)]
    found = exact_of(pair, RELATIVES[Library.PYRO][0])
    assert found.value == pytest.approx(-sum(q[i] * q[j] * log((w[i] + w[j]) / 2) for i in (0, 1) for j in (0, 1)))
    wake = exact_of(pair, RELATIVES[Library.PYRO][1])  # d log q(z) / dt = z - s
    slope = -sum(q[i] * q[j] * 2 * w[i] / (w[i] + w[j]) * (i - s) for i in (0, 1) for j in (0, 1))
    assert wake.gradient == pytest.approx((slope,), abs=1e-8)


def test_objectives_agree_with_simulation():
    """Nodes against independent draws, some pairs of each objective. Six standard errors, as above."""
    compared = dict.fromkeys(Objective, 0)
    for index in range(33):
        pair = draw(7, index)
        for way in RELATIVES[Library.PYRO]:
            if way.objective is Objective.ELBO or not has_objective(way, pair, Library.PYRO):
                continue
            if compared[way.objective] >= 6 or len(pair.guide) > 1:  # two latents take ten times as long
                continue
            right, found = exact_of(pair, way), simulate_objective(pair, way.objective, bool(way.option), 0, 1000)
            numbers = zip((right.value, *right.gradient), (found.value, *found.gradient),
                          (found.value_error, *found.gradient_error), strict=True)  # fmt: skip
            for one, other, error in numbers:
                assert abs(one - other) <= 6 * error + 1e-6 * (1 + abs(one)), f"{index} {way.label}: {one}, {other}"
                compared[way.objective] += 1
    assert all(count >= 4 for objective, count in compared.items() if objective is not Objective.ELBO)


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
        "plate", "plates, crossed", "subsample, random", "subsample, fixed", "scale by element",
        "mask on the model's latent", "mask on the guide's latent", "auxiliary discrete site", "model: factor",
        "auxiliary continuous site", "latent in the model only", "guide in another order", "to_event",
        "dependence by branch", "dependence by item", "Delta with a log_density", "another family in the guide",
        "obs_mask", "automatic guide: AutoNormal", "automatic guide: AutoDiagonalNormal", "summed out in the model",
        "automatic guide: AutoMultivariateNormal", "marked as not reparameterised", "Python global", "mutable state",
        "extreme parameters", "impossible data", "expand and to_event", "plates, nested", "plates, side by side",
        "guide: dirichlet latent", "guide: multivariate normal latent", "guide: folded normal latent",
        "guide: logit-normal latent", "guide: affine normal latent", "guide: kumaraswamy latent",
        "guide: beta latent", "guide: gamma latent", "guide: poisson latent", "guide: categorical latent",
        "guide: factor",
    }  # fmt: skip
    assert wanted <= found
    assert len(Feature) == 33


def test_families_of_one_support_take_turns():
    """Each ordered pair of them, as often as the productions go round; nothing else reads the latent."""
    every, found = list(Feature), set()
    for feature, rounds in ((Feature.OTHER_POSITIVE, 6), (Feature.OTHER_UNIT, 2)):
        for turn in range(rounds):
            pair = draw(4, 2 * every.index(feature) + 2 * len(every) * turn)
            (guide,) = pair.guide
            assert not any(site.parents for site in pair.model)
            found.add((pair.model[0].family, guide.family))
    positive = (Family.LOG_NORMAL, Family.GAMMA, Family.EXPONENTIAL)
    pairs = {(one, other) for one in positive for other in positive if one is not other}
    assert found == pairs | {(Family.BETA, Family.KUMARASWAMY), (Family.KUMARASWAMY, Family.BETA)}


def test_a_factor_of_the_guide_is_added_to_the_loss():
    """E_q of 0.7 a, its sign that of log q; 0.7 in the gradient with respect to the mean."""
    factor = Site(
        name="g", family=Family.FACTOR, parameters=(Expression(parents=(Parent(name="a", coefficient=0.7),)),)
    )
    plain = normal_pair()
    pair = normal_pair(guide=(*plain.guide, factor))
    assert exact(pair).value - exact(plain).value == pytest.approx(0.7 * 0.7, abs=1e-12)
    assert np.subtract(exact(pair).gradient, exact(plain).gradient) == pytest.approx((0.7, 0.0), abs=1e-9)
    found = simulate(pair, 0, 4000)
    assert abs(found.value - exact(pair).value) <= 6 * found.value_error
    assert "has_rsample=True" in functions(pair, Library.PYRO)
    assert all(step.guide[0].name == "a" for step in shrinking.smaller(pair))  # never a factor alone


def test_smaller_pairs_are_pairs():
    """Every step can be integrated and written, and the sizes that shrinking follows end."""
    for index in range(0, 40, 3):
        pair = draw(1, index)
        for step in shrinking.smaller(pair):
            functions(step, Library.NUMPYRO if step.kept else Library.PYRO)
            used = [each.theta for site in step.guide for each in site.parameters if each.theta is not None]
            assert max(used, default=-1) < len(step.theta)
        step = next(iter(shrinking.smaller(pair)), pair)
        assert np.isfinite(exact(step).value)


@pytest.mark.parametrize("via", [Via.BRANCH, Via.ITEM])
def test_what_goes_through_python_stays_on_what_is_0_or_1(via):
    """`1.0 if a else 0.0` of a normal a is 1, and the oracle takes a branch for a multiple of a; `a.item()` of a normal
    takes the reparameterised gradient from every class, which is no fault of one."""
    prior = Site(name="a", family=Family.BERNOULLI, parameters=(Expression(const=(0.3,)),))
    branch = Expression(parents=(Parent(name="a", coefficient=1.2, via=via),))
    data = Site(name="x", family=Family.NORMAL, parameters=(branch, NUMBER[1]), observed=(0.8,))
    guide = Site(name="a", family=Family.BERNOULLI, parameters=(Expression(theta=0),))
    steps = list(shrinking.smaller(Pair(model=(prior, data), guide=(guide,), theta=(0.4,))))
    assert steps
    for step in steps:
        by = {parent.via for site in step.model for each in site.parameters for parent in each.parents}
        assert via not in by or step.model[0].family is Family.BERNOULLI


def test_program_compiles():
    for index in range(60):
        for library in OF_PROGRAMS:
            pair = draw(2, index)
            unsaid = [("fixed subsample", library is Library.NUMPYRO and any(plate.subsample for plate in pair.plates)),
                      ("no has_rsample_", library is Library.NUMPYRO and any(site.scored for site in pair.guide)),
                      ("no mutable state", library is Library.PYRO and pair.kept)]  # fmt: skip
            reasons = [reason for reason, true in unsaid if true]
            if reasons:
                with pytest.raises(ValueError, match=reasons[0]):
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

        known = {way.elbo for ways in (WAYS, RELATIVES) for way in ways[library]}
        assert {*elbo_classes(infer, infer.ELBO), "EnergyDistance"} - {"ELBO"} == known


def test_quiet_pairs_leave_what_no_latent_says():
    """Every second round the guide is the prior and data read no latent: the loss is -log of the data alone, its
    gradient 0; a class that leaves out a factor of the guide is off by more than the loss varies."""
    every = list(Feature)
    plain = draw(0, 2 * len(every))
    alone = exact(Pair(model=plain.model[-1:], guide=(), theta=()))
    assert is_prior(plain)
    assert not is_prior(draw(0, 0))
    assert exact(plain).value == pytest.approx(alone.value, abs=1e-9)
    assert exact(plain).gradient == pytest.approx((0.0,) * len(plain.theta), abs=1e-8)
    summed = draw(0, 2 * len(every) + 2 * every.index(Feature.SUMMED))
    (z,) = (site for site in summed.model if site.summed)
    assert not z.parents
    found = simulate(summed, 0, 500)
    assert found.value == pytest.approx(exact(summed).value, abs=1e-9)
    assert found.value_error < 1e-9
    factor = draw(0, 2 * len(every) + 2 * every.index(Feature.GUIDE_FACTOR))
    without = Pair(**{**vars(factor), "guide": tuple(s for s in factor.guide if s.family is not Family.FACTOR)})
    assert exact(factor).value - exact(without).value > 1.5
